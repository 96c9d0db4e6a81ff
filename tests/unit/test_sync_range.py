"""A run reads from its bookmark to shortly before now, and never beyond what is set."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from tap_cometly.timeranges import WIDEST_ZONE_GAP, Reached, StartDate, SyncRange

NEW_YEAR = datetime(2024, 1, 1, tzinfo=timezone.utc)
NOW = datetime(2024, 3, 1, 12, 0, 30, 999_999, tzinfo=timezone.utc)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
AS_WRITTEN, ZONED = StartDate(NEW_YEAR, has_zone=False), StartDate(NEW_YEAR, has_zone=True)


def day(month: int, day: int) -> datetime:
    return datetime(2024, month, day, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("bookmark", "lookback_days", "start"),
    [
        (None, 0, NEW_YEAR),
        (None, 30, NEW_YEAR),
        (day(2, 1), 0, day(2, 1)),
        (day(2, 1), 7, day(1, 25)),
        (day(2, 1), 0.5, day(2, 1) - DAY / 2),
        (day(2, 1), 40, NEW_YEAR),
        (NEW_YEAR - 3 * DAY, 0, NEW_YEAR),
    ],
)
def test_a_run_starts_at_its_bookmark_less_the_lookback_but_not_before_the_start_date(
    bookmark: datetime | None, lookback_days: float, start: datetime
) -> None:
    reached = Reached(bookmark) if bookmark else None

    assert SyncRange.of(AS_WRITTEN, reached, lookback=lookback_days * DAY).start == start


def test_a_lookback_beyond_the_first_year_reads_from_the_start_date() -> None:
    # given
    ancient = Reached(datetime(1, 1, 2, tzinfo=timezone.utc))

    # then
    assert SyncRange.of(AS_WRITTEN, ancient, lookback=30 * DAY).start == NEW_YEAR


def test_a_start_date_with_a_zone_is_read_from_26_hours_before_it_in_a_first_run() -> None:
    first = SyncRange.of(ZONED, None)

    assert first.start == first.careful_start == NEW_YEAR - WIDEST_ZONE_GAP
    assert first.first_wanted == NEW_YEAR
    assert SyncRange.of(AS_WRITTEN, None).start == NEW_YEAR


@pytest.mark.parametrize(
    ("reached", "back", "careful"),
    [
        (Reached(day(2, 1)), 0, 26),
        (Reached(day(2, 1), clock_was_seen=False), 0, 0),
        (Reached(day(2, 1), same_zone=False), 26, 26),
        (Reached(day(2, 1), same_zone=False, clock_was_seen=False), 26, 26),
    ],
)
def test_a_bookmark_that_relied_on_the_clock_or_another_zone_is_read_from_26_hours_before(
    reached: Reached, back: int, careful: int
) -> None:
    read = SyncRange.of(AS_WRITTEN, reached)

    assert day(2, 1) - read.start == timedelta(hours=back)
    assert day(2, 1) - read.careful_start == timedelta(hours=careful)


def test_a_lookback_of_more_than_26_hours_includes_those() -> None:
    read = SyncRange.of(AS_WRITTEN, Reached(day(2, 1), same_zone=False), lookback=2 * DAY)

    assert read.start == read.careful_start == day(1, 30)


def test_ranges_are_in_whole_seconds() -> None:
    fraction = timedelta(microseconds=750_000)
    start = StartDate(NEW_YEAR + fraction, has_zone=False)
    read = SyncRange.of(start, Reached(NEW_YEAR + DAY + fraction), settle=MINUTE + fraction)

    assert read.start == NEW_YEAR + DAY
    assert SyncRange.of(start, None).start == NEW_YEAR
    assert read.end(NOW).microsecond == read.safe_commit(NOW).microsecond == 0


def test_the_newest_seconds_are_left_for_the_next_run() -> None:
    now = NOW.replace(microsecond=0)

    assert SyncRange.of(AS_WRITTEN, None, settle=MINUTE).end(NOW) == now - MINUTE
    assert SyncRange.of(AS_WRITTEN, None).end(NOW) == now


def test_the_safe_bookmark_is_behind_every_clock() -> None:
    read = SyncRange.of(AS_WRITTEN, None, settle=MINUTE)

    assert read.end(NOW) - read.safe_commit(NOW) == WIDEST_ZONE_GAP


@pytest.mark.parametrize(
    ("end_date", "end"),
    [
        (day(2, 1), day(2, 1)),
        (datetime(2099, 1, 1, tzinfo=timezone.utc), NOW.replace(microsecond=0) - MINUTE),
    ],
)
def test_a_run_ends_at_the_end_date_unless_that_is_still_to_come(
    end_date: datetime, end: datetime
) -> None:
    assert SyncRange.of(AS_WRITTEN, None, end_date=end_date, settle=MINUTE).end(NOW) == end
