"""What the API and the store have in common, and what a test does to them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from tests.sandbox.answer import Answer, MemoryBody
from tests.sandbox.faults import FaultBook
from tests.sandbox.jobs import FIRST_ID, JobBoard
from tests.sandbox.limits import Limiter
from tests.sandbox.presigned import Signatures
from tests.sandbox.request import Request
from tests.sandbox.space import Space

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from starlette import requests

    from tests.sandbox.faults import Endpoint, Fault
    from tests.sandbox.options import Options


class World:
    """One Space with its jobs, limits, faults and log.

    Attributes:
        options: How it reads the API's documents; may be replaced while it runs.
        space: Its contacts.
        requests: The calls in order of arrival.
    """

    def __init__(
        self, options: Options, now: Callable[[], float], monotonic: Callable[[], float]
    ) -> None:
        self.options = options
        self.now = now
        self.space = Space(now, lambda: self.options.visible_after)
        self.jobs = JobBoard(self.space, now)
        self.limiter = Limiter(lambda: self.options, monotonic)
        self.presigned = Signatures()
        self.requests: list[Request] = []
        self.closing: asyncio.Event
        """Made by the server's thread: Python 3.10's event loops ask for it."""
        self.store_url = ""
        self._faults = FaultBook(now)
        self._calls: Counter[str] = Counter()
        self._before_answer: Callable[[Endpoint, int], None] | None = None
        self._monotonic = monotonic

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

    def api_time(self, time: float) -> float:
        """What the API's own clock makes of a time."""
        return time + self.options.clock_error

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
        lost = answer() if options.blackout_after_work else Answer(503, {}, MemoryBody())
        return lost.sent(hang_up=True)
