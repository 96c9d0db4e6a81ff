"""The sandbox as a whole."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from typing_extensions import Self

from tests.sandbox.api import BASE_PATH, Api
from tests.sandbox.options import Options
from tests.sandbox.server import Servers
from tests.sandbox.store import Store
from tests.sandbox.world import World

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable
    from types import TracebackType

    from tests.sandbox.faults import Endpoint, Fault
    from tests.sandbox.request_log import Request
    from tests.sandbox.space import Space


class Sandbox:
    """A Cometly with one Space, on two free ports of this machine while in a `with` block.

    `now` is the sandbox's clock, in epoch seconds: it dates the answers, shows the contacts, ages
    jobs and URLs. `monotonic` measures the limits' minute and stamps the log of requests. Both are
    called from the server's thread. Delays of faults take real time.
    """

    def __init__(
        self,
        options: Options | None = None,
        *,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        port: int = 0,
        store_port: int = 0,
    ) -> None:
        self._world = World(options or Options(), now, monotonic)
        apps = [Api(self._world).app, Store(self._world).app]
        self._servers = Servers(self._world, apps, [port, store_port])
        api, self.store_url = self._servers.urls
        self.api_url = api + BASE_PATH
        self._world.store_url = self.store_url

    def __enter__(self) -> Self:
        self._servers.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop both servers, in the middle of an answer if need be."""
        self._servers.stop()
        self._world.jobs.close()

    @property
    def options(self) -> Options:
        return self._world.options

    @options.setter
    def options(self, options: Options) -> None:
        self._world.options = options

    @property
    def space(self) -> Space:
        return self._world.space

    def fault(self, fault: Fault) -> None:
        self._world.faults.add(fault)

    def clear_faults(self) -> None:
        """Forget `before_answer`, too."""
        self._world.faults.clear()
        self.before_answer = None

    @property
    def before_answer(self) -> Callable[[Endpoint, int], None] | None:
        """Called before a call is worked on, as the faults count it: the endpoint's n-th.

        It is called in the server's thread, counts from when it was set, and may change the Space,
        the options and the faults: all that happens then has happened between two calls. A test
        that lives in virtual time may let it pass there, as a slow API would.
        """
        return self._world.before_answer

    @before_answer.setter
    def before_answer(self, hook: Callable[[Endpoint, int], None] | None) -> None:
        self._world.calls.clear()
        self._world.before_answer = hook

    def take(self, endpoint: Endpoint, calls: int) -> None:
        """Be another client of the same Space: use up calls of this minute."""
        self._world.limiter.use_up(endpoint, calls)

    @property
    def requests(self) -> list[Request]:
        return self._world.log.requests()

    def clear_requests(self) -> None:
        self._world.log.clear()

    def log_calls(self) -> Counter[str]:
        return self._world.log.calls()

    @property
    def signatures(self) -> list[str]:
        """The secrets of all presigned URLs given out: none may appear in a log."""
        return self._world.signatures.issued()
