"""`--test`: what a first look at a Space shows, told in words."""

from __future__ import annotations

import typing as t
from itertools import chain

from tap_cometly.contacts.schema import delivered_options
from tap_cometly.timeranges import utc_text, wall_range

if t.TYPE_CHECKING:
    import logging
    from zoneinfo import ZoneInfo

    from tap_cometly.contacts.page import Page
    from tap_cometly.extract.pagination import Listing
    from tap_cometly.extract.timezone_check import TimezoneCheck
    from tap_cometly.timeranges import Window


class ConnectionReport:
    """Tells what works, how recent the newest contact is, and which columns can be had."""

    def __init__(
        self,
        everything: Listing,
        timezone_check: TimezoneCheck,
        zone: ZoneInfo,
        logger: logging.Logger,
    ) -> None:
        """Prepare.

        Args:
            everything: The list, asked for all columns there are.
            timezone_check: That has checked the zone.
            zone: The one in the settings.
            logger: Where it is told.
        """
        self._everything = everything
        self._timezone_check = timezone_check
        self._zone = zone
        self._logger = logger

    def tell(self, whole: Window, first: Page) -> None:
        """Tell what the first page, and one more call, show.

        Args:
            whole: The range the page is of.
            first: The page; the key has worked for it.
        """
        self._logger.info("The key works")
        if self._timezone_check.passed:
            self._logger.info("The Space's time zone agrees with `timezone`: %s", self._zone.key)
        newest = next(iter(first.glimpses), None)
        if newest is None:
            self._logger.info("No contact was created in %s", whole)
            return
        created = newest.created_at
        when = "when, this Space's API does not tell" if created is None else utc_text(created)
        self._logger.info("The newest contact was created: %s", when)
        wall = wall_range(whole.start, whole.end, self._zone)
        page = self._everything.ask(wall, per_page=1)
        given = ", ".join(delivered_options([*chain(*page.blocks())])) or "none"
        self._logger.info("Columns on request that this Space's list delivers: %s", given)
