"""The stream's bookmark: understanding the one that was passed in, moving it on."""

from __future__ import annotations

import json
import logging
import typing as t
from datetime import timedelta

from tap_cometly.contacts.schema import REPLICATION_KEY
from tap_cometly.exceptions import StateError
from tap_cometly.timeranges import Reached, Window, read_instant, utc_text

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

logger = logging.getLogger(__name__)

_VALUE = "replication_key_value"
_COLUMNS = "columns"
_TIMEZONE = "timezone"
_RELIES_ON_CLOCK = "relies_on_clock"
_NEWEST_ID = "newest_id"
_START = "start_date"
# What other versions of the SDK leave in a bookmark, in the order in which it may be relied on.
_MARKS_OF_OTHERS = ("starting_replication_value", "progress_markers")
_CREDIBLY_AHEAD = timedelta(days=1)
_ADVICE = (
    'Pass the last STATE the tap wrote, {"bookmarks": {"contacts": {…}}}, or none at all to start '
    "from `start_date`."
)


def read_state(text: str) -> dict[str, t.Any]:
    """Read a state file.

    Args:
        text: Its content: a state, or a whole STATE message.

    Raises:
        StateError: It is neither.
    """
    try:
        state = json.loads(text)
    except (ValueError, RecursionError):
        msg = "The state is not one JSON object"
        raise StateError(msg, _ADVICE) from None
    if isinstance(state, dict) and state.get("type") == "STATE":
        state = state.get("value")
    return checked_state(state)


def checked_state(state: t.Any) -> dict[str, t.Any]:
    """Check a state's shape, and leave out progress markers that the SDK could not reset.

    Raises:
        StateError: It is not empty, and holds no bookmarks that can be understood.
    """
    if not isinstance(state, dict):
        msg = "The state is not a JSON object"
        raise StateError(msg, _ADVICE)
    bookmarks = state.get("bookmarks", {} if not state else None)
    if not isinstance(bookmarks, dict) or not all(isinstance(b, dict) for b in bookmarks.values()):
        msg = "The state holds no bookmarks"
        raise StateError(msg, _ADVICE)
    for bookmark in bookmarks.values():
        partitions = bookmark.get("partitions", [])
        if not (isinstance(partitions, list) and all(map(_can_be_reset, partitions))):
            del bookmark["partitions"]
        if not _can_be_reset(bookmark):
            del bookmark["progress_markers"]
    return state


def _can_be_reset(bookmark: t.Any) -> bool:
    return isinstance(bookmark, dict) and isinstance(bookmark.get("progress_markers", {}), dict)


class Bookmark:
    """How far the stream has been read, in the state that every STATE message carries.

    Args:
        stored: The stream's part of the state. `commit` writes into it, and leaves what it does not
            know as it is.

    Attributes:
        instant: UTC, whole seconds; None in a first run.

    Raises:
        StateError: The bookmark is of another replication key, or not a date-time.
    """

    def __init__(self, stored: dict[str, t.Any]) -> None:
        self._stored = stored
        key = stored.get("replication_key", REPLICATION_KEY)
        if key != REPLICATION_KEY:
            msg = f"The bookmark is of the replication key {key!r}, not {REPLICATION_KEY!r}"
            raise StateError(msg, _ADVICE)
        self.instant = _instant(stored)
        if self.instant is not None and stored.get(_VALUE) is None:
            stored[_VALUE] = utc_text(self.instant)  # the SDK clears the marks it came from

    @property
    def columns(self) -> frozenset[str] | None:
        """The columns that the last run delivered; None where the bookmark does not say."""
        columns = self._stored.get(_COLUMNS)
        if not isinstance(columns, list) or not all(isinstance(name, str) for name in columns):
            return None
        return frozenset(columns)

    @property
    def timezone(self) -> str | None:
        """The setting `timezone` under which the bookmark was written, where it says so."""
        name = self._stored.get(_TIMEZONE)
        return name if isinstance(name, str) else None

    @property
    def relies_on_clock(self) -> bool:
        """Whether contacts before it may be missing if the Space's time zone has fallen behind."""
        return self._stored.get(_RELIES_ON_CLOCK) is not False

    @property
    def newest_id(self) -> int | None:
        """The highest id up to which all contacts have been written; None when unknown."""
        newest = self._stored.get(_NEWEST_ID)
        return newest if isinstance(newest, int) else None

    @property
    def first_start(self) -> datetime | None:
        """The `start_date` of the run that began this bookmark, UTC; None where it is not told."""
        try:
            return read_instant(self._stored.get(_START))
        except ValueError:
            return None

    def __str__(self) -> str:
        """Return it as the last line of a run's log has it."""
        return f"Bookmark: {utc_text(self.instant)}" if self.instant else "No bookmark"

    def reached(self, timezone: str) -> Reached | None:
        """Return how far it reaches for a run with this setting `timezone`; None in a first run."""
        if self.instant is None:
            return None
        same_zone = self.timezone in {None, timezone}
        return Reached(self.instant, same_zone, self.relies_on_clock, self.newest_id)

    def compare(self, start: datetime, timezone: str, columns: Iterable[str]) -> None:
        """Warn of what a run cannot make good by itself.

        Args:
            start: Its setting `start_date`, UTC.
            timezone: Its setting.
            columns: Those that it writes.
        """
        reached = self.reached(timezone)
        if reached is not None:
            self._compare_start(start, reached.instant)
            if not reached.same_zone:
                logger.info(
                    "The setting `timezone` has changed: the 26 hours before the bookmark are read "
                    "again"
                )
        elif self._stored:
            logger.warning("The bookmark does not say how far was read: all is read again")
        if self.columns is not None and (new := set(columns) - self.columns):
            logger.warning(
                "New columns since the last run (%s): rows written before may lack them; "
                "--full-refresh reads all rows again",
                ", ".join(sorted(new)),
            )

    def _compare_start(self, start: datetime, reached: datetime) -> None:
        first = self.first_start
        if start > max(reached, first or reached):
            skipped = Window(reached, start)
            logger.warning("`start_date` is later than the bookmark: %s is skipped", skipped)
        if first is not None and start < min(first, reached):
            gap = Window(start, min(first, reached))
            logger.warning(
                "`start_date` is earlier than in the run that began this bookmark: %s is not read; "
                "--full-refresh reads all of it",
                gap,
            )

    def is_ahead_of(self, now: datetime) -> bool:
        """Whether it lies so far ahead of a clock that the clock is probably wrong."""
        return self.instant is not None and self.instant - now > _CREDIBLY_AHEAD

    def commit(
        self,
        reached: Reached,
        *,
        columns: Sequence[str],
        timezone: str,
        start: datetime,
    ) -> None:
        """Move the bookmark on; never back.

        Args:
            reached: How far everything has been written.
            columns: Those that were delivered.
            timezone: The setting.
            start: The setting `start_date`, UTC; kept from the first run on.
        """
        end = reached.instant
        if self.instant is None:
            self._stored[_START] = utc_text(start)
        if self.instant is None or end >= self.instant:  # all up to it was read under this zone
            self.instant = end
            self._stored[_TIMEZONE] = timezone
            self._stored[_RELIES_ON_CLOCK] = reached.relies_on_clock
        if reached.newest_id is not None:
            self._stored[_NEWEST_ID] = reached.newest_id
        self._stored["replication_key"] = REPLICATION_KEY
        self._stored[_VALUE] = utc_text(self.instant)
        self._stored[_COLUMNS] = list(columns)


def _instant(stored: Mapping[str, t.Any]) -> datetime | None:
    values = [stored.get(_VALUE)]
    for mark in _MARKS_OF_OTHERS:
        left = stored.get(mark)
        values.append(left.get(_VALUE) if isinstance(left, dict) else left)
    value = next((value for value in values if value is not None), None)
    if value is None:
        return None
    try:
        return read_instant(value).replace(microsecond=0)
    except ValueError:
        msg = "The bookmark is not a date-time"
        raise StateError(msg, _ADVICE) from None
