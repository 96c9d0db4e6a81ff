"""Pages or exports: how a range is read, and what happens when one of them fails."""

from __future__ import annotations

import contextlib
import logging
import typing as t

from tap_cometly.config import AUTO, EXPORT, PAGINATION
from tap_cometly.exceptions import (
    ColumnError,
    ExportError,
    ForbiddenError,
    IncompleteExportError,
    TooLongError,
    UnavailableError,
    WindowNotExportedError,
)
from tap_cometly.exports.orchestrator import ExportOrchestrator
from tap_cometly.exports.reader import ExportReader
from tap_cometly.extract.connection_test import ConnectionTest
from tap_cometly.extract.head import RangeHead
from tap_cometly.extract.planner import WindowPlanner
from tap_cometly.extract.windows import PlannedWindows, probe_of
from tap_cometly.timeranges import Window

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from tap_cometly.config import Settings
    from tap_cometly.contacts.decoder import Page
    from tap_cometly.contacts.schema import Contact
    from tap_cometly.extract.services import Services
    from tap_cometly.runtime.progress import Progress
    from tap_cometly.timeranges import SyncRange

logger = logging.getLogger(__name__)

PAGE_WINDOW = 75_000  # contacts: what the documented limits allow in a minute
# The hours read before and after the range have no first page yet and are tried by pages.
_FEW_DAYS = 3 * 26 * 3600  # seconds
_LONGEST_WAIT = 5.0  # seconds that pages wait for a probe
_AHEAD = 2  # windows beyond those being exported whose ends should be known

_BY_PAGES, _BY_EXPORT = "by pages", "by export"
_EXPORTS_UNUSABLE = (ColumnError, ExportError, ForbiddenError)
"""Errors that rule out exports but not pages."""


class WindowRead(t.NamedTuple):
    """A window that is read.

    Attributes:
        window: What it covers.
        contacts: Its contacts, in blocks. When they have been taken to their end, every contact of
            the window was among them; some may have come twice.
        method: How it is read, in words.
        expected: How many contacts it is thought to hold.
        remaining: How many contacts are thought to lie behind it.
    """

    window: Window
    contacts: Iterator[list[Contact]]
    method: str = _BY_PAGES
    expected: int | None = None
    remaining: float | None = None


class Extractor:
    """Reads the range of a run, oldest window first.

    Args:
        settings: Mode, threshold, sizes.
        services: The API, the file store and background tasks.
        progress: Where it is noted what exports are doing.

    Attributes:
        head: Checks the newest end of the range, before anything is read.
        is_whole: Whether the last window that was given is the last one of the run.
    """

    def __init__(self, settings: Settings, services: Services, progress: Progress) -> None:
        self._settings = settings
        self._services = services
        self._paginator = services.paginator
        self._progress = progress
        self.head = RangeHead(settings, services)
        self.is_whole = False

    def read_for_test(
        self, sync_range: SyncRange, at_most: int, *, quick: bool = False
    ) -> Iterator[WindowRead]:
        """Read a few contacts, to test the connection; see `ConnectionTest.read`."""
        test = ConnectionTest(self._settings, self._services, self.head)
        for window, contacts in test.read(sync_range, at_most, quick=quick):
            yield WindowRead(window, contacts)

    def extract(self, sync_range: SyncRange) -> Iterator[WindowRead]:
        """Read a range.

        Args:
            sync_range: Of the run.

        Yields:
            Each window with its contacts. Neighbours share their boundary, to the second.

        Raises:
            TapError: The range cannot be read to its end.
        """
        parts = self.head.parts(sync_range)
        for whole, first in parts:
            for part in self._extract(whole, first):
                self.is_whole = part.window.end == parts[-1][0].end
                contacts = part.contacts
                if part.window.start < sync_range.first_wanted:
                    contacts = _wanted(contacts, sync_range.first_wanted)
                yield part._replace(contacts=contacts)

    def _extract(self, window: Window, first: Page | None = None) -> Iterator[WindowRead]:
        """Read a part of the range by pages or by exports, depending on mode and size."""
        if first is not None and not first.contacts and first.next_cursor is None:
            yield WindowRead(window, iter(()), expected=0)
            return
        if (
            self._settings.mode == AUTO
            and self.head.list_answers
            and (first or window.seconds <= _FEW_DAYS)
        ):
            held = self._hold_small_range(window, first)
            if held is not None:
                yield WindowRead(window, iter(held), expected=sum(map(len, held)))
                return
        if first is not None:
            self.head.warn_if_old()
        if self._settings.mode == PAGINATION:
            yield from self._by_pages(window, first)
        else:
            yield from self._by_exports(window, first)

    def _hold_small_range(self, window: Window, first: Page | None) -> list[list[Contact]] | None:
        """Read a range that holds no more than the threshold.

        Returns:
            Its contacts; None when it holds more, or when only exports may deliver it.
        """
        held: list[list[Contact]] = []
        threshold = self._settings.export_threshold
        with contextlib.suppress(TooLongError):  # the paginator reads it in parts
            first = first or self._paginator.first_page(window)
        # From half the threshold on, exports take over soon when the list stops answering.
        many = first is not None and 2 * len(first.contacts) >= threshold
        try:
            for page in self._paginator.pages(window, first, optional=many):
                held.append(page.contacts)
                size = sum(map(len, held))
                if size > threshold or (size == threshold and page.next_cursor is not None):
                    return None
        except (ColumnError, UnavailableError) as error:
            logger.info("%s; going on with exports", error.what)
            return None
        return held

    def _by_pages(self, window: Window, first: Page | None = None) -> Iterator[WindowRead]:
        """Read windows of about a minute's pages, for a window is committed as a whole."""
        planner, windows = self._planned(window, first, PAGE_WINDOW, ahead=1)
        limit = self._services.client.limiters["list"]
        for known in windows:
            part = known
            if part is None and limit.delay() > _LONGEST_WAIT:  # pages need the limit themselves
                part = planner.next_window(guess=True)
            if part is None:
                self._services.tasks.wait(1.0)
                continue
            reused = first if part == window else None
            contacts = self._paginator.read(part, reused)
            yield WindowRead(part, _counted(contacts, part, planner), expected=part.expected)

    def _by_exports(self, window: Window, first: Page | None) -> Iterator[WindowRead]:
        """Read windows by export jobs; by pages those, or all others, that exports cannot read."""
        settings, services = self._settings, self._services
        parallel = settings.max_parallel_exports
        planner, windows = self._planned(
            window, first, settings.export_target_size, ahead=parallel + _AHEAD
        )
        orchestrator = ExportOrchestrator(
            iter(windows), services.repository, services.tasks, services.clock, settings
        )
        if first is not None:
            orchestrator.completeness.remember(window, first)
        reader = ExportReader(
            orchestrator,
            services.repository,
            services.export_columns,
            services.timezone_check.inspect,
        )
        done = window.start
        self._progress.exports = orchestrator.describe
        try:
            while True:
                try:
                    read = reader.next_window()
                except WindowNotExportedError as error:
                    part, method, expected = error.window, _BY_PAGES, error.window.expected
                    contacts = self._instead_of_export(part, error.what, orchestrator)
                else:
                    if read is None:
                        return
                    job, contacts = read
                    part, method, expected = job.window, _BY_EXPORT, job.contacts
                    contacts = self._or_by_pages(part, contacts, orchestrator)
                left = planner.remaining
                if left is not None:
                    left += orchestrator.expected_behind_oldest()
                yield WindowRead(part, _counted(contacts, part, planner), method, expected, left)
                done = part.end
        except _EXPORTS_UNUSABLE as error:
            if self._settings.mode == EXPORT:
                raise
            logger.warning("%s. Going on by pages", error.what)
            yield from self._by_pages(Window(done, window.end))
        finally:
            self._progress.exports = None
            orchestrator.close()

    def _instead_of_export(
        self, window: Window, reason: str, orchestrator: ExportOrchestrator
    ) -> Iterator[list[Contact]]:
        """Read a window by pages that no export can read, while other exports go on."""
        logger.warning("%s. Reading %s by pages", reason, window)
        for contacts in self._paginator.read(window):
            yield contacts
            orchestrator.advance()

    def _or_by_pages(
        self,
        window: Window,
        contacts: Iterator[list[Contact]],
        orchestrator: ExportOrchestrator,
    ) -> Iterator[list[Contact]]:
        """Read a begun window to its end by pages where its export turns out to be of no use.

        Raises:
            ExportError: In mode `export`, when not only this window's jobs fail, or when they leave
                contacts out.
        """
        try:
            yield from contacts
        except _EXPORTS_UNUSABLE as error:
            jobs_failed = isinstance(error, WindowNotExportedError)
            incomplete = isinstance(error, IncompleteExportError)
            if self._settings.mode == EXPORT and (incomplete or not jobs_failed):
                raise
            yield from self._instead_of_export(window, error.what, orchestrator)

    def _planned(
        self, window: Window, first: Page | None, target: int, *, ahead: int
    ) -> tuple[WindowPlanner, PlannedWindows]:
        services = self._services
        planner = WindowPlanner(
            window, target=target, horizon=target * ahead, zone=self._settings.zone
        )
        if services.contacts.length.refused is not None:
            planner.probe_failed(services.contacts.length.refused, refused=True)
        if first is not None:
            planner.add_probe(probe_of(window, first))
        limit = services.client.limiters["list"]
        windows = PlannedWindows(planner, services.contacts, limit, services.tasks, services.clock)
        return planner, windows


def _counted(
    blocks: Iterator[list[Contact]], window: Window, planner: WindowPlanner
) -> Iterator[list[Contact]]:
    """Count what a window holds, for sizing the next ones."""
    contacts = 0
    for block in blocks:
        contacts += len(block)
        yield block
    planner.window_read(window, contacts)


def _wanted(blocks: Iterator[list[Contact]], start: datetime) -> Iterator[list[Contact]]:
    """Leave out contacts that are known to have been created before `start_date`."""
    for block in blocks:
        yield [c for c in block if c.created_at is None or c.created_at >= start]
