"""Whole lives over HTTP: wrong settings, changes of clocks, and what an owner changes meanwhile.

`tests/fuzz/test_zones.py` has many more of them, without HTTP.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

from tests.sandbox import Limits, Options, dated
from tests.support.running import sync
from tests.support.seasons import changes

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.conftest import StartCometly
    from tests.sandbox import Sandbox
    from tests.support.clock import FakeClock

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
SETTLE, WIDEST_ZONE_GAP = timedelta(seconds=60), 26 * HOUR
PLENTY = Limits(list=10_000, create=10_000, poll=10_000)
KINDS: list[Any] = [pytest.param(dated, id="dated"), pytest.param(Options, id="undated")]
BUSY, QUIET = 4 * MINUTE, 11 * HOUR

LIVES: dict[str, tuple[str, str, datetime]] = {  # the Space's zone, the setting, a change
    f"{space} set as {setting}": (space, setting, change)
    for space, setting, change in (
        ("America/Los_Angeles", "America/Los_Angeles", changes("America/Los_Angeles")[1]),
        ("Europe/London", "Africa/Lagos", changes("Europe/London")[1]),
        ("Europe/London", "UTC", changes("Europe/London")[0]),
        ("America/Phoenix", "America/Denver", changes("America/Denver")[0]),
        ("America/Havana", "America/New_York", changes("America/Havana")[1]),
        ("America/New_York", "America/Havana", changes("America/Havana")[0]),
        ("Australia/Lord_Howe", "Australia/Sydney", changes("Australia/Lord_Howe")[0]),
        ("Asia/Kathmandu", "Asia/Kolkata", datetime(2024, 5, 1, tzinfo=timezone.utc)),
        ("Pacific/Kiritimati", "Etc/GMT+12", datetime(2024, 5, 1, tzinfo=timezone.utc)),
        ("Etc/GMT+12", "Pacific/Kiritimati", datetime(2024, 5, 1, tzinfo=timezone.utc)),
    )
}


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["auto", "export"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("gap", [BUSY, QUIET], ids=["busy", "quiet"])
@pytest.mark.parametrize(("space", "setting", "change"), LIVES.values(), ids=LIVES)
def test_hourly_runs_lose_nothing_and_a_corrected_setting_makes_good_what_was_loud(
    cometly: StartCometly,
    space: str,
    setting: str,
    change: datetime,
    gap: timedelta,
    kind: Callable[..., Options],
    mode: str,
) -> None:
    options = kind(timezone=space, limits=PLENTY, queued_seconds=0.0)
    sandbox, clock = cometly(options, now=change - 3 * DAY)
    config = {
        "start_date": (change - 3 * DAY).isoformat(),
        "timezone": setting,
        "extraction_mode": mode,
    }
    state, ids = None, set[int]()
    _live(sandbox, clock, change - 3 * HOUR - clock.now(), gap)
    for _ in range(7):
        _live(sandbox, clock, HOUR + MINUTE, gap)

        run = sync(sandbox, config, state, clock=clock)

        state, ids = run.state, ids | run.ids
        if run.exit:
            assert setting != space
            assert "its clock showed" in run.errors[0]
        else:
            until = timedelta() if setting == space else WIDEST_ZONE_GAP
            assert ids >= sandbox.space.ids(None, clock.now() - SETTLE - until)
    _live(sandbox, clock, 2 * DAY, gap)

    last = sync(sandbox, {**config, "timezone": space}, state, clock=clock)

    assert (last.exit, last.errors) == (0, [])
    assert ids | last.ids >= sandbox.space.ids(None, clock.now() - SETTLE)


def _live(sandbox: Sandbox, clock: FakeClock, by: timedelta, gap: timedelta) -> None:
    until = clock.now() + by
    newest = max(sandbox.space.ids(), default=None)
    at = clock.now() if newest is None else _created(sandbox, newest) + gap
    while at < until:
        sandbox.space.add(created_at=at)
        at += gap
    clock.advance(by)


def _created(sandbox: Sandbox, contact: int) -> datetime:
    microseconds = sandbox.space.contact(contact).created
    return datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(microseconds=microseconds)
