"""Time that goes faster, the same in every process: limits of a minute, tested in a second."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from typing_extensions import override

from tap_cometly.runtime.clock import Clock
from tap_cometly.runtime.tasks import ThreadTasks

if TYPE_CHECKING:
    from collections.abc import Callable

BEGAN = datetime(2024, 6, 1, 12, tzinfo=timezone.utc)


class HurriedClock(Clock):
    """Shows `BEGAN` at a reading of this machine's monotonic clock, and runs on faster."""

    def __init__(self, since: float, speed: float) -> None:
        super().__init__()
        self.since = since
        self.speed = speed

    @override
    def fresh(self) -> HurriedClock:
        return HurriedClock(self.since, self.speed)

    @override
    def now(self) -> datetime:
        return BEGAN + timedelta(seconds=self.monotonic())

    def epoch(self) -> float:
        """Seconds since 1970, for the sandbox."""
        return BEGAN.timestamp() + self.monotonic()

    @override
    def monotonic(self) -> float:
        return (time.monotonic() - self.since) * self.speed

    @override
    def sleep(self, seconds: float) -> None:
        super().sleep(seconds / self.speed)

    @override
    def every(self, seconds: float, do: Callable[[], None]) -> None:
        super().every(seconds / self.speed, do)


class HurriedThreads(ThreadTasks):
    """Waits no longer than its clock says."""

    def __init__(self, clock: HurriedClock) -> None:
        super().__init__(clock)
        self._speed = clock.speed

    @override
    def wait(self, seconds: float) -> None:
        super().wait(seconds / self._speed)
