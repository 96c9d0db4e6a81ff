"""Everything that reading takes, put together for one sync and taken apart after it."""

from __future__ import annotations

import contextlib
import typing as t
from importlib import metadata

from tap_cometly.client import CometlyClient
from tap_cometly.columns import Columns
from tap_cometly.decoding import ContactDecoder
from tap_cometly.download import Downloader
from tap_cometly.export_calls import ExportCalls
from tap_cometly.exports import Exports
from tap_cometly.extraction import Extraction
from tap_cometly.first_contact import FirstContact
from tap_cometly.memory import give_back_memory
from tap_cometly.mending import Findings
from tap_cometly.page import PageReader
from tap_cometly.pages import Listing, Pages
from tap_cometly.record import FIELDS, OPTIONS
from tap_cometly.runner import Threads
from tap_cometly.sync_range import CLOCK_TOLERANCE
from tap_cometly.zone_check import ZoneCheck

if t.TYPE_CHECKING:
    import logging
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from tap_cometly.clock import Clock
    from tap_cometly.progress import Progress
    from tap_cometly.record import Field
    from tap_cometly.settings import Settings
    from tap_cometly.sync_range import SyncRange


@contextlib.contextmanager
def open_reading(
    settings: Settings,
    fields: Sequence[Field],
    sync_range: SyncRange,
    clock: Clock,
    progress: Progress,
    logger: logging.Logger,
) -> Iterator[Extraction]:
    """Connect the rooms for a sync, and clear up after it.

    Args:
        settings: Of this run.
        fields: Of a contact.
        sync_range: Where the range ends, by whatever clock.
        clock: The machine's.
        progress: Where it is noted what is being done.
        logger: For everything else that is told.

    Yields:
        What reads ranges.
    """
    give_back_memory()
    clock = clock.fresh()
    agent = f"tap-cometly/{metadata.version('tap-cometly')}"
    client = CometlyClient(settings, clock, logger, agent=agent)
    progress.budgets = client.budgets
    timeout = float(settings.request_timeout)
    downloader = Downloader(clock, logger, timeout=timeout, agent=agent)
    findings = Findings(logger)
    decoder = ContactDecoder(fields, findings)
    options = {field.option: 1 for field in fields if field.option}
    listing = Listing(client, PageReader(decoder), options=options)
    zone_check = ZoneCheck(listing, settings.zone, logger)
    pages = Pages(
        listing,
        Columns(fields, "The list"),
        zone=settings.zone,
        page_size=settings.page_size,
        inspect=zone_check.inspect,
        logger=logger,
    )
    runner = Threads(clock)
    exports = Exports(
        runner,
        ExportCalls(client, listing, downloader, decoder, settings, options=options),
        Columns(fields, "The export"),
        pages,
        zone_check,
        settings,
        clock,
        progress,
        logger,
    )
    try:
        yield Extraction(
            settings,
            pages,
            exports,
            zone_check,
            runner,
            FirstContact(
                Listing(
                    client,
                    PageReader(ContactDecoder(FIELDS, findings)),
                    options=dict.fromkeys(OPTIONS, 1),
                ),
                zone_check,
                settings.zone,
                logger,
            ),
            latest_end=lambda: sync_range.end(earlier_clock(client, clock, logger)),
            spare=client.budgets["list"].spare_for_all,
            logger=logger,
        )
    finally:
        runner.close()
        client.close()
        downloader.close()
        findings.summarize()


def earlier_clock(client: CometlyClient, clock: Clock, logger: logging.Logger) -> datetime:
    """Give the earlier of the machine's clock and the API's, and warn when they differ."""
    here, there = clock.now(), client.server_time
    if there is None:
        return here
    if abs(here - there) > CLOCK_TOLERANCE:
        ahead = (here - there).total_seconds()
        logger.warning(
            "The machine's clock is %.0f s %s the API's; the earlier of the two counts",
            abs(ahead),
            "ahead of" if ahead > 0 else "behind",
        )
    return min(here, there)
