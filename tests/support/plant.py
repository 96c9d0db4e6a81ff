"""Works with all that they need, in virtual time."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest
from tap_cometly.exports.line import Limits
from tap_cometly.exports.works import Works
from typing_extensions import override

from tap_cometly.timeranges import Window
from tests.support.clock import FakeClock, InTurn
from tests.support.export_api import ListedWindows, ScriptedApi

if TYPE_CHECKING:
    from tap_cometly.exports.job import Job

START = datetime(2024, 1, 1, tzinfo=timezone.utc)
LOGGER = logging.getLogger("tests.works")
SIZE, THRESHOLD, TIMEOUT = 1_000, 100, 600.0


def days(count: int, *, expected: int = SIZE) -> list[Window]:
    """Windows of a day, one after the other."""
    ends = [START + timedelta(days=n) for n in range(count + 1)]
    return [Window(*pair, expected) for pair in itertools.pairwise(ends)]


Told = Callable[[], list[str]]


def listen(caplog: pytest.LogCaptureFixture) -> Told:
    """Give what tells all that has been logged."""
    caplog.set_level(logging.INFO, LOGGER.name)
    return lambda: [r.getMessage() for r in caplog.records if r.name == LOGGER.name]


[DAY] = days(1)
FIRST_HALF, SECOND_HALF = DAY.halves()


class AtOnce(InTurn):
    """Waits for nobody else's threads; what has been done can be kept back, as if it took time."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        self.keeps_back = False
        self.waits = 0

    @override
    def wait(self, seconds: float) -> None:
        self.waits += 1
        if self.keeps_back or not self._hand_on():
            self._clock.sleep(seconds)


class Plant:
    """What a test turns."""

    def __init__(
        self, *windows: Window, parallel: int = 4, reserved: int = 0, questions: int = 0
    ) -> None:
        self.clock = FakeClock(START)
        self.api = ScriptedApi(self.clock)
        self.planner = ListedWindows(windows, questions=days(questions, expected=0))
        self.limits = Limits(parallel, TIMEOUT, THRESHOLD)
        self.runner = AtOnce(self.clock)
        self.works = Works(
            self.api,
            self.planner,
            self.runner,
            self.clock,
            self.limits,
            LOGGER,
            reserved=lambda: reserved,
        )

    def head(self) -> Job:
        """Turn until the oldest window can be read."""
        for _ in range(9_000):
            job = self.works.head()
            if job is not None:
                return job
            self.works.turn()
        pytest.fail("it never came")

    def read(self) -> dict[Window, str]:
        """Read everything, and tell how; in the order in which it was handed out."""
        ways = {}
        while not self.works.done:
            job = self.head()
            held = job.spool.lines if job.spool else 0
            ways[job.window] = f"file of {held}" if job.spool else "pages"
            self.works.taken(job, held)
        return ways

    def turn_until(self, seconds: float) -> None:
        while self.clock.monotonic() < seconds:
            self.works.turn()
