"""What is told of a run while it runs, in virtual time."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_cometly.runtime.progress import (
    LogDisplay,
    Progress,
    RequestStats,
)
from tests.support.clock import FakeClock

if TYPE_CHECKING:
    from collections.abc import Mapping

BEGAN = datetime(2024, 6, 1, tzinfo=timezone.utc)
DAY = 86_400


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(BEGAN)


@pytest.fixture
def progress(clock: FakeClock) -> Progress:
    started = Progress(clock)
    started.begin(10 * DAY)
    return started


def requests(**of: tuple[int, int, float]) -> Mapping[str, RequestStats]:
    none = (0, 0, 0.0)
    return {each: RequestStats(*of.get(each, none)) for each in ("list", "create", "poll")}


# How much is done.


def test_nothing_is_done_before_the_range_is_known(clock: FakeClock) -> None:
    assert Progress(clock).share == 0.0


def test_without_counts_the_share_is_that_of_the_time(progress: Progress) -> None:
    progress.enter("days 0 to 4", 4 * DAY, way="by pages")
    progress.wrote(100)
    before = progress.share
    progress.leave()

    assert (before, progress.share) == (0.0, 0.4)


def test_within_a_window_the_share_grows_with_its_contacts(progress: Progress) -> None:
    progress.enter("days 0 to 4", 4 * DAY, way="by pages", expected=200)
    progress.wrote(100)

    assert progress.share == pytest.approx(0.2)


def test_where_contacts_can_be_counted_time_does_not_count(progress: Progress) -> None:
    # Given nine empty days, and a thousand contacts on the tenth
    progress.enter("days 0 to 9", 9 * DAY, way="by export", expected=250, remaining=750)
    progress.wrote(250)
    progress.leave()

    assert progress.share == pytest.approx(0.25)


def test_a_window_that_holds_more_than_expected_is_not_more_than_all(progress: Progress) -> None:
    progress.enter("days 0 to 10", 10 * DAY, way="by pages", expected=10)
    progress.wrote(100)

    assert progress.share == 1.0


_WINDOWS = st.lists(
    st.tuples(
        st.integers(0, 1000),
        st.none() | st.integers(0, 1000),
        st.none() | st.floats(0, 1e7),
    ),
    min_size=1,
    max_size=10,
)


@given(_WINDOWS)
def test_the_share_never_shrinks_whatever_is_expected(
    windows: list[tuple[int, int | None, float | None]],
) -> None:
    progress = Progress(FakeClock(BEGAN))
    progress.begin(10 * DAY)
    shares = [progress.share]
    for contacts, expected, remaining in windows:
        progress.enter("a day", DAY, way="by export", expected=expected, remaining=remaining)
        for part in (contacts // 2, contacts - contacts // 2):
            progress.wrote(part)
            shares.append(progress.share)
        progress.leave()
        shares.append(progress.share)

    assert all(earlier <= later for earlier, later in pairwise(shares))
    assert shares[0] >= 0
    assert shares[-1] <= 1


# How it is told.


def test_rate_and_time_left_are_those_of_the_whole_run(
    progress: Progress, clock: FakeClock
) -> None:
    progress.enter("a day", DAY, way="by export", expected=250_000, remaining=750_000)
    clock.sleep(50)
    progress.wrote(250_000)

    assert progress.summary() == "250,000 contacts, 5,000/s, 0:02:30 left"


def test_no_time_left_is_told_in_the_first_moments(progress: Progress) -> None:
    assert progress.summary() == "0 contacts, 0/s"


def test_a_window_is_summed_up_with_the_seconds_since_the_one_before(
    progress: Progress, clock: FakeClock
) -> None:
    clock.sleep(10)
    progress.enter("the first day", DAY, way="by pages")
    progress.leave()
    clock.sleep(2.5)
    progress.enter("the second day", DAY, way="by export")
    progress.wrote(1_234)

    assert progress.leave() == "the second day: 1,234 contacts by export in 2.5 s"


def test_the_wait_for_limits_is_named_apart_from_a_windows_seconds(
    progress: Progress, clock: FakeClock
) -> None:
    waited = requests(list=(15, 0, 40.0), create=(1, 0, 0.0))
    progress.enter("the first day", DAY, way="by pages")
    clock.sleep(45)
    progress.requests = lambda: waited

    first = progress.leave()
    progress.enter("the second day", DAY, way="by pages")
    clock.sleep(5)
    second = progress.leave()

    assert first.endswith(" in 45.0 s, 40.0 s of it waiting for limits")
    assert second == "the second day: 0 contacts by pages in 5.0 s"


def test_waiting_for_two_limits_at_once_is_no_longer_than_the_window_took(
    progress: Progress, clock: FakeClock
) -> None:
    progress.enter("a day", DAY, way="by export")
    clock.sleep(45)
    progress.requests = lambda: requests(list=(15, 0, 40.0), create=(5, 0, 40.0))

    assert progress.leave().endswith(" in 45.0 s, 45.0 s of it waiting for limits")


def test_requests_that_have_not_been_answered_are_told(progress: Progress) -> None:
    progress.requests = requests
    idle = progress.doing()
    progress.requests = lambda: requests(list=(1, 1, 0.0))

    assert (idle, progress.doing()) == ("waiting", "asking the list")


def test_what_each_export_is_doing_is_told(progress: Progress, clock: FakeClock) -> None:
    progress.exports = lambda now: [f"queued {now:.0f} s", "downloading"]
    clock.sleep(4)
    both = progress.doing()
    progress.exports = lambda _: ["downloading"]

    assert both == "2 exports: queued 4 s, downloading"
    assert progress.doing() == "1 export: downloading"


def test_a_target_that_takes_its_time_is_told(progress: Progress, clock: FakeClock) -> None:
    progress.write()
    at_once = progress.doing()
    clock.sleep(1200)
    later = progress.doing()
    progress.wrote(1)

    assert at_once == progress.doing() == "waiting"
    assert later == "waiting 1200 s for the target"


def test_requests_and_waiting_are_summed_up(progress: Progress) -> None:
    none = progress.spent()
    progress.requests = lambda: requests(poll=(1, 0, 0.0), create=(0, 0, 12.4))

    assert none == "API calls: none; 0 s of waiting for limits"
    assert progress.spent() == "API calls: list 0, create 0, poll 1; 12 s of waiting for limits"


# A log that does not fall silent.


def test_the_log_tells_at_least_every_30_seconds_until_the_clock_is_closed(
    progress: Progress, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    display = LogDisplay(progress)
    clock.every(display.every, display.show)

    clock.sleep(30)
    first = len(caplog.messages)
    clock.sleep(270)
    clock.close()
    clock.ahead(timedelta()).sleep(300)

    assert (first, len(caplog.messages)) == (1, 12)
    assert set(caplog.messages) == {"0%, 0 contacts, 0/s; waiting"}
