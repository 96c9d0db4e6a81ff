"""What the API and the store have in common."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from tests.sandbox.answer import Answer, MemoryBody
from tests.sandbox.faults import FaultBook
from tests.sandbox.jobs import FIRST_ID, JobBoard
from tests.sandbox.limits import Limiter
from tests.sandbox.presigned import Signatures
from tests.sandbox.request_log import RequestLog
from tests.sandbox.space import Space

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from tests.sandbox.faults import Endpoint, Fault
    from tests.sandbox.options import Options


class World:
    """One Space with its jobs, limits, faults and log."""

    def __init__(
        self, options: Options, now: Callable[[], float], monotonic: Callable[[], float]
    ) -> None:
        self.options = options
        self.now = now
        self.space = Space(now, lambda: self.options.visible_after)
        self.jobs = JobBoard(self.space, now)
        self.limiter = Limiter(lambda: self.options, monotonic)
        self.faults = FaultBook(now)
        self.calls: Counter[str] = Counter()
        self.before_answer: Callable[[Endpoint, int], None] | None = None
        self.log = RequestLog(monotonic)
        self.signatures = Signatures()
        self.closing: asyncio.Event
        """Made by the server's thread: Python 3.10's event loops ask for it."""
        self.store_url = ""

    def api_time(self, time: float) -> float:
        """What the API's own clock makes of a time."""
        return time + self.options.clock_error

    def strike(self, endpoint: Endpoint, export_id: str | None) -> Fault | None:
        """Count a call that is going to be answered; give the fault that strikes at it."""
        self.calls[endpoint] += 1
        if self.before_answer:
            self.before_answer(endpoint, self.calls[endpoint])
        known = int(export_id) if export_id and export_id.isdecimal() else None
        return self.faults.next(endpoint, known and known - FIRST_ID + 1)

    def send(self, answer: Callable[[], Answer]) -> Answer:
        """Let an answer through, unless it is a blackout."""
        options, now = self.options, self.now()
        if not any(start <= now < end for start, end in options.blackouts):
            return answer()
        lost = answer() if options.blackout_after_work else Answer(503, {}, MemoryBody())
        return lost.unsent()
