"""Dates, clocks and zones: section Time of the catalogue."""

from __future__ import annotations

import contextlib
import itertools
import sys
import zoneinfo
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from importlib import resources
from typing import TYPE_CHECKING, Any
from unittest import mock
from zoneinfo import ZoneInfo

import pytest

from tap_cometly.extract import extractor
from tests.integration.conftest import NOW
from tests.sandbox import Fault, Options, dated
from tests.support.catalogs import catalog as user_catalog
from tests.support.properties import PLENTY, WIDEST_ZONE_GAP, check, instant
from tests.support.running import bookmark_of, sync
from tests.support.seasons import SETTLE, ZONES, changes, live_through

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from tests.integration.conftest import StartCometly
    from tests.sandbox import Sandbox
    from tests.sandbox.fixture import StartSandbox
    from tests.support.clock import FakeClock
    from tests.support.running import Run

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
Kind = Callable[..., Options]
LOS_ANGELES = "America/Los_Angeles"
START_OF_YEAR, START_OF_MAY = "2024-01-01T00:00:00Z", "2024-05-01T00:00:00Z"

KINDS: list[Any] = [pytest.param(dated, id="dated"), pytest.param(Options, id="undated")]
"""An API that tells `created_at`, and one that does not."""


def pass_time(sandbox: Sandbox, clock: FakeClock, by: timedelta, contacts: int) -> None:
    """Let contacts come in, evenly; the sandbox shows those of the future, too."""
    sandbox.space.fill(contacts, clock.now(), clock.now() + by)
    clock.advance(by)


# The date matrix.

READINGS: list[Any] = [
    pytest.param(
        {"end_inclusive": inclusive, "repeated_hour": hour},
        id=f"end {'in' if inclusive else 'ex'}clusive, {hour}",
    )
    for inclusive, hour in itertools.product([True, False], ["first", "second"])
]
CREATED_AT = ["seconds", "microseconds", "absent"]
STEPS = [15, 30, 60]  # minutes from one run to the next

# Not all of these with all others, but any two of them together.
MATRIX: list[Any] = [
    pytest.param(
        {**reading.values[0], "created_at": created_at},
        timedelta(minutes=STEPS[(n + m) % len(STEPS)]),
        id=f"{reading.id}, {created_at}, {STEPS[(n + m) % len(STEPS)]} minutes",
    )
    for (n, reading), (m, created_at) in itertools.product(
        enumerate(READINGS), enumerate(CREATED_AT)
    )
]


@pytest.mark.slow
@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize(("options", "step"), MATRIX)
def test_runs_across_changes_of_the_clock_are_complete_through_pages(
    cometly: StartCometly, zone: str, options: dict[str, Any], step: timedelta
) -> None:
    for change in changes(zone):
        sandbox, clock = cometly(dated(timezone=zone, **options), now=change - DAY)

        runs = live_through(sandbox, clock, change, step, {"timezone": zone})

        assert _all_of(runs, sandbox)


@pytest.mark.slow
@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize(
    ("zone", "created_at"), list(zip(ZONES, itertools.cycle(CREATED_AT), strict=False))
)
def test_runs_across_changes_of_the_clock_are_complete_through_exports(
    cometly: StartCometly, zone: str, created_at: Any, reading: dict[str, Any]
) -> None:
    for change in changes(zone):
        options = dated(timezone=zone, created_at=created_at, **reading)
        sandbox, clock = cometly(options, now=change - DAY)

        config = {"timezone": zone, "extraction_mode": "export"}
        runs = live_through(sandbox, clock, change, HOUR, config)

        assert _all_of(runs, sandbox)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mode", "zone"), [("pagination", LOS_ANGELES), ("export", "Australia/Lord_Howe")]
)
@pytest.mark.parametrize("reading", READINGS[1:3])
def test_windows_that_end_within_a_change_of_the_clock_are_complete_in_real_time(
    sandbox: StartSandbox, zone: str, mode: str, reading: dict[str, Any]
) -> None:
    change = changes(zone)[-1]
    options = dated(timezone=zone, limits=PLENTY, queued_seconds=0.0, **reading)
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
@pytest.mark.parametrize("created_at", CREATED_AT)
@pytest.mark.parametrize("milliseconds", [0, 1, 412, 999])
def test_a_contact_on_a_boundary_second_is_read(
    cometly: StartCometly, mode: str, end_inclusive: Any, created_at: Any, milliseconds: int
) -> None:
    sandbox, clock = cometly(dated(end_inclusive=end_inclusive, created_at=created_at))
    boundary = NOW - SETTLE
    there = sandbox.space.add(created_at=boundary + timedelta(milliseconds=milliseconds))

    first = sync(sandbox, {"extraction_mode": mode}, clock=clock)
    clock.advance(HOUR)
    second = sync(sandbox, {"extraction_mode": mode}, first.state, clock=clock)

    assert instant(first.bookmark or "") == boundary
    assert there in first.ids | second.ids
    check(second, sandbox)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", ["pagination", "auto", "export"])
def test_six_thousand_contacts_in_one_second_are_read(
    cometly: StartCometly, mode: str, kind: Kind
) -> None:
    sandbox, clock = cometly(kind())
    second = NOW - DAY
    sandbox.space.fill(6_000, second, second + timedelta(seconds=1))
    config = {"extraction_mode": mode, "export_threshold": 2_000, "export_target_size": 1_000}

    run = sync(sandbox, config, clock=clock)

    assert len(run.ids) == 6_000
    check(run, sandbox)


# Contacts that show up late.


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("late", [0, 1, 59, 60])
def test_contacts_that_show_up_within_the_settling_time_are_read(
    cometly: StartCometly, late: int, kind: Kind
) -> None:
    sandbox, clock = cometly(kind(visible_after=float(late)))
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


@pytest.mark.parametrize("kind", KINDS)
def test_a_contact_that_shows_up_within_the_lookback_is_caught_by_the_next_run(
    cometly: StartCometly, kind: Kind
) -> None:
    sandbox, clock = cometly(kind())
    sandbox.space.fill(20, NOW - 5 * DAY, NOW - HOUR)
    first = sync(sandbox, clock=clock)
    late = sandbox.space.add(created_at=NOW - 2 * DAY)
    clock.advance(HOUR)

    plain = sync(sandbox, {}, first.state, clock=clock)
    looking_back = sync(sandbox, {"lookback_days": 3}, first.state, clock=clock)

    assert late not in plain.ids  # as the README says
    assert late in looking_back.ids
    check(looking_back, sandbox)


@pytest.mark.parametrize("kind", KINDS)
def test_an_import_with_old_dates_under_new_ids_is_read(cometly: StartCometly, kind: Kind) -> None:
    sandbox, clock = cometly(kind())
    sandbox.space.fill(300, NOW - 30 * DAY, NOW - HOUR)
    sandbox.space.fill(200, NOW - 150 * DAY, NOW - 100 * DAY)

    for mode in ("pagination", "export"):
        run = sync(sandbox, {"extraction_mode": mode, "page_size": 100}, clock=clock)

        assert len(run.ids) == 500
        check(run, sandbox)


# Clocks that are wrong.


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("minutes", [-50, -5, 5, 50])
def test_the_earlier_clock_counts_and_no_right_zone_is_accused(
    cometly: StartCometly, minutes: int, kind: Kind
) -> None:
    sandbox, clock = cometly(kind())
    sandbox.space.fill(1_500, NOW - 3 * DAY, NOW)
    ahead = timedelta(minutes=minutes)

    run = sync(sandbox, clock=clock.ahead(ahead))

    assert len([line for line in run.warnings if "clock" in line]) == 1
    check(run, sandbox, now=min(NOW, NOW + ahead))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("days", [-700, -1.1, 1.1, 700])
@pytest.mark.parametrize("bookmark", [None, "2024-05-01T00:00:00Z"])
def test_clocks_more_than_a_day_apart_are_loud(
    cometly: StartCometly, days: float, bookmark: str | None, kind: Kind
) -> None:
    sandbox, clock = cometly(kind())
    sandbox.space.fill(50, NOW - 3 * DAY, NOW)
    state = bookmark and {"bookmarks": {"contacts": {"replication_key_value": bookmark}}}

    run = sync(sandbox, {"start_date": "2020-01-01"}, state or None, clock=clock.ahead(days * DAY))

    assert run.exit == 1
    assert f"differ by {abs(days) * 24 // 1:.0f} hours" in run.errors[0]
    assert run.records == []
    assert run.state == (state or None)


@pytest.mark.parametrize("seconds", [-59, 0, 59])
def test_a_minute_between_the_clocks_is_not_worth_a_warning(
    cometly: StartCometly, seconds: int
) -> None:
    sandbox, clock = cometly(dated())
    sandbox.space.fill(50, NOW - 3 * DAY, NOW)
    ahead = timedelta(seconds=seconds)

    run = sync(sandbox, clock=clock.ahead(ahead))

    assert run.warnings == []
    check(run, sandbox, now=min(NOW, NOW + ahead))


def test_an_hour_in_which_the_api_is_not_asked_says_nothing_about_the_clocks(
    cometly: StartCometly,
) -> None:
    sandbox, clock = cometly(dated())
    sandbox.space.fill(300, NOW - 3 * DAY, NOW)
    config = {"extraction_mode": "export", "export_target_size": 50}
    sandbox.before_answer = lambda _, n: clock.advance(HOUR) if n == 3 else None

    run = sync(sandbox, config, clock=clock)

    assert not [line for line in run.warnings if "machine's clock" in line]
    check(run, sandbox)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", ["pagination", "export"])
def test_the_bookmark_never_runs_ahead_of_the_present(
    cometly: StartCometly, mode: str, kind: Kind
) -> None:
    sandbox, clock = cometly(kind())
    sandbox.space.fill(20, NOW - DAY, NOW - 5 * MINUTE)
    sandbox.space.add(created_at=datetime(2099, 5, 1, tzinfo=timezone.utc))
    config = {"end_date": "2099-12-31T00:00:00Z", "extraction_mode": mode}

    run = sync(sandbox, config, clock=clock)

    assert NOW - SETTLE - WIDEST_ZONE_GAP <= instant(run.bookmark or "") <= NOW - SETTLE
    check(run, sandbox)


# Zones that are right.


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("zone", [LOS_ANGELES, "Asia/Kathmandu", "Pacific/Kiritimati"])
def test_a_busy_space_is_read_up_to_now_and_nothing_twice(
    cometly: StartCometly, zone: str, kind: Kind
) -> None:
    sandbox, clock = cometly(kind(timezone=zone, limits=PLENTY))
    sandbox.space.fill(3_000, NOW - 10 * DAY, NOW)
    read, state = Counter[int](), None
    for _ in range(5):
        pass_time(sandbox, clock, HOUR, contacts=20)

        run = sync(sandbox, {"timezone": zone, "start_date": START_OF_MAY}, state, clock=clock)

        assert instant(run.bookmark or "") == clock.now() - SETTLE
        assert run.warnings == []
        assert len(run.requests) <= 3
        read.update(record["id"] for record in run.records)
        state = run.state
        check(run, sandbox, cuts=0)
    boundary = sum(times - 1 for times in read.values())
    assert boundary <= 5, read.most_common(3)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("contacts", [0, 20])
def test_a_quiet_space_reads_the_newest_26_hours_again_and_says_so_once(
    cometly: StartCometly, contacts: int, kind: Kind
) -> None:
    sandbox, clock = cometly(kind())
    sandbox.space.fill(contacts, NOW - 3 * DAY, NOW - 2 * HOUR)
    first = sync(sandbox, clock=clock)
    clock.advance(40 * HOUR)
    new = sandbox.space.add(created_at=clock.now() - 20 * HOUR)

    second = sync(sandbox, {}, first.state, clock=clock)
    clock.advance(HOUR)
    third = sync(sandbox, {}, second.state, clock=clock)

    assert first.warnings == second.warnings == third.warnings == []
    assert new in second.ids
    for run in (second, third):
        assert run.log.count("cannot be told in this run") + run.log.count("No contact is new") <= 1
    for run in (first, second, third):
        check(run, sandbox)


@pytest.mark.parametrize("kind", KINDS)
def test_quiet_hours_after_a_busy_one_read_nothing_again_until_a_contact_is_new(
    cometly: StartCometly, kind: Kind
) -> None:
    # given: a Space that was read up to now, then two hours without a contact
    sandbox, clock = cometly(kind(timezone=LOS_ANGELES))
    sandbox.space.fill(500, NOW - DAY, NOW - 2 * MINUTE)
    config = {"timezone": LOS_ANGELES}
    busy = sync(sandbox, config, clock=clock)
    quiet: list[Run] = []
    for _ in range(2):
        clock.advance(HOUR)
        state = (quiet or [busy])[-1].state
        quiet.append(sync(sandbox, config, state, clock=clock))

    # when: the owner moves the Space's clock back, and a contact comes
    sandbox.options = kind(timezone="Pacific/Honolulu")
    clock.advance(HOUR)
    new = sandbox.space.add(created_at=clock.now() - 30 * MINUTE)
    moved = sync(sandbox, config, quiet[-1].state, clock=clock)

    # then
    for run in quiet:
        assert (run.ids, len(run.requests), run.warnings) == (set(), 2, [])
        check(run, sandbox)
    assert moved.exit or new in moved.ids


def test_once_a_contact_shows_the_clock_the_head_is_no_longer_read_again(
    cometly: StartCometly,
) -> None:
    sandbox, clock = cometly(Options())
    old = sandbox.space.add(created_at=NOW - 5 * HOUR)
    first = sync(sandbox, clock=clock)
    clock.advance(HOUR)
    sandbox.space.add(created_at=clock.now() - 5 * MINUTE)
    second = sync(sandbox, {}, first.state, clock=clock)
    clock.advance(8 * MINUTE)
    recent = sandbox.space.add(created_at=clock.now() - 2 * MINUTE)

    third = sync(sandbox, {}, second.state, clock=clock)

    assert (old in second.ids, old in third.ids, recent in third.ids) == (True, False, True)
    assert instant(second.bookmark or "") == NOW + HOUR - SETTLE
    for run in (first, second, third):
        check(run, sandbox)


@pytest.mark.parametrize("mode", ["pagination", "auto", "export"])
@pytest.mark.parametrize("gone", [1, 2, 20])
def test_newest_contacts_merged_away_during_the_check_accuse_nobody(
    cometly: StartCometly, mode: str, gone: int
) -> None:
    sandbox, clock = cometly(dated())
    ids = sandbox.space.fill(50, NOW - 10 * DAY, NOW - HOUR)

    def merge(_: Any) -> None:
        for contact in ids[-gone:]:
            sandbox.space.merge(contact, into=1)

    sandbox.fault(Fault("list", "edit", edit=merge))

    run = sync(sandbox, {"extraction_mode": mode}, clock=clock)

    assert (run.exit, run.warnings) == (0, [])
    assert ids[-1] not in sandbox.space.ids()
    check(run, sandbox)


@pytest.mark.parametrize("zone", ["UTC", LOS_ANGELES])
def test_fifteen_thousand_contacts_in_the_second_asked_for_accuse_nobody(
    cometly: StartCometly, zone: str
) -> None:
    sandbox, clock = cometly(dated(timezone=zone))
    sandbox.space.fill(50, NOW - 10 * DAY, NOW - HOUR)
    second = NOW - 10 * MINUTE
    sandbox.space.fill(15_000, second, second + timedelta(seconds=1))
    config = {"timezone": zone, "extraction_mode": "export"}

    run = sync(sandbox, config, clock=clock)

    assert (run.exit, run.warnings) == (0, [])
    check(run, sandbox)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("settle", [0, 60])
def test_a_replica_that_lags_accuses_nobody(cometly: StartCometly, settle: int, kind: Kind) -> None:
    sandbox, clock = cometly(kind())
    sandbox.space.fill(3_000, NOW - DAY, NOW)

    def lag(_: str, call: int) -> None:
        sandbox.options = kind(list_lag=20.0 if call > 1 else 0.0)

    sandbox.before_answer = lag

    run = sync(sandbox, {"settle_seconds": settle}, clock=clock)

    assert (run.exit, run.warnings) == (0, [])
    check(run, sandbox)


@pytest.mark.parametrize("kind", KINDS)
def test_a_list_that_always_lags_within_the_settling_time_loses_nothing(
    cometly: StartCometly, kind: Kind
) -> None:
    sandbox, clock = cometly(kind(list_lag=55.0, limits=PLENTY))
    sandbox.space.fill(300, NOW - 6 * HOUR, NOW)
    state, ids = None, set[int]()
    for _ in range(6):
        pass_time(sandbox, clock, 30 * MINUTE, contacts=30)

        run = sync(sandbox, {"start_date": "2024-06-01T00:00:00Z"}, state, clock=clock)

        assert (run.exit, run.warnings) == (0, [])
        state, ids = run.state, ids | run.ids
    assert ids >= sandbox.space.ids(None, clock.now() - SETTLE)


@pytest.mark.parametrize("hours", [-30, -3, 3.1, 30])
def test_one_stray_row_outside_the_window_accuses_nobody(
    cometly: StartCometly, hours: float
) -> None:
    sandbox, clock = cometly(dated())
    sandbox.space.fill(50, NOW - DAY, NOW - 20 * MINUTE)

    def stray(answer: Any) -> None:
        if answer["data"]:
            row = {**answer["data"][0], "created_at": (NOW + hours * HOUR).isoformat(), "id": 999}
            answer["data"].insert(0, row)

    sandbox.fault(Fault("list", "edit", edit=stray, times=None))
    start = (NOW - 2 * HOUR).isoformat()

    run = sync(sandbox, {"start_date": start, "extraction_mode": "pagination"}, clock=clock)

    assert run.exit == 0, run.log
    check(run, sandbox, cuts=0)


@contextlib.contextmanager
def _older_zone_database(folder: Path, zone: str, law: str) -> Iterator[None]:
    """A system whose zone has the law of another one, while the package tzdata knows better."""
    file = folder / zone
    file.parent.mkdir(parents=True)
    law_file = resources.files("tzdata.zoneinfo").joinpath(law)
    file.write_bytes(law_file.read_bytes())
    zoneinfo.reset_tzpath(to=(str(folder),))
    ZoneInfo.clear_cache()
    try:
        yield
    finally:
        zoneinfo.reset_tzpath()
        ZoneInfo.clear_cache()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("law", ["Etc/GMT+7", "Etc/GMT+5"])
@pytest.mark.parametrize("mode", ["pagination", "export"])
def test_an_old_zone_database_accuses_nobody_and_loses_nothing(
    cometly: StartCometly, tmp_path: Path, law: str, mode: str, kind: Kind
) -> None:
    sandbox, clock = cometly(kind(timezone="Etc/GMT+6", limits=PLENTY))  # as Chicago was wished
    sandbox.space.fill(1_000, NOW - 3 * DAY, NOW)
    ids, state = set[int](), None
    with (
        _older_zone_database(tmp_path, "Etc/GMT+6", law),
        mock.patch("tests.sandbox.wall_time.ZoneInfo", _from_package),
    ):
        for _ in range(4):
            config = {"timezone": "Etc/GMT+6", "extraction_mode": mode, "start_date": START_OF_MAY}
            run = sync(sandbox, config, state, clock=clock)
            assert run.exit == 0, run.errors
            assert ids | run.ids >= sandbox.space.ids(None, clock.now() - SETTLE)
            state, ids = run.state, ids | run.ids
            pass_time(sandbox, clock, HOUR, contacts=30)
    can_be_told = kind is dated or law == "Etc/GMT+7"  # contacts from the future
    assert len([w for w in run.warnings if "zone database" in w]) == can_be_told


def _from_package(zone: str) -> ZoneInfo:
    with resources.files("tzdata.zoneinfo").joinpath(zone).open("rb") as file:
        return ZoneInfo.from_file(file, zone)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("busy", [True, False], ids=["busy", "quiet"])
@pytest.mark.parametrize("mode", ["pagination", "auto", "export"])
def test_an_api_that_refuses_ranges_ending_in_the_future_is_read(
    cometly: StartCometly, mode: str, kind: Kind, *, busy: bool
) -> None:
    options = kind(refuses_future=frozenset({"list", "create"}), limits=PLENTY)
    sandbox, clock = cometly(options)
    sandbox.space.fill(1_500 if busy else 2, NOW - 2 * DAY, NOW)
    ids, state = set[int](), None
    for _ in range(4):
        pass_time(sandbox, clock, HOUR, contacts=30 if busy else 1)

        run = sync(sandbox, {"extraction_mode": mode}, state, clock=clock)

        assert (run.exit, run.warnings) == (0, [])
        check(run, sandbox, cuts=0)
        ids, state = ids | run.ids, run.state
    assert ids >= sandbox.space.ids(None, clock.now() - SETTLE)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("reading", ["first", "second"])
@pytest.mark.parametrize(
    "refuses", [frozenset(), frozenset({"list", "create"})], ids=["future served", "future refused"]
)
def test_runs_within_an_hour_that_occurs_twice_accuse_nobody(
    cometly: StartCometly, kind: Kind, reading: Any, refuses: frozenset[str]
) -> None:
    change = changes(LOS_ANGELES)[-1]
    options = kind(
        timezone=LOS_ANGELES, repeated_hour=reading, refuses_future=refuses, limits=PLENTY
    )
    sandbox, clock = cometly(options, now=change - 2 * HOUR)
    sandbox.space.fill(700, change - DAY, change - 2 * HOUR)
    ids, state = set[int](), None
    while clock.now() < change + 4 * HOUR:
        pass_time(sandbox, clock, 10 * MINUTE, contacts=5)
        config = {"timezone": LOS_ANGELES, "start_date": (change - DAY).isoformat()}
        run = sync(sandbox, config, state, clock=clock)
        assert (run.exit, run.warnings) == (0, [])
        ids, state = ids | run.ids, run.state
    assert ids >= sandbox.space.ids(change - DAY, clock.now() - SETTLE)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mode", "kind"), [("pagination", dated), ("export", Options), ("auto", dated)]
)
@pytest.mark.parametrize("target", [500, 20_000])
def test_an_import_within_an_hour_that_occurs_twice_is_read_three_times_at_most(
    cometly: StartCometly, mode: str, target: int, kind: Kind
) -> None:
    change = changes(LOS_ANGELES)[-1]
    options = kind(timezone=LOS_ANGELES, limits=PLENTY, queued_seconds=0.0)
    sandbox, clock = cometly(options, now=change + 2 * DAY)
    sandbox.space.fill(2_000, change - DAY, change + DAY)
    sandbox.space.fill(30_000, change - 40 * MINUTE, change - 10 * MINUTE)
    config = {
        "timezone": LOS_ANGELES,
        "extraction_mode": mode,
        "export_target_size": target,
        "start_date": (change - 2 * DAY).isoformat(),
    }

    with mock.patch.object(extractor, "PAGE_WINDOW", target):
        run = sync(sandbox, config, clock=clock)

    read = Counter(record["id"] for record in run.records)
    assert max(read.values()) <= 3
    assert len(run.ids) == 32_000
    check(run, sandbox, cuts=0)


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
AHEAD = [
    name
    for name in WRONG
    if name.split(" for ")[0] in ("UTC", "London", "Denver", "Kathmandu", "Kiritimati")
    and name != "UTC for London"
]
MODES = ["pagination", "export", "auto"]


def with_modes(names: Iterable[str]) -> list[Any]:
    """Wrong zones, each with one mode: what tells them does not depend on it."""
    pairs = zip(names, itertools.cycle(MODES), strict=False)
    return [pytest.param(*WRONG[name], mode, id=f"{name}, {mode}") for name, mode in pairs]


@pytest.mark.parametrize(("space", "setting", "offset", "mode"), with_modes(WRONG))
@pytest.mark.parametrize(
    ("start", "first", "last"),
    [(START_OF_YEAR, 100 * DAY, HOUR), ((NOW - 15 * MINUTE).isoformat(), 10 * HOUR, 0 * HOUR)],
    ids=["a long range", "the shortest of ranges"],
)
def test_a_wrong_zone_is_loud_and_names_the_offset(
    cometly: StartCometly,
    space: str,
    setting: str,
    offset: str,
    mode: str,
    start: str,
    first: timedelta,
    last: timedelta,
) -> None:
    sandbox, clock = cometly(dated(timezone=space))
    sandbox.space.fill(100, NOW - first, NOW - last)

    config = {"timezone": setting, "extraction_mode": mode, "start_date": start}
    run = sync(sandbox, config, clock=clock)

    assert run.exit == 1
    assert f"not {setting}" in run.errors[0]
    assert offset in run.errors[0]
    assert run.states == []
    assert len(run.requests) <= 1 + 10
    check(run, sandbox, mend={"timezone": space})


@pytest.mark.parametrize(("space", "setting", "offset", "mode"), with_modes(AHEAD))
def test_a_space_whose_clock_is_ahead_is_loud_without_dates_too(
    cometly: StartCometly, space: str, setting: str, offset: str, mode: str
) -> None:
    sandbox, clock = cometly(Options(timezone=space))
    sandbox.space.fill(3_000, NOW - 10 * DAY, NOW)

    run = sync(sandbox, {"timezone": setting, "extraction_mode": mode}, clock=clock)

    assert run.exit == 1
    assert f"not {setting}" in run.errors[0]
    assert offset in run.errors[0]
    assert run.states == []
    assert len(run.requests) <= 1 + 10
    check(run, sandbox, mend={"timezone": space})


@pytest.mark.parametrize("contacts", [3, 10, 3_000], ids="{} contacts".format)
@pytest.mark.parametrize(("space", "setting", "_", "mode"), with_modes(WRONG))
def test_without_dates_a_wrong_zone_loses_nothing_unless_it_is_loud(
    cometly: StartCometly, space: str, setting: str, _: str, mode: str, contacts: int
) -> None:
    sandbox, clock = cometly(Options(timezone=space, limits=PLENTY))
    sandbox.space.fill(contacts, NOW - 2 * DAY, NOW)
    ids, state = set[int](), None
    for zone in (setting, setting, setting, space):
        pass_time(sandbox, clock, 5 * HOUR, contacts=contacts // 10)
        config = {"timezone": zone, "extraction_mode": mode, "start_date": START_OF_MAY}
        run = sync(sandbox, config, state, clock=clock)
        ids, state = ids | run.ids, run.state
        if run.exit == 0:
            assert ids >= sandbox.space.ids(None, clock.now() - WIDEST_ZONE_GAP - SETTLE)
        else:
            assert zone == setting != space, run.errors
            assert "its clock showed" in run.errors[0]
    assert ids >= sandbox.space.ids(None, clock.now() - SETTLE)


def test_a_busy_space_whose_clock_is_behind_is_told_without_dates(cometly: StartCometly) -> None:
    sandbox, clock = cometly(Options(timezone=LOS_ANGELES))
    sandbox.space.fill(60_000, NOW - 3 * DAY, NOW)

    run = sync(sandbox, {"start_date": (NOW - 3 * DAY).isoformat()}, clock=clock)

    assert run.exit == 0
    assert any("perhaps its clock is at UTC-07:00" in line for line in run.warnings)


@pytest.mark.parametrize("kind", KINDS)
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
    cometly: StartCometly, space: str, setting: str, created: str, mode: str, kind: Kind
) -> None:
    winter = datetime(2024, 12, 20, 12, tzinfo=timezone.utc)
    sandbox, clock = cometly(kind(timezone=space), now=winter)
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

    assert run.exit == (created == "summer" and kind is dated)
    check(run, sandbox, mend={"timezone": space})


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", ["pagination", "export"])
@pytest.mark.parametrize(
    ("space", "setting"),
    [("America/Phoenix", "America/Denver"), ("America/Denver", "America/Phoenix")],
)
def test_a_zone_that_was_wrong_at_the_start_only_loses_nothing(
    cometly: StartCometly, space: str, setting: str, mode: str, kind: Kind
) -> None:
    winter = datetime(2024, 12, 20, 12, tzinfo=timezone.utc)
    summer = winter - 172 * DAY
    sandbox, clock = cometly(kind(timezone=space), now=winter)
    at_the_start = sandbox.space.fill(30, summer - HOUR, summer + 3 * HOUR)
    sandbox.space.fill(3_000, winter - 10 * DAY, winter)
    config = {"timezone": setting, "extraction_mode": mode, "start_date": summer.isoformat()}

    run = sync(sandbox, config, clock=clock)

    wanted = sandbox.space.ids(summer, winter - 20 * DAY)
    assert run.exit == 0, run.errors
    assert wanted <= run.ids
    assert kind is Options or not run.ids & (set(at_the_start) - wanted)
    check(run, sandbox)


def test_a_start_date_without_a_zone_is_the_spaces_wall_time_whatever_the_setting(
    cometly: StartCometly,
) -> None:
    sandbox, clock = cometly(Options(timezone="Asia/Tokyo"))
    midnight = datetime(2024, 5, 31, 15, tzinfo=timezone.utc)
    sandbox.space.fill(40, midnight - HOUR, midnight + 3 * HOUR)

    run = sync(sandbox, {"start_date": "2024-06-01"}, clock=clock)

    assert run.ids == sandbox.space.ids(midnight)


def test_zones_that_are_equal_in_winter_are_loud_on_the_first_day_of_summer(
    cometly: StartCometly,
) -> None:
    change = changes("Europe/London")[0]
    sandbox, clock = cometly(dated(timezone="Europe/London"), now=change - 2 * DAY)
    sandbox.space.fill(600, change - 5 * DAY, change - 2 * DAY)
    state, run = None, None
    while clock.now() < change + 3 * HOUR:
        config = {"start_date": (change - 4 * DAY).isoformat()}
        run = sync(sandbox, config, state, clock=clock)
        check(run, sandbox, cuts=0)
        if run.exit:
            break
        state = run.state
        pass_time(sandbox, clock, HOUR, contacts=9)

    assert run is not None
    assert run.exit == 1
    assert "UTC+01:00" in run.errors[0]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", ["pagination", "export"])
@pytest.mark.parametrize("new", ["America/New_York", "Pacific/Honolulu"])
def test_an_owner_who_changes_the_zone_between_runs_is_noticed_or_nothing_is_lost(
    cometly: StartCometly, mode: str, new: str, kind: Kind
) -> None:
    sandbox, clock = cometly(kind(timezone=LOS_ANGELES))
    sandbox.space.fill(1_500, NOW - 5 * DAY, NOW)
    config = {"timezone": LOS_ANGELES, "extraction_mode": mode, "start_date": START_OF_MAY}
    first = sync(sandbox, config, clock=clock)
    pass_time(sandbox, clock, HOUR, contacts=20)
    sandbox.options = kind(timezone=new)

    second = sync(sandbox, config, first.state, clock=clock)

    assert first.exit == 0
    if kind is dated or new == "America/New_York":
        assert second.exit == 1
        assert ("UTC-04:00" if new == "America/New_York" else "UTC-10:00") in second.errors[0]
        assert second.bookmark == first.bookmark
    else:
        assert second.exit == 0
        assert first.ids | second.ids >= sandbox.space.ids(None, clock.now() - SETTLE)
    third = sync(sandbox, {**config, "timezone": new}, second.state, clock=clock)
    assert third.exit == 0
    ids = first.ids | second.ids | third.ids
    assert ids >= sandbox.space.ids(None, clock.now() - SETTLE)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("new", [LOS_ANGELES, "Pacific/Kiritimati"])
@pytest.mark.parametrize("ends", [["2024-05-15", None], ["2024-05-15", "2024-05-25", None]])
def test_an_owner_who_changes_the_zone_in_mid_backfill_is_noticed_or_nothing_is_lost(
    cometly: StartCometly, ends: list[str | None], new: str, kind: Kind
) -> None:
    # given: contacts every half hour, and a first part of them that has been read
    sandbox, clock = cometly(kind(timezone="Asia/Tokyo", limits=PLENTY))
    sandbox.space.fill(1_000, NOW - 20 * DAY, NOW)
    config = {"timezone": "Asia/Tokyo", "start_date": START_OF_MAY, "extraction_mode": "pagination"}
    runs = [sync(sandbox, {**config, "end_date": ends[0]}, clock=clock)]

    # when
    sandbox.options = kind(timezone=new, limits=PLENTY)
    for end in ends[1:]:
        runs.append(sync(sandbox, {**config, "end_date": end}, runs[-1].state, clock=clock))

    # then
    if all(run.exit == 0 for run in runs):
        ids = set[int]().union(*(run.ids for run in runs))
        assert ids >= sandbox.space.ids(None, NOW - WIDEST_ZONE_GAP)
    else:
        assert any("its clock showed" in error for run in runs for error in run.errors)


@pytest.mark.parametrize("kind", KINDS)
def test_a_setting_corrected_in_the_middle_of_a_backfill_loses_nothing(
    cometly: StartCometly, kind: Kind
) -> None:
    sandbox, clock = cometly(kind(timezone=LOS_ANGELES, limits=PLENTY))
    sandbox.space.fill(300, NOW - 20 * DAY, NOW)
    config = {"extraction_mode": "pagination", "start_date": START_OF_MAY, "timezone": "Asia/Tokyo"}
    ends = ["2024-05-15T00:00:00Z", "2024-05-20T00:00:00Z", "2024-05-25T00:00:00Z", None]
    zones = ["Asia/Tokyo", LOS_ANGELES, "Asia/Tokyo", LOS_ANGELES]
    ids, state = set[int](), None

    for end, zone in zip(ends, zones, strict=True):
        run = sync(sandbox, {**config, "end_date": end, "timezone": zone}, state, clock=clock)
        ids, state = ids | run.ids, run.state

    assert run.exit == 0
    assert ids >= sandbox.space.ids(None, NOW - SETTLE)


def test_a_bookmark_keeps_its_zone_until_it_moves_on_under_the_new_one(
    cometly: StartCometly,
) -> None:
    sandbox, clock = cometly(Options(timezone="UTC", limits=PLENTY))
    sandbox.space.fill(1_000, NOW - 3 * DAY, NOW)
    config = {"start_date": START_OF_MAY, "timezone": "UTC", "extraction_mode": "pagination"}
    first = sync(sandbox, config, clock=clock)
    pass_time(sandbox, clock, 2 * HOUR, contacts=100)

    with mock.patch.object(extractor, "PAGE_WINDOW", 20):
        second = sync(sandbox, {**config, "timezone": "Asia/Tokyo"}, first.state, clock=clock)

    clock.advance(30 * HOUR)
    third = sync(sandbox, {**config, "timezone": "Asia/Tokyo"}, second.state, clock=clock)

    assert {_zone_of(state) for state in second.states} == {"UTC"}
    assert first.bookmark == second.bookmark
    assert instant(third.bookmark or "") > instant(second.bookmark or "")
    assert _zone_of(third.states[-1]) == "Asia/Tokyo"
    assert first.ids | second.ids | third.ids == sandbox.space.ids()
    check(second, sandbox, cuts=4, mend={"timezone": "Asia/Tokyo"})


def _zone_of(state: dict[str, Any]) -> str:
    zone: str = state["bookmarks"]["contacts"]["timezone"]
    return zone


# What was understood of settings.


@pytest.mark.parametrize("full", [False, True], ids=["incremental", "full table"])
def test_a_date_time_without_a_zone_is_told_once_with_the_instant_understood(
    cometly: StartCometly, *, full: bool
) -> None:
    sandbox, clock = cometly(dated(timezone=LOS_ANGELES))
    sandbox.space.fill(50, NOW - DAY, NOW)
    config = {"start_date": "2024-01-01T00:00:00", "timezone": LOS_ANGELES}
    catalog = user_catalog(method="FULL_TABLE") if full else None

    run = sync(sandbox, config, None, catalog, clock=clock)

    understood = "2024-01-01T00:00:00 in America/Los_Angeles = 2024-01-01T08:00:00Z"
    assert run.log.count(understood) == 1
    [warning] = run.warnings
    assert "quotes" in warning
    check(run, sandbox)


@pytest.mark.parametrize("start", ["2024-01-01", "2024-01-01T00:00:00Z"])
def test_a_plain_date_or_one_with_a_zone_is_not_worth_a_word(
    cometly: StartCometly, start: str
) -> None:
    sandbox, clock = cometly(dated(timezone=LOS_ANGELES))
    sandbox.space.fill(50, NOW - DAY, NOW)

    run = sync(sandbox, {"start_date": start, "timezone": LOS_ANGELES}, clock=clock)

    assert run.warnings == []
    assert " in America/Los_Angeles = " not in run.log


# Testing the connection.


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (dated(), ["tells when contacts were created", "agrees with the setting"]),
        (Options(), ["does not tell when", "suggests that the Space's clock is at UTC+00:00"]),
        (
            Options(timezone=LOS_ANGELES),
            ["does not tell when", "suggests that the Space's clock is at UTC-07:00", "could not"],
        ),
        (
            Options(timezone="Asia/Kathmandu"),
            ["its clock showed at least UTC+05:45"],
        ),
    ],
    ids=["dated", "undated", "undated, behind", "undated, ahead"],
)
def test_a_test_says_whether_the_api_is_dated_and_what_the_newest_contact_suggests(
    cometly: StartCometly, options: Options, told: list[str]
) -> None:
    sandbox, clock = cometly(options)
    sandbox.space.fill(3_000, NOW - 2 * DAY, NOW)

    run = sync(sandbox, {"start_date": START_OF_MAY}, clock=clock, more=["--test"])

    for text in told:
        assert text in run.log, run.log
    assert len(run.requests) <= 15


# A machine that knows no zone.


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
    sandbox, clock = cometly(dated())

    with _no_zone_database():
        run = sync(sandbox, {"timezone": name}, clock=clock)

    assert run.exit == 1
    assert "`timezone`" in run.errors[0]
    assert sandbox.requests == []
    check(run, sandbox)
