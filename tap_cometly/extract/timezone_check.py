"""The time zone check: does the Space keep the time zone of the setting `timezone`, right now?

The API filters creation times in the Space's wall time and does not report its zone. Inside a range
a wrong setting loses nothing, for neighbouring windows share their boundary. It loses at the head,
the newest end of the range: with a Space whose zone is behind the setting's, the bookmark would
claim wall times that are still to come. So each run checks the head, in one of two ways:

- Contacts have `created_at`: the newest one must come back when asked for by its creation time.
- They do not: a contact whose wall time lies in the last minutes shows that the Space's zone is
  not behind the setting's; contacts whose wall time is still to come show that it is ahead.

Where the range holds no contact and the bookmark knows the highest id that was read, one call shows
first whether any contact is new. If none is, the zone does not matter.

Only an offset that explains what was seen is an error. Everything else leaves the setting
unverified: the run then reads 26 hours of wall time ahead, and the bookmark stays 26 hours behind.
"""

from __future__ import annotations

import logging
import typing as t
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib import resources
from zoneinfo import ZoneInfo

from tap_cometly.client.client import LARGEST_PAGE
from tap_cometly.contacts.schema import is_dated
from tap_cometly.exceptions import TimezoneError
from tap_cometly.extract.offset_search import (
    HIGHEST_OFFSET,
    QUARTER,
    SAME_TIME,
    OffsetSearch,
    created_second,
    is_on,
)
from tap_cometly.timeranges import (
    SECOND,
    WIDEST_ZONE_GAP,
    Window,
    repeated,
    utc_offset,
    utc_text,
    wall_range,
)

if t.TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tap_cometly.contacts.decoder import Page
    from tap_cometly.contacts.schema import Contact
    from tap_cometly.extract.pagination import ContactList
    from tap_cometly.timeranges import SyncRange, WallRange

logger = logging.getLogger(__name__)

_RECENT = timedelta(minutes=10)  # less than the least difference between two offsets in use
_AHEAD = timedelta(minutes=2)  # of now: what the machine's clock may be off
_MIN_FUTURE_CONTACTS = 3  # so many contacts from the future are no coincidence
_TRIES = 3  # contacts asked for by their creation time; pages inspected for strays
_MIN_CONTACTS_A_DAY = 3_000  # in 26 hours: with so many, an hour without any is odd
_NO_FUTURE = "the list of contacts does not answer for times that are still to come"
_NOTHING_NEW = "no contact is new"


@dataclass(frozen=True, kw_only=True)
class ZoneCheckResult:
    """What is known about the newest end of the range.

    Attributes:
        timezone_verified: Whether the Space's time zone was found not to be behind the setting's.
        can_read_ahead: Whether the API serves ranges that end in the future.
        nothing_ahead: Whether no contact lies between the end of the range and the next 26 hours.
        nothing_new: Whether nothing was created since the bookmark was written, whatever the
            Space's time zone.
        seems_old: Whether no contact is recent though there are many; see `warn_if_old`.
        why: Why the setting was not verified.
    """

    timezone_verified: bool = False
    can_read_ahead: bool = False
    nothing_ahead: bool = False
    nothing_new: bool = False
    seems_old: bool = False
    why: str = ""

    @property
    def must_read_ahead(self) -> bool:
        """Whether contacts may lie ahead of now in the setting's wall time, and can be read."""
        return not self.timezone_verified and self.can_read_ahead and not self.nothing_ahead


class TimezoneCheck:
    """Compares the Space's time zone with the setting `timezone`.

    Args:
        contacts: The list, asked for no optional columns.
        zone: The setting.
        latest_now: Returns the later of the machine's clock and the API's, UTC, whole seconds: no
            contact is newer.
    """

    def __init__(
        self, contacts: ContactList, zone: ZoneInfo, latest_now: Callable[[], datetime]
    ) -> None:
        self._list = contacts
        self._search = OffsetSearch(contacts, zone)
        self._zone = zone
        self._latest_now = latest_now
        self._inspections_left = _TRIES
        self._is_outdated = False

    def check(self, sync_range: SyncRange, window: Window, first: Page | None) -> ZoneCheckResult:
        """Check the setting at the newest end of a range.

        Args:
            sync_range: Of the run.
            window: The part of it that has been asked for.
            first: Its first page; None when the list did not answer.

        Raises:
            TimezoneError: The Space's time zone is not the setting's.
        """
        if first is None:
            return ZoneCheckResult(why="the list of contacts does not answer")
        page, recent, now = first, False, self._latest_now()
        if not first.contacts:
            if sync_range.newest_id is not None:
                start = sync_range.start_if_unverified
                if result := self._by_newest_id(start, sync_range.newest_id, now):
                    return result
            window = Window(window.end, now + WIDEST_ZONE_GAP)
            ahead = self._list.try_page(window, per_page=LARGEST_PAGE, wait_for_limit=True)
            if ahead is None:
                return ZoneCheckResult(why=_NO_FUTURE)
            if not ahead.contacts:
                return ZoneCheckResult(can_read_ahead=True, nothing_ahead=True, why=_NOTHING_NEW)
            page, recent = ahead, ahead.next_cursor is None and now - window.start <= _RECENT
        if is_dated(page.contacts):
            return self._by_date(window, page.contacts, now)
        return self._by_wall_time(window, page.contacts, now, recent=recent)

    def _by_newest_id(
        self, start: datetime, newest_id: int, now: datetime
    ) -> ZoneCheckResult | None:
        """Ask for one contact, the newest by id under any zone.

        Args:
            start: Of what has to be read again, UTC.
            newest_id: All contacts up to it have been read.
            now: UTC.

        Returns:
            None when something is new.
        """
        window = Window(start, now + WIDEST_ZONE_GAP)
        page = self._list.try_page(window, per_page=1, wait_for_limit=True)
        if page is None:
            return ZoneCheckResult(why=_NO_FUTURE)
        if any(contact.id > newest_id for contact in page.contacts):
            return None
        return ZoneCheckResult(nothing_new=True, why=_NOTHING_NEW)

    def inspect(self, contacts: Sequence[Contact], window: Window) -> None:
        """Compare creation times with what was asked for.

        Args:
            contacts: On one page, or in one block of an export file.
            window: What was asked for.

        Raises:
            TimezoneError: The API serves another range, because the Space's time zone is not the
                setting's or because it ignores the range.
        """
        times = [contact.created_at for contact in contacts if contact.created_at is not None]
        if not times or self._is_outdated or not self._inspections_left:
            return
        wall = wall_range(window.start, window.end, self._zone)
        if wall.holds(min(times)) and wall.holds(max(times)):
            return
        outside = _outside(contacts, wall)
        self._inspections_left -= 1
        if len(outside) > 1:
            first, *others = outside
            page = self._search.around(first)
            if page is None or not is_on(page, first):
                self._raise_if_elsewhere(first, others)
            elif self._is_range_ignored(page, first):
                msg = (
                    f"Cometly serves contacts outside the range that was asked for: its API "
                    f"ignores the range, or the Space's time zone is not {self._zone.key}, as the "
                    f"setting `timezone` says"
                )
                raise TimezoneError(
                    msg, "Set `timezone` to the zone that the Space's owner chose in Cometly."
                )
        if not self._is_outdated:
            logger.warning("A contact was created outside the range that was asked for; it is kept")

    def _is_range_ignored(self, page: Page, contact: Contact) -> bool:
        """Whether most of what was served for the minutes around a contact is of other times."""
        created = created_second(contact)
        minutes = wall_range(created - SAME_TIME, created + SECOND, self._zone)
        return len(_outside(page.contacts, minutes)) > max(1, len(page.contacts) / 2)

    def suggested_offset(self, now: datetime) -> str | None:
        """Return which offset the newest contact's wall time suggests.

        Args:
            now: UTC, whole seconds.

        Returns:
            Like `UTC+09:00`; None when no contact is there, or the list does not answer.
        """
        offset = self._search.suggested_by_newest(now, -WIDEST_ZONE_GAP, WIDEST_ZONE_GAP)
        return None if offset is None else _offset_text(offset)

    # With `created_at`.

    def _by_date(
        self, window: Window, contacts: Sequence[Contact], now: datetime
    ) -> ZoneCheckResult:
        """Ask for the newest contacts by their creation time: under the setting, then elsewhere.

        Args:
            window: What was asked for.
            contacts: On the first page of it.
            now: UTC, whole seconds.
        """
        found = self._one_that_comes_back(contacts)
        why = "no contact was found again by its creation time"
        if found is not None:
            created = created_second(found)
            if self._offset(created) == self._offset(now):
                return ZoneCheckResult(timezone_verified=True)
            why = "since the newest contact, the time zone's offset may have changed"
        ahead = self._list.try_page(
            Window(min(window.end, now), now + WIDEST_ZONE_GAP), per_page=1, wait_for_limit=True
        )
        return ZoneCheckResult(
            can_read_ahead=ahead is not None,
            nothing_ahead=ahead is not None and window.end <= now and not ahead.contacts,
            why=why,
        )

    def _one_that_comes_back(self, contacts: Sequence[Contact]) -> Contact | None:
        # The latest by date: after an import, the newest ids may have old dates.
        dated = sorted((c for c in contacts if c.created_at), key=created_second, reverse=True)
        # Where the setting's offset changes, nobody knows how the API reads a wall time.
        plain = [
            c
            for c in dated
            if not self._is_changed(created_second(c) - SAME_TIME, created_second(c))
        ]
        first, *others = plain or dated
        back = self._search.comes_back(first)
        if back is not False or not plain:
            return first if back else None
        if self._raise_if_elsewhere(first, others):
            return None
        # It may have been merged away meanwhile.
        tries = _apart(first, others)[: _TRIES - 1]
        return next(filter(self._search.comes_back, tries), None)

    def _raise_if_elsewhere(self, contact: Contact, others: Sequence[Contact]) -> bool:
        """Find the offset under which the API serves a contact.

        Args:
            contact: It does not come back under the setting's offset.
            others: One of them, if there is one of another time, must be under that offset, too.

        Returns:
            Whether there is an offset, but no error: of this contact alone, or the setting's in a
            newer zone database.

        Raises:
            TimezoneError: There is one, and it is not the setting's.
        """
        created = created_second(contact)
        offset = self._search.serving(contact)
        if offset is None or offset == self._offset(created):
            return False
        if not self._search.comes_back(contact, offset):
            return False
        if self._is_law_elsewhere(created, offset):
            return True
        witness = next(iter(_apart(contact, others)), None)
        if witness is not None and not self._search.comes_back(witness, offset):
            return True
        raise self._error(created, offset, "its clock showed")

    # Without `created_at`.

    def _by_wall_time(
        self, window: Window, contacts: Sequence[Contact], now: datetime, *, recent: bool
    ) -> ZoneCheckResult:
        """Ask for contacts from the future, and for some from the last minutes.

        Args:
            window: What was asked for.
            contacts: On the first page of it.
            now: UTC, whole seconds.
            recent: Whether the contacts are of the last minutes, if they are not from the future.
        """
        since = now + _AHEAD if recent else now - _RECENT
        found = future = self._from(since, now)
        if found is not None and found.contacts and not recent:
            future = self._from(now + _AHEAD, now)
        if found is None or future is None:
            return ZoneCheckResult(why=_NO_FUTURE)
        if self._is_changed(now - _RECENT, now + _AHEAD):
            why = "the time zone's offset is changing"
            return ZoneCheckResult(can_read_ahead=True, why=why)
        if future.contacts:
            ids = {contact.id for contact in future.contacts}
            newest_known = max((c.id for c in contacts if c.id not in ids), default=0)
            if len(ids) >= _MIN_FUTURE_CONTACTS and (recent or min(ids) > newest_known):
                self._raise_if_ahead(now)
            why = "the creation time of a contact is still to come"
            return ZoneCheckResult(can_read_ahead=True, why=why)
        if self._is_late(now):
            return ZoneCheckResult(can_read_ahead=True, why="the list takes minutes to answer")
        if recent or found.contacts:
            return ZoneCheckResult(timezone_verified=True, can_read_ahead=True)
        why = "no contact is recent, and contacts do not have `created_at`"
        return ZoneCheckResult(
            can_read_ahead=True,
            nothing_ahead=now - window.end <= _RECENT,
            seems_old=len(contacts) >= _MIN_CONTACTS_A_DAY,
            why=why,
        )

    def _from(self, since: datetime, now: datetime) -> Page | None:
        """Ask for some contacts from a moment on, up to the latest wall time of any zone."""
        window = Window(since, now + WIDEST_ZONE_GAP)
        return self._list.try_page(window, per_page=_MIN_FUTURE_CONTACTS, wait_for_limit=True)

    def _raise_if_ahead(self, now: datetime) -> None:
        """Raise an error if an offset explains contacts whose wall time is still to come."""
        offset = self._search.suggested_by_newest(now, timedelta(), WIDEST_ZONE_GAP)
        if offset is None or not self._offset(now) < offset <= HIGHEST_OFFSET or self._is_late(now):
            return
        if not self._is_law_elsewhere(now, offset):
            raise self._error(now, offset, "its clock showed at least")

    def _is_late(self, since: datetime) -> bool:
        """Whether so much time has passed that contacts of now may look like ones of the future."""
        return self._latest_now() - since > _AHEAD

    def warn_if_old(self) -> None:
        """Warn when no contact has come for long, though there are usually many in an hour."""
        now = self._latest_now()
        day = self._list.try_page(
            Window(now - WIDEST_ZONE_GAP, now - _RECENT), per_page=LARGEST_PAGE, wait_for_limit=True
        )
        if day is None or len(day.contacts) < _MIN_CONTACTS_A_DAY:
            return
        offset = self._search.suggested_by_newest(now, -WIDEST_ZONE_GAP, timedelta())
        if offset is not None and offset < self._offset(now) - 2 * QUARTER:
            logger.warning(
                "The newest contacts are old for a Space with so many: perhaps its time zone is at "
                "%s, and `timezone` (%s) is wrong",
                _offset_text(offset),
                self._zone.key,
            )

    # Both.

    def _is_law_elsewhere(self, when: datetime, offset: timedelta) -> bool:
        """Return whether another zone database has the offset that was found for the setting."""
        package, _, name = f"tzdata.zoneinfo.{self._zone.key.replace('/', '.')}".rpartition(".")
        try:
            with resources.files(package).joinpath(name).open("rb") as file:
                other = ZoneInfo.from_file(file)
        except (ImportError, OSError, ValueError):
            return False
        outdated = utc_offset(when, other) == offset
        if outdated and not self._is_outdated:
            self._is_outdated = True
            logger.warning(
                "The zone database of this machine does not know the present law of %s; update "
                "the system's, or the package tzdata",
                self._zone.key,
            )
        return outdated

    def _is_changed(self, start: datetime, end: datetime) -> bool:
        """Whether the setting's offset changes within some minutes, or an hour repeats."""
        twice = repeated(start, self._zone) or repeated(end, self._zone)
        return bool(twice) or self._offset(start) != self._offset(end)

    def _offset(self, instant: datetime) -> timedelta:
        return utc_offset(instant, self._zone)

    def _error(self, when: datetime, offset: timedelta, showed: str) -> TimezoneError:
        text = _offset_text(offset)
        return TimezoneError(
            f"The Space's time zone is not {self._zone.key}, as the setting `timezone` says: at "
            f"{utc_text(when)} {showed} {text}",
            f"Set `timezone` to the Space's zone, one that was at {text} then.",
        )


def _offset_text(offset: timedelta) -> str:
    sign, minutes = "-" if offset < timedelta() else "+", abs(offset) // timedelta(minutes=1)
    return f"UTC{sign}{minutes // 60:02d}:{minutes % 60:02d}"


def _apart(contact: Contact, others: Sequence[Contact]) -> list[Contact]:
    """Return those that were created at another time than a contact."""
    return [c for c in others if abs(created_second(c) - created_second(contact)) > SAME_TIME]


def _outside(contacts: Sequence[Contact], wall: WallRange) -> list[Contact]:
    """Return those that were created outside a range."""
    return [c for c in contacts if c.created_at and not wall.holds(c.created_at)]
