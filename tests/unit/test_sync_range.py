"""A run reads from its bookmark to shortly before now, and claims what is right in any zone."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from tap_cometly.timeranges import WIDEST_ZONE_GAP, Reached, StartDate, SyncRange

NEW_YEAR = datetime(2024, 1, 1, tzinfo=timezone.utc)
NOW = datetime(2024, 3, 1, 12, 0, 30, 999_999, tzinfo=timezone.utc)
WALL_TIME = StartDate(NEW_YEAR, has_zone=False)
DAY = timedelta(days=1)


def february(day: int) -> datetime:
    return datetime(2024, 2, day, tzinfo=timezone.utc)


# Where it begins.


@pytest.mark.parametrize(
    ("bookmark", "lookback", "start"),
    [
        (february(1), timedelta(), february(1)),
        (february(8), 7 * DAY, february(1)),
        (february(2), DAY / 2, february(1) + DAY / 2),
        (february(1), 40 * DAY, NEW_YEAR),
        (NEW_YEAR - 3 * DAY, timedelta(), NEW_YEAR),
    ],
)
def test_a_run_starts_at_its_bookmark_less_the_lookback_but_not_before_the_start_date(
    bookmark: datetime, lookback: timedelta, start: datetime
) -> None:
    assert SyncRange.of(WALL_TIME, Reached(bookmark), lookback=lookback).start == start


@pytest.mark.parametrize("lookback", [timedelta(), 30 * DAY])
def test_a_first_run_starts_at_the_start_date(lookback: timedelta) -> None:
    first = SyncRange.of(WALL_TIME, None, lookback=lookback)

    assert first.start == first.careful_start == first.first_wanted == NEW_YEAR


def test_a_lookback_beyond_the_first_year_reads_from_the_start_date() -> None:
    ancient = Reached(datetime(1, 1, 2, tzinfo=timezone.utc))

    assert SyncRange.of(WALL_TIME, ancient, lookback=30 * DAY).start == NEW_YEAR


def test_a_start_date_with_a_zone_is_read_from_26_hours_before_for_what_it_may_mean() -> None:
    first = SyncRange.of(StartDate(NEW_YEAR, has_zone=True), None)

    assert first.start == first.careful_start == NEW_YEAR - WIDEST_ZONE_GAP
    assert first.first_wanted == NEW_YEAR


def test_a_bookmark_of_another_time_zone_is_read_from_26_hours_before() -> None:
    reached = Reached(february(3), same_zone=False)

    assert SyncRange.of(WALL_TIME, reached).start == february(3) - WIDEST_ZONE_GAP


def test_a_bookmark_that_relies_on_a_clock_is_read_from_26_hours_before_to_be_careful() -> None:
    seen = SyncRange.of(WALL_TIME, Reached(february(3), relies_on_clock=True))
    unseen = SyncRange.of(WALL_TIME, Reached(february(3), relies_on_clock=False))

    assert (seen.start, seen.careful_start) == (february(3), february(3) - WIDEST_ZONE_GAP)
    assert (unseen.start, unseen.careful_start) == (february(3), february(3))


@pytest.mark.parametrize("same_zone", [True, False])
def test_nothing_before_the_start_date_is_read_however_careful(*, same_zone: bool) -> None:
    reached = Reached(NEW_YEAR + timedelta(hours=1), same_zone)

    assert SyncRange.of(WALL_TIME, reached).careful_start == NEW_YEAR


def test_a_lookback_of_more_than_26_hours_includes_those() -> None:
    reached = Reached(february(3), same_zone=False)

    read = SyncRange.of(WALL_TIME, reached, lookback=2 * DAY)

    assert read.start == read.careful_start == february(1)


# Where it ends.


def test_a_run_ends_before_the_newest_seconds_in_whole_seconds() -> None:
    ends = SyncRange.of(WALL_TIME, None, settle=timedelta(seconds=90)).end(NOW)

    assert ends == NOW.replace(microsecond=0) - timedelta(seconds=90)


def test_a_run_ends_at_the_end_date_unless_that_is_still_to_come() -> None:
    past = SyncRange.of(WALL_TIME, None, end_date=february(1))
    future = SyncRange.of(WALL_TIME, None, end_date=NOW + DAY)

    assert past.end(NOW) == february(1)
    assert future.end(NOW) == NOW.replace(microsecond=0)


def test_ranges_are_in_whole_seconds() -> None:
    fraction = timedelta(microseconds=750_000)
    start = StartDate(NEW_YEAR + fraction, has_zone=False)

    assert SyncRange.of(start, None).start == NEW_YEAR
    assert SyncRange.of(WALL_TIME, Reached(february(1) + fraction)).careful_start.microsecond == 0


def test_what_is_older_than_26_hours_and_settled_may_be_committed_whatever_the_zone() -> None:
    sync_range = SyncRange.of(WALL_TIME, None, settle=timedelta(seconds=30))

    assert sync_range.safe_commit(NOW) == NOW.replace(second=0, microsecond=0) - WIDEST_ZONE_GAP
