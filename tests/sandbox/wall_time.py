"""The Space's wall time, as Laravel writes and Carbon reads it."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, TypeAlias
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.sandbox.options import Options

Microseconds: TypeAlias = int
"""An instant, or a length of time, counted from 1970 in UTC."""

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
SECOND: Microseconds = 1_000_000

_FORMAT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", re.ASCII)


def instant(moment: datetime) -> Microseconds:
    """Count of an aware datetime."""
    return (moment - EPOCH) // timedelta(microseconds=1)


def moment(instant: Microseconds) -> datetime:
    return EPOCH + timedelta(microseconds=instant)


def parse(text: str) -> datetime | None:
    """Naive wall time from `Y-m-d H:i:s`, or None when it is anything else."""
    if not _FORMAT.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def to_instant(wall_time: datetime, options: Options, *, is_end: bool = False) -> Microseconds:
    """Which instant the Space means: in a gap PHP moves on by the gap's length."""
    first, second = (
        instant(wall_time.replace(tzinfo=ZoneInfo(options.timezone), fold=fold)) for fold in (0, 1)
    )
    means_second = options.repeated_hour == "second" or (options.repeated_hour == "wall" and is_end)
    return second if means_second and second > first else first


def wall_filter(
    start: Microseconds, end: Microseconds, options: Options
) -> Callable[[Microseconds], bool] | None:
    """Give what contacts pass where they are compared by their wall time; else None."""
    if options.repeated_hour != "wall":
        return None
    zone = ZoneInfo(options.timezone)

    def wall(at: Microseconds) -> datetime:
        return moment(at).astimezone(zone).replace(tzinfo=None)

    return lambda created: wall(start) <= wall(created) < wall(end)


def iso_utc(seconds: float) -> str:
    """Epoch seconds as the API writes the times of a job."""
    return moment(int(seconds) * SECOND).strftime("%Y-%m-%dT%H:%M:%SZ")
