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
    from collections.abc import Callable
    from types import TracebackType


class Sandbox(World):
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
        super().__init__(options or Options(), now, monotonic)
        self._servers = Servers(self, [Api(self).app, Store(self).app], [port, store_port])
        api, self.store_url = self._servers.urls
        self.api_url = api + BASE_PATH

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
        self.jobs.close()
