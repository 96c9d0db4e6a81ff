"""The planner's windows one after the other, with the probes that it wants."""

from __future__ import annotations

from collections import deque
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest
from typing_extensions import override

from tap_cometly.client.rate_limit import RateLimiter
from tap_cometly.contacts.decoder import Page
from tap_cometly.contacts.schema import Contact
from tap_cometly.exceptions import (
    AccessError,
    MachineError,
    RejectedError,
    TapError,
    TooLongError,
    UnavailableError,
)
from tap_cometly.extract.pagination import LARGEST_PAGE
from tap_cometly.extract.planner import Probe, WindowPlanner
from tap_cometly.extract.windows import PlannedWindows
from tests.support.clock import FakeClock
from tests.support.exports import Answers, days

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tap_cometly.timeranges import Window

START = datetime(2024, 1, 1, tzinfo=timezone.utc)


class ListedWindows(WindowPlanner):
    """Cuts the windows that a test lists, once all of its probes are answered."""

    def __init__(self, windows: Iterable[Window], probes: Iterable[Window]) -> None:
        self.cut, self.probes = deque(windows), deque(probes)
        self.open = len(self.probes)
        self.learned = 0
        self.refused: list[Window] = []

    @property
    @override
    def done(self) -> bool:
        return not self.cut

    @override
    def next_window(self, *, guess: bool = False) -> Window | None:
        return self.cut.popleft() if self.cut and (guess or not self.open) else None

    @override
    def wanted(self, at_most: int) -> list[Window]:
        return [self.probes.popleft() for _ in range(min(at_most, len(self.probes)))]

    @override
    def learn(self, probe: Probe) -> None:
        self.learned += 1
        self.open -= 1

    @override
    def unanswered(self, window: Window, *, refused: bool = False) -> None:
        self.probes.append(window)
        if refused:
            self.refused.append(window)


class Windows:
    """Planned windows with all that they need; the list answers as a test says."""

    def __init__(self, windows: int = 1, *, probes: int = 0) -> None:
        self.clock = FakeClock(START)
        self.limiter = RateLimiter(15, share=1.0, clock=self.clock)
        self.tasks = Answers(self.clock)
        self.listed = ListedWindows(days(windows), days(probes))
        self.errors: deque[Exception] = deque()
        self.asked: list[float] = []
        contacts: Any = self
        self._planned = iter(
            PlannedWindows(self.listed, contacts, self.limiter, self.tasks, self.clock)
        )

    def first_page(self, window: Window, *, per_page: int, advisory: bool) -> Page:
        """The list."""
        assert (per_page, advisory) == (LARGEST_PAGE, True)
        assert self.limiter.try_acquire()
        self.limiter.release()
        self.asked.append(self.clock.monotonic())
        if self.errors:
            raise self.errors.popleft()
        return Page([Contact(id=window.start.day)], "more")

    def next(self) -> Window:
        """Ask until the next window is known."""
        while (window := next(self._planned)) is None:
            self.tasks.wait(1.0)
        return window


@pytest.mark.parametrize(("more_windows", "probes"), [(1, 1), (0, 0)])
def test_probes_are_asked_for_ahead_but_not_behind_the_last_window(
    more_windows: int, probes: int
) -> None:
    windows = Windows(1 + more_windows)
    windows.listed.probes.extend(days(1))

    windows.next()

    assert len(windows.asked) == probes


def test_no_window_is_guessed_while_the_limit_or_an_answer_is_waited_for() -> None:
    windows = Windows(2, probes=1)
    windows.limiter.pause_for(30.0)

    assert windows.next() == days(1)[0]

    assert len(windows.asked) == 1
    assert windows.clock.monotonic() == pytest.approx(30.0, abs=1.1)


# A list that does not answer.


@pytest.mark.parametrize(
    "error", [UnavailableError("Odd", "-"), AccessError("Odd", "-"), MachineError("Odd", "-")]
)
def test_when_the_list_does_not_answer_windows_are_guessed_for_a_minute(error: TapError) -> None:
    windows = Windows(3, probes=1)
    windows.errors.append(error)

    assert [windows.next(), windows.next()] == days(2)
    assert len(windows.asked) == 1

    windows.clock.sleep(61.0)
    assert windows.next() == days(3)[2]
    assert len(windows.asked) == 2
    assert windows.listed.learned == 1


@pytest.mark.parametrize("error", [TooLongError("Too long"), RejectedError("Too long", "-")])
def test_a_refused_probe_is_told_to_the_planner_and_the_list_is_asked_again_at_once(
    error: Exception,
) -> None:
    windows = Windows(probes=1)
    windows.errors.append(error)

    assert windows.next() == days(1)[0]

    assert windows.listed.refused == days(1)
    assert len(windows.asked) == 2
    assert windows.clock.monotonic() < 5.0
