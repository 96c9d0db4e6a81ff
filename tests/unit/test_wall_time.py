"""Wall time: whatever the server means by it, the whole range is asked for."""

from __future__ import annotations

import time
from datetime import date, datetime, timedelta, timezone
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_cometly.timeranges import (
    SECOND,
    WallRange,
    first_instant,
    last_instant,
    repeated,
    utc_text,
    wall_range,
)

UTC = timezone.utc
HOUR = timedelta(hours=1)
ZONES = sorted(available_timezones() - {"localtime"})  # that one is this machine's
YEARS = range(1968, 2038)
# Half-hour shifts, days without midnight, a day that never was, offsets with seconds.
ODD_YEARS = [
    ("Australia/Lord_Howe", 2024),
    ("America/Santiago", 2024),
    ("Asia/Beirut", 2023),
    ("Pacific/Apia", 2011),
    ("Africa/Monrovia", 1972),
    ("Africa/Casablanca", 2024),
    ("Antarctica/Troll", 2024),
]


@cache
def changes(name: str, year: int) -> list[datetime]:
    """The instants at which a zone's offset changes within a year."""
    zone, start = ZoneInfo(name), datetime(year, 1, 1, tzinfo=UTC)
    days = [start + timedelta(days=day) for day in range(-1, 367)]
    offsets = [day.astimezone(zone).utcoffset() for day in days]
    return [
        _first_with(offset, before, before + timedelta(days=1), zone)
        for before, last, offset in zip(days, offsets, offsets[1:], strict=False)
        if last != offset
    ]


def _first_with(
    offset: timedelta | None, low: datetime, high: datetime, zone: ZoneInfo
) -> datetime:
    while high - low > SECOND:
        middle = low + (high - low) // (2 * SECOND) * SECOND
        if middle.astimezone(zone).utcoffset() == offset:
            high = middle
        else:
            low = middle
    return high


def meanings(text: str, zone: ZoneInfo) -> list[datetime]:
    """The instants that a server may take a wall time for."""
    naive = datetime.fromisoformat(text)
    return [naive.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)]


def assert_covered(start: datetime, end: datetime, zone: ZoneInfo) -> None:
    asked = wall_range(start, end, zone)

    starts, ends = meanings(asked.start, zone), meanings(asked.end, zone)

    assert asked.start < asked.end, (asked, zone)
    assert max(starts) <= start < end <= min(ends), (asked, zone)
    assert asked.earliest <= min(starts) <= max(ends) <= asked.latest, (asked, zone)


@st.composite
def moments_near_changes(draw: st.DrawFn) -> tuple[datetime, ZoneInfo]:
    name, year = draw(
        st.sampled_from(ODD_YEARS)
        | st.tuples(st.sampled_from(ZONES), st.integers(YEARS.start, YEARS.stop - 1))
    )
    places = changes(name, year) or [datetime(year, 6, 1, tzinfo=UTC)]
    away = st.sampled_from([-3600, -1800, -1, 0, 1, 1800, 3600]) | st.integers(-90_000, 90_000)
    return draw(st.sampled_from(places)) + timedelta(seconds=draw(away)), ZoneInfo(name)


@given(moments_near_changes(), st.sampled_from([1, 60, 3600]) | st.integers(1, 200_000))
def test_a_range_is_covered_whichever_of_two_equal_wall_times_the_server_means(
    place: tuple[datetime, ZoneInfo], seconds: int
) -> None:
    start, zone = place

    assert_covered(start, start + timedelta(seconds=seconds), zone)


def test_every_zone_of_the_database_is_covered_second_by_second_around_its_changes() -> None:
    places = [(name, change) for name in ZONES for change in changes(name, 2024)]
    assert len(places) > 200

    for name, change in places:
        for around in (-HOUR, -HOUR / 2, timedelta(), HOUR / 2, HOUR):
            for start in (-SECOND, timedelta(), SECOND):
                moment = change + around + start
                assert_covered(moment, moment + SECOND, ZoneInfo(name))


@given(moments_near_changes())
def test_a_range_is_no_longer_than_the_two_meanings_ask_for(
    place: tuple[datetime, ZoneInfo],
) -> None:
    start, zone = place

    asked = wall_range(start, start + HOUR, zone)

    assert start - asked.earliest <= 2 * repeated(start, zone)
    assert asked.latest - (start + HOUR) <= 2 * repeated(start + HOUR, zone)


@pytest.mark.parametrize(
    ("start", "end", "asked"),
    [
        ("2024-11-03T08:30:00", "2024-11-03T09:30:00", ("00:30:00", "02:30:00")),  # both 01:30
        ("2024-11-03T09:59:59", "2024-11-03T10:00:00", ("00:59:59", "02:00:00")),
        ("2024-03-10T09:59:59", "2024-03-10T10:00:00", ("01:59:59", "03:00:00")),
        ("2024-06-01T00:00:00", "2024-06-01T01:00:00", ("17:00:00", "18:00:00")),
    ],
)
def test_los_angeles(start: str, end: str, asked: tuple[str, str]) -> None:
    first, last = (datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (start, end))

    wall = wall_range(first, last, ZoneInfo("America/Los_Angeles"))

    assert (wall.start[11:], wall.end[11:]) == asked


def test_early_years_are_written_with_four_digits() -> None:
    wall = wall_range(datetime(1, 1, 2, tzinfo=UTC), datetime(999, 1, 1, tzinfo=UTC), UTC)

    assert (wall.start, wall.end) == ("0001-01-02 00:00:00", "0999-01-01 00:00:00")


@pytest.mark.parametrize(
    ("after_end", "held"), [(-2, True), (0, True), (1, True), (1.001, False), (3600, False)]
)
def test_a_range_holds_what_lies_in_it_and_a_second_of_rounding(
    after_end: float, *, held: bool
) -> None:
    start = datetime(2024, 6, 1, tzinfo=UTC)
    asked = wall_range(start, start + HOUR, ZoneInfo("Asia/Kathmandu"))

    assert asked.holds(start + HOUR + timedelta(seconds=after_end)) is held
    assert asked.holds(start - timedelta(seconds=after_end)) is held


@given(moments_near_changes())
def test_a_range_holds_its_own_ends(place: tuple[datetime, ZoneInfo]) -> None:
    start, zone = place

    asked: WallRange = wall_range(start, start + SECOND, zone)

    assert asked.holds(start)
    assert asked.holds(start + SECOND)


@given(moments_near_changes())
def test_first_and_last_instant_enclose_every_meaning_of_a_wall_time(
    place: tuple[datetime, ZoneInfo],
) -> None:
    instant, zone = place
    wall = instant.astimezone(zone).replace(tzinfo=None)

    assert first_instant(wall, zone) <= instant <= last_instant(wall, zone)
    assert last_instant(wall, zone) - first_instant(wall, zone) == repeated(instant, zone)


@pytest.mark.parametrize(
    ("zone", "day", "begins"),
    [
        ("UTC", date(2024, 1, 1), "2024-01-01T00:00:00Z"),
        ("Asia/Tokyo", date(2024, 1, 1), "2023-12-31T15:00:00Z"),
        ("America/Santiago", date(2024, 9, 8), "2024-09-08T04:00:00Z"),  # 24:00 became 01:00
        ("Asia/Beirut", date(2023, 3, 26), "2023-03-25T22:00:00Z"),
        ("Pacific/Apia", date(2011, 12, 30), "2011-12-30T10:00:00Z"),  # a day that never was
    ],
)
def test_a_day_begins_at_its_first_instant_also_when_it_has_no_midnight(
    zone: str, day: date, begins: str
) -> None:
    assert utc_text(first_instant(day, ZoneInfo(zone))) == begins


def test_a_day_with_two_midnights_begins_at_the_first_and_ends_at_the_second() -> None:
    havana, day = ZoneInfo("America/Havana"), datetime(2024, 11, 3, 0, 30)  # noqa: DTZ001

    assert utc_text(first_instant(day, havana)) == "2024-11-03T04:30:00Z"
    assert utc_text(last_instant(day, havana)) == "2024-11-03T05:30:00Z"


@given(st.sampled_from(ZONES), st.dates(date(1970, 1, 2), date(2037, 12, 30)))
def test_days_follow_each_other_without_a_hole(name: str, day: date) -> None:
    zone = ZoneInfo(name)
    begins = first_instant(day, zone)

    before = (begins - SECOND).astimezone(zone)

    assert before.date() < day <= begins.astimezone(zone).date()


def test_the_zone_of_this_machine_is_of_no_account(monkeypatch: pytest.MonkeyPatch) -> None:
    start = datetime(2024, 6, 1, tzinfo=UTC)
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        told = utc_text(start)
        first = first_instant(date(2024, 6, 1), ZoneInfo("UTC"))
    finally:
        monkeypatch.undo()
        time.tzset()

    assert told == "2024-06-01T00:00:00Z"
    assert (first, first.tzinfo) == (start, UTC)


@pytest.mark.parametrize(
    ("zone", "wall", "skipped_at"),
    [
        ("America/New_York", datetime(2024, 3, 10, 2, 20, 7), "2024-03-10T07:00:00Z"),  # noqa: DTZ001
        ("Australia/Lord_Howe", datetime(2024, 10, 6, 2, 29, 59), "2024-10-05T15:30:00Z"),  # noqa: DTZ001
        ("Pacific/Apia", datetime(2011, 12, 30, 17, 1, 1), "2011-12-30T10:00:00Z"),  # noqa: DTZ001
    ],
)
def test_a_skipped_time_stands_for_the_moment_it_was_skipped_at(
    zone: str, wall: datetime, skipped_at: str
) -> None:
    assert utc_text(first_instant(wall, ZoneInfo(zone))) == skipped_at
    assert utc_text(last_instant(wall, ZoneInfo(zone))) == skipped_at
