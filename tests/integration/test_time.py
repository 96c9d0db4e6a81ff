"""Dates, clocks and zones: section Time of the catalogue."""

from __future__ import annotations

import contextlib
import itertools
import sys
import zoneinfo
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any
from unittest import mock
from zoneinfo import ZoneInfo

import pytest

from tests.integration.conftest import NOW
from tests.sandbox import Fault, Limits, Options
from tests.support.properties import check, instant
from tests.support.running import bookmark_of, sync
from tests.support.seasons import SETTLE, ZONES, changes, live_through

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.conftest import StartCometly
    from tests.sandbox import Sandbox
    from tests.sandbox.fixture import StartSandbox
    from tests.support.running import Run

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
LOS_ANGELES = "America/Los_Angeles"
PLENTY = Limits(list=10_000, create=10_000, poll=10_000)

# The date matrix.

READINGS: list[Any] = [
    pytest.param(
        {"end_inclusive": inclusive, "repeated_hour": hour},
        id=f"end {'in' if inclusive else 'ex'}clusive, {hour}",
    )
    for inclusive, hour in itertools.product([True, False], ["first", "second"])
]


@pytest.mark.slow
@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("created_at", ["seconds", "microseconds", "absent"])
@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("minutes", [15, 30, 60])
def test_runs_across_changes_of_the_clock_are_complete_through_pages(
    cometly: StartCometly, zone: str, created_at: Any, reading: dict[str, Any], minutes: int
) -> None:
    for change in changes(zone):
        sandbox, clock = cometly(
            Options(timezone=zone, created_at=created_at, **reading), now=change - DAY
        )

        runs = live_through(sandbox, clock, change, timedelta(minutes=minutes), {"timezone": zone})

        assert _all_of(runs, sandbox)


@pytest.mark.slow
@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("created_at", ["seconds", "microseconds", "absent"])
@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("minutes", [60])
def test_runs_across_changes_of_the_clock_are_complete_through_exports(
    cometly: StartCometly, zone: str, created_at: Any, reading: dict[str, Any], minutes: int
) -> None:
    for change in changes(zone):
        sandbox, clock = cometly(
            Options(timezone=zone, created_at=created_at, **reading), now=change - DAY
        )

        config = {"timezone": zone, "extraction_mode": "export"}
        runs = live_through(sandbox, clock, change, timedelta(minutes=minutes), config)

        assert _all_of(runs, sandbox)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["pagination", "export"])
@pytest.mark.parametrize("zone", [LOS_ANGELES, "Australia/Lord_Howe"])
@pytest.mark.parametrize("reading", READINGS)
def test_windows_that_end_within_a_change_of_the_clock_are_complete_in_real_time(
    sandbox: StartSandbox, zone: str, mode: str, reading: dict[str, Any]
) -> None:
    change = changes(zone)[-1]
    options = Options(timezone=zone, limits=PLENTY, queued_seconds=0.0, **reading)
    cometly = sandbox(options)
    cometly.space.fill(200, change - 2 * HOUR, change + 2 * HOUR)
    state, ids = None, set[int]()
    for minutes in (-20, 20, 100):
        end = (change + timedelta(minutes=minutes)).isoformat()
        config = {"timezone": zone, "extraction_mode": mode, "end_date": end}

        run = sync(cometly, config, state)

        check(run, cometly, cuts=0)
        state, ids = run.state, ids | run.ids
    assert ids >= cometly.space.ids(None, instant(bookmark_of(state) or ""))


def _all_of(runs: list[Run], sandbox: Sandbox) -> bool:
    """Whether the runs together emitted everything up to the last bookmark."""
    end = instant(runs[-1].bookmark or "")
    return sandbox.space.ids(None, end) <= set[int]().union(*(run.ids for run in runs))


# Seconds.


@pytest.mark.parametrize("mode", ["pagination", "export"])
@pytest.mark.parametrize("end_inclusive", [True, False], ids=["end inclusive", "end exclusive"])
@pytest.mark.parametrize("created_at", ["seconds", "microseconds", "absent"])
@pytest.mark.parametrize("milliseconds", [0, 1, 412, 999])
def test_a_contact_on_a_boundary_second_is_read(
    cometly: StartCometly, mode: str, end_inclusive: Any, created_at: Any, milliseconds: int
) -> None:
    sandbox, clock = cometly(Options(end_inclusive=end_inclusive, created_at=created_at))
    boundary = NOW - SETTLE
    there = sandbox.space.add(created_at=boundary + timedelta(milliseconds=milliseconds))

    first = sync(sandbox, {"extraction_mode": mode}, clock=clock)
    clock.advance(HOUR)
    second = sync(sandbox, {"extraction_mode": mode}, first.state, clock=clock)

    assert instant(first.bookmark or "") == boundary
    assert there in first.ids | second.ids
    check(second, sandbox)


@pytest.mark.parametrize("mode", ["pagination", "auto", "export"])
def test_six_thousand_contacts_in_one_second_are_read(cometly: StartCometly, mode: str) -> None:
    sandbox, clock = cometly()
    second = NOW - DAY
    sandbox.space.fill(6_000, second, second + timedelta(seconds=1))
    config = {"extraction_mode": mode, "export_threshold": 2_000, "export_target_size": 1_000}

    run = sync(sandbox, config, clock=clock)

    assert len(run.ids) == 6_000
    check(run, sandbox)


# Contacts that show up late.


@pytest.mark.parametrize("late", [0, 1, 59, 60])
def test_contacts_that_show_up_within_the_settling_time_are_read(
    cometly: StartCometly, late: int
) -> None:
    sandbox, clock = cometly(Options(visible_after=float(late)))
    config = {"start_date": NOW.isoformat(), "settle_seconds": 60}
    state, ids = None, set[int]()
    for _ in range(30):
        sandbox.space.fill(20, clock.now(), clock.now() + timedelta(seconds=97))
        clock.advance(timedelta(seconds=97))

        run = sync(sandbox, config, state, clock=clock)

        assert run.exit == 0
        state, ids = run.state, ids | run.ids

    clock.advance(HOUR)
    last = sync(sandbox, config, state, clock=clock)
    assert ids | last.ids == sandbox.space.ids()
    check(last, sandbox)


def test_a_contact_that_shows_up_within_the_lookback_is_caught_by_the_next_run(
    cometly: StartCometly,
) -> None:
    sandbox, clock = cometly()
    sandbox.space.fill(20, NOW - 5 * DAY, NOW - HOUR)
    first = sync(sandbox, clock=clock)
    late = sandbox.space.add(created_at=NOW - 2 * DAY)
    clock.advance(HOUR)

    plain = sync(sandbox, {}, first.state, clock=clock)
    looking_back = sync(sandbox, {"lookback_days": 3}, first.state, clock=clock)

    assert late not in plain.ids  # as the README says
    assert late in looking_back.ids
    check(looking_back, sandbox)


def test_an_import_with_old_dates_under_new_ids_is_read(cometly: StartCometly) -> None:
    sandbox, clock = cometly()
    sandbox.space.fill(300, NOW - 30 * DAY, NOW - HOUR)
    sandbox.space.fill(200, NOW - 150 * DAY, NOW - 100 * DAY)

    for mode in ("pagination", "export"):
        run = sync(sandbox, {"extraction_mode": mode, "page_size": 100}, clock=clock)

        assert len(run.ids) == 500
        check(run, sandbox)


# Clocks that are wrong.


@pytest.mark.parametrize(
    "ahead", [timedelta(minutes=5), 26 * HOUR, timedelta(minutes=-5), -26 * HOUR], ids=str
)
def test_the_earlier_clock_counts(cometly: StartCometly, ahead: timedelta) -> None:
    sandbox, clock = cometly()
    sandbox.space.fill(50, NOW - 3 * DAY, NOW)

    run = sync(sandbox, clock=clock.ahead(ahead))

    assert instant(run.bookmark or "") == min(NOW, NOW + ahead) - SETTLE
    assert any("clock" in line for line in run.warnings)
    check(run, sandbox, now=min(NOW, NOW + ahead))


@pytest.mark.parametrize("seconds", [-59, 0, 59])
def test_a_minute_between_the_clocks_is_not_worth_a_warning(
    cometly: StartCometly, seconds: int
) -> None:
    sandbox, clock = cometly()
    sandbox.space.fill(50, NOW - 3 * DAY, NOW)
    ahead = timedelta(seconds=seconds)

    run = sync(sandbox, clock=clock.ahead(ahead))

    assert run.warnings == []
    check(run, sandbox, now=min(NOW, NOW + ahead))


@pytest.mark.parametrize("mode", ["pagination", "export"])
def test_the_bookmark_never_runs_ahead_of_the_present(cometly: StartCometly, mode: str) -> None:
    sandbox, clock = cometly()
    sandbox.space.fill(20, NOW - DAY, NOW - HOUR)
    sandbox.space.add(created_at=datetime(2099, 5, 1, tzinfo=timezone.utc))
    config = {"end_date": "2099-12-31T00:00:00Z", "extraction_mode": mode}

    run = sync(sandbox, config, clock=clock)

    assert instant(run.bookmark or "") == NOW - SETTLE
    check(run, sandbox)


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
}


@pytest.mark.parametrize("mode", ["pagination", "export", "auto"])
@pytest.mark.parametrize(("space", "setting", "offset"), WRONG.values(), ids=WRONG)
def test_a_wrong_zone_is_loud_and_names_the_offset(
    cometly: StartCometly, space: str, setting: str, offset: str, mode: str
) -> None:
    sandbox, clock = cometly(Options(timezone=space))
    sandbox.space.fill(100, NOW - 100 * DAY, NOW - HOUR)

    run = sync(sandbox, {"timezone": setting, "extraction_mode": mode}, clock=clock)

    assert run.exit == 1
    assert f"not {setting}" in run.errors[0]
    assert offset in run.errors[0]
    assert run.states == []
    check(run, sandbox, mend={"timezone": space})


def test_a_wrong_zone_is_found_out_once_however_much_there_is(cometly: StartCometly) -> None:
    sandbox, clock = cometly(Options(timezone="America/Los_Angeles"))
    sandbox.space.fill(7_000, NOW - 100 * DAY, NOW - HOUR)

    run = sync(sandbox, {"timezone": "Europe/London"}, clock=clock)

    assert run.exit == 1
    assert "UTC-0" in run.errors[0]
    calls = {"first page": 1, "looks": 5, "zone checks": 2, "more calls that name the offset": 8}
    assert len(sandbox.requests) <= sum(calls.values())


@pytest.mark.parametrize("mode", ["pagination", "export", "auto"])
@pytest.mark.parametrize(("space", "setting", "offset"), WRONG.values(), ids=WRONG)
def test_a_wrong_zone_is_loud_in_the_shortest_of_ranges(
    cometly: StartCometly, space: str, setting: str, offset: str, mode: str
) -> None:
    sandbox, clock = cometly(Options(timezone=space))
    sandbox.space.fill(100, NOW - 10 * HOUR, NOW)
    start = (NOW - timedelta(minutes=15)).isoformat()

    config = {"timezone": setting, "extraction_mode": mode, "start_date": start}
    run = sync(sandbox, config, clock=clock)

    assert run.exit == 1
    assert offset in run.errors[0]
    assert run.states == []
    check(run, sandbox, mend={"timezone": space})


@pytest.mark.parametrize("created", ["winter", "summer", "both"])
@pytest.mark.parametrize("mode", ["pagination", "export"])
@pytest.mark.parametrize(
    ("space", "setting"),
    [
        ("Europe/London", "UTC"),
        ("UTC", "Europe/London"),
        ("America/Denver", "America/Phoenix"),
        ("America/Phoenix", "America/Denver"),
    ],
)
def test_zones_that_are_equal_in_winter_never_lose_a_contact_silently(
    cometly: StartCometly, space: str, setting: str, created: str, mode: str
) -> None:
    winter = datetime(2024, 12, 20, 12, tzinfo=timezone.utc)
    sandbox, clock = cometly(Options(timezone=space), now=winter)
    if created != "winter":
        sandbox.space.fill(100, winter - 170 * DAY, winter - 100 * DAY)
    if created != "summer":
        sandbox.space.fill(100, winter - 20 * DAY, winter - HOUR)
    config = {
        "timezone": setting,
        "extraction_mode": mode,
        "start_date": (winter - 172 * DAY).isoformat(),
    }

    run = sync(sandbox, config, clock=clock)

    assert run.exit == (created != "winter")
    check(run, sandbox, mend={"timezone": space})


def test_zones_that_are_equal_in_winter_are_loud_on_the_first_day_of_summer(
    cometly: StartCometly,
) -> None:
    change = changes("Europe/London")[0]
    sandbox, clock = cometly(Options(timezone="Europe/London"), now=change - 2 * DAY)
    sandbox.space.fill(2_000, change - 5 * DAY, change + 5 * DAY)
    state, run = None, None
    while clock.now() < change + 3 * HOUR:
        config = {"start_date": (change - 4 * DAY).isoformat()}
        run = sync(sandbox, config, state, clock=clock)
        check(run, sandbox, cuts=0)
        if run.exit:
            break
        state = run.state
        clock.advance(HOUR)

    assert run is not None
    assert run.exit == 1
    assert "UTC+01:00" in run.errors[0]


@pytest.mark.parametrize("mode", ["pagination", "export"])
def test_an_owner_who_changes_the_zone_between_runs_is_noticed(
    cometly: StartCometly, mode: str
) -> None:
    sandbox, clock = cometly(Options(timezone=LOS_ANGELES))
    sandbox.space.fill(100, NOW - 10 * DAY, NOW + DAY)
    config = {"timezone": LOS_ANGELES, "extraction_mode": mode}
    first = sync(sandbox, config, clock=clock)
    clock.advance(HOUR)
    sandbox.options = Options(timezone="America/New_York")

    second = sync(sandbox, config, first.state, clock=clock)

    assert second.exit == 1
    assert "UTC-04:00" in second.errors[0]
    assert second.bookmark == first.bookmark
    check(second, sandbox, mend={"timezone": "America/New_York"})


@pytest.mark.parametrize("mode", ["pagination", "export"])
def test_a_newest_contact_merged_away_during_the_check_is_replaced_by_another(
    cometly: StartCometly, mode: str
) -> None:
    sandbox, clock = cometly()
    *_, newest = sandbox.space.fill(50, NOW - 10 * DAY, NOW - HOUR)
    sandbox.fault(Fault("list", "edit", edit=lambda _: sandbox.space.merge(newest, into=1)))

    run = sync(sandbox, {"extraction_mode": mode}, clock=clock)

    assert run.exit == 0
    assert run.warnings == []  # not that the zone could not be checked
    assert newest not in sandbox.space.ids()
    check(run, sandbox)


@pytest.mark.parametrize("contacts", [0, 20])
def test_a_zone_that_cannot_be_checked_is_worth_one_warning(
    cometly: StartCometly, contacts: int
) -> None:
    sandbox, clock = cometly(Options(created_at="absent"))
    sandbox.space.fill(contacts, NOW - DAY, NOW - HOUR)

    run = sync(sandbox, clock=clock)

    assert len(run.warnings) == 1
    assert "could not be checked" in run.warnings[0]
    check(run, sandbox)


@pytest.mark.parametrize("name", ["Mars/Phobos", "utc+1", "", "../UTC", "America"])
def test_an_unknown_zone_is_loud(cometly: StartCometly, name: str) -> None:
    sandbox, clock = cometly()

    run = sync(sandbox, {"timezone": name}, clock=clock)

    assert run.exit == 1
    assert "`timezone`" in run.errors[0]
    assert sandbox.requests == []
    check(run, sandbox, cuts=0)


@contextlib.contextmanager
def _no_zone_database() -> Iterator[None]:
    hidden = {name: None for name in sys.modules if name.split(".")[0] == "tzdata"}
    zoneinfo.reset_tzpath(to=())
    ZoneInfo.clear_cache()
    try:
        with mock.patch.dict(sys.modules, {**hidden, "tzdata": None}):
            yield
    finally:
        zoneinfo.reset_tzpath()
        ZoneInfo.clear_cache()


@pytest.mark.parametrize("name", [LOS_ANGELES, "UTC"])
def test_a_missing_zone_database_is_loud(cometly: StartCometly, name: str) -> None:
    sandbox, clock = cometly()

    with _no_zone_database():
        run = sync(sandbox, {"timezone": name}, clock=clock)

    assert run.exit == 1
    assert "`timezone`" in run.errors[0]
    assert sandbox.requests == []
    check(run, sandbox)
