"""Dates, UTC to the Space's wall time, windows, and the range that a run reads; pure.

The API filters in the Space's wall time and does not report the zone. Where a wall time occurs
twice, nobody knows which of the two it means. So a start inside such an hour moves back before it
and an end moves on behind it: the range that is asked for is right under both readings, and a
little longer than it need be.
"""

from __future__ import annotations

import contextlib
import re
import typing as t
from bisect import bisect_left
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from functools import lru_cache
from math import ceil
from zoneinfo import ZoneInfo, available_timezones

if t.TYPE_CHECKING:
    from datetime import tzinfo

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

    read: object = None
    with contextlib.suppress(TypeError):  # of an interval such as `2024-01-01/P1D`
        read = pendulum.parse(text, tz=None, exact=True)  # None leaves it naive
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
WIDEST_ZONE_GAP = timedelta(hours=26)  # between the clocks of any two zones: UTC-12 to UTC+14


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
        """Return whether the API may serve a contact of this instant for this range.

        A second of tolerance stands for rounding and for an end that includes its second. No two
        zones differ by so little.
        """
        return self.earliest - SECOND <= instant <= self.latest + SECOND


@lru_cache(maxsize=64)  # each block of a window is compared with the same range
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
    start, end = before_repeated(start, zone), behind_repeated(end, zone)
    return WallRange(_wall(start, zone), _wall(end, zone), earliest=start, latest=end)


def repeated(instant: datetime, zone: tzinfo) -> timedelta:
    """Return how far apart the two instants are that share the wall time of this one.

    Args:
        instant: UTC.
        zone: The Space's zone.

    Returns:
        Zero for a wall time that occurs once.
    """
    wall = instant.astimezone(zone)
    first = wall.replace(fold=0).utcoffset() or timedelta()
    second = wall.replace(fold=1).utcoffset() or timedelta()
    return max(first - second, timedelta())


def before_repeated(instant: datetime, zone: tzinfo) -> datetime:
    """Return the last second, up to an instant (UTC), whose wall time occurs once."""
    return _once(instant, zone, -1)


def behind_repeated(instant: datetime, zone: tzinfo) -> datetime:
    """Return the first second, from an instant (UTC) on, whose wall time occurs once."""
    return _once(instant, zone, 1)


def _once(instant: datetime, zone: tzinfo, step: int) -> datetime:
    """Find the nearest second whose wall time occurs once; `step` is -1 for back, 1 for on."""
    gap = timedelta()
    while move := repeated(instant, zone):
        gap = move
        instant += step * gap
    # The last move may have gone too far, by less than its length.
    seconds = range(gap // SECOND)
    inside = bisect_left(
        seconds, 1, key=lambda back: bool(repeated(instant - step * back * SECOND, zone))
    )
    return instant - step * max(inside - 1, 0) * SECOND


def utc_offset(instant: datetime, zone: tzinfo) -> timedelta:
    """Return how far the clock of a zone is ahead of UTC at an instant (UTC)."""
    return instant.astimezone(zone).utcoffset() or timedelta()


def may_fall_behind(zone: tzinfo, before: datetime, after: datetime) -> bool:
    """Return whether some zone falls behind an offset between two times.

    Args:
        zone: Its offset at `before` is the measure.
        before: UTC; the other zone is then at the measure or ahead of it.
        after: UTC; the other zone is then behind the measure.
    """
    there = utc_offset(before, zone)
    return any(
        utc_offset(before, each) >= there > utc_offset(after, each)
        for each in map(ZoneInfo, available_timezones())
    )


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
    offset = utc_offset(before, zone)
    while after - before > SECOND:
        middle = before + (after - before) // (2 * SECOND) * SECOND
        if utc_offset(middle, zone) == offset:
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
        expected: How many contacts it is thought to hold; None where nobody knows.
        counted: How many one page of the list has shown it to hold; None where none has shown all.
        guessed: Whether `expected` is half of what a longer window was expected to hold, so that
            another number is no surprise.
        newest: Ids of its newest contacts, where a probe of the list has shown some.
    """

    start: datetime
    end: datetime
    expected: int | None = field(default=None, compare=False)
    counted: int | None = field(default=None, compare=False)
    guessed: bool = field(default=False, compare=False)
    newest: frozenset[int] = field(default=frozenset(), compare=False, repr=False)

    def __str__(self) -> str:
        """Name it by its ends, as bookmarks are written."""
        return f"{utc_text(self.start)} to {utc_text(self.end)}"

    @property
    def seconds(self) -> int:
        """Its length."""
        return (self.end - self.start) // SECOND

    def halves(self, zone: tzinfo) -> tuple[Window, ...]:
        """Return the older and the newer half; they share their boundary second.

        A boundary in an hour that occurs twice moves out of it, for otherwise each half would hold
        all of that hour.

        Args:
            zone: The Space's zone.

        Returns:
            The halves; nothing when there is no second to cut the window at.
        """
        middle = self.start + timedelta(seconds=self.seconds // 2)
        each = None if self.expected is None else ceil(self.expected / 2)
        boundaries = before_repeated(middle, zone), behind_repeated(middle, zone)
        for boundary in sorted(boundaries, key=lambda at: abs(at - middle)):
            if self.start < boundary < self.end:
                return (
                    Window(self.start, boundary, each, guessed=True),
                    Window(boundary, self.end, each, guessed=True),
                )
        return ()


@dataclass(frozen=True)
class StartDate:
    """The setting `start_date`.

    Attributes:
        instant: UTC, whole seconds.
        has_zone: Whether it was written with a zone. One without is the Space's wall time, and is
            sent to the API as it was written, whatever the setting `timezone` says.
        is_skipped: Whether it is a wall time that the setting's zone leaves out, but another one
            may not.
    """

    instant: datetime
    has_zone: bool
    is_skipped: bool = False

    @property
    def earliest(self) -> datetime:
        """Where reading has to begin for nothing to be missed under any zone of the Space, UTC."""
        if self.has_zone:
            return self.instant - WIDEST_ZONE_GAP
        return self.instant - SECOND if self.is_skipped else self.instant


class Reached(t.NamedTuple):
    """How far a bookmark reaches.

    Attributes:
        instant: UTC.
        same_zone: Whether it was written under the present setting `timezone`.
        relies_on_clock: Whether contacts before it may be unread if the Space's time zone is behind
            the setting's, or has been set back since. Not so after a run that read its whole range
            but could not verify the time zone: then the bookmark lies 26 hours before that run.
        newest_id: The highest id up to which all contacts have been read; None when unknown.
    """

    instant: datetime
    same_zone: bool = True
    relies_on_clock: bool = True
    newest_id: int | None = None


@dataclass(frozen=True)
class SyncRange:
    """The range of one run.

    Attributes:
        start: Where reading begins, UTC, whole seconds.
        start_if_unverified: Where reading begins when the setting `timezone` could not be verified,
            UTC, whole seconds. Never later than `start`.
        first_wanted: Contacts that were created before it are not wanted, as far as they are dated.
        end_date: Where it ends at the latest, UTC; None for now.
        settle: The newest stretch of time, which is left for the next run.
        newest_id: The highest id up to which all contacts have been read; None when unknown.
    """

    start: datetime
    start_if_unverified: datetime
    first_wanted: datetime
    end_date: datetime | None
    settle: timedelta
    newest_id: int | None = None

    @classmethod
    def of(
        cls,
        start_date: StartDate,
        reached: Reached | None,
        *,
        lookback: timedelta,
        end_date: datetime | None,
        settle: timedelta,
    ) -> SyncRange:
        """Work out the range from the settings and the bookmark.

        Args:
            start_date: The setting.
            reached: The bookmark; None in a first run and in a full one.
            lookback: How far before the bookmark contacts are read again.
            end_date: The setting, UTC; None for now.
            settle: The setting `settle_seconds`; nothing in a full run.
        """
        floor = start_date.earliest
        start = careful = floor
        if reached is not None:
            back = lookback if reached.same_zone else max(lookback, WIDEST_ZONE_GAP)
            careful_back = max(back, WIDEST_ZONE_GAP) if reached.relies_on_clock else back
            start = _earlier(reached.instant, back, floor)
            careful = _earlier(reached.instant, careful_back, floor)
        return cls(
            start=start.replace(microsecond=0),
            start_if_unverified=careful.replace(microsecond=0),
            first_wanted=start_date.instant,
            end_date=end_date,
            settle=settle,
            newest_id=reached.newest_id if reached is not None else None,
        )

    def end(self, now: datetime) -> datetime:
        """Return the end of the range, before the newest seconds, which may still be settling.

        Args:
            now: The earlier of the machine's clock and the API's, UTC.
        """
        settled = now - self.settle
        return min(settled, self.end_date or settled).replace(microsecond=0)

    def latest_commit_if_unverified(self, now: datetime) -> datetime:
        """Return the latest bookmark that is right under every zone the Space may have, UTC.

        Args:
            now: UTC, whole seconds.
        """
        return now - WIDEST_ZONE_GAP - self.settle


def _earlier(instant: datetime, by: timedelta, floor: datetime) -> datetime:
    try:
        return max(instant - by, floor)
    except OverflowError:
        return floor
