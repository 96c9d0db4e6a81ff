"""What the API and the store have in common."""

from __future__ import annotations

from email.utils import formatdate
from typing import TYPE_CHECKING

from tests.sandbox.faults import FaultBook
from tests.sandbox.jobs import JobBoard
from tests.sandbox.limits import Limiter
from tests.sandbox.presigned import Signatures
from tests.sandbox.request_log import RequestLog
from tests.sandbox.space import Space

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

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
        self.faults = FaultBook()
        self.log = RequestLog(monotonic)
        self.signatures = Signatures()
        self.closing: asyncio.Event
        """Made by the server's thread: Python 3.10's event loops ask for it."""
        self.store_url = ""

    def date(self) -> str:
        return formatdate(self.now(), usegmt=True)
