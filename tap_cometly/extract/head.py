"""The head of a run's range: what has to be known at the newest end before anything is read.

The first page tells how much there is, and is what the Space's clock is checked with. Both decide
what has to be read beside the range. `--test` and Meltano's test of the settings stop there.
"""

from __future__ import annotations

import logging
import typing as t
from dataclasses import replace
from datetime import timedelta

from singer_sdk.exceptions import AbortedSyncPausedException

from tap_cometly.client.client import LARGEST_PAGE
from tap_cometly.config import EXPORT, PAGINATION
from tap_cometly.contacts.schema import delivered_options, is_dated
from tap_cometly.exceptions import (
    ColumnError,
    RateLimitError,
    RejectedError,
    TooLongError,
    UnavailableError,
)
from tap_cometly.extract.pagination import SURELY_SERVED
from tap_cometly.extract.timezone_check import ZoneCheckResult
from tap_cometly.timeranges import (
    SECOND,
    WIDEST_ZONE_GAP,
    Window,
    before_repeated,
    may_fall_behind,
    repeated,
    utc_offset,
    utc_text,
)

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from tap_cometly.config import Settings
    from tap_cometly.contacts.decoder import Page
    from tap_cometly.contacts.schema import Contact
    from tap_cometly.extract.services import Services
    from tap_cometly.timeranges import SyncRange

logger = logging.getLogger(__name__)

_WEEKS = timedelta(weeks=2)  # less than any clock stays set back: in Ramadan, a month
_LONGEST_SET_BACK = timedelta(hours=3)


class RangeHead:
    """Looks at the newest end of a run's range, and says what has to be read.

    Args:
        settings: Mode and zone.
        services: The API, and the time zone check.

    Attributes:
        found: What is known about the newest end of the range; None before it has been asked about.
        began: When reading began, by the earlier of the machine's clock and the API's, UTC. What
            is created later may be missing from windows that are read hours later, too.
        newest_id: The highest id there was when the Space's clock was seen; None where it was not.
        list_answers: Whether the list has answered.
    """

    def __init__(self, settings: Settings, services: Services) -> None:
        self._settings = settings
        self._client = services.client
        self._list = services.contacts
        self._every_column = services.every_column
        self._paginator = services.paginator
        self._timezone_check = services.timezone_check
        self.found: ZoneCheckResult | None = None
        self.began = services.clock.now()
        self.newest_id: int | None = None
        self.list_answers = True

    @property
    def timezone_verified(self) -> bool:
        """Whether the Space's clock was seen not to be behind the setting."""
        return self.found is not None and self.found.timezone_verified

    def compare_clocks(self) -> None:
        """Ask the list for one contact, for the answer tells the time of the API's clock.

        Raises:
            ClockError: The machine's clock and the API's differ by more than a day.
        """
        now = self._client.now().replace(microsecond=0)
        self._list.try_page(Window(now - timedelta(days=1), now), per_page=1)
        self._client.now()  # compares them

    def warn_if_old(self) -> None:
        """Warn when no contact has come for long, in a Space that has usually many in an hour."""
        if self.found is not None and self.found.seems_old:
            self._timezone_check.warn_if_old(self._client.latest_now())

    def parts(self, sync_range: SyncRange) -> list[tuple[Window, Page | None]]:
        """Give what has to be read, oldest first, with first pages that have been read already.

        That is the range; before it, what a bookmark relies on the Space's clock for; behind it,
        what a clock that cannot be seen may hide.
        """
        asked = self._asked(sync_range)
        if asked.start >= asked.end:
            return []
        first = self._ask_first_page(asked)
        whole = self._begin(asked, sync_range)
        if whole.start >= whole.end:
            return []
        if first is not None and whole.end < asked.end:  # the answer told the time of the API
            first = _until(first, whole.end)
        head = self.found = self._check_head(sync_range, whole, first)
        parts = [(whole, first)]
        if head.nothing_new:
            logger.info("No contact is new")
            return parts
        if not head.timezone_verified:
            logger.info(
                "Whether the Space's clock is where `timezone` (%s) says cannot be told in this "
                "run: %s. So the hours around now are read again by the next runs",
                self._settings.zone.key,
                head.why,
            )
        careful = Window(sync_range.start_if_unverified, whole.start)
        if careful.seconds and (not head.timezone_verified or self._was_behind(whole.start)):
            parts.insert(0, (careful, None))
        reaches_now = sync_range.end_date is None or whole.end < sync_range.end_date
        if head.must_read_ahead and reaches_now:
            ahead = self.began.replace(microsecond=0) + WIDEST_ZONE_GAP
            parts.append((Window(whole.end, ahead), None))
        return parts

    def _asked(self, sync_range: SyncRange) -> Window:
        """Give the range up to now; up to before an hour that occurs twice, where it has to be.

        An end inside such an hour is moved on behind it, and some APIs may refuse what is to come.
        """
        end = sync_range.end(self._client.now())
        if repeated(end, self._settings.zone):
            newest = Window(end - SECOND, end)
            if self._list.try_page(newest, per_page=1) is None:
                end = before_repeated(end, self._settings.zone)
        return Window(sync_range.start, end)

    def _begin(self, asked: Window, sync_range: SyncRange) -> Window:
        """Note when reading begins, and give the range up to what was settled then."""
        self.began = self._client.now()
        return replace(asked, end=min(asked.end, sync_range.end(self.began)))

    def _was_behind(self, start: datetime) -> bool:
        """Whether the Space's clock may have been behind the bookmark, and no longer is.

        It may have been set back when the bookmark was written or soon after, and agree again
        with the setting's by now: since that was set back later, too, or since the Space's was set
        forward again, which no zone does within weeks.

        Args:
            start: Of the range, UTC.
        """
        zone = self._settings.zone
        if self.began - start < _WEEKS:
            return utc_offset(start, zone) > utc_offset(self.began, zone)
        return may_fall_behind(zone, start - WIDEST_ZONE_GAP, start + _LONGEST_SET_BACK)

    def _ask_first_page(self, window: Window) -> Page | None:
        """Ask how much there is.

        Returns:
            The first page; None when the list refuses so long a range, or does not answer and
            exports can do without.

        Raises:
            TapError: The list cannot be asked, and nothing can be read without it.
        """
        refusal: Exception
        try:
            return self._paginator.first_page(window, optional=self._settings.mode == EXPORT)
        except (TooLongError, RejectedError) as error:
            now = self._client.now().replace(microsecond=0)
            if window.end > now:  # the machine's clock is ahead, and the API refuses the future
                self._list.length.refused = None
                known = replace(window, end=now)
                return self._ask_first_page(known) if known.start < known.end else None
            if isinstance(error, RejectedError) and self._settings.mode != EXPORT:
                raise
            refusal = error
        except (RateLimitError, UnavailableError) as error:
            if self._settings.mode != EXPORT:
                raise
            refusal = error
        logger.warning("The list does not serve the whole range: %s", refusal.args[0])
        return None

    def _newest_day(self, window: Window) -> Page | None:
        day = replace(window, start=max(window.start, window.end - timedelta(days=1)))
        return self._list.try_page(day, per_page=LARGEST_PAGE)

    def _check_head(
        self, sync_range: SyncRange, whole: Window, first: Page | None, *, is_test: bool = False
    ) -> ZoneCheckResult:
        """Check the Space's clock, unless the range ends so early that it does not matter.

        It matters to a test of the connection, and to a bookmark that relies on that clock, which
        may have been changed since.
        """
        page = first or self._newest_day(whole)
        self.list_answers = page is not None
        if whole.end <= sync_range.latest_commit_if_unverified(self.began):
            if sync_range.start_if_unverified == whole.start and not is_test:
                return ZoneCheckResult(timezone_verified=True)
            now = self._client.now().replace(microsecond=0)
            whole = Window(now - timedelta(days=1), now)
            page = self._newest_day(whole)
        clock = self._client.latest_now
        head = self._timezone_check.check(sync_range, whole, page, clock)
        if head.timezone_verified and page is not None and sync_range.end_date is None:
            self.newest_id = max((contact.id for contact in page.contacts), default=None)
        return head

    # A test of the connection.

    def read_for_test(
        self, sync_range: SyncRange, at_most: int, *, quick: bool = False
    ) -> Iterator[tuple[Window, Iterator[list[Contact]]]]:
        """Read the beginning of a range's first page, to test the connection, and report on it.

        Args:
            sync_range: Of the run.
            at_most: How many contacts will do.
            quick: Whether an outage is an error within half a minute, and nothing is reported.

        Yields:
            The range with these contacts, at most once; reading them ends the SDK's way unless
            they are all there are.

        Raises:
            TapError: A setting has to be changed, or the API does not answer.
        """
        asked = self._asked(sync_range)
        if asked.start >= asked.end:
            return
        try:
            first = self._paginator.first_page(asked, at_most=at_most, optional=quick)
        except (TooLongError, RejectedError):
            # The newest day will do; its end is that of the API's clock, which is known by now.
            asked = self._asked(sync_range)
            day = timedelta(seconds=SURELY_SERVED)
            asked = replace(asked, start=max(asked.start, asked.end - day))
            if asked.start >= asked.end:
                return
            first = self._paginator.first_page(asked, at_most=at_most, optional=quick)
        whole = self._begin(asked, sync_range)
        if whole.start < whole.end:
            head = self.found = self._check_head(sync_range, whole, first, is_test=not quick)
            if not quick:
                self._report(whole, first, head)
            is_all = first.next_cursor is None and asked.start == sync_range.start
            yield whole, self._sampled(self._paginator.read(asked, first), is_all=is_all)

    def _sampled(self, blocks: Iterator[list[Contact]], *, is_all: bool) -> Iterator[list[Contact]]:
        """Give all there is; or, of more, a block, and end as the SDK ends a test that saw enough.

        Raises:
            ColumnError: The list does not deliver what is asked for, and exports are not used.
        """
        try:
            if is_all:
                yield from blocks
                return
            yield next(blocks, [])
        except ColumnError as error:
            if self._settings.mode == PAGINATION:
                raise
            logger.info("%s; whether exports do, only a sync can tell", error.what)
        raise AbortedSyncPausedException

    def _report(self, whole: Window, first: Page, head: ZoneCheckResult) -> None:
        """Tell what a test of the connection has shown; two more calls, ten without dates."""
        logger.info("The key works")
        everything = self._every_column.page(whole, per_page=1)
        if not first.contacts:
            logger.info("No contact was created in %s", whole)
        elif is_dated(first.contacts):
            newest = next(c.created_at for c in first.contacts if c.created_at)
            logger.info("This Space's API tells when contacts were created (`created_at`)")
            logger.info("The newest contact was created: %s", utc_text(newest))
        else:
            logger.info("This Space's API does not tell when contacts were created (`created_at`)")
            offset = self._timezone_check.suggested_offset(self._client.now())
            if offset is not None:
                logger.info(
                    "The newest contact's wall time suggests that the Space's clock is at %s or "
                    "later, if it was created in the last minutes",
                    offset,
                )
        if head.timezone_verified:
            logger.info(
                "The Space's clock agrees with the setting `timezone`: %s", self._settings.zone.key
            )
        else:
            logger.info("The setting `timezone` could not be checked: %s", head.why)
        given = ", ".join(delivered_options(everything.contacts)) or "none"
        logger.info("Columns on request that this Space's list delivers: %s", given)


def _until(page: Page, end: datetime) -> Page:
    """Leave out contacts that are known to have been created later; the next run reads them."""
    contacts = [c for c in page.contacts if c.created_at is None or c.created_at <= end]
    return page._replace(contacts=contacts)
