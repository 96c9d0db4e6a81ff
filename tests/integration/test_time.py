"""Dates, clocks and zones: section Time of the catalogue."""

from __future__ import annotations

import contextlib
import itertools
import sys
import zoneinfo
from collections import Counter
from datetime import datetime, timedelta
from email.utils import format_datetime
from importlib import resources
from typing import TYPE_CHECKING, Any
from unittest import mock
from zoneinfo import ZoneInfo

import pytest

from tap_cometly.extract import extractor
from tests.integration.conftest import DAY, HOUR, KINDS, MINUTE, NOW, SETTLE, UTC
from tests.sandbox import Options, dated
from tests.support import zones
from tests.support.catalogs import catalog as user_catalog
from tests.support.properties import PLENTY, WIDEST_ZONE_GAP, instant

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from tests.integration.conftest import Cometly, Kind, StartSpace

LOS_ANGELES = "America/Los_Angeles"
START_OF_MAY = "2024-05-01T00:00:00Z"
SECOND = timedelta(seconds=1)
MODES = ["pagination", "export", "auto"]
ALL_MODES = pytest.mark.parametrize("mode", MODES)
BOTH_WAYS = pytest.mark.parametrize("mode", MODES[:2])


# The date matrix.

ZONES = (
    "UTC",
    LOS_ANGELES,
    "America/New_York",
    "Europe/London",
    "Asia/Tokyo",
    "Australia/Lord_Howe",  # by half an hour
    "America/Santiago",  # at midnight: a day begins at one o'clock
    "Asia/Kathmandu",  # UTC+05:45
)
READINGS: list[dict[str, Any]] = [
    {"end_inclusive": inclusive, "repeated_hour": hour}
    for inclusive, hour in itertools.product([True, False], ["first", "second"])
]
CREATED_AT = ["seconds", "microseconds", "absent"]
STEPS = [15, 30, 60]  # minutes from one run to the next
PLACES = (  # within each quarter of an hour: the boundary's second, and what is next to it
    timedelta(),
    timedelta(milliseconds=412),
    timedelta(seconds=1),
    timedelta(minutes=7, seconds=11),
    timedelta(minutes=14, seconds=59),
)


def changes(zone: str) -> tuple[datetime, ...]:
    """Give the instants of 2024 at which a zone's clock is changed; any instant if none is."""
    return zones.changes(zone) or (datetime(2024, 3, 31, 1, tzinfo=UTC),)


def matrix() -> Iterator[Any]:
    """Each zone with each reading of the API, and any two of the others together."""
    for (n, zone), (m, reading) in itertools.product(enumerate(ZONES), enumerate(READINGS)):
        options = {**reading, "created_at": CREATED_AT[(n + m) % 3]}
        for mode, minutes in (("pagination", STEPS[(n + 2 * m) % 3]), ("export", 60)):
            told = ", ".join(map(str, options.values()))
            yield pytest.param(zone, options, mode, minutes, id=f"{zone}, {told}, {mode}")


@pytest.mark.slow
@pytest.mark.parametrize(("zone", "options", "mode", "minutes"), [*matrix()])
def test_runs_across_changes_of_the_clock_are_complete(
    start_space: StartSpace, zone: str, options: dict[str, Any], mode: str, minutes: int
) -> None:
    for change in changes(zone):
        first, step = change - 2 * HOUR, minutes * MINUTE
        space = start_space(timezone=zone, now=change - DAY, **options)
        coming = [first + n * 15 * MINUTE + place for n in range(24) for place in PLACES]

        for number in range(1, 5 * HOUR // step + 1):
            space.clock.set(first + number * step + SETTLE)
            while coming[0] <= space.clock.now():
                space.space.add(created_at=coming.pop(0))
            start = first.isoformat()
            run = space.go_on(timezone=zone, extraction_mode=mode, start_date=start)
            assert run.warnings == []
            space.is_complete(run, cuts=0)

        assert not space.unread(instant(run.bookmark or ""))


@pytest.mark.parametrize(
    ("mode", "zone"), [("pagination", LOS_ANGELES), ("export", "Australia/Lord_Howe")]
)
@pytest.mark.parametrize("reading", READINGS[1:3])
def test_ranges_that_end_within_a_change_of_the_clock_are_complete(
    start_space: StartSpace, zone: str, mode: str, reading: dict[str, Any]
) -> None:
    change = changes(zone)[-1]
    first, last = change - 2 * HOUR, change + 2 * HOUR
    space = start_space(200, first, last, now=change + DAY, timezone=zone, **reading)

    for minutes in (-20, 20, 100):
        end = change + minutes * MINUTE
        run = space.go_on(timezone=zone, extraction_mode=mode, end_date=end.isoformat())

        space.is_complete(run, cuts=0)
        assert not space.unread(end)


# Seconds.


@BOTH_WAYS
@pytest.mark.parametrize("end_inclusive", [True, False], ids=["end inclusive", "end exclusive"])
@pytest.mark.parametrize("created_at", CREATED_AT)
@pytest.mark.parametrize("milliseconds", [0, 412])
def test_a_contact_on_a_boundary_second_is_read(
    start_space: StartSpace, mode: str, end_inclusive: Any, created_at: Any, milliseconds: int
) -> None:
    space = start_space(end_inclusive=end_inclusive, created_at=created_at)
    boundary = NOW - SETTLE
    space.space.add(created_at=boundary + timedelta(milliseconds=milliseconds))

    first = space.go_on(extraction_mode=mode)
    space.clock.advance(HOUR)
    second = space.go_on(extraction_mode=mode)

    assert instant(first.bookmark or "") == boundary
    assert not space.unread()
    space.is_complete(second)


@pytest.mark.parametrize(
    ("mode", "kind"), [("pagination", dated), ("export", dated), ("auto", Options)]
)
def test_six_thousand_contacts_in_one_second_are_read(
    start_space: StartSpace, mode: str, kind: Kind
) -> None:
    space = start_space(6_000, NOW - DAY, NOW - DAY + SECOND, kind=kind, limits=PLENTY)

    run = space.sync(extraction_mode=mode, export_threshold=2_000, export_target_size=1_000)

    space.is_complete(run)


# Contacts that show up late.


@KINDS
@pytest.mark.parametrize("lag", ["visible_after", "list_lag"])
@pytest.mark.parametrize("late", [1, 60])
def test_contacts_that_show_up_within_the_settling_time_are_read(
    start_space: StartSpace, late: Any, lag: str, kind: Kind
) -> None:
    space = start_space(kind=kind, limits=PLENTY, **{lag: late})
    for _ in range(15):
        space.live(97 * SECOND, contacts=20)

        run = space.go_on(start_date=NOW.isoformat(), settle_seconds=60)

        assert (run.exit, run.warnings) == (0, [])

    space.clock.advance(HOUR)
    space.is_complete(space.go_on(start_date=NOW.isoformat()))
    assert not space.unread()


@KINDS
def test_a_contact_that_shows_up_within_the_lookback_is_caught_by_the_next_run(
    start_space: StartSpace, kind: Kind
) -> None:
    space = start_space(20, NOW - 5 * DAY, kind=kind)
    first = space.sync()
    late = space.space.add(created_at=NOW - 2 * DAY)
    space.clock.advance(HOUR)

    plain = space.sync(first.state)
    looking_back = space.sync(first.state, lookback_days=3)

    assert late not in plain.ids  # as the README says
    assert late in looking_back.ids
    space.is_complete(looking_back)


@KINDS
@BOTH_WAYS
def test_an_import_with_old_dates_under_new_ids_is_read(
    start_space: StartSpace, mode: str, kind: Kind
) -> None:
    space = start_space(300, NOW - 30 * DAY, kind=kind)
    space.space.fill(200, NOW - 150 * DAY, NOW - 100 * DAY)

    run = space.sync(extraction_mode=mode, page_size=100)

    assert len(run.ids) == 500
    space.is_complete(run)


# Clocks that are wrong.


@KINDS
@pytest.mark.parametrize("seconds", [-3_000, -300, -59, 59, 300, 3_000])
def test_the_earlier_clock_counts_and_no_right_zone_is_accused(
    start_space: StartSpace, seconds: int, kind: Kind
) -> None:
    space = start_space(1_500, NOW - 3 * DAY, NOW, kind=kind)
    ahead = timedelta(seconds=seconds)

    run = space.sync(clock=space.clock.ahead(ahead))

    assert len([line for line in run.warnings if "clock" in line]) == (abs(seconds) > 60)
    space.is_complete(run, now=min(NOW, NOW + ahead))


def test_a_contact_that_came_between_the_two_clocks_is_left_for_the_next_run(
    start_space: StartSpace,
) -> None:
    space = start_space(300)
    late = space.space.add(created_at=NOW - SETTLE + 10 * SECOND)

    run = space.sync(clock=space.clock.ahead(30 * SECOND))
    space.live(MINUTE)
    later = space.go_on()

    assert run.warnings == []
    assert late not in run.ids
    assert late in later.ids
    space.is_complete(later)


def come_live(space: Cometly, late: timedelta = timedelta()) -> None:
    """Have contacts come around now, one in 5 seconds, that show up so late."""
    for n in range(-18, 60):
        created = NOW + n * 5 * SECOND
        space.space.add(created_at=created, visible_at=created + late)


@KINDS
@ALL_MODES
@pytest.mark.parametrize("retry_after", ["120", None], ids=["429", "503"])
def test_contacts_that_come_while_a_machine_ahead_asks_again_are_read(
    start_space: StartSpace, mode: str, kind: Kind, retry_after: str | None
) -> None:
    # given: an API that refuses the future and cannot answer the second call at once
    future = frozenset({"list", "create"})
    space = start_space(500, NOW - 2 * DAY, kind=kind, refuses_future=future)
    come_live(space)
    headers = {"Retry-After": retry_after} if retry_after else {}
    space.fault("list", status=429 if retry_after else 503, call=2, headers=headers)
    ahead = space.clock.ahead(10 * MINUTE)

    first = space.sync(clock=ahead, extraction_mode=mode)
    space.clock.advance(HOUR)
    second = space.go_on(clock=ahead, extraction_mode=mode)

    space.is_complete(first, now=NOW - 2 * SECOND)  # whole seconds, rounded
    space.is_complete(second, now=NOW + HOUR)
    assert not space.unread()


@KINDS
@ALL_MODES
@pytest.mark.parametrize("minutes", [0, 10], ids=["right", "ahead"])
def test_contacts_that_show_up_while_the_first_page_is_on_its_way_are_read(
    start_space: StartSpace, mode: str, kind: Kind, minutes: int
) -> None:
    # given: contacts that show up late, and an answer that is sent 50 seconds after it was made
    space = start_space(500, NOW - 2 * DAY, kind=kind)
    come_live(space, late=45 * SECOND)
    way = 50 * SECOND
    headers = {"Date": format_datetime(NOW + way, usegmt=True)}
    space.fault("list", "edit", edit=lambda _: space.clock.advance(way), headers=headers)
    ahead = space.clock.ahead(minutes * MINUTE)

    first = space.sync(clock=ahead, extraction_mode=mode)
    space.clock.advance(HOUR)
    second = space.go_on(clock=ahead, extraction_mode=mode)

    space.is_complete(first, now=NOW)
    space.is_complete(second, now=NOW + HOUR)
    assert not space.unread()


@KINDS
@ALL_MODES
def test_an_api_that_refuses_the_rest_of_an_hour_that_occurs_twice_is_read_by_a_machine_ahead(
    start_space: StartSpace, mode: str, kind: Kind
) -> None:
    # given: by the API's clock it is 01:55 for the second time; the machine's shows 02:05
    zone, now = "America/New_York", datetime(2024, 11, 3, 6, 55, tzinfo=UTC)
    options: dict[str, Any] = {"timezone": zone, "refuses_future": frozenset({"list", "create"})}
    space = start_space(500, now - 9 * HOUR, now, kind=kind, now=now, **options)
    ahead = space.clock.ahead(10 * MINUTE)
    start = "2024-11-02T18:00:00"  # short enough for the refusal not to be about the length

    run = space.sync(clock=ahead, timezone=zone, extraction_mode=mode, start_date=start)

    space.is_complete(run, now=now - 115 * MINUTE)
    assert len(run.requests) <= 10


@pytest.mark.parametrize(("days", "kind"), [(-700, dated), (-1.1, Options), (1.1, dated)])
@pytest.mark.parametrize("bookmark", [None, START_OF_MAY])
def test_clocks_more_than_a_day_apart_are_loud(
    start_space: StartSpace, days: float, bookmark: str | None, kind: Kind
) -> None:
    space = start_space(50, kind=kind)
    state = {"bookmarks": {"contacts": {"replication_key_value": bookmark}}} if bookmark else None

    run = space.sync(state, start_date="2020-01-01", clock=space.clock.ahead(days * DAY))

    [error] = run.errors
    assert f"differ by {abs(days) * 24 // 1:.0f} hours" in error
    assert (run.exit, run.records, run.state) == (1, [], state)


def test_an_hour_in_which_the_api_is_not_asked_says_nothing_about_the_clocks(
    start_space: StartSpace,
) -> None:
    space = start_space(300)
    space.sandbox.before_answer = lambda _, n: space.clock.advance(HOUR) if n == 3 else None

    run = space.sync(extraction_mode="export", export_target_size=50)

    assert not [line for line in run.warnings if "machine's clock" in line]
    space.is_complete(run)


@KINDS
@BOTH_WAYS
def test_the_bookmark_never_runs_ahead_of_the_present(
    start_space: StartSpace, mode: str, kind: Kind
) -> None:
    space = start_space(20, NOW - DAY, NOW - 5 * MINUTE, kind=kind)
    space.space.add(created_at=datetime(2099, 5, 1, tzinfo=UTC))

    run = space.sync(end_date="2099-12-31T00:00:00Z", extraction_mode=mode)

    assert NOW - SETTLE - WIDEST_ZONE_GAP <= instant(run.bookmark or "") <= NOW - SETTLE
    space.is_complete(run)


# Zones that are right.


@KINDS
@pytest.mark.parametrize("zone", [LOS_ANGELES, "Asia/Kathmandu", "Pacific/Kiritimati"])
def test_a_busy_space_is_read_up_to_now_and_nothing_twice(
    start_space: StartSpace, zone: str, kind: Kind
) -> None:
    space = start_space(3_000, last=NOW, kind=kind, timezone=zone, limits=PLENTY)
    for _ in range(5):
        space.live(HOUR, contacts=20)

        run = space.go_on(timezone=zone, start_date=START_OF_MAY)

        assert instant(run.bookmark or "") == space.clock.now() - SETTLE
        assert run.warnings == []
        assert len(run.requests) <= 3
        space.is_complete(run, cuts=0)
    read = Counter(record["id"] for run in space.runs for record in run.records)
    assert read.total() - len(read) <= 5, read.most_common(3)  # those on a boundary


@KINDS
@pytest.mark.parametrize("contacts", [0, 20])
def test_a_quiet_space_reads_the_newest_26_hours_again_and_says_so_once(
    start_space: StartSpace, contacts: int, kind: Kind
) -> None:
    space = start_space(contacts, NOW - 3 * DAY, NOW - 2 * HOUR, kind=kind)
    space.go_on()
    space.clock.advance(40 * HOUR)
    new = space.space.add(created_at=space.clock.now() - 20 * HOUR)

    second = space.go_on()
    space.clock.advance(HOUR)
    third = space.go_on()

    assert [run.warnings for run in space.runs] == [[], [], []]
    assert new in second.ids
    for run in (second, third):
        assert (
            run.log.count("could not be verified in this run") + run.log.count("No contact is new")
            <= 1
        )
    space.is_complete(*space.runs)


@KINDS
def test_quiet_hours_after_a_busy_one_read_nothing_again_until_a_contact_is_new(
    start_space: StartSpace, kind: Kind
) -> None:
    # given: a Space that was read up to now, then two hours without a contact
    space = start_space(500, NOW - DAY, NOW - 2 * MINUTE, kind=kind, timezone=LOS_ANGELES)
    space.go_on(timezone=LOS_ANGELES)
    quiet = []
    for _ in range(2):
        space.clock.advance(HOUR)
        quiet.append(space.go_on(timezone=LOS_ANGELES))

    # when: the owner sets the Space's time zone back, and a contact comes
    space.change(timezone="Pacific/Honolulu")
    space.clock.advance(HOUR)
    new = space.space.add(created_at=space.clock.now() - 30 * MINUTE)
    moved = space.go_on(timezone=LOS_ANGELES)

    # then
    assert [(run.ids, len(run.requests), run.warnings) for run in quiet] == [(set(), 2, [])] * 2
    assert moved.exit or new in moved.ids
    space.change(timezone=LOS_ANGELES)
    space.is_complete(*quiet, excused=[new])


def test_once_a_contact_shows_the_clock_the_head_is_no_longer_read_again(
    start_space: StartSpace,
) -> None:
    space = start_space(kind=Options)
    old = space.space.add(created_at=NOW - 5 * HOUR)
    space.go_on()
    space.clock.advance(HOUR)
    space.space.add(created_at=space.clock.now() - 5 * MINUTE)
    second = space.go_on()
    space.clock.advance(8 * MINUTE)
    recent = space.space.add(created_at=space.clock.now() - 2 * MINUTE)

    third = space.go_on()

    assert (old in second.ids, old in third.ids, recent in third.ids) == (True, False, True)
    assert instant(second.bookmark or "") == NOW + HOUR - SETTLE
    space.is_complete(*space.runs)


@pytest.mark.parametrize(("gone", "mode"), [*zip([1, 2, 20], MODES, strict=True)])
def test_newest_contacts_merged_away_during_the_check_accuse_nobody(
    start_space: StartSpace, gone: int, mode: str
) -> None:
    space = start_space(50)
    newest = sorted(space.space.ids())[-gone:]

    def merge(_: Any) -> None:
        for contact in newest:
            space.space.merge(contact, into=1)

    space.fault("list", "edit", edit=merge)

    run = space.sync(extraction_mode=mode)

    assert run.warnings == []
    assert not space.space.ids() & set(newest)
    space.is_complete(run)


@pytest.mark.parametrize("zone", ["UTC", LOS_ANGELES])
def test_fifteen_thousand_contacts_in_the_second_asked_for_accuse_nobody(
    start_space: StartSpace, zone: str
) -> None:
    space = start_space(50, timezone=zone)
    space.space.fill(15_000, NOW - 10 * MINUTE, NOW - 10 * MINUTE + SECOND)

    run = space.sync(timezone=zone, extraction_mode="export")

    assert run.warnings == []
    space.is_complete(run)


@KINDS
@pytest.mark.parametrize("settle", [0, 60])
def test_a_replica_that_lags_accuses_nobody(
    start_space: StartSpace, settle: int, kind: Kind
) -> None:
    space = start_space(3_000, NOW - DAY, NOW, kind=kind)
    space.sandbox.before_answer = lambda _, call: space.change(list_lag=20.0 * (call > 1))

    run = space.sync(settle_seconds=settle)

    assert run.warnings == []
    space.is_complete(run)


@pytest.mark.parametrize("hours", [-30, -3, 3.1, 30])
def test_one_stray_row_outside_the_window_accuses_nobody(
    start_space: StartSpace, hours: float
) -> None:
    space = start_space(50, NOW - DAY, NOW - 20 * MINUTE)

    def stray(answer: Any) -> None:
        if answer["data"]:
            row = {**answer["data"][0], "created_at": (NOW + hours * HOUR).isoformat(), "id": 999}
            answer["data"].insert(0, row)

    space.fault("list", "edit", edit=stray, times=None)
    start = (NOW - 2 * HOUR).isoformat()

    run = space.sync(start_date=start, extraction_mode="pagination")

    space.is_complete(run, cuts=0)


@contextlib.contextmanager
def zone_database(*folders: str) -> Iterator[None]:
    """A system that has no other files of zones, besides the package tzdata, than these."""
    zoneinfo.reset_tzpath(to=folders)
    ZoneInfo.clear_cache()
    try:
        yield
    finally:
        zoneinfo.reset_tzpath()
        ZoneInfo.clear_cache()


@KINDS
@pytest.mark.parametrize(("law", "mode"), [("Etc/GMT+7", "pagination"), ("Etc/GMT+5", "export")])
def test_an_old_zone_database_accuses_nobody_and_loses_nothing(
    start_space: StartSpace, tmp_path: Path, law: str, mode: str, kind: Kind
) -> None:
    # given: a system whose zone has the law of another one, while the package tzdata knows better
    chicago = "Etc/GMT+6"  # as was wished for it
    package = resources.files("tzdata.zoneinfo")
    (tmp_path / "Etc").mkdir()
    (tmp_path / chicago).write_bytes(package.joinpath(law).read_bytes())

    def from_package(zone: str) -> ZoneInfo:
        with package.joinpath(zone).open("rb") as file:
            return ZoneInfo.from_file(file, zone)

    space = start_space(1_000, NOW - 3 * DAY, NOW, kind=kind, timezone=chicago, limits=PLENTY)
    space.config = {"timezone": chicago, "extraction_mode": mode, "start_date": START_OF_MAY}

    with (
        zone_database(str(tmp_path)),
        mock.patch("tests.sandbox.wall_time.ZoneInfo", from_package),
    ):
        for _ in range(4):
            run = space.go_on()
            assert run.exit == 0, run.errors
            assert not space.unread()
            space.live(HOUR, contacts=30)
    can_be_told = kind is dated or law == "Etc/GMT+7"  # contacts from the future
    assert len([line for line in run.warnings if "zone database" in line]) == can_be_told


@pytest.mark.parametrize("name", [LOS_ANGELES, "UTC"])
def test_a_missing_zone_database_is_loud(start_space: StartSpace, name: str) -> None:
    space = start_space()
    hidden = {module: None for module in sys.modules if module.split(".")[0] == "tzdata"}

    with zone_database(), mock.patch.dict(sys.modules, {**hidden, "tzdata": None}):
        run = space.sync(timezone=name)

    assert run.requests == ()
    space.is_loud(run, "`timezone`")


@KINDS
@pytest.mark.parametrize("contacts", [1_500, 2], ids=["busy", "quiet"])
@ALL_MODES
def test_an_api_that_refuses_ranges_ending_in_the_future_is_read(
    start_space: StartSpace, mode: str, kind: Kind, contacts: int
) -> None:
    refuses = frozenset({"list", "create"})
    space = start_space(
        contacts, NOW - 2 * DAY, NOW, kind=kind, refuses_future=refuses, limits=PLENTY
    )
    for _ in range(4):
        space.live(HOUR, contacts=30 if contacts > 2 else 1)

        run = space.go_on(extraction_mode=mode)

        assert run.warnings == []
        space.is_complete(run, cuts=0)
    assert not space.unread()


@pytest.mark.parametrize(
    ("mode", "kind", "target"),
    [("pagination", dated, 500), ("export", Options, 500), ("auto", dated, 5_000)],
)
def test_an_import_within_an_hour_that_occurs_twice_is_read_three_times_at_most(
    start_space: StartSpace, mode: str, kind: Kind, target: int
) -> None:
    change = changes(LOS_ANGELES)[-1]
    options: dict[str, Any] = {"timezone": LOS_ANGELES, "limits": PLENTY, "queued_seconds": 0.0}
    space = start_space(
        2_000, change - DAY, change + DAY, kind=kind, now=change + 2 * DAY, **options
    )
    space.space.fill(6_000, change - 40 * MINUTE, change - 10 * MINUTE)

    with mock.patch.object(extractor, "PAGE_WINDOW", target):
        run = space.sync(
            timezone=LOS_ANGELES,
            extraction_mode=mode,
            export_target_size=target,
            start_date=(change - 2 * DAY).isoformat(),
        )

    read = Counter(record["id"] for record in run.records)
    assert max(read.values()) <= 3
    space.is_complete(run, cuts=0)


@KINDS
def test_no_export_is_said_to_lack_contacts_behind_its_window_and_a_repeated_hour(
    start_space: StartSpace, kind: Kind
) -> None:
    # given: a window whose middle, at 05:15 UTC, lies in the hour that is repeated until 07:00
    zone, end = "America/New_York", datetime(2024, 11, 3, 7, 1, tzinfo=UTC)
    options: dict[str, Any] = {"timezone": zone, "page_cap": 100}
    space = start_space(1_000, end - 8 * HOUR, end + HOUR, kind=kind, now=end + DAY, **options)
    space.config = {"start_date": "2024-11-02T23:29:00", "end_date": end.isoformat()}

    run = space.sync(timezone=zone, extraction_mode="export")

    space.is_complete(run)
    assert len(space.windows) == 1


# Zones that are wrong.

WRONG = {  # the Space's zone, the setting, and what the error names
    "Los Angeles for UTC": (LOS_ANGELES, "UTC", "UTC-07:00"),
    "UTC for Los Angeles": ("UTC", LOS_ANGELES, "UTC+00:00"),
    "London for UTC": ("Europe/London", "UTC", "UTC+01:00"),
    "UTC for London": ("UTC", "Europe/London", "UTC+00:00"),
    "Denver for Phoenix": ("America/Denver", "America/Phoenix", "UTC-06:00"),
    "Phoenix for Denver": ("America/Phoenix", "America/Denver", "UTC-07:00"),
    "Kathmandu for Kolkata": ("Asia/Kathmandu", "Asia/Kolkata", "UTC+05:45"),
    "Kolkata for Kathmandu": ("Asia/Kolkata", "Asia/Kathmandu", "UTC+05:30"),
    "Kiritimati for Pago Pago": ("Pacific/Kiritimati", "Pacific/Pago_Pago", "UTC+14:00"),
    "Pago Pago for Kiritimati": ("Pacific/Pago_Pago", "Pacific/Kiritimati", "UTC-11:00"),
}
AHEAD = ["UTC for Los Angeles", "London for UTC", "Denver for Phoenix", "Kathmandu for Kolkata"]
AHEAD += ["Kiritimati for Pago Pago"]


def with_modes(names: Iterable[str]) -> list[Any]:
    """Wrong zones, each with one mode: what tells them does not depend on it."""
    pairs = zip(names, itertools.cycle(MODES), strict=False)
    return [pytest.param(*WRONG[name], mode, id=f"{name}, {mode}") for name, mode in pairs]


def is_told(space: Cometly, zone: str, offset: str, **config: Any) -> None:
    """A run with this wrong zone ends with an error, at little cost."""
    run = space.sync(timezone=zone, **config)

    assert len(run.requests) <= 1 + 10
    space.is_loud(run, f"not {zone}", offset, mend={"timezone": space.sandbox.options.timezone})


@pytest.mark.parametrize(("zone", "setting", "offset", "mode"), with_modes(WRONG))
@pytest.mark.parametrize(
    ("start", "first", "last"),
    [(NOW - 150 * DAY, 100 * DAY, HOUR), (NOW - 15 * MINUTE, 10 * HOUR, 0 * HOUR)],
    ids=["a long range", "the shortest of ranges"],
)
def test_a_wrong_zone_is_loud_and_names_the_offset(
    start_space: StartSpace,
    zone: str,
    setting: str,
    offset: str,
    mode: str,
    start: datetime,
    first: timedelta,
    last: timedelta,
) -> None:
    space = start_space(100, NOW - first, NOW - last, timezone=zone)

    is_told(space, setting, offset, extraction_mode=mode, start_date=start.isoformat())


@pytest.mark.parametrize(("zone", "setting", "offset", "mode"), with_modes(AHEAD))
def test_a_space_whose_clock_is_ahead_is_loud_without_dates_too(
    start_space: StartSpace, zone: str, setting: str, offset: str, mode: str
) -> None:
    space = start_space(3_000, last=NOW, kind=Options, timezone=zone)

    is_told(space, setting, offset, extraction_mode=mode)


def test_a_busy_space_whose_clock_is_behind_is_told_without_dates(start_space: StartSpace) -> None:
    space = start_space(20_000, NOW - DAY, NOW, kind=Options, timezone=LOS_ANGELES)

    run = space.sync(start_date=(NOW - DAY).isoformat())

    assert run.exit == 0
    assert any("perhaps its time zone is at UTC-07:00" in line for line in run.warnings)


@KINDS
@BOTH_WAYS
@pytest.mark.parametrize(
    ("zone", "setting"),
    [("America/Phoenix", "America/Denver"), ("America/Denver", "America/Phoenix")],
)
def test_a_zone_that_was_wrong_at_the_start_only_loses_nothing(
    start_space: StartSpace, zone: str, setting: str, mode: str, kind: Kind
) -> None:
    winter = datetime(2024, 12, 20, 12, tzinfo=UTC)
    summer = winter - 172 * DAY
    space = start_space(3_000, winter - 10 * DAY, winter, now=winter, kind=kind, timezone=zone)
    at_the_start = space.space.fill(30, summer - HOUR, summer + 3 * HOUR)

    run = space.sync(timezone=setting, extraction_mode=mode, start_date=summer.isoformat())

    wanted = space.space.ids(summer, winter - 20 * DAY)
    assert kind is Options or run.ids & set(at_the_start) == wanted
    space.is_complete(run)


def test_a_start_date_without_a_zone_is_the_spaces_wall_time_whatever_the_setting(
    start_space: StartSpace,
) -> None:
    midnight = datetime(2024, 5, 31, 15, tzinfo=UTC)
    space = start_space(
        40, midnight - HOUR, midnight + 3 * HOUR, kind=Options, timezone="Asia/Tokyo"
    )

    run = space.sync(start_date="2024-06-01")

    assert run.ids == space.space.ids(midnight)


def test_zones_that_are_equal_in_winter_are_loud_on_the_first_day_of_summer(
    start_space: StartSpace,
) -> None:
    change = changes("Europe/London")[0]
    first, now = change - 5 * DAY, change - 12 * HOUR
    space = start_space(600, first, now, now=now, timezone="Europe/London")
    space.config = {"start_date": first.isoformat()}

    run = space.go_on()
    while run.exit == 0 and space.clock.now() < change + 3 * HOUR:
        space.is_complete(run, cuts=0)
        space.live(HOUR, contacts=9)
        run = space.go_on()

    space.is_loud(run, "UTC+01:00", cuts=0)


@KINDS
@BOTH_WAYS
@pytest.mark.parametrize(
    ("new", "offset"), [("America/New_York", "UTC-04:00"), ("Pacific/Honolulu", "UTC-10:00")]
)
def test_an_owner_who_changes_the_zone_between_runs_is_noticed_or_nothing_is_lost(
    start_space: StartSpace, mode: str, new: str, offset: str, kind: Kind
) -> None:
    space = start_space(1_500, NOW - 5 * DAY, NOW, kind=kind, timezone=LOS_ANGELES)
    space.config = {"extraction_mode": mode, "start_date": START_OF_MAY}
    first = space.go_on(timezone=LOS_ANGELES)
    space.live(HOUR, contacts=20)
    space.change(timezone=new)

    second = space.go_on(timezone=LOS_ANGELES)

    assert first.exit == 0
    if kind is dated or new == "America/New_York":
        assert offset in second.errors[0]
        assert second.bookmark == first.bookmark
    else:
        assert second.exit == 0
        assert not space.unread()
    assert space.go_on(timezone=new).exit == 0
    assert not space.unread()


@KINDS
@pytest.mark.parametrize("new", [LOS_ANGELES, "Pacific/Kiritimati"])
@pytest.mark.parametrize("ends", [["2024-05-15", None], ["2024-05-15", "2024-05-25", None]])
def test_an_owner_who_changes_the_zone_in_mid_backfill_is_noticed_or_nothing_is_lost(
    start_space: StartSpace, ends: list[str | None], new: str, kind: Kind
) -> None:
    # given: contacts every half hour, and a first part of them that has been read
    tokyo = "Asia/Tokyo"
    space = start_space(1_000, NOW - 20 * DAY, NOW, kind=kind, timezone=tokyo, limits=PLENTY)
    space.config = {"timezone": tokyo, "start_date": START_OF_MAY, "extraction_mode": "pagination"}
    space.go_on(end_date=ends[0])

    # when
    space.change(timezone=new)
    for end in ends[1:]:
        space.go_on(end_date=end)

    # then
    if all(run.exit == 0 for run in space.runs):
        assert not space.unread(NOW - WIDEST_ZONE_GAP)
    else:
        assert any("its clock showed" in error for run in space.runs for error in run.errors)


@KINDS
def test_a_setting_corrected_in_the_middle_of_a_backfill_loses_nothing(
    start_space: StartSpace, kind: Kind
) -> None:
    tokyo = "Asia/Tokyo"
    space = start_space(300, NOW - 20 * DAY, NOW, kind=kind, timezone=LOS_ANGELES, limits=PLENTY)
    space.config = {"extraction_mode": "pagination", "start_date": START_OF_MAY}

    for day, zone in ((15, tokyo), (20, LOS_ANGELES), (25, tokyo), (None, LOS_ANGELES)):
        end = day and f"2024-05-{day}T00:00:00Z"
        run = space.go_on(end_date=end, timezone=zone)

    assert run.exit == 0
    assert not space.unread()


def test_a_bookmark_keeps_its_zone_until_it_moves_on_under_the_new_one(
    start_space: StartSpace,
) -> None:
    space = start_space(1_000, NOW - 3 * DAY, NOW, kind=Options, limits=PLENTY)
    space.config = {"start_date": START_OF_MAY, "extraction_mode": "pagination"}
    first = space.go_on(timezone="UTC")
    space.live(2 * HOUR, contacts=100)

    with mock.patch.object(extractor, "PAGE_WINDOW", 20):
        second = space.go_on(timezone="Asia/Tokyo")

    space.clock.advance(30 * HOUR)
    third = space.go_on(timezone="Asia/Tokyo")

    zones_told = [state["bookmarks"]["contacts"]["timezone"] for state in second.states]
    assert set(zones_told) == {"UTC"}
    assert third.states[-1]["bookmarks"]["contacts"]["timezone"] == "Asia/Tokyo"
    assert first.bookmark == second.bookmark
    assert instant(third.bookmark or "") > instant(second.bookmark or "")
    assert not space.unread()
    space.is_complete(second, cuts=4, mend={"timezone": "Asia/Tokyo"})


# What was understood of settings.


@pytest.mark.parametrize("method", ["INCREMENTAL", "FULL_TABLE"])
@pytest.mark.parametrize(
    ("start", "told"),
    [("2024-01-01T00:00:00", True), ("2024-01-01", False), ("2024-01-01T00:00:00Z", False)],
    ids=["date-time", "date", "date-time with a zone"],
)
def test_a_date_time_without_a_zone_is_told_once_with_the_instant_understood(
    start_space: StartSpace, start: str, method: str, *, told: bool
) -> None:
    space = start_space(50, timezone=LOS_ANGELES, config={"timezone": LOS_ANGELES})

    run = space.sync(catalog=user_catalog(method=method), start_date=start)

    understood = "2024-01-01T00:00:00 in America/Los_Angeles = 2024-01-01T08:00:00Z"
    assert run.log.count(understood) == run.log.count(" in America/Los_Angeles = ") == told
    assert ["quotes" in line for line in run.warnings] == [True] * told
    space.is_complete(run)
