"""The sandbox as a whole: one Space with its jobs, limits, faults and log, behind two servers."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from typing_extensions import Self

from tests.sandbox.answer import Answer
from tests.sandbox.api import BASE_PATH, Api
from tests.sandbox.faults import FaultBook
from tests.sandbox.jobs import FIRST_ID, JobBoard
from tests.sandbox.limits import Limiter
from tests.sandbox.options import Options
from tests.sandbox.server import Servers
from tests.sandbox.space import Space
from tests.sandbox.store import Signatures, Store

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from starlette import requests

    from tests.sandbox.faults import Endpoint, Fault


@dataclass
class Request:
    """One call. `status` is None while it is being answered, and for ever after a hang-up."""

    at: float
    """Seconds of the monotonic clock at its arrival."""
    endpoint: str
    """"list", "create", "poll", "file", or "other" for a path that does not exist."""
    method: str
    path: str
    query: Mapping[str, str]
    body: dict[str, Any] | None
    headers: Mapping[str, str]
    """Names in lower case."""
    status: int | None = None
    rows: int = 0
    """Contacts in the answer."""


class Sandbox:
    """A Cometly with one Space, on two free ports of this machine while in a `with` block.

    `now` is the sandbox's clock, in epoch seconds: it dates the answers, shows the contacts, ages
    jobs and URLs. `monotonic` measures the limits' minute and stamps the log of requests. Both are
    called from the server's thread. Delays of faults take real time.

    Attributes:
        options: How it reads the API's documents; may be replaced while it runs.
        space: Its contacts.
        requests: The calls in order of arrival.
    """

    def __init__(
        self,
        options: Options | None = None,
        *,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        port: int = 0,
    ) -> None:
        self.options = options or Options()
        self.now = now
        self.space = Space(now, lambda: self.options.visible_after)
        self.jobs = JobBoard(self.space, now)
        self.limiter = Limiter(lambda: self.options, monotonic)
        self.presigned = Signatures()
        self.requests: list[Request] = []
        self.closing: asyncio.Event
        """Made by the server's thread: Python 3.10's event loops ask for it."""
        self._faults = FaultBook(now)
        self._calls: Counter[str] = Counter()
        self._before_answer: Callable[[Endpoint, int], None] | None = None
        self._monotonic = monotonic
        self._servers = Servers(self, [Api(self).app, Store(self).app], [port, 0])
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

    def fault(self, fault: Fault) -> None:
        """Have an endpoint fail."""
        self._faults.add(fault)

    def clear_faults(self) -> None:
        """Forget `before_answer`, too."""
        self._faults.clear()
        self.before_answer = None

    @property
    def before_answer(self) -> Callable[[Endpoint, int], None] | None:
        """Called before a call is worked on, as the faults count it: the endpoint's n-th.

        It is called in the server's thread, counts from when it was set, and may change the Space,
        the options and the faults: all that happens then has happened between two calls. A test
        that lives in virtual time may let it pass there, as a slow API would.
        """
        return self._before_answer

    @before_answer.setter
    def before_answer(self, hook: Callable[[Endpoint, int], None] | None) -> None:
        self._calls.clear()
        self._before_answer = hook

    def take(self, endpoint: Endpoint, calls: int) -> None:
        """Be another client of the same Space: use up calls of this minute."""
        self.limiter.use_up(endpoint, calls)

    def clear_requests(self) -> None:
        self.requests = []

    def log_calls(self) -> Counter[str]:
        """How many calls each endpoint has had."""
        return Counter(request.endpoint for request in self.requests)

    @property
    def signatures(self) -> list[str]:
        """The secrets of all presigned URLs given out: none may appear in a log."""
        return self.presigned.issued()

    # For the API and the store.

    def note(
        self, endpoint: str, call: requests.Request, body: dict[str, Any] | None = None
    ) -> Request:
        """Log a call that has arrived."""
        query, headers = dict(call.query_params), dict(call.headers)
        request = Request(
            self._monotonic(), endpoint, call.method, call.url.path, query, body, headers
        )
        self.requests.append(request)
        return request

    def strike(self, endpoint: Endpoint, export_id: str | None) -> Fault | None:
        """Count a call that is going to be answered; give the fault that strikes at it."""
        self._calls[endpoint] += 1
        if self._before_answer:
            self._before_answer(endpoint, self._calls[endpoint])
        known = int(export_id) if export_id and export_id.isdecimal() else None
        return self._faults.next(endpoint, known and known - FIRST_ID + 1)

    def send(self, answer: Callable[[], Answer]) -> Answer:
        """Let an answer through, unless it is a blackout."""
        options, now = self.options, self.now()
        if not any(start <= now < end for start, end in options.blackouts):
            return answer()
        lost = answer() if options.blackout_after_work else Answer(503, {})
        return lost.sent(hang_up=True)
