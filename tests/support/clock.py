"""Virtual time: what would take hours takes milliseconds."""

from __future__ import annotations

import math
import threading
import time
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, TypeVar

from typing_extensions import override

from tap_cometly.exceptions import ClosedError
from tap_cometly.runtime.clock import Clock
from tap_cometly.runtime.tasks import run_task

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_T = TypeVar("_T")
_TICKS = 2**20  # a second: fractions that floats add and subtract exactly
_BREATH = 0.0005  # real seconds


class _Time:
    """Seconds gone by, shared by everybody who lives in them."""

    def __init__(self) -> None:
        self._ticks = 0
        self._lock = threading.Lock()
        self._recurring: list[_Recurring] = []

    @property
    def elapsed(self) -> float:
        return self._ticks / _TICKS

    def advance(self, seconds: float) -> None:
        """Let time pass, and do on the way what is to be done every so often."""
        with self._lock:
            until = self._ticks + math.ceil(max(seconds, 0.0) * _TICKS)
        while due := self._next_before(until):
            self._ticks = due.next_at
            due.next_at += due.every
            due.do()
        with self._lock:
            self._ticks = max(self._ticks, until)

    def recur(self, clock: Clock, seconds: float, do: Callable[[], None]) -> None:
        every = math.ceil(seconds * _TICKS)
        self._recurring.append(_Recurring(clock, every, self._ticks + every, do))

    def _next_before(self, until: int) -> _Recurring | None:
        self._recurring = [each for each in self._recurring if not each.clock.closed]
        first = min(self._recurring, key=lambda each: each.next_at, default=None)
        return first if first and first.next_at <= until else None


@dataclass
class _Recurring:
    """What is done every so many ticks, until a clock is closed."""

    clock: Clock
    every: int
    next_at: int
    do: Callable[[], None]


class FakeClock(Clock):
    """A clock on which sleeping takes no time.

    `Sandbox(options, now=clock.epoch, monotonic=clock.monotonic)` lives in the same time.
    """

    def __init__(self, start: datetime) -> None:
        super().__init__()
        self._start = start
        self._time = _Time()

    @override
    def fresh(self) -> FakeClock:
        return self.ahead(timedelta())

    def ahead(self, by: timedelta) -> FakeClock:
        """The same time as read from a clock that was set wrong."""
        other = FakeClock(self._start + by)
        other._time = self._time
        return other

    @override
    def now(self) -> datetime:
        return (self._start + timedelta(seconds=self._time.elapsed)).astimezone(timezone.utc)

    def epoch(self) -> float:
        """Seconds since 1970, for the sandbox."""
        return self._start.timestamp() + self._time.elapsed

    @override
    def monotonic(self) -> float:
        return self._time.elapsed

    @override
    def sleep(self, seconds: float) -> None:
        if self.closed:
            raise ClosedError
        self._time.advance(seconds)

    @override
    def every(self, seconds: float, do: Callable[[], None]) -> None:
        self._time.recur(self, seconds, do)

    def advance(self, by: timedelta) -> None:
        """Let time pass between two runs."""
        self._time.advance(by.total_seconds())

    def set(self, to: datetime) -> None:
        """Let time pass until then."""
        self.advance(to - self.now())


class InTurn:
    """Stands in for threads: work is done at once, waiting moves the clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._done: list[Callable[[], None]] = []

    def start(self, work: Callable[[], _T], then: Callable[[_T | Exception], None]) -> None:
        if self._clock.closed:
            return
        self._done.append(run_task(work, then))

    def wait(self, seconds: float) -> None:
        time.sleep(_BREATH)  # the sandbox may be writing a file
        if not self._hand_on():
            self._clock.sleep(seconds)

    def close(self) -> None:
        self._clock.close()
        self._hand_on()

    def _hand_on(self) -> bool:
        waiting, self._done = self._done, []
        for hand_on in waiting:
            hand_on()
        return bool(waiting)


def busiest_minute(times: Sequence[float]) -> int:
    """Give the most calls in any 60 seconds, of calls in order."""
    first = busiest = 0
    for last, at in enumerate(times):
        while at - times[first] >= 60:
            first += 1
        busiest = max(busiest, last - first + 1)
    return busiest
