"""The planner's windows one after the other, with the probes that it wants."""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta, timezone
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
from tap_cometly.timeranges import Window
from tests.support.clock import FakeClock
from tests.support.exports import Answers, days

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tap_cometly.client.client import Endpoint

START = datetime(2024, 1, 1, tzinfo=timezone.utc)


class ListedWindows(WindowPlanner):
    """Cuts the windows that a test lists, once all of its probes are answered."""

    def __init__(self, windows: Iterable[Window], *, probes: Iterable[Window] = ()) -> None:
        self.cut, self.probes = deque(windows), deque(probes)
        self.open = len(self.probes)
        self.learned: list[Probe] = []
        self.refused: list[Window] = []
        self.counts: dict[Window, int] = {}

    @property
    @override
    def done(self) -> bool:
        return not self.cut

    @property
    @override
    def remaining(self) -> float | None:
        return 7.0

    @override
    def next_window(self, *, guess: bool = False) -> Window | None:
        return self.cut.popleft() if self.cut and (guess or not self.open) else None

    @override
    def wanted(self, at_most: int) -> list[Window]:
        return [self.probes.popleft() for _ in range(min(at_most, len(self.probes)))]

    @override
    def learn(self, probe: Probe) -> None:
        self.learned.append(probe)
        self.open -= 1

    @override
    def unanswered(self, window: Window, *, refused: bool = False) -> None:
        self.probes.append(window)
        if refused:
            self.refused.append(window)

    @override
    def finished(self, window: Window, contacts: int) -> None:
        self.counts[window] = contacts


class Windows:
    """Planned windows with all that they need; the list answers as a test says."""

    def __init__(self, windows: list[Window], *, probes: int = 0) -> None:
        self.clock = FakeClock(START)
        self.limiter = RateLimiter(15, share=1.0, clock=self.clock)
        self.exports = RateLimiter(5, share=1.0, clock=self.clock)
        self.limiters: dict[Endpoint, RateLimiter] = {"list": self.limiter, "create": self.exports}
        self.tasks = Answers(self.clock)
        self.planner = ListedWindows(windows, probes=days(probes))
        self.errors: deque[Exception] = deque()
        self.asked: list[float] = []
        contacts: Any = self
        self.planned = PlannedWindows(self.planner, contacts, self.limiters, self.tasks, self.clock)

    def first_page(self, window: Window, *, per_page: int, advisory: bool) -> Page:
        """The list."""
        assert (per_page, advisory) == (LARGEST_PAGE, True)
        assert self.limiter.try_acquire()
        self.limiter.release()
        self.asked.append(self.clock.monotonic())
        if self.errors:
            raise self.errors.popleft()
        return Page([Contact(id=9), Contact(id=5), Contact(id=window.start.day)], "more")


def test_windows_come_without_a_probe_when_none_is_wanted() -> None:
    windows = Windows(days(3))

    assert list(windows.planned) == days(3)
    assert windows.planned.wait() is None
    assert windows.asked == []


def test_the_next_window_is_waited_for_until_its_probes_are_answered() -> None:
    windows = Windows(days(1), probes=2)

    assert next(windows.planned) is None
    assert windows.planned.wait() == days(1)[0]

    first, second = days(2)
    assert windows.planner.learned == [
        Probe(first, 3, more=True, ids=(9, 5, 1)),
        Probe(second, 3, more=True, ids=(9, 5, 2)),
    ]


def test_what_is_probed_next_is_asked_for_while_windows_are_at_hand() -> None:
    windows = Windows(days(2))
    windows.planner.probes.extend(days(1))

    assert windows.planned.wait() is not None

    assert len(windows.asked) == 1


def test_a_probe_that_nobody_waits_for_is_not_asked_for() -> None:
    windows = Windows(days(1))
    windows.planner.probes.extend(days(1))

    assert windows.planned.wait() is not None

    assert windows.asked == []


def test_what_a_window_held_and_what_remains_is_the_planners() -> None:
    windows = Windows(days(1))
    [window] = days(1)

    windows.planned.finished(window, 3)

    assert windows.planner.counts == {window: 3}
    assert windows.planned.remaining == 7.0


# The limit.


def test_no_more_probes_are_sent_than_the_limit_allows() -> None:
    windows = Windows(days(1), probes=20)

    for _ in range(5):
        next(windows.planned)

    assert len(windows.asked) == 15


def test_what_other_clients_leave_is_not_exceeded() -> None:
    windows = Windows(days(1), probes=20)
    windows.limiter.try_acquire()
    windows.limiter.release({"X-RateLimit-Remaining": "4"})

    next(windows.planned)

    assert len(windows.asked) == 4


def test_windows_are_not_guessed_while_answers_are_under_way() -> None:
    windows = Windows(days(2), probes=15)
    windows.tasks.under_way = True

    for _ in range(20):
        assert next(windows.planned) is None
        windows.clock.sleep(1.0)


@pytest.mark.parametrize(("seconds", "probes"), [(4.9, 1), (5.1, 0)])
def test_windows_are_guessed_at_once_when_the_limit_is_used_up_for_long(
    seconds: float, probes: int
) -> None:
    windows = Windows(days(1), probes=1)
    windows.limiter.pause_for(seconds)

    assert windows.planned.wait() == days(1)[0]

    assert len(windows.asked) == probes
    assert windows.clock.monotonic() == pytest.approx(seconds if probes else 0.0, abs=1.1)


def test_windows_are_not_guessed_while_no_export_could_be_created_anyway() -> None:
    windows = Windows(days(1), probes=1)
    windows.limiter.pause_for(30.0)
    windows.exports.pause_for(40.0)

    assert windows.planned.wait() == days(1)[0]

    assert len(windows.asked) == 1
    assert windows.clock.monotonic() == pytest.approx(30.0, abs=1.1)


def test_no_more_windows_are_guessed_than_exports_are_created() -> None:
    windows = Windows(days(2), probes=1)
    windows.limiter.pause_for(60.0)

    cut = [next(windows.planned), next(windows.planned)]
    assert windows.exports.try_acquire()
    windows.exports.release()

    assert [*cut, next(windows.planned)] == [days(2)[0], None, days(2)[1]]


# A list that does not answer.


@pytest.mark.parametrize(
    "error", [UnavailableError("Odd", "-"), AccessError("Odd", "-"), MachineError("Odd", "-")]
)
def test_when_the_list_does_not_answer_windows_are_guessed_for_a_minute(error: TapError) -> None:
    windows = Windows(days(3), probes=1)
    del windows.limiters["create"]  # they are read by pages
    windows.errors.append(error)

    guessed = [windows.planned.wait(), windows.planned.wait()]
    assert guessed == days(2)
    assert len(windows.asked) == 1

    windows.clock.sleep(61.0)
    assert windows.planned.wait() == days(3)[2]
    assert len(windows.asked) == 2
    assert len(windows.planner.learned) == 1


@pytest.mark.parametrize("error", [TooLongError("Too long"), RejectedError("Too long", "-")])
def test_a_refused_probe_is_told_to_the_planner_and_the_list_is_asked_again_at_once(
    error: Exception,
) -> None:
    windows = Windows(days(1), probes=1)
    windows.errors.append(error)

    assert windows.planned.wait() == days(1)[0]

    assert windows.planner.refused == days(1)
    assert len(windows.asked) == 2
    assert windows.clock.monotonic() < 5.0


def test_a_range_is_cut_to_its_end_though_the_list_never_answers() -> None:
    whole = Window(START, START + timedelta(days=365))
    windows = Windows([])
    del windows.limiters["create"]
    windows.errors.extend([UnavailableError("Odd", "-")] * 1_000)
    planner = WindowPlanner(whole, target=1_000, horizon=6_000)
    contacts: Any = windows
    planned = PlannedWindows(planner, contacts, windows.limiters, windows.tasks, windows.clock)

    cut = []
    while (window := planned.wait()) is not None:
        cut.append(window)
        planned.finished(window, 1_000)

    assert (cut[0].start, cut[-1].end) == (whole.start, whole.end)
    assert [one.end for one in cut[:-1]] == [one.start for one in cut[1:]]
    assert len(windows.asked) <= 15
