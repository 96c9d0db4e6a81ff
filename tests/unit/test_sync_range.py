"""A run reads from its bookmark to shortly before now, and never beyond what is set."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from tap_cometly.config import SETTINGS_SCHEMA, Settings
from tap_cometly.timeranges import SyncRange, Window

DEFAULTS = {
    name: setting["default"]
    for name, setting in SETTINGS_SCHEMA["properties"].items()
    if "default" in setting
}
NEW_YEAR = datetime(2024, 1, 1, tzinfo=timezone.utc)
NOW = datetime(2024, 3, 1, 12, 0, 30, 999_999, tzinfo=timezone.utc)


def sync_range(
    bookmark: datetime | None = None, *, full_table: bool = False, **config: Any
) -> SyncRange:
    given = {"api_key": "k", "start_date": "2024-01-01", "settle_seconds": 60, **config}
    return SyncRange(Settings.of({**DEFAULTS, **given}), bookmark, full_table)


def day(month: int, day: int) -> datetime:
    return datetime(2024, month, day, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("bookmark", "lookback_days", "start"),
    [
        (None, 0, NEW_YEAR),
        (None, 30, NEW_YEAR),
        (day(2, 1), 0, day(2, 1)),
        (day(2, 1), 7, day(1, 25)),
        (day(2, 1), 0.5, day(2, 1) - timedelta(hours=12)),
        (day(2, 1), 40, NEW_YEAR),
        (NEW_YEAR - timedelta(days=3), 0, NEW_YEAR),
    ],
)
def test_a_run_starts_at_its_bookmark_less_the_lookback_but_not_before_the_start_date(
    bookmark: datetime | None, lookback_days: float, start: datetime
) -> None:
    assert sync_range(bookmark, lookback_days=lookback_days).start == start


def test_a_lookback_beyond_the_first_year_reads_from_the_start_date() -> None:
    # given
    ancient = datetime(1, 1, 2, tzinfo=timezone.utc)

    # then
    assert sync_range(ancient, lookback_days=30).start == NEW_YEAR


def test_ranges_are_in_whole_seconds() -> None:
    fraction = sync_range(start_date="2024-01-01T00:00:00.75Z")

    assert fraction.start == NEW_YEAR
    assert fraction.end(NOW) == NOW.replace(microsecond=0) - timedelta(seconds=60)


def test_a_start_date_later_than_the_bookmark_skips_what_lies_between() -> None:
    old = NEW_YEAR - timedelta(days=3)

    assert sync_range(old).skips == Window(old, NEW_YEAR)
    assert sync_range(NEW_YEAR).skips is None
    assert sync_range(day(2, 1)).skips is None
    assert sync_range(None).skips is None


def test_the_newest_seconds_are_left_for_the_next_run_but_not_in_a_full_one() -> None:
    now = NOW.replace(microsecond=0)

    assert sync_range(settle_seconds=90).end(NOW) == now - timedelta(seconds=90)
    assert sync_range(settle_seconds=90, full_table=True).end(NOW) == now


@pytest.mark.parametrize(
    ("end_date", "end"),
    [("2024-02-01", day(2, 1)), ("2099-01-01", NOW.replace(microsecond=0, minute=59, hour=11))],
)
def test_a_run_ends_at_the_end_date_unless_that_is_still_to_come(
    end_date: str, end: datetime
) -> None:
    assert sync_range(end_date=end_date).end(NOW) == end
