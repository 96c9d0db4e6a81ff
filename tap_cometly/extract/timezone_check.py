"""Is the Space's time zone the one in the settings? Asked in every run, before all else.

With the wrong zone the API filters other hours than the tap means, and rows are lost without a
sound. So a contact whose creation time is known is asked for by that very second: under the right
zone it comes back.
"""

from __future__ import annotations

import itertools
import typing as t
from datetime import datetime, timedelta

from tap_cometly.exceptions import RejectedError, TimezoneError
from tap_cometly.extract.pagination import LARGEST_PAGE
from tap_cometly.timeranges import SECOND, UTC, WallRange, repeated, utc_text, wall_range

if t.TYPE_CHECKING:
    import logging
    from collections.abc import Sequence
    from zoneinfo import ZoneInfo

    from tap_cometly.contacts.glimpse import Dated
    from tap_cometly.extract.pagination import Listing
    from tap_cometly.timeranges import Window

LOOK_AROUND = timedelta(hours=26)  # the wall times of two zones differ by no more
_SAME_SEASON = timedelta(days=7)
_SEASONS = 3  # times of the range at which the zone is checked
_TRIES = 2  # contacts; the first may have been merged away meanwhile
_PAGES = 3  # of the contacts of one second
_QUARTERS = range(-12 * 4, 14 * 4 + 1)  # every offset in use is a multiple of 15 minutes


class TimezoneCheck:
    """Checks the Space's zone against contacts whose creation time is known."""

    def __init__(self, listing: Listing, zone: ZoneInfo, logger: logging.Logger) -> None:
        """Prepare to check a zone by asking the list."""
        self._listing = listing
        self._zone = zone
        self._logger = logger
        self._vouched: list[datetime] = []
        self._warned = False

    def vouch_newest(self, whole: Window, contacts: Sequence[Dated]) -> None:
        """Check the zone with the newest contacts of a range, or others from around it.

        Args:
            whole: The range.
            contacts: On its first page; a range that looks empty may do so in the wrong zone only.

        Raises:
            ZoneError: The API does not find them at the time they were created.
        """
        self.vouch(contacts or self.look_around(whole.start, whole.end))

    def vouch(self, contacts: Sequence[Dated]) -> None:
        """Check the zone with the first of some contacts that can be used.

        Args:
            contacts: Best first. One within a week of a contact already checked proves nothing new.

        Raises:
            ZoneError: The API does not find them at the time they were created.
        """
        usable = [c for c in contacts if c.created_at is not None]
        plain = (c for c in usable if not repeated(_created(c), self._zone))
        tried = list(itertools.islice(plain, _TRIES)) or usable[:_TRIES]
        if not tried:
            self._warn(bool(contacts))
            return
        when = _created(tried[0])
        if any(abs(when - before) < _SAME_SEASON for before in self._vouched):
            return
        if not any(self._found(contact) for contact in tried):
            raise self._error(tried[0])
        self._vouched.append(when)

    def vouch_elsewhere(self, contacts: Sequence[Dated]) -> None:
        """Check the zone at other times, too: two zones may agree in winter and differ in summer.

        Args:
            contacts: Some that are not the newest. The oldest and those in the middle are tried.

        Raises:
            ZoneError: The API does not find them at the time they were created.
        """
        if not self.outstanding:
            return
        dated = sorted((c for c in contacts if c.created_at), key=_created)
        for place in (0, len(dated) // 2):
            if dated and self.outstanding > 0:
                self.vouch(dated[place:])

    @property
    def passed(self) -> bool:
        """Whether the zone was found right at some time."""
        return bool(self._vouched)

    @property
    def outstanding(self) -> int:
        """How many times of the range are still to be checked."""
        return max(0, _SEASONS - len(self._vouched))

    def inspect(self, contacts: Sequence[Dated], wall: WallRange) -> None:
        """Compare creation times with the range that was asked for.

        Raises:
            ZoneError: One lies outside.
        """
        times = [c.created_at for c in contacts if c.created_at is not None]
        if not times or (wall.holds(min(times)) and wall.holds(max(times))):
            return
        outside = (c for c in contacts if c.created_at and not wall.holds(c.created_at))
        raise self._error(next(outside))

    def look_around(self, start: datetime, end: datetime) -> Sequence[Dated]:
        """Give the newest contacts of a range and a day around it, for a range that looks empty."""
        wall = wall_range(start - LOOK_AROUND, end + LOOK_AROUND, self._zone)
        try:
            return self._listing.ask(wall, per_page=_TRIES).glimpses
        except RejectedError:  # too long a range for this list; the newest are at its end
            wall = wall_range(end - LOOK_AROUND, end + LOOK_AROUND, self._zone)
            return self._listing.ask(wall, per_page=_TRIES).glimpses

    def _warn(self, any_contact: bool) -> None:  # noqa: FBT001, a fact, not a switch
        if not self._warned:
            self._warned = True
            why = (
                "this Space's API tells no created_at"
                if any_contact
                else "no contact was created in the range or close to it"
            )
            self._logger.warning(
                "The setting `timezone` (%s) could not be checked: %s", self._zone.key, why
            )

    def _found(self, contact: Dated) -> bool:
        second = _created(contact).replace(microsecond=0)
        return self._serves(contact, wall_range(second - SECOND, second + SECOND, self._zone))

    def _serves(self, contact: Dated, wall: WallRange) -> bool:
        cursor = None
        for _ in range(_PAGES):
            page = self._listing.ask(wall, per_page=LARGEST_PAGE, cursor=cursor)
            if any(other.id == contact.id for other in page.glimpses):
                return True
            cursor = page.next_cursor
            if cursor is None:
                return False
        return False

    def _error(self, contact: Dated) -> TimezoneError:
        created = _created(contact)
        here = self._zone.key
        quarters = self._quarters_off(contact)
        if quarters is None or timedelta(minutes=15 * quarters) == self._offset(created):
            return TimezoneError(
                f"The Space's time zone seems not to be {here}, as the setting `timezone` says: "
                f"Cometly serves contacts outside the range that was asked for, or not within it",
                "Set `timezone` to the zone that the Space's owner chose in Cometly.",
            )
        sign, minutes = "-" if quarters < 0 else "+", abs(quarters) * 15
        offset = f"UTC{sign}{minutes // 60:02d}:{minutes % 60:02d}"
        return TimezoneError(
            f"The Space's time zone is not {here}, as the setting `timezone` says: at "
            f"{utc_text(created)} its clock showed {offset}",
            f"Set `timezone` to the Space's zone, one that was at {offset} then.",
        )

    def _offset(self, instant: datetime) -> timedelta:
        return instant.astimezone(self._zone).utcoffset() or timedelta()

    def _quarters_off(self, contact: Dated) -> int | None:
        """Find the offset at which the API finds a contact, halving what is possible."""
        low, high = _QUARTERS.start, _QUARTERS.stop - 1
        while low < high:
            middle = (low + high) // 2
            if self._found_between(contact, low, middle):
                high = middle
            else:
                low = middle + 1
        return low if self._found_between(contact, low, low) else None

    def _found_between(self, contact: Dated, low: int, high: int) -> bool:
        second = _created(contact).replace(microsecond=0)
        start = second + timedelta(minutes=15 * low) - SECOND
        end = second + timedelta(minutes=15 * high) + SECOND
        wall = wall_range(start, end, UTC)  # the texts are what counts
        page = self._listing.ask(wall, per_page=LARGEST_PAGE)
        return any(other.id == contact.id for other in page.glimpses)


def _created(contact: Dated) -> datetime:
    return contact.created_at or datetime.max.replace(tzinfo=UTC)
