"""How much of a run is done, and what it is doing, in virtual time."""

from __future__ import annotations

from datetime import datetime, timezone
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_cometly.runtime.progress import Progress, RequestStats
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


def test_without_counts_the_share_is_that_of_the_time(progress: Progress) -> None:
    shares = [progress.share]
    for day in range(2):
        progress.start_window(f"days {4 * day} to {4 * day + 4}", 4 * DAY, way="by pages")
        progress.finish_writing(100)
        shares.append(progress.share)
        progress.finish_window()

    assert [*shares, progress.share] == [0.0, 0.0, 0.4, 0.8]


def test_within_a_window_the_share_grows_with_its_contacts_at_most_to_its_end(
    progress: Progress,
) -> None:
    progress.start_window("days 0 to 4", 4 * DAY, way="by pages", expected=200)
    progress.finish_writing(100)
    half = progress.share
    progress.finish_writing(1_000)

    assert [half, progress.share] == pytest.approx([0.2, 0.4])


def test_where_contacts_can_be_counted_time_does_not_count(progress: Progress) -> None:
    # Given nine empty days, and a thousand contacts on the tenth
    progress.start_window("days 0 to 9", 9 * DAY, way="by export", expected=250, remaining=750)
    progress.finish_writing(250)
    progress.finish_window()

    assert progress.share == pytest.approx(0.25)


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
        progress.start_window("a day", DAY, way="by export", expected=expected, remaining=remaining)
        for part in (contacts // 2, contacts - contacts // 2):
            progress.finish_writing(part)
            shares.append(progress.share)
        progress.finish_window()
        shares.append(progress.share)

    assert all(earlier <= later for earlier, later in pairwise(shares))
    assert shares[0] >= 0
    assert shares[-1] <= 1


# What the log says.


def test_rate_and_time_left_are_those_of_the_whole_run(
    progress: Progress, clock: FakeClock
) -> None:
    at_first = progress.summary()
    progress.start_window("a day", DAY, way="by export", expected=250_000, remaining=750_000)
    clock.sleep(50)
    progress.finish_writing(250_000)

    assert at_first == "0 contacts, 0/s"
    assert progress.summary() == "250,000 contacts, 5,000/s, 0:02:30 left"


def test_waiting_for_two_limits_at_once_is_no_longer_than_the_window_took(
    progress: Progress, clock: FakeClock
) -> None:
    progress.start_window("a day", DAY, way="by export")
    clock.sleep(45)
    progress.requests = lambda: requests(list=(15, 0, 40.0), create=(5, 0, 40.0))

    assert progress.finish_window().endswith(" in 45.0 s, 45.0 s of it waiting for limits")


def test_what_a_run_is_doing_is_its_exports_its_requests_or_waiting(progress: Progress) -> None:
    doing = [progress.activity()]
    progress.requests = lambda: requests(list=(1, 1, 0.0))
    doing.append(progress.activity())
    for exports in (["downloading"], ["queued 4 s", "downloading"]):
        progress.exports = lambda _, told=exports: told
        doing.append(progress.activity())

    assert doing == [
        *("waiting", "asking the list"),
        *("1 export: downloading", "2 exports: queued 4 s, downloading"),
    ]
