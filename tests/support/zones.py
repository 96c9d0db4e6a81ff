"""When clocks are changed."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from functools import cache
from zoneinfo import ZoneInfo

_DAY, _SECOND = timedelta(days=1), timedelta(seconds=1)


@cache
def changes(zone: str, year: int = 2024) -> tuple[datetime, ...]:
    """Give the instants of a year at which a zone's offset changes."""
    info, start = ZoneInfo(zone), datetime(year, 1, 1, tzinfo=timezone.utc)
    days = [start + timedelta(days=day) for day in range(-1, 367)]
    offsets = [day.astimezone(info).utcoffset() for day in days]
    return tuple(
        _first_with(new, day, info)
        for day, old, new in zip(days, offsets, offsets[1:], strict=False)
        if old != new
    )


def _first_with(offset: timedelta | None, day: datetime, zone: ZoneInfo) -> datetime:
    """Give the first second of the day after which an offset holds."""
    low, high = day, day + _DAY
    while high - low > _SECOND:
        middle = low + (high - low) // (2 * _SECOND) * _SECOND
        if middle.astimezone(zone).utcoffset() == offset:
            high = middle
        else:
            low = middle
    return high
