"""Everything that reading takes, put together for one sync and taken apart after it."""

from __future__ import annotations

import contextlib
import typing as t
from importlib import metadata

from tap_cometly.client.client import CometlyClient
from tap_cometly.contacts.decoder import ContactDecoder
from tap_cometly.contacts.page import PageReader
from tap_cometly.contacts.repair import RepairLog
from tap_cometly.contacts.schema import FIELDS, OPTIONS, OptionalColumns
from tap_cometly.exports.download import Downloader
from tap_cometly.exports.reader import ExportReader
from tap_cometly.exports.repository import ExportRepository
from tap_cometly.extract.connection_report import ConnectionReport
from tap_cometly.extract.extractor import Extractor
from tap_cometly.extract.pagination import CursorPaginator, Listing
from tap_cometly.extract.timezone_check import TimezoneCheck
from tap_cometly.runtime.progress import RequestStats
from tap_cometly.runtime.tasks import ThreadTasks
from tap_cometly.timeranges import CLOCK_TOLERANCE

if t.TYPE_CHECKING:
    import logging
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from tap_cometly.config import Settings
    from tap_cometly.contacts.schema import Field
    from tap_cometly.runtime.clock import Clock
    from tap_cometly.runtime.progress import Progress
    from tap_cometly.timeranges import SyncRange


@contextlib.contextmanager
def open_reading(
    settings: Settings,
    fields: Sequence[Field],
    sync_range: SyncRange,
    clock: Clock,
    progress: Progress,
    logger: logging.Logger,
) -> Iterator[Extractor]:
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
    clock = clock.fresh()
    agent = f"tap-cometly/{metadata.version('tap-cometly')}"
    client = CometlyClient(settings, clock, logger, agent=agent)
    progress.requests = lambda: {
        endpoint: RequestStats(limiter.requests, limiter.in_flight, limiter.waited)
        for endpoint, limiter in client.limiters.items()
    }
    timeout = float(settings.request_timeout)
    downloader = Downloader(clock, logger, timeout=timeout, agent=agent)
    repairs = RepairLog(logger)
    decoder = ContactDecoder(fields, repairs)
    options = {field.option: 1 for field in fields if field.option}
    listing = Listing(client, PageReader(decoder), options=options)
    timezone_check = TimezoneCheck(listing, settings.zone, logger)
    pages = CursorPaginator(
        listing,
        OptionalColumns(fields, "The list"),
        zone=settings.zone,
        page_size=settings.page_size,
        inspect=timezone_check.inspect,
        logger=logger,
    )
    runner = ThreadTasks(clock)
    exports = ExportReader(
        runner,
        ExportRepository(client, listing, downloader, decoder, settings, options=options),
        OptionalColumns(fields, "The export"),
        pages,
        timezone_check,
        settings,
        clock,
        progress,
        logger,
    )
    try:
        yield Extractor(
            settings,
            pages,
            exports,
            timezone_check,
            runner,
            ConnectionReport(
                Listing(
                    client,
                    PageReader(ContactDecoder(FIELDS, repairs)),
                    options=dict.fromkeys(OPTIONS, 1),
                ),
                timezone_check,
                settings.zone,
                logger,
            ),
            latest_end=lambda: sync_range.end(earlier_clock(client, clock, logger)),
            spare=client.limiters["list"].available_to_all,
            logger=logger,
        )
    finally:
        runner.close()
        client.close()
        downloader.close()
        repairs.summarize()


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
