"""The time zone check: is the Space's clock where the setting `timezone` says, right now?

The API filters creation times in the Space's wall time and does not tell its zone. Inside a range
a wrong setting loses nothing, for neighbouring windows share their boundary. It loses at the head,
the newest end of the range: with a Space whose clock is behind the setting, the bookmark would
claim wall times that are still to come. So each run finds out about the head, in one of two ways:

- Contacts tell `created_at`: the newest one must come back when asked for by its creation time.
- They do not: a contact whose wall time lies in the last minutes shows that the Space's clock is
  not behind the setting; contacts whose wall time is still to come show that it is ahead.

Where the range holds no contact and the bookmark knows the highest id that was read, one call shows
first whether any contact is new. If none is, the clock does not matter.

Only an offset that explains what was seen is an error. Everything else leaves the head unknown: it
is then read up to 26 hours of wall time ahead, and the bookmark stays 26 hours behind.
"""

from __future__ import annotations

import logging
import typing as t
from datetime import datetime, timedelta
from importlib import resources
from zoneinfo import ZoneInfo

from tap_cometly.client.client import LARGEST_PAGE
from tap_cometly.contacts.schema import is_dated
from tap_cometly.exceptions import TimezoneError
from tap_cometly.timeranges import (
    SECOND,
    UTC,
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
_AHEAD = timedelta(minutes=2)  # of the clock: what the machine's may be off
_QUARTER = timedelta(minutes=15)  # every offset in use is a multiple of it
_LOWEST, _HIGHEST = timedelta(hours=-12), timedelta(hours=14)  # of the offsets in use
_MIN_FUTURE_CONTACTS = 3  # contacts from the future: so many are no coincidence
_TRIES = 3  # contacts asked for by their creation time; pages inspected for strays
_SAME_TIME = timedelta(minutes=7)  # two contacts so close tell the same offset
_MIN_CONTACTS_A_DAY = 3_000  # contacts in 26 hours: with so many, an hour without any is odd
_NO_FUTURE = "the list of contacts does not answer for times that are still to come"
_NOTHING_NEW = "no contact is new"


class ZoneCheckResult(t.NamedTuple):
    """What is known about the newest end of the range.

    Attributes:
        timezone_verified: Whether the Space's clock was seen not to be behind the setting.
        can_read_ahead: Whether the API serves ranges that end in the future.
        nothing_ahead: Whether no contact lies between the end of the range and the next 26 hours.
        nothing_new: Whether nothing was created since the bookmark was written, whatever the
            Space's clock shows.
        seems_old: Whether no contact is recent though there are many; see `warn_if_old`.
        why: Why the clock was not seen.
    """

    timezone_verified: bool
    can_read_ahead: bool = False
    nothing_ahead: bool = False
    nothing_new: bool = False
    seems_old: bool = False
    why: str = ""

    @property
    def must_read_ahead(self) -> bool:
        """Whether contacts may lie ahead of now, by the setting's clock, and can be read."""
        return not self.timezone_verified and self.can_read_ahead and not self.nothing_ahead


class TimezoneCheck:
    """Compares the Space's clock with the setting `timezone`.

    Args:
        contacts: The list, asked for no optional columns.
        zone: The setting.
    """

    def __init__(self, contacts: ContactList, zone: ZoneInfo) -> None:
        self._list = contacts
        self._zone = zone
        self._inspections_left = _TRIES
        self._is_outdated = False
        self._is_late: Callable[[], bool] = lambda: False

    def check(
        self,
        sync_range: SyncRange,
        window: Window,
        first: Page | None,
        clock: Callable[[], datetime],
    ) -> ZoneCheckResult:
        """Find out about the head of a range.

        Args:
            sync_range: Of the run.
            window: The part of it that has been asked for.
            first: Its first page; None when the list did not answer.
            clock: Gives the later of the machine's clock and the API's, UTC: no right contact is
                newer.

        Raises:
            TimezoneError: The Space's clock is not where the setting says.
        """
        if first is None:
            return ZoneCheckResult(
                timezone_verified=False, why="the list of contacts does not answer"
            )
        page, recent, now = first, False, clock()
        if not first.contacts:
            if sync_range.newest_id is not None:
                head = self._by_newest_id(sync_range.start_if_unverified, sync_range.newest_id, now)
                if head is not None:
                    return head
            window = Window(window.end, now.replace(microsecond=0) + WIDEST_ZONE_GAP)
            ahead = self._list.try_page(window, per_page=LARGEST_PAGE, wait_for_limit=True)
            if ahead is None:
                return ZoneCheckResult(timezone_verified=False, why=_NO_FUTURE)
            if not ahead.contacts:
                return ZoneCheckResult(
                    timezone_verified=False,
                    can_read_ahead=True,
                    nothing_ahead=True,
                    why=_NOTHING_NEW,
                )
            page, recent = ahead, ahead.next_cursor is None and now - window.start <= _RECENT
        if is_dated(page.contacts):
            return self._by_date(window, page.contacts, now)
        self._is_late = lambda: clock() - now > _AHEAD
        return self._by_clock(window, page.contacts, now, recent=recent)

    def _by_newest_id(
        self, start: datetime, newest_id: int, now: datetime
    ) -> ZoneCheckResult | None:
        """See whether anything is new under any zone: the list gives the newest id first.

        Args:
            start: Of what has to be read again, UTC.
            newest_id: All contacts up to it have been read.
            now: UTC.

        Returns:
            None when something is new.
        """
        window = Window(start, now.replace(microsecond=0) + WIDEST_ZONE_GAP)
        page = self._list.try_page(window, per_page=1, wait_for_limit=True)
        if page is None:
            return ZoneCheckResult(timezone_verified=False, why=_NO_FUTURE)
        if any(contact.id > newest_id for contact in page.contacts):
            return None
        return ZoneCheckResult(timezone_verified=False, nothing_new=True, why=_NOTHING_NEW)

    def inspect(self, contacts: Sequence[Contact], window: Window) -> None:
        """Compare creation times with what was asked for.

        Args:
            contacts: On one page, or in one block of an export file.
            window: What was asked for.

        Raises:
            TimezoneError: The API serves another range, because its clock is not where the setting
                says or because it ignores the range.
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
            page = self._around(first)
            if page is None or not _is_on(page, first):
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
        created = _created(contact).replace(microsecond=0)
        minutes = wall_range(created - _SAME_TIME, created + SECOND, self._zone)
        return len(_outside(page.contacts, minutes)) > max(1, len(page.contacts) / 2)

    def suggested_offset(self, now: datetime) -> str | None:
        """Say which offset the newest contact's wall time suggests, halving the hours around now.

        Args:
            now: UTC.

        Returns:
            Like `UTC+09:00`; None when no contact is there, or the list does not answer.
        """
        now = now.replace(microsecond=0)
        offset = self._offset_suggested(now, -WIDEST_ZONE_GAP, WIDEST_ZONE_GAP)
        return None if offset is None else _offset_text(offset)

    # With `created_at`.

    def _by_date(
        self, window: Window, contacts: Sequence[Contact], now: datetime
    ) -> ZoneCheckResult:
        """Ask for the newest contacts by their creation time: under the setting, then elsewhere.

        Args:
            window: What was asked for.
            contacts: On the first page of it.
            now: UTC.
        """
        now = now.replace(microsecond=0)
        found = self._one_that_comes_back(contacts)
        why = "no contact was found again by its creation time"
        if found is not None:
            created = _created(found)
            if self._offset(created) == self._offset(now):
                return ZoneCheckResult(timezone_verified=True)
            why = "since the newest contact, the clock may have been changed"
        ahead = self._list.try_page(
            Window(min(window.end, now), now + WIDEST_ZONE_GAP), per_page=1, wait_for_limit=True
        )
        return ZoneCheckResult(
            timezone_verified=False,
            can_read_ahead=ahead is not None,
            nothing_ahead=ahead is not None and window.end <= now and not ahead.contacts,
            why=why,
        )

    def _one_that_comes_back(self, contacts: Sequence[Contact]) -> Contact | None:
        # The latest by date: after an import, the newest ids may have old dates.
        dated = sorted((c for c in contacts if c.created_at), key=_created, reverse=True)
        # Where the setting's clock was changed, nobody knows how the API reads its wall time.
        plain = [c for c in dated if not self._is_changed(_created(c) - _SAME_TIME, _created(c))]
        first, *others = plain or dated
        back = self._comes_back(first)
        if back is not False or not plain:
            return first if back else None
        if self._raise_if_elsewhere(first, others):
            return None
        # It may have been merged away meanwhile.
        tries = _apart(first, others)[: _TRIES - 1]
        return next(filter(self._comes_back, tries), None)

    def _comes_back(self, contact: Contact, offset: timedelta | None = None) -> bool | None:
        """Ask for a contact by its creation time.

        Args:
            contact: It tells `created_at`.
            offset: Of the Space's clock at that time; by default the setting's.

        Returns:
            Whether a contact of that time came back: the very one, or one close to it, for the very
            one may have been merged away. None when the list did not answer.
        """
        page = self._around(contact, offset)
        return None if page is None else _is_on(page, contact)

    def _around(self, contact: Contact, offset: timedelta | None = None) -> Page | None:
        """Ask for the minutes up to a contact's creation; the offset as for `_comes_back`."""
        created = _created(contact).replace(microsecond=0)
        wall = created + (self._offset(created) if offset is None else offset)
        return self._between(wall - _SAME_TIME, wall + SECOND)

    def _raise_if_elsewhere(self, contact: Contact, others: Sequence[Contact]) -> bool:
        """Find the offset under which the API serves a contact, halving what is possible.

        Args:
            contact: It does not come back under the setting's offset.
            others: One of them, if there is one of another time, must be under that offset, too.

        Returns:
            Whether there is an offset, but no error: of this contact alone, or the setting's in a
            newer zone database.

        Raises:
            TimezoneError: There is one, and it is not the setting's.
        """
        created = _created(contact).replace(microsecond=0)
        low, high = _LOWEST, _HIGHEST
        while low < high:
            middle = low + (high - low) // (2 * _QUARTER) * _QUARTER
            page = self._between(created + low - SECOND, created + middle + SECOND)
            if page is None:
                return False
            if any(other.id == contact.id for other in page.contacts):
                high = middle
            else:
                low = middle + _QUARTER
        if low == self._offset(created) or not self._comes_back(contact, low):
            return False
        if self._is_law_elsewhere(created, low):
            return True
        witness = next(iter(_apart(contact, others)), None)
        if witness is not None and not self._comes_back(witness, low):
            return True
        raise self._error(created, low, "its clock showed")

    # Without `created_at`.

    def _by_clock(
        self, window: Window, contacts: Sequence[Contact], now: datetime, *, recent: bool = False
    ) -> ZoneCheckResult:
        """Look for contacts from the future, and for some from the last minutes.

        Args:
            window: What was asked for.
            contacts: On the first page of it.
            now: UTC.
            recent: Whether the contacts are of the last minutes, if they are not from the future.
        """
        now = now.replace(microsecond=0)
        since = now + _AHEAD if recent else now - _RECENT
        found = future = self._from(since, now)
        if found is not None and found.contacts and not recent:
            future = self._from(now + _AHEAD, now)
        if found is None or future is None:
            return ZoneCheckResult(timezone_verified=False, why=_NO_FUTURE)
        if self._is_changed(now - _RECENT, now + _AHEAD):
            why = "the clock is being changed"
            return ZoneCheckResult(timezone_verified=False, can_read_ahead=True, why=why)
        if future.contacts:
            ids = {contact.id for contact in future.contacts}
            newest_known = max((c.id for c in contacts if c.id not in ids), default=0)
            if len(ids) >= _MIN_FUTURE_CONTACTS and (recent or min(ids) > newest_known):
                self._raise_if_ahead(now)
            why = "the creation time of a contact is still to come"
            return ZoneCheckResult(timezone_verified=False, can_read_ahead=True, why=why)
        if self._is_late():
            return ZoneCheckResult(
                timezone_verified=False, can_read_ahead=True, why="the list takes minutes to answer"
            )
        if recent or found.contacts:
            return ZoneCheckResult(timezone_verified=True, can_read_ahead=True)
        why = "no contact is recent, and the API does not tell `created_at`"
        return ZoneCheckResult(
            timezone_verified=False,
            can_read_ahead=True,
            nothing_ahead=now - window.end <= _RECENT,
            seems_old=len(contacts) >= _MIN_CONTACTS_A_DAY,
            why=why,
        )

    def _from(self, since: datetime, now: datetime) -> Page | None:
        """Ask for some contacts from a moment on, up to where the clock of any zone may be."""
        window = Window(since, now + WIDEST_ZONE_GAP)
        return self._list.try_page(window, per_page=_MIN_FUTURE_CONTACTS, wait_for_limit=True)

    def _raise_if_ahead(self, now: datetime) -> None:
        """Name the offset that explains contacts whose wall time is still to come."""
        offset = self._offset_suggested(now, timedelta(), WIDEST_ZONE_GAP)
        if offset is None or not self._offset(now) < offset <= _HIGHEST or self._is_late():
            return
        if not self._is_law_elsewhere(now, offset):
            raise self._error(now, offset, "its clock showed at least")

    def warn_if_old(self, now: datetime) -> None:
        """Warn when no contact has come for long, though there are usually many in an hour.

        Args:
            now: UTC.
        """
        now = now.replace(microsecond=0)
        day = self._list.try_page(
            Window(now - WIDEST_ZONE_GAP, now - _RECENT), per_page=LARGEST_PAGE, wait_for_limit=True
        )
        if day is None or len(day.contacts) < _MIN_CONTACTS_A_DAY:
            return
        offset = self._offset_suggested(now, -WIDEST_ZONE_GAP, timedelta())
        if offset is not None and offset < self._offset(now) - 2 * _QUARTER:
            logger.warning(
                "The newest contacts are old for a Space with so many: perhaps its clock is at "
                "%s, and `timezone` (%s) is wrong",
                _offset_text(offset),
                self._zone.key,
            )

    def _offset_suggested(self, now: datetime, low: timedelta, high: timedelta) -> timedelta | None:
        """Find the offset under which the newest contact was created within 15 minutes of now.

        Args:
            now: UTC, whole seconds.
            low: How far from the setting's wall time to begin to look, in quarters of an hour.
            high: How far to look.

        Returns:
            It; None when no contact is there, or the list does not answer.
        """
        here = now + self._offset(now)
        far, middle = here + high, low
        while True:
            page = self._between(here + middle, far, per_page=1)
            if page is None or not (page.contacts or middle > low):
                return None
            low, high = (middle, high) if page.contacts else (low, middle)
            if high - low <= _QUARTER:
                return low + _QUARTER + self._offset(now)
            middle = low + (high - low) // (2 * _QUARTER) * _QUARTER

    # Both.

    def _between(
        self, start: datetime, end: datetime, *, per_page: int = LARGEST_PAGE
    ) -> Page | None:
        """Ask for contacts between two wall times, whose zone is of no account."""
        start, end = (edge.replace(tzinfo=UTC, microsecond=0) for edge in (start, end))
        return self._list.try_page(
            wall_range(start, end, UTC), per_page=per_page, wait_for_limit=True
        )

    def _is_law_elsewhere(self, when: datetime, offset: timedelta) -> bool:
        """Tell whether another zone database has the offset that was found for the setting."""
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
        """Whether the setting's clock is changed within some minutes, or an hour repeats."""
        twice = repeated(start, self._zone) or repeated(end, self._zone)
        return bool(twice) or self._offset(start) != self._offset(end)

    def _offset(self, instant: datetime) -> timedelta:
        return utc_offset(instant, self._zone)

    def _error(self, when: datetime, offset: timedelta, showed: str) -> TimezoneError:
        text = _offset_text(offset)
        return TimezoneError(
            f"The Space's time zone is not {self._zone.key}, as the setting `timezone` says: at "
            f"{utc_text(when.replace(microsecond=0))} {showed} {text}",
            f"Set `timezone` to the Space's zone, one that was at {text} then.",
        )


def _offset_text(offset: timedelta) -> str:
    sign, minutes = "-" if offset < timedelta() else "+", abs(offset) // timedelta(minutes=1)
    return f"UTC{sign}{minutes // 60:02d}:{minutes % 60:02d}"


def _apart(contact: Contact, others: Sequence[Contact]) -> list[Contact]:
    """Give those that were created at another time than a contact."""
    return [c for c in others if abs(_created(c) - _created(contact)) > _SAME_TIME]


def _outside(contacts: Sequence[Contact], wall: WallRange) -> list[Contact]:
    """Give those that were created outside a range."""
    return [c for c in contacts if c.created_at and not wall.holds(c.created_at)]


def _is_on(page: Page, contact: Contact) -> bool:
    """Whether a page holds a contact, or one that was created close to it."""
    created = _created(contact).replace(microsecond=0)
    return any(
        other.created_at is not None and abs(other.created_at - created) <= _SAME_TIME + SECOND
        for other in page.contacts
    )


def _created(contact: Contact) -> datetime:
    return contact.created_at or datetime.max.replace(tzinfo=UTC)
