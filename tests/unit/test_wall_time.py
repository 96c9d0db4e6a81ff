"""Wall time: whatever the server means by it, the whole range is asked for."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_cometly.timeranges import (
    SECOND,
    before_repeated,
    behind_repeated,
    first_instant,
    last_instant,
    repeated,
    utc_text,
    wall_range,
)
from tests.support.zones import changes

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
    assert asked.holds(start)
    assert asked.holds(end)


@st.composite
def moments_near_changes(draw: st.DrawFn) -> tuple[datetime, ZoneInfo]:
    name, year = draw(
        st.sampled_from(ODD_YEARS)
        | st.tuples(st.sampled_from(ZONES), st.integers(YEARS.start, YEARS.stop - 1))
    )
    places = changes(name, year) or (datetime(year, 6, 1, tzinfo=UTC),)
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
    "name",
    [
        *("America/New_York", "Europe/London", "Australia/Lord_Howe"),
        *("America/Santiago", "Africa/Casablanca"),
    ],
)
def test_a_range_within_another_is_asked_for_within_the_other(name: str) -> None:
    zone = ZoneInfo(name)
    for change in changes(name):
        # given: instants around the change, and next to the ends of the stretch that is repeated
        odd = [change + timedelta(seconds=s) for s in range(-8_000, 8_000, 61)]
        ends = [change + n * HOUR / 2 + away * SECOND for n in range(-2, 3) for away in (-1, 0, 1)]
        instants = sorted(odd + ends)

        for move in (before_repeated, behind_repeated):
            moved = [move(instant, zone) for instant in instants]

            assert moved == sorted(moved)
            assert moved == [move(instant, zone) for instant in moved]
            # then: the nearest second that is not repeated
            assert not any(repeated(instant, zone) for instant in moved)
            one = -SECOND if move is behind_repeated else SECOND
            for instant, to in zip(instants, moved, strict=True):
                assert to == instant or repeated(to + one, zone)

        start, *inside = instants
        ranges = [wall_range(start, end, zone) for end in inside]
        for part, whole in pairwise(ranges):
            assert (part.earliest, part.start) == (whole.earliest, whole.start)
            assert part.latest <= whole.latest


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
def test_first_and_last_instant_enclose_every_meaning_of_a_wall_time(
    place: tuple[datetime, ZoneInfo],
) -> None:
    instant, zone = place
    wall = instant.astimezone(zone).replace(tzinfo=None)

    assert first_instant(wall, zone) <= instant <= last_instant(wall, zone)
    assert last_instant(wall, zone) - first_instant(wall, zone) == repeated(instant, zone)


@pytest.mark.parametrize(
    ("zone", "wall", "first", "last"),
    [
        ("UTC", "2024-01-01T00:00", "2024-01-01T00:00:00Z", None),
        ("Asia/Tokyo", "2024-01-01T00:00", "2023-12-31T15:00:00Z", None),
        ("America/Havana", "2024-11-03T00:30", "2024-11-03T04:30:00Z", "2024-11-03T05:30:00Z"),
        # Skipped: the moment at which the clock was changed.
        ("America/Santiago", "2024-09-08T00:00", "2024-09-08T04:00:00Z", None),
        ("Asia/Beirut", "2023-03-26T00:00", "2023-03-25T22:00:00Z", None),
        ("America/New_York", "2024-03-10T02:20:07", "2024-03-10T07:00:00Z", None),
        ("Australia/Lord_Howe", "2024-10-06T02:29:59", "2024-10-05T15:30:00Z", None),
        ("Pacific/Apia", "2011-12-30T17:01:01", "2011-12-30T10:00:00Z", None),  # all of that day
    ],
)
def test_first_and_last_instant_of_a_wall_time(
    zone: str, wall: str, first: str, last: str | None
) -> None:
    at, info = datetime.fromisoformat(wall), ZoneInfo(zone)

    assert utc_text(first_instant(at, info)) == first
    assert utc_text(last_instant(at, info)) == (last or first)
    if wall.endswith("T00:00"):
        assert first_instant(at.date(), info) == first_instant(at, info)


@given(st.sampled_from(ZONES), st.dates(date(1970, 1, 2), date(2037, 12, 30)))
def test_a_day_begins_where_the_one_before_ends(name: str, day: date) -> None:
    zone = ZoneInfo(name)
    begins = first_instant(day, zone)

    before = (begins - SECOND).astimezone(zone)

    assert before.date() < day <= begins.astimezone(zone).date()
