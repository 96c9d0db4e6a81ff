"""The search for the UTC offset under which the API serves a contact, or would serve a new one.

Each call halves the offsets that are left.
"""

from __future__ import annotations

import typing as t
from datetime import datetime, timedelta

from tap_cometly.client.client import LARGEST_PAGE
from tap_cometly.timeranges import SECOND, UTC, utc_offset, wall_range

if t.TYPE_CHECKING:
    from collections.abc import Callable
    from zoneinfo import ZoneInfo

    from tap_cometly.contacts.decoder import Page
    from tap_cometly.contacts.schema import Contact
    from tap_cometly.extract.pagination import ContactList

QUARTER = timedelta(minutes=15)  # every offset in use is a multiple of it
LOWEST_OFFSET, HIGHEST_OFFSET = timedelta(hours=-12), timedelta(hours=14)  # of those in use
SAME_TIME = timedelta(minutes=7)  # two contacts so close show the same offset


class OffsetSearch:
    """Asks the list for contacts by their wall time.

    Args:
        contacts: The list, asked for no optional columns.
        zone: The setting `timezone`.
    """

    def __init__(self, contacts: ContactList, zone: ZoneInfo) -> None:
        self._list = contacts
        self._zone = zone

    def comes_back(self, contact: Contact, offset: timedelta | None = None) -> bool | None:
        """Ask for a contact by its creation time.

        Args:
            contact: It has `created_at`.
            offset: Of the Space's time zone then; by default the setting's.

        Returns:
            Whether a contact of that time came back: the very one, or one close to it, for the very
            one may have been merged away. None when the list did not answer.
        """
        page = self.around(contact, offset)
        return None if page is None else is_on(page, contact)

    def around(self, contact: Contact, offset: timedelta | None = None) -> Page | None:
        """Ask for the minutes up to a contact's creation; the offset as for `comes_back`."""
        created = created_second(contact)
        wall = created + (utc_offset(created, self._zone) if offset is None else offset)
        return self._between(wall - SAME_TIME, wall + SECOND)

    def serving(self, contact: Contact) -> timedelta | None:
        """Return the offset under which the API serves a contact, if it does under any.

        Args:
            contact: It has `created_at`.

        Returns:
            It; the highest one if there is none; None when the list does not answer.
        """
        created = created_second(contact)

        def is_served(low: timedelta, high: timedelta) -> bool | None:
            page = self._between(created + low - SECOND, created + high + SECOND)
            return None if page is None else any(c.id == contact.id for c in page.contacts)

        return _least(LOWEST_OFFSET, HIGHEST_OFFSET, is_served)

    def suggested_by_newest(
        self, now: datetime, low: timedelta, high: timedelta
    ) -> timedelta | None:
        """Return the offset under which the newest contact was created within 15 minutes of now.

        Args:
            now: UTC, whole seconds.
            low: How far from the setting's offset the search begins, in quarters of an hour.
            high: How far from it the search ends.

        Returns:
            It; None when no contact is there, or the list does not answer.
        """
        offset = utc_offset(now, self._zone)
        end = now + offset + high

        def has_contacts(_: timedelta, back: timedelta) -> bool | None:
            page = self._between(end - back, end, per_page=1)
            return None if page is None else bool(page.contacts)

        back = _least(QUARTER, high - low, has_contacts) if has_contacts(low, high - low) else None
        return None if back is None else offset + high - back + QUARTER

    def _between(
        self, start: datetime, end: datetime, *, per_page: int = LARGEST_PAGE
    ) -> Page | None:
        """Ask for contacts between two wall times, given as if they were UTC."""
        wall = wall_range(start, end, UTC)
        return self._list.try_page(wall, per_page=per_page, wait_for_limit=True)


def _least(
    low: timedelta, high: timedelta, is_enough: Callable[[timedelta, timedelta], bool | None]
) -> timedelta | None:
    """Return the least duration that is enough, in quarters of an hour, halving what is left.

    Args:
        low: The first of them.
        high: The last of them, which counts as enough.
        is_enough: Whether the second of two is, where none below the first is; None when the list
            does not answer.

    Returns:
        It; None when the list does not answer.
    """
    while low < high:
        middle = low + (high - low) // (2 * QUARTER) * QUARTER
        enough = is_enough(low, middle)
        if enough is None:
            return None
        low, high = (low, middle) if enough else (middle + QUARTER, high)
    return low


def is_on(page: Page, contact: Contact) -> bool:
    """Return whether a page holds a contact, or one that was created close to it."""
    created = created_second(contact)
    return any(
        other.created_at is not None and abs(other.created_at - created) <= SAME_TIME + SECOND
        for other in page.contacts
    )


def created_second(contact: Contact) -> datetime:
    """Return when a contact was created, UTC, whole seconds; far ahead where it is not dated."""
    return (contact.created_at or datetime.max.replace(tzinfo=UTC)).replace(microsecond=0)
