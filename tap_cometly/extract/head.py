"""The head of a run's range: what has to be known at the newest end before anything is read.

The first page shows how much there is, and the setting `timezone` is checked with it. Both decide
what has to be read beside the range.
"""

from __future__ import annotations

import logging
import typing as t
from dataclasses import replace
from datetime import timedelta
from functools import partial

from tap_cometly.client.client import LARGEST_PAGE
from tap_cometly.config import EXPORT
from tap_cometly.exceptions import RateLimitError, RejectedError, TooLongError, UnavailableError
from tap_cometly.extract.pagination import newest_day
from tap_cometly.extract.timezone_check import ZoneCheckResult
from tap_cometly.timeranges import (
    SECOND,
    WIDEST_ZONE_GAP,
    Window,
    before_repeated,
    may_fall_behind,
    repeated,
    utc_offset,
)

if t.TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from tap_cometly.config import Settings
    from tap_cometly.contacts.decoder import Page
    from tap_cometly.extract.services import Services
    from tap_cometly.timeranges import SyncRange

logger = logging.getLogger(__name__)

_DAY = timedelta(days=1)
_WEEKS = timedelta(weeks=2)  # less than any zone stays set back: in Ramadan, a month
_LONGEST_SET_BACK = timedelta(hours=3)


class RangeHead:
    """Checks the newest end of a run's range, and decides what has to be read.

    Args:
        settings: Mode and zone.
        services: The API, and the time zone check.

    Attributes:
        found: What is known about the newest end of the range; None before it has been asked about.
        began: When the first page was asked for, by the earlier of the machine's clock and the
            API's, UTC, whole seconds. What is created later may be missing from windows that are
            read hours later, too.
        newest_id: The highest id there was when the time zone was verified; None where it was not.
        list_answers: Whether the list answered when the head was checked; True before that.
    """

    def __init__(self, settings: Settings, services: Services) -> None:
        self._settings = settings
        self._clock = services.clock
        self._client = services.client
        self._list = services.contacts
        self._paginator = services.paginator
        self._timezone_check = services.timezone_check
        self.found: ZoneCheckResult | None = None
        self.began = self._client.now()
        self.newest_id: int | None = None
        self.list_answers = True

    @property
    def timezone_verified(self) -> bool:
        """Whether the Space's time zone was found not to be behind the setting `timezone`."""
        return self.found is not None and self.found.timezone_verified

    def compare_clocks(self) -> None:
        """Ask the list for one contact, for the answer shows the time of the API's clock.

        Raises:
            ClockError: The machine's clock and the API's differ by more than a day.
        """
        now = self._client.now()
        self._list.try_page(Window(now - _DAY, now), per_page=1)
        self._client.check_clock()

    def warn_if_old(self) -> None:
        """Warn when no contact has come for long, in a Space that has usually many in an hour."""
        if self.found is not None and self.found.seems_old:
            self._timezone_check.warn_if_old()

    def parts(self, sync_range: SyncRange) -> list[tuple[Window, Page | None]]:
        """Return what has to be read, with first pages that have been read already.

        These are, oldest first: the hours before the range, if the bookmark relies on a time zone
        that is no longer verified; the range; and the hours after it, if the time zone could not be
        verified.
        """
        asked = self.up_to_now(sync_range)
        if asked.start >= asked.end:
            return []
        whole, first = self._ask_first_page(asked, sync_range)
        if whole.start >= whole.end:
            return []
        if first is not None and whole.end < asked.end:
            first = _until(first, whole.end)
        found = self.check(sync_range, whole, first)
        parts = [(whole, first)]
        if found.nothing_new:
            logger.info("No contact is new")
            return parts
        if not found.timezone_verified:
            logger.info(
                "The setting `timezone` (%s) could not be verified in this run: %s. The next run "
                "reads the newest 26 hours again",
                self._settings.zone.key,
                found.why,
            )
        before = Window(sync_range.start_if_unverified, whole.start)
        if before.seconds and (not found.timezone_verified or self._was_behind(whole.start)):
            parts.insert(0, (before, None))
        reaches_now = sync_range.end_date is None or whole.end < sync_range.end_date
        if found.must_read_ahead and reaches_now:
            parts.append((Window(whole.end, self.began + WIDEST_ZONE_GAP), None))
        return parts

    def up_to_now(self, sync_range: SyncRange) -> Window:
        """Return the range up to now, or up to a repeated hour if the API refuses its end.

        An end inside a repeated hour is sent as the end of that hour, which may lie in the future.
        """
        end = sync_range.end(self._client.now())
        if repeated(end, self._settings.zone):
            newest = Window(end - SECOND, end)
            if self._list.try_page(newest, per_page=1) is None:
                end = before_repeated(end, self._settings.zone)
        return Window(sync_range.start, end)

    def begin(
        self, window: Window, sync_range: SyncRange, ask: Callable[[Window], Page]
    ) -> tuple[Window, Page]:
        """Ask for the first page of a window, and note when reading began.

        The answer may take long, and shows what was there when it was asked for.

        Args:
            window: The range, up to a time that the API may know to be in the future.
            sync_range: Of the run.
            ask: Asks for the page.

        Returns:
            The range up to what was settled when the page was asked for; and the page.

        Raises:
            TapError: What `ask` raises.
        """
        began, asked_at = self._client.now(), self._clock.monotonic()
        first = ask(window)
        waited = timedelta(seconds=self._clock.monotonic() - asked_at)
        # The header `Date` has whole seconds: this is up to a second before the page was asked for.
        by_answer = self._client.now() - waited
        if began - by_answer >= SECOND:
            began = by_answer.replace(microsecond=0)
        return self._settled(window, sync_range, began), first

    def _settled(self, window: Window, sync_range: SyncRange, began: datetime) -> Window:
        """Note when reading began, and cut off what was not settled then."""
        self.began = began
        return replace(window, end=min(window.end, sync_range.end(began)))

    def check(
        self, sync_range: SyncRange, whole: Window, first: Page | None, *, is_test: bool = False
    ) -> ZoneCheckResult:
        """Check the time zone, unless the range ends so early that it does not matter.

        It matters to a test of the connection, and to a bookmark that relies on the time zone,
        which may have been changed since.
        """
        page = first or self._newest_contacts(whole)
        self.list_answers = page is not None
        if whole.end <= sync_range.latest_commit_if_unverified(self.began):
            if sync_range.start_if_unverified == whole.start and not is_test:
                self.found = ZoneCheckResult(timezone_verified=True)
                return self.found
            now = self._client.now()
            whole = Window(now - _DAY, now)
            page = self._newest_contacts(whole)
        self.found = self._timezone_check.check(sync_range, whole, page)
        if self.found.timezone_verified and page is not None and sync_range.end_date is None:
            self.newest_id = max((contact.id for contact in page.contacts), default=None)
        return self.found

    def _newest_contacts(self, window: Window) -> Page | None:
        return self._list.try_page(newest_day(window), per_page=LARGEST_PAGE)

    def _was_behind(self, start: datetime) -> bool:
        """Whether a Space whose clock agrees with the setting now may have been behind at `start`.

        Its zone may have been set back around `start`, and agree again because the setting's zone
        was set back later or because its own was set forward again. No zone does the latter within
        two weeks.

        Args:
            start: Of the range, UTC.
        """
        zone = self._settings.zone
        if self.began - start < _WEEKS:
            return utc_offset(start, zone) > utc_offset(self.began, zone)
        return may_fall_behind(zone, start - WIDEST_ZONE_GAP, start + _LONGEST_SET_BACK)

    def _ask_first_page(self, window: Window, sync_range: SyncRange) -> tuple[Window, Page | None]:
        """Ask how much there is.

        Returns:
            The range up to what was settled when the first page was asked for; and the page, or
            None when the list refuses so long a range, or does not answer and exports can do
            without.

        Raises:
            TapError: The list cannot be asked, and nothing can be read without it.
        """
        ask = partial(self._paginator.first_page, optional=self._settings.mode == EXPORT)
        refusal: Exception
        try:
            return self.begin(window, sync_range, ask)
        except (TooLongError, RejectedError) as error:
            now = self._client.now()
            if window.end > now:  # the machine's clock is ahead, and the API refuses the future
                self._list.length.forget_refused()
                known = replace(window, end=before_repeated(now, self._settings.zone))
                if known.start < known.end:
                    return self._ask_first_page(known, sync_range)
                return self._settled(known, sync_range, now), None
            if isinstance(error, RejectedError) and self._settings.mode != EXPORT:
                raise
            refusal = error
        except (RateLimitError, UnavailableError) as error:
            if self._settings.mode != EXPORT:
                raise
            refusal = error
        logger.warning("The list does not serve the whole range: %s", refusal.args[0])
        return self._settled(window, sync_range, self._client.now()), None


def _until(page: Page, end: datetime) -> Page:
    """Leave out contacts that are known to have been created later; the next run reads them."""
    contacts = [c for c in page.contacts if c.created_at is None or c.created_at <= end]
    return page._replace(contacts=contacts)
