"""A test of the connection: the beginning of a range is read, and reported on.

`--test` and Meltano's test of the settings stop there.
"""

from __future__ import annotations

import logging
import typing as t
from functools import partial

from singer_sdk.exceptions import AbortedSyncPausedException

from tap_cometly.config import PAGINATION
from tap_cometly.contacts.schema import delivered_options, is_dated
from tap_cometly.exceptions import ColumnError, RejectedError, TooLongError
from tap_cometly.extract.pagination import newest_day
from tap_cometly.timeranges import utc_text

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_cometly.config import Settings
    from tap_cometly.contacts.decoder import Page
    from tap_cometly.contacts.schema import Contact
    from tap_cometly.extract.head import RangeHead
    from tap_cometly.extract.services import Services
    from tap_cometly.extract.timezone_check import ZoneCheckResult
    from tap_cometly.timeranges import SyncRange, Window

logger = logging.getLogger(__name__)


class ConnectionTest:
    """Reads a few contacts, and reports what works.

    Args:
        settings: Mode and zone.
        services: The API, and the time zone check.
        head: Of the range.
    """

    def __init__(self, settings: Settings, services: Services, head: RangeHead) -> None:
        self._settings = settings
        self._services = services
        self._head = head

    def read(
        self, sync_range: SyncRange, at_most: int, *, quick: bool = False
    ) -> Iterator[tuple[Window, Iterator[list[Contact]]]]:
        """Read the beginning of a range's first page, and report on it.

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
        head, paginator = self._head, self._services.paginator
        asked = head.up_to_now(sync_range)
        if asked.start >= asked.end:
            return
        ask = partial(paginator.first_page, at_most=at_most, optional=quick)
        try:
            whole, first = head.begin(asked, sync_range, ask)
        except (TooLongError, RejectedError):
            # The newest day will do; its end is that of the API's clock, which is known by now.
            asked = newest_day(head.up_to_now(sync_range))
            if asked.start >= asked.end:
                return
            whole, first = head.begin(asked, sync_range, ask)
        if whole.start < whole.end:
            found = head.check(sync_range, whole, first, is_test=not quick)
            if not quick:
                self._report(whole, first, found)
            is_all = first.next_cursor is None and asked.start == sync_range.start
            yield whole, self._contacts(paginator.read(asked, first), is_all=is_all)

    def _contacts(
        self, blocks: Iterator[list[Contact]], *, is_all: bool
    ) -> Iterator[list[Contact]]:
        """Yield all there is; or, of more, a block, and end as the SDK ends a test that saw enough.

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
            logger.info("%s; only a sync can show whether exports do", error.what)
        raise AbortedSyncPausedException

    def _report(self, whole: Window, first: Page, found: ZoneCheckResult) -> None:
        """Log what the test has shown; two more calls, ten without dates."""
        logger.info("The key works")
        everything = self._services.every_column.page(whole, per_page=1)
        if not first.contacts:
            logger.info("No contact was created in %s", whole)
        elif is_dated(first.contacts):
            newest = next(c.created_at for c in first.contacts if c.created_at)
            logger.info("This Space's contacts have `created_at`")
            logger.info("The newest contact was created: %s", utc_text(newest))
        else:
            logger.info("This Space's contacts do not have `created_at`")
            offset = self._services.timezone_check.suggested_offset(self._services.client.now())
            if offset is not None:
                logger.info(
                    "The newest contact's wall time suggests that the Space's time zone is at %s "
                    "or later, if the contact was created in the last minutes",
                    offset,
                )
        if found.timezone_verified:
            logger.info(
                "The Space's time zone agrees with the setting `timezone`: %s",
                self._settings.zone.key,
            )
        else:
            logger.info("The setting `timezone` could not be verified: %s", found.why)
        given = ", ".join(delivered_options(everything.contacts)) or "none"
        logger.info("Columns on request that this Space's list delivers: %s", given)
