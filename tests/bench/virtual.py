"""Time that only passes when everybody waits for it."""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta
from heapq import heappop, heappush
from itertools import count
from threading import Semaphore, Thread, local
from typing import TYPE_CHECKING, TypeVar

from typing_extensions import Self, override

from tap_cometly.exceptions import ClosedError
from tap_cometly.runtime.clock import Clock
from tap_cometly.runtime.tasks import run_task

if TYPE_CHECKING:
    from collections.abc import Callable

_T = TypeVar("_T")
_TICK = 1e-6  # seconds; less might not move a float on


class VirtualTime(Clock):
    """A clock, and a runner whose work sleeps by it.

    Work runs in threads, but only one at a time: whoever sleeps hands over to the main thread, and
    that one, when it waits, to whoever wakes up next. So a run is the same each time.
    """

    def __init__(self, begin: datetime) -> None:
        super().__init__()
        self._begin = begin
        self._seconds = 0.0
        self._alarms: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()
        self._outcomes: deque[Callable[[], None]] = deque()
        self._handed_back = Semaphore(0)
        self._thread = local()

    @override
    def fresh(self) -> Self:
        return self

    @override
    def now(self) -> datetime:
        return self._begin + timedelta(seconds=self._seconds)

    @override
    def monotonic(self) -> float:
        return self._seconds

    @override
    def sleep(self, seconds: float) -> None:
        woken = getattr(self._thread, "woken", None)
        if woken is None:
            self._pass(self._seconds + seconds)
            return
        self._at(self._seconds + seconds, woken)
        self._handed_back.release()
        woken.acquire()
        if self.closed:
            raise ClosedError

    def start(self, work: Callable[[], _T], then: Callable[[_T | Exception], None]) -> None:
        woken = Semaphore(0)

        def run() -> None:
            self._thread.woken = woken
            woken.acquire()
            self._outcomes.append(run_task(work, then))
            self._handed_back.release()

        Thread(target=run, daemon=True).start()
        self._at(self._seconds, woken)

    def wait(self, seconds: float) -> None:
        until = self._seconds + (max(seconds, _TICK) if seconds else 0.0)
        while not self._outcomes and self._alarms and self._alarms[0][0] <= until:
            self._ring()
        if not self._outcomes:
            self._seconds = until
        while self._outcomes:
            self._outcomes.popleft()()

    @override
    def close(self) -> None:
        super().close()
        while self._alarms:
            self._ring()

    def _at(self, when: float, woken: Semaphore) -> None:
        heappush(self._alarms, (when, next(self._order), woken.release))

    def _pass(self, until: float) -> None:
        while self._alarms and self._alarms[0][0] <= until:
            self._ring()
        self._seconds = until

    def _ring(self) -> None:
        self._seconds, _, wake = heappop(self._alarms)
        wake()
        self._handed_back.acquire()
