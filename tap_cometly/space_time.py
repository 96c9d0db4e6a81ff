"""UTC to the Space's wall time, and the few steps the other way; pure.

The API filters in the Space's wall time and does not report the zone. Where a wall time occurs
twice, nobody knows which of the two it means. So a start inside such an hour moves back before it
and an end moves on behind it: the range that is asked for is right under both readings, and a
little longer than it need be.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone

if t.TYPE_CHECKING:
    from datetime import tzinfo
    from zoneinfo import ZoneInfo

UTC = timezone.utc
SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class WallRange:
    """A range as the API wants it, and the instants it can stand for.

    Attributes:
        start: Wall time in the Space's zone, `YYYY-MM-DD HH:MM:SS`.
        end: Likewise.
        earliest: The first instant that `start` can mean, UTC.
        latest: The last instant that `end` can mean, UTC.
    """

    start: str
    end: str
    earliest: datetime
    latest: datetime

    def holds(self, instant: datetime) -> bool:
        """Tell whether the API may serve a contact of this instant for this range.

        A second of tolerance stands for rounding and for an end that includes its second. No two
        zones differ by so little.
        """
        return self.earliest - SECOND <= instant <= self.latest + SECOND


def wall_range(start: datetime, end: datetime, zone: tzinfo) -> WallRange:
    """Convert a range of instants to the Space's wall time.

    Args:
        start: UTC, whole seconds.
        end: UTC, whole seconds, after `start`.
        zone: The Space's zone.

    Returns:
        A range that covers every instant from `start` to `end`, whichever of two equal wall times
        the API means.
    """
    while back := repeated(start, zone):
        start -= back
    while on := repeated(end, zone):
        end += on
    return WallRange(_wall(start, zone), _wall(end, zone), earliest=start, latest=end)


def repeated(instant: datetime, zone: tzinfo) -> timedelta:
    """Tell whether the wall time of an instant occurs twice.

    Args:
        instant: UTC.
        zone: The Space's zone.

    Returns:
        How far apart the two are; zero for a wall time that occurs once.
    """
    wall = instant.astimezone(zone)
    first = wall.replace(fold=0).utcoffset() or timedelta()
    second = wall.replace(fold=1).utcoffset() or timedelta()
    return max(first - second, timedelta())


def first_instant(wall: datetime | date, zone: ZoneInfo) -> datetime:
    """Find the first instant that a wall time, or a whole day, can mean.

    Args:
        wall: A naive time or a date of the Space's calendar.
        zone: The Space's zone.

    Returns:
        UTC. A wall time that was skipped stands for the moment it was skipped at.
    """
    return min(_instants(wall, zone))


def last_instant(wall: datetime | date, zone: ZoneInfo) -> datetime:
    """Find the last instant that a wall time, or the beginning of a day, can mean (UTC)."""
    return max(_instants(wall, zone))


def _instants(wall: datetime | date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    naive = wall if isinstance(wall, datetime) else datetime(wall.year, wall.month, wall.day)  # noqa: DTZ001, a wall time on purpose
    first, second = (naive.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if second < first:  # skipped: each reading lands on the other side of the gap
        change = _change_between(second, first, zone)
        return change, change
    return first, second


def _change_between(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    offset = before.astimezone(zone).utcoffset()
    while after - before > SECOND:
        middle = before + (after - before) // (2 * SECOND) * SECOND
        if middle.astimezone(zone).utcoffset() == offset:
            before = middle
        else:
            after = middle
    return after


def _wall(instant: datetime, zone: tzinfo) -> str:
    wall = instant.astimezone(zone).replace(tzinfo=None)
    return wall.isoformat(" ", "seconds")  # strftime does not pad years everywhere


def utc_text(instant: datetime) -> str:
    """Write an instant as bookmarks and messages have it, e.g. `2024-01-15T10:23:45Z`."""
    return instant.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"
