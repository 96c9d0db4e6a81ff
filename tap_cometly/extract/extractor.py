"""Pages or exports: which way a range is read, and in which windows."""

from __future__ import annotations

import typing as t
from datetime import timedelta

from singer_sdk.exceptions import AbortedSyncPausedException

from tap_cometly.config import AUTO, EXPORT, PAGINATION
from tap_cometly.exceptions import ColumnError, RejectedError, UnavailableError
from tap_cometly.exports.reader import UNUSABLE
from tap_cometly.extract.pagination import SURELY_SERVED
from tap_cometly.extract.planner import WindowPlanner
from tap_cometly.extract.probing import Counted, probe_of
from tap_cometly.extract.sounding import CALLS, Sounding
from tap_cometly.timeranges import Probe, Window

if t.TYPE_CHECKING:
    import logging
    from collections.abc import Iterator
    from datetime import datetime

    from tap_cometly.config import Settings
    from tap_cometly.contacts.page import Page
    from tap_cometly.contacts.schema import Contact
    from tap_cometly.exports.reader import ExportReader
    from tap_cometly.extract.connection_report import ConnectionReport
    from tap_cometly.extract.pagination import CursorPaginator
    from tap_cometly.extract.timezone_check import TimezoneCheck
    from tap_cometly.runtime.tasks import TaskRunner

PAGE_WINDOW = 75_000  # contacts: what the documented limits allow in a minute

WindowBlocks: t.TypeAlias = "tuple[Window, Iterator[list[Contact]]]"


class Extractor:
    """Reads a range of creation times, oldest window first."""

    def __init__(
        self,
        settings: Settings,
        pages: CursorPaginator,
        exports: ExportReader,
        timezone_check: TimezoneCheck,
        runner: TaskRunner,
        connection_report: ConnectionReport,
        *,
        latest_end: t.Callable[[], datetime],
        spare: t.Callable[[], int],
        logger: logging.Logger,
    ) -> None:
        """Prepare.

        Args:
            settings: Mode and threshold.
            pages: The one way of reading.
            exports: The other way.
            timezone_check: Asked before any answer is trusted.
            runner: What makes calls in the background.
            connection_report: Tells what a test of the connection shows.
            latest_end: Where a range may end by the API's clock, once it has answered; UTC.
            spare: Says how many requests of the list are free now.
            logger: Where the way taken is told.
        """
        # Exports have no custom fields.
        self._mode = PAGINATION if settings.include_custom_fields else settings.extraction_mode
        self._threshold = settings.export_threshold
        self._pages = pages
        self._exports = exports
        self._timezone_check = timezone_check
        self._runner = runner
        self._connection_report = connection_report
        self._latest_end = latest_end
        self._spare = spare
        self._logger = logger
        self._refused = False
        self._longest_served = 1  # seconds, of a window that was probed

    def sample(self, asked: Window, at_most: int) -> Iterator[WindowBlocks]:
        """Read the beginning of a range's first page, to test the connection.

        Args:
            asked: The range, by the machine's clock.
            at_most: How many contacts will do.

        Yields:
            The range with these contacts; it ends the SDK's way unless they are all there are.

        Raises:
            TapError: A setting has to be changed.
        """
        first = self._pages.first(asked, at_most=at_most)
        whole = Window(asked.start, min(asked.end, self._latest_end()))
        if whole.start < whole.end:
            self._timezone_check.vouch_newest(whole, first.glimpses)
            self._connection_report.tell(whole, first)
            yield whole, _sampled(self._pages.read(asked, first), first)

    def windows(self, asked: Window) -> Iterator[WindowBlocks]:
        """Read a range.

        Args:
            asked: The range, by the machine's clock.

        Yields:
            Each window with its contacts in blocks. When the blocks have been taken to their end,
            every contact of the window was among them.

        Raises:
            TapError: The range cannot be read to its end.
        """
        first = self._first_page(asked)
        whole = Window(asked.start, min(asked.end, self._latest_end()))
        if whole.start >= whole.end:
            return
        planner = self._exports.planner(whole)
        sounding = self._sound(whole, first, planner)
        held = self._held(asked, first, sounding) if first else None
        if held is not None:
            yield whole, iter(held)
        elif self._mode == PAGINATION:
            yield from self._through_pages(whole)
        else:
            yield from self._through_exports(whole, planner, sounding)

    def _first_page(self, asked: Window) -> Page | None:
        """Ask how much there is; None when the list refuses so long a range."""
        try:
            return self._pages.first(asked)
        except (RejectedError, UnavailableError) as error:
            if asked.seconds < SURELY_SERVED:
                raise
            self._logger.warning("The list does not serve the whole range: %s", error.what)
            return None

    def _sound(self, whole: Window, first: Page | None, planner: WindowPlanner) -> Sounding | None:
        """Check the zone; and find out more where the first page leaves the way of reading open."""
        if first is not None:
            planner.learn(probe_of(whole, first))
            undecided = self._mode != PAGINATION and first.next_cursor is not None
            if undecided and self._spare() >= CALLS:
                return Sounding(
                    whole, first, planner, self._pages, self._timezone_check, self._runner
                )
        self._timezone_check.vouch_newest(whole, first.glimpses if first else [])
        return None

    def _held(
        self, asked: Window, first: Page, sounding: Sounding | None
    ) -> list[list[Contact]] | None:
        """Read on while the range may prove small; None when it does not."""
        held: list[list[Contact]] = []
        if self._mode == EXPORT or (sounding and sounding.at_least > self._threshold):
            return None
        try:
            for contacts in self._pages.read(asked, first):
                held.append(contacts)
                if sum(map(len, held)) > self._threshold:
                    return None
        except ColumnError as error:
            if self._mode != AUTO:
                raise
            self._logger.info("%s", error.what)
            return None
        self._timezone_check.vouch_elsewhere([contact for block in held for contact in block])
        return held

    def _through_exports(
        self, whole: Window, planner: WindowPlanner, sounding: Sounding | None
    ) -> Iterator[WindowBlocks]:
        done = whole.start
        try:
            for window, blocks in self._exports.windows(planner):
                if sounding is not None:
                    sounding.seasons.result()
                yield window, blocks
                done = window.end
        except UNUSABLE as error:
            if self._mode == EXPORT:
                raise
            self._logger.warning("%s. Going on through pages", error.what)
            yield from self._through_pages(Window(done, whole.end))

    def _through_pages(self, whole: Window) -> Iterator[WindowBlocks]:
        planner = WindowPlanner(whole, target=PAGE_WINDOW, horizon=PAGE_WINDOW)
        while not planner.done:
            window = planner.next_window()
            if window is None:
                for probe in planner.wanted(1):
                    planner.learn(self._probe(probe))
                continue
            held = 0
            for part in _parts(window, at_most=self._longest_served if self._refused else None):
                counted = Counted(self._pages.read(part))
                yield part, iter(counted)
                held += counted.contacts
            planner.finished(window, held)

    def _probe(self, window: Window) -> Probe:
        try:
            page = self._pages.first(window)
        except RejectedError:
            if window.seconds < SURELY_SERVED:
                raise
            self._refused = True
            return Probe.refused(window)
        self._longest_served = max(self._longest_served, window.seconds)
        self._timezone_check.vouch_elsewhere(page.glimpses)
        return probe_of(window, page)


def _parts(window: Window, *, at_most: int | None) -> Iterator[Window]:
    """Split a window that the list would refuse for its length; neighbours share a second."""
    start = window.start
    while at_most is not None and (window.end - start).total_seconds() > at_most:
        end = start + timedelta(seconds=at_most)
        yield Window(start, end)
        start = end
    yield window if start == window.start else Window(start, window.end)


def _sampled(blocks: Iterator[list[Contact]], first: Page) -> Iterator[list[Contact]]:
    """Give all there is; or, of more, a block, and end as the SDK ends a test that saw enough."""
    if first.next_cursor is None:
        yield from blocks
        return
    yield next(blocks, [])
    raise AbortedSyncPausedException
