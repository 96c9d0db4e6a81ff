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


def range_of(
    start: StartDate,
    reached: Reached | None = None,
    *,
    lookback: timedelta = timedelta(),
    end_date: datetime | None = None,
    settle: timedelta = timedelta(),
) -> SyncRange:
    return SyncRange.of(start, reached, lookback=lookback, end_date=end_date, settle=settle)


# Where it begins.


@pytest.mark.parametrize(
    ("bookmark", "lookback", "start"),
    [
        (february(1), timedelta(), february(1)),
        (february(8), 7 * DAY, february(1)),
        (february(2), DAY / 2, february(1) + DAY / 2),
        (february(1), 40 * DAY, NEW_YEAR),
        (NEW_YEAR - 3 * DAY, timedelta(), NEW_YEAR),
        (datetime(1, 1, 2, tzinfo=timezone.utc), 30 * DAY, NEW_YEAR),
    ],
)
def test_a_run_starts_at_its_bookmark_less_the_lookback_but_not_before_the_start_date(
    bookmark: datetime, lookback: timedelta, start: datetime
) -> None:
    assert range_of(WALL_TIME, Reached(bookmark), lookback=lookback).start == start


def test_a_start_date_with_a_zone_is_read_from_26_hours_before_for_what_it_may_mean() -> None:
    first = range_of(StartDate(NEW_YEAR, has_zone=True))

    assert first.start == first.start_if_unverified == NEW_YEAR - WIDEST_ZONE_GAP
    assert first.first_wanted == NEW_YEAR


@pytest.mark.parametrize(
    ("reached", "lookback", "start", "careful"),
    [
        (Reached(february(3)), 0, february(3), february(3) - WIDEST_ZONE_GAP),
        (Reached(february(3), relies_on_clock=False), 0, february(3), february(3)),
        (Reached(february(3), same_zone=False), 0, *[february(3) - WIDEST_ZONE_GAP] * 2),
        (Reached(february(3), same_zone=False), 2, february(1), february(1)),
        (Reached(NEW_YEAR + DAY / 2), 0, NEW_YEAR + DAY / 2, NEW_YEAR),
        (Reached(NEW_YEAR + DAY / 2, same_zone=False), 0, NEW_YEAR, NEW_YEAR),
    ],
    ids=[
        *("clock seen", "clock not seen", "other zone", "other zone, more lookback"),
        *("just begun", "just begun, other zone"),
    ],
)
def test_a_bookmark_that_may_be_wrong_is_read_from_26_hours_before(
    reached: Reached, lookback: int, start: datetime, careful: datetime
) -> None:
    read = range_of(WALL_TIME, reached, lookback=lookback * DAY)

    assert (read.start, read.start_if_unverified) == (start, careful)


# Where it ends.


def test_a_run_ends_before_the_newest_seconds_or_at_an_end_date_before_that() -> None:
    settled = range_of(WALL_TIME, settle=timedelta(seconds=90))
    past = range_of(WALL_TIME, end_date=february(1))
    future = range_of(WALL_TIME, end_date=NOW + DAY)

    assert settled.end(NOW) == NOW.replace(microsecond=0) - timedelta(seconds=90)
    assert past.end(NOW) == february(1)
    assert future.end(NOW) == NOW.replace(microsecond=0)


def test_ranges_are_in_whole_seconds() -> None:
    fraction = timedelta(microseconds=750_000)
    start = StartDate(NEW_YEAR + fraction, has_zone=False)

    assert range_of(start).start == NEW_YEAR
    unverified = range_of(WALL_TIME, Reached(february(1) + fraction)).start_if_unverified
    assert unverified.microsecond == 0
