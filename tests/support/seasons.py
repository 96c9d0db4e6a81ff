"""When clocks change, and what a Space lives through around it."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from tests.support import zones
from tests.support.properties import check
from tests.support.running import sync

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.sandbox import Sandbox
    from tests.support.clock import FakeClock
    from tests.support.running import Run

ZONES = (
    "UTC",
    "America/Los_Angeles",
    "America/New_York",
    "Europe/London",
    "Asia/Tokyo",
    "Australia/Lord_Howe",  # by half an hour
    "America/Santiago",  # at midnight: a day begins at one o'clock
    "Asia/Kathmandu",  # UTC+05:45
)
SETTLE = timedelta(seconds=60)
QUARTER = timedelta(minutes=15)
AROUND = timedelta(hours=2)

_NO_CHANGE = datetime(2024, 3, 31, 1, tzinfo=timezone.utc)
_PLACES = (  # within each quarter of an hour: the boundary's second, and what is next to it
    timedelta(),
    timedelta(milliseconds=412),
    timedelta(seconds=1),
    timedelta(minutes=7, seconds=11),
    timedelta(minutes=14, seconds=59),
)


def changes(zone: str) -> tuple[datetime, ...]:
    """Give the instants of 2024 at which a zone's clock is changed; any instant if none is."""
    return zones.changes(zone) or (_NO_CHANGE,)


def live_through(
    sandbox: Sandbox,
    clock: FakeClock,
    change: datetime,
    step: timedelta,
    config: Mapping[str, Any],
) -> list[Run]:
    """Run the tap every so often from before a change until after it, while contacts come in."""
    first = change - AROUND
    coming = iter(first + QUARTER * quarter + place for quarter in range(24) for place in _PLACES)
    due = next(coming)
    runs: list[Run] = []
    state = None
    for end in _times(first, change + AROUND + timedelta(hours=1), step):
        clock.set(end + SETTLE)
        while due <= clock.now():
            sandbox.space.add(created_at=due)
            due = next(coming)
        run = sync(sandbox, {"start_date": first.isoformat(), **config}, state, clock=clock)
        assert run.exit == 0, run.log
        check(run, sandbox, cuts=0)
        runs.append(run)
        state = run.state
    return runs


def _times(first: datetime, last: datetime, step: timedelta) -> list[datetime]:
    return [first + step * number for number in range(1, (last - first) // step + 1)]
