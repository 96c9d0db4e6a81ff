"""Dates, UTC to the Space's wall time, windows, and the range that a run reads; pure.

The API filters in the Space's wall time and does not report the zone. Where a wall time occurs
twice, nobody knows which of the two it means. So a start inside such an hour moves back before it
and an end moves on behind it: the range that is asked for is right under both readings, and a
little longer than it need be.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from math import ceil

if t.TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import tzinfo
    from zoneinfo import ZoneInfo

    from tap_cometly.config import Settings

# A year alone, seconds since 1970 or a duration are ISO to some, but nobody's date here.
_STARTS_LIKE_A_DATE = re.compile(r"\d{4}-\d|\d{4}-?W\d|\d{8}(?!\d)")


def read_date(text: t.Any) -> datetime | date:
    """Read a date or date-time in any ISO 8601 form.

    Args:
        text: What somebody wrote.

    Returns:
        A date; or a datetime, naive when the text names no zone.

    Raises:
        ValueError: It is neither.
    """
    if not isinstance(text, str) or not _STARTS_LIKE_A_DATE.match(text):
        msg = "not a date"
        raise ValueError(msg)
    import pendulum  # noqa: PLC0415, takes 30 ms and is not always needed

    read: object = pendulum.parse(text, tz=None, exact=True)  # None leaves it naive
    if isinstance(read, datetime):
        zone = timezone(read.utcoffset() or timedelta()) if read.tzinfo else None
        return datetime.combine(read.date(), read.time(), tzinfo=zone)
    if isinstance(read, date):
        return date(read.year, read.month, read.day)
    msg = "not a date"
    raise ValueError(msg)


def read_instant(text: t.Any) -> datetime:
    """Read an instant in any ISO 8601 form; without a zone it is UTC.

    Raises:
        ValueError: It is none, or lies outside the years 1 to 9999.
    """
    read = read_date(text)
    moment = read if isinstance(read, datetime) else datetime(read.year, read.month, read.day)  # noqa: DTZ001, made UTC below
    if moment.tzinfo is None:
        return moment.replace(tzinfo=timezone.utc)
    try:
        return moment.astimezone(timezone.utc)
    except OverflowError:
        msg = "outside the years 1 to 9999"
        raise ValueError(msg) from None


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


@dataclass(frozen=True)
class Window:
    """A part of the range, in UTC whole seconds, to be read in one go.

    Attributes:
        start: Its first second.
        end: Its last second, which is also the next window's first one.
        expected: How many contacts it is thought to hold; of no account when windows are compared.
    """

    start: datetime
    end: datetime
    expected: int | None = field(default=None, compare=False)

    def __str__(self) -> str:
        """Name it by its ends, as bookmarks are written."""
        return " to ".join(end.isoformat().replace("+00:00", "Z") for end in (self.start, self.end))

    @property
    def seconds(self) -> int:
        """Its length."""
        return (self.end - self.start) // timedelta(seconds=1)

    @property
    def can_halve(self) -> bool:
        """Whether it is longer than a second."""
        return self.seconds > 1

    def halves(self) -> tuple[Window, Window]:
        """The older and the newer half; they share their boundary second."""
        middle = self.start + timedelta(seconds=self.seconds // 2)
        each = None if self.expected is None else ceil(self.expected / 2)
        return Window(self.start, middle, each), Window(middle, self.end, each)


@dataclass(frozen=True)
class Probe:
    """What the list's first page of a window showed.

    Attributes:
        window: What was asked for.
        count: The rows on the page.
        more: Whether a cursor follows. A refused window counts as 0 and more.
        ids: The highest, the middle and the lowest id on the page; None when it is empty.
    """

    window: Window
    count: int
    more: bool
    ids: tuple[int, int, int] | None

    @classmethod
    def refused(cls, window: Window) -> Probe:
        """Say that the list refuses so long a window."""
        return cls(window, 0, more=True, ids=None)

    @classmethod
    def of(cls, window: Window, ids: Sequence[int], *, more: bool) -> Probe:
        """Sum up a page by the ids on it, in any order."""
        ranked = sorted(ids, reverse=True)
        known = (ranked[0], ranked[len(ranked) // 2], ranked[-1]) if ranked else None
        return cls(window, len(ranked), more, known)


CLOCK_TOLERANCE = timedelta(seconds=60)  # between the machine's clock and the API's


@dataclass(frozen=True)
class SyncRange:
    """The range of a run, as far as it does not depend on what time it is.

    Attributes:
        settings: Start, end, lookback and settling time.
        bookmark: UTC, whole seconds; None in a first run and in a full one.
        full_table: Whether the newest seconds are read, too: a full run leaves no bookmark that
            could claim them.
    """

    settings: Settings
    bookmark: datetime | None
    full_table: bool

    @property
    def start(self) -> datetime:
        """Where it begins: the bookmark less the lookback, never before `start_date`."""
        start = self.settings.start
        if self.bookmark is not None:
            start = max(start, self._look_back(self.bookmark))
        return start.replace(microsecond=0)

    @property
    def skips(self) -> Window | None:
        """What is never read because `start_date` is later than the bookmark."""
        if self.bookmark is None or self.settings.start <= self.bookmark:
            return None
        return Window(self.bookmark, self.settings.start)

    def end(self, now: datetime) -> datetime:
        """Where it ends at the latest: before the newest seconds, which may still be settling.

        Args:
            now: The earlier of the machine's clock and the API's, UTC.
        """
        settle = 0 if self.full_table else self.settings.settle_seconds
        settled = now - timedelta(seconds=settle)
        return min(settled, self.settings.end or settled).replace(microsecond=0)

    def _look_back(self, bookmark: datetime) -> datetime:
        try:
            return bookmark - timedelta(days=self.settings.lookback_days)
        except OverflowError:
            return self.settings.start
