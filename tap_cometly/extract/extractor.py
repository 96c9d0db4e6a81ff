"""Pages or exports: which way a range is read, and what happens when one of them fails."""

from __future__ import annotations

import contextlib
import logging
import typing as t
from dataclasses import dataclass, replace
from datetime import timedelta

from singer_sdk.exceptions import AbortedSyncPausedException

from tap_cometly.client.client import CometlyClient, user_agent
from tap_cometly.config import AUTO, EXPORT, PAGINATION
from tap_cometly.contacts.decoder import ContactDecoder
from tap_cometly.contacts.repair import RepairLog
from tap_cometly.contacts.schema import (
    FIELDS,
    OPTIONS,
    OptionalColumns,
    delivered_options,
    fields_asked,
    is_dated,
)
from tap_cometly.exceptions import (
    ColumnError,
    ExportError,
    ForbiddenError,
    IncompleteExportError,
    RateLimitError,
    RejectedError,
    TooLongError,
    UnavailableError,
    WindowNotExportedError,
)
from tap_cometly.exports.download import Downloader
from tap_cometly.exports.orchestrator import ExportOrchestrator
from tap_cometly.exports.reader import ExportReader
from tap_cometly.exports.repository import ExportRepository
from tap_cometly.extract.pagination import (
    LARGEST_PAGE,
    SURELY_SERVED,
    ContactList,
    CursorPaginator,
    ServedLength,
)
from tap_cometly.extract.planner import Probe, WindowPlanner
from tap_cometly.extract.timezone_check import Head, TimezoneCheck
from tap_cometly.extract.windows import PlannedWindows
from tap_cometly.runtime.tasks import ThreadTasks
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
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from tap_cometly.config import Settings
    from tap_cometly.contacts.decoder import Page
    from tap_cometly.contacts.schema import Contact, Field
    from tap_cometly.runtime.clock import Clock
    from tap_cometly.runtime.progress import Progress
    from tap_cometly.runtime.tasks import TaskRunner
    from tap_cometly.timeranges import SyncRange

logger = logging.getLogger(__name__)

PAGE_WINDOW = 75_000  # contacts: what the documented limits allow in a minute
_FEW_DAYS = 3 * 26 * 3600  # seconds
_WEEKS = timedelta(weeks=2)  # less than any clock stays set back: in Ramadan, a month
_LONGEST_SET_BACK = timedelta(hours=3)
_LONGEST_WAIT = 5.0  # seconds that pages wait for a probe
_AHEAD = 2  # windows beyond those being exported whose ends should be known

_BY_PAGES, _BY_EXPORT = "by pages", "by export"
_EXPORTS_UNUSABLE = (ColumnError, ExportError, ForbiddenError)
"""What speaks against exports, not against reading by pages."""


class Extract(t.NamedTuple):
    """A window that is read.

    Attributes:
        window: What it covers.
        contacts: Its contacts, in blocks. When they have been taken to their end, every contact of
            the window was among them; some may have come twice.
        way: How it is read, in words.
        expected: How many contacts it is thought to hold.
        remaining: How many contacts are thought to lie behind it.
    """

    window: Window
    contacts: Iterator[list[Contact]]
    way: str = _BY_PAGES
    expected: int | None = None
    remaining: float | None = None


@dataclass(frozen=True)
class Services:
    """What the extractor asks, and what makes its calls in the background.

    Attributes:
        client: The API.
        contacts: The list, asked for no optional columns.
        every_column: The list, asked for all columns there are.
        repository: Export jobs.
        export_columns: Sees to it that exports deliver the columns that were asked for.
        tasks: Makes calls in the background.
        clock: Of this sync.
    """

    client: CometlyClient
    contacts: ContactList
    every_column: ContactList
    repository: ExportRepository
    export_columns: OptionalColumns
    tasks: TaskRunner
    clock: Clock


class Extractor:
    """Reads the range of a run, oldest window first.

    Args:
        settings: Mode, threshold, sizes.
        services: The API, the file store and background tasks.
        paginator: Reads by pages.
        timezone_check: Asked before anything is written, and about every page and file.
        progress: Where it is noted what exports are doing.

    Attributes:
        head: What is known about the newest end of the range; None before it has been asked about.
        began: When reading began, by the earlier of the machine's clock and the API's, UTC. What
            is created later may be missing from windows that are read hours later, too.
        is_whole: Whether the last window that was given is the last one of the run.
        newest_id: The highest id there was when the Space's clock was seen; None where it was not.
    """

    def __init__(
        self,
        settings: Settings,
        services: Services,
        paginator: CursorPaginator,
        timezone_check: TimezoneCheck,
        progress: Progress,
    ) -> None:
        # Exports have no custom fields.
        self._mode = PAGINATION if settings.include_custom_fields else settings.extraction_mode
        self._settings = settings
        self._services = services
        self._paginator = paginator
        self._timezone_check = timezone_check
        self._progress = progress
        self._list_answers = True
        self.head: Head | None = None
        self.began = services.clock.now()
        self.is_whole = False
        self.newest_id: int | None = None

    def now(self) -> datetime:
        """Give the earlier of the machine's clock and the API's, UTC."""
        return self._services.client.now()

    def compare_clocks(self) -> None:
        """Ask the list for one contact, for the answer tells the time of the API's clock.

        Raises:
            ClockError: The machine's clock and the API's differ by more than a day.
        """
        now = self.now().replace(microsecond=0)
        self._services.contacts.advice(Window(now - timedelta(days=1), now), per_page=1)
        self.now()  # compares them

    def extract(self, sync_range: SyncRange) -> Iterator[Extract]:
        """Read a range.

        Args:
            sync_range: Of the run.

        Yields:
            Each window with its contacts. Neighbours share their boundary, to the second.

        Raises:
            TapError: The range cannot be read to its end.
        """
        parts = self._parts(sync_range)
        for whole, first in parts:
            for part in self._extract(whole, first):
                self.is_whole = part.window.end == parts[-1][0].end
                contacts = part.contacts
                if part.window.start < sync_range.first_wanted:
                    contacts = _wanted(contacts, sync_range.first_wanted)
                yield part._replace(contacts=contacts)

    def _parts(self, sync_range: SyncRange) -> list[tuple[Window, Page | None]]:
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
        head = self.head = self._check_head(sync_range, whole, first)
        parts = [(whole, first)]
        if head.nothing_new:
            logger.info("No contact is new")
            return parts
        if not head.clock_seen:
            logger.info(
                "Whether the Space's clock is where `timezone` (%s) says cannot be told in this "
                "run: %s. So the hours around now are read again by the next runs",
                self._settings.zone.key,
                head.why,
            )
        careful = Window(sync_range.careful_start, whole.start)
        if careful.seconds and (not head.clock_seen or self._was_behind(whole.start)):
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
        end = sync_range.end(self.now())
        if repeated(end, self._settings.zone):
            newest = Window(end - SECOND, end)
            if self._services.contacts.advice(newest, per_page=1) is None:
                end = before_repeated(end, self._settings.zone)
        return Window(sync_range.start, end)

    def _begin(self, asked: Window, sync_range: SyncRange) -> Window:
        """Note when reading begins, and give the range up to what was settled then."""
        self.began = self.now()
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

    def sample(
        self, sync_range: SyncRange, at_most: int, *, quick: bool = False
    ) -> Iterator[Extract]:
        """Read the beginning of a range's first page, to test the connection, and report on it.

        Args:
            sync_range: Of the run.
            at_most: How many contacts will do.
            quick: Whether an outage is an error within half a minute, and nothing is reported.

        Yields:
            The range with these contacts; it ends the SDK's way unless they are all there are.

        Raises:
            TapError: A setting has to be changed, or the API does not answer.
        """
        asked = self._asked(sync_range)
        if asked.start >= asked.end:
            return
        try:
            first = self._paginator.first_page(asked, at_most=at_most, advisory=quick)
        except (TooLongError, RejectedError):
            # The newest day will do; its end is that of the API's clock, which is known by now.
            asked = self._asked(sync_range)
            day = timedelta(seconds=SURELY_SERVED)
            asked = replace(asked, start=max(asked.start, asked.end - day))
            if asked.start >= asked.end:
                return
            first = self._paginator.first_page(asked, at_most=at_most, advisory=quick)
        whole = self._begin(asked, sync_range)
        if whole.start < whole.end:
            self.head = self._check_head(sync_range, whole, first, is_test=not quick)
            if not quick:
                self._report(whole, first, self.head)
            is_all = first.next_cursor is None and asked.start == sync_range.start
            yield Extract(whole, self._sampled(self._paginator.read(asked, first), is_all=is_all))

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
            if self._mode == PAGINATION:
                raise
            logger.info("%s; whether exports do, only a sync can tell", error.what)
        raise AbortedSyncPausedException

    # The first page and the head of the range.

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
            return self._paginator.first_page(window, advisory=self._mode == EXPORT)
        except (TooLongError, RejectedError) as error:
            now = self.now().replace(microsecond=0)
            if window.end > now:  # the machine's clock is ahead, and the API refuses the future
                self._services.contacts.length.refused = None
                known = replace(window, end=now)
                return self._ask_first_page(known) if known.start < known.end else None
            if isinstance(error, RejectedError) and self._mode != EXPORT:
                raise
            refusal = error
        except (RateLimitError, UnavailableError) as error:
            if self._mode != EXPORT:
                raise
            refusal = error
        logger.warning("The list does not serve the whole range: %s", refusal.args[0])
        return None

    def _newest_day(self, window: Window) -> Page | None:
        day = replace(window, start=max(window.start, window.end - timedelta(days=1)))
        return self._services.contacts.advice(day, per_page=LARGEST_PAGE)

    def _check_head(
        self, sync_range: SyncRange, whole: Window, first: Page | None, *, is_test: bool = False
    ) -> Head:
        """Check the Space's clock, unless the range ends so early that it does not matter.

        It matters to a test of the connection, and to a bookmark that relies on that clock, which
        may have been changed since.
        """
        page = first or self._newest_day(whole)
        self._list_answers = page is not None
        if whole.end <= sync_range.safe_commit(self.began):
            if sync_range.careful_start == whole.start and not is_test:
                return Head(clock_seen=True)
            now = self.now().replace(microsecond=0)
            whole = Window(now - timedelta(days=1), now)
            page = self._newest_day(whole)
        clock = self._services.client.latest_now
        head = self._timezone_check.head(sync_range, whole, page, clock)
        if head.clock_seen and page is not None and sync_range.end_date is None:
            self.newest_id = max((contact.id for contact in page.contacts), default=None)
        return head

    def _report(self, whole: Window, first: Page, head: Head) -> None:
        """Tell what a test of the connection has shown; two more calls, ten without dates."""
        logger.info("The key works")
        everything = self._services.every_column.page(whole, per_page=1)
        if not first.contacts:
            logger.info("No contact was created in %s", whole)
        elif is_dated(first.contacts):
            newest = next(c.created_at for c in first.contacts if c.created_at)
            logger.info("This Space's API tells when contacts were created (`created_at`)")
            logger.info("The newest contact was created: %s", utc_text(newest))
        else:
            logger.info("This Space's API does not tell when contacts were created (`created_at`)")
            offset = self._timezone_check.suggested_offset(self.now())
            if offset is not None:
                logger.info(
                    "The newest contact's wall time suggests that the Space's clock is at %s or "
                    "later, if it was created in the last minutes",
                    offset,
                )
        if head.clock_seen:
            logger.info(
                "The Space's clock agrees with the setting `timezone`: %s", self._settings.zone.key
            )
        else:
            logger.info("The setting `timezone` could not be checked: %s", head.why)
        given = ", ".join(delivered_options(everything.contacts)) or "none"
        logger.info("Columns on request that this Space's list delivers: %s", given)

    # Pages or exports.

    def _extract(self, window: Window, first: Page | None = None) -> Iterator[Extract]:
        """Read a part of the range by pages or by exports, as mode and size tell."""
        if first is not None and not first.contacts and first.next_cursor is None:
            yield Extract(window, iter(()), expected=0)
            return
        if self._mode == AUTO and self._list_answers and (first or window.seconds <= _FEW_DAYS):
            held = self._hold_small_range(window, first)
            if held is not None:
                yield Extract(window, iter(held), expected=sum(map(len, held)))
                return
        if first is not None and self.head is not None and self.head.seems_old:
            self._timezone_check.warn_if_old(self._services.client.latest_now())
        if self._mode == PAGINATION:
            yield from self._by_pages(window, first)
        else:
            yield from self._by_exports(window, first)

    def _hold_small_range(self, window: Window, first: Page | None) -> list[list[Contact]] | None:
        """Read a range that holds no more than the threshold.

        Returns:
            Its contacts; None when it holds more, or the list does not deliver what exports may.
        """
        held: list[list[Contact]] = []
        threshold = self._settings.export_threshold
        with contextlib.suppress(TooLongError):  # the paginator reads it in parts
            first = first or self._paginator.first_page(window)
        # With so many, exports go on where the list does not answer.
        many = first is not None and 2 * len(first.contacts) >= threshold
        try:
            for page in self._paginator.pages(window, first, advisory=many):
                held.append(page.contacts)
                size = sum(map(len, held))
                if size > threshold or (size == threshold and page.next_cursor is not None):
                    return None
        except (ColumnError, UnavailableError) as error:
            logger.info("%s; going on with exports", error.what)
            return None
        return held

    def _by_pages(self, window: Window, first: Page | None = None) -> Iterator[Extract]:
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
            yield Extract(part, _counted(contacts, part, planner), expected=part.expected)

    def _by_exports(self, window: Window, first: Page | None) -> Iterator[Extract]:
        """Read windows by export jobs; by pages those, or all others, that exports cannot read."""
        settings, services = self._settings, self._services
        parallel = settings.max_parallel_exports
        planner, windows = self._planned(
            window, first, settings.export_target_size, ahead=parallel + _AHEAD
        )
        if first is not None:
            services.repository.remember(window, first)
        orchestrator = ExportOrchestrator(
            iter(windows), services.repository, services.tasks, services.clock, settings
        )
        reader = ExportReader(
            orchestrator,
            services.repository,
            services.tasks,
            services.export_columns,
            self._timezone_check.inspect,
        )
        done = window.start
        self._progress.exports = orchestrator.describe
        try:
            while True:
                try:
                    read = reader.next_window()
                except WindowNotExportedError as error:
                    part, way, expected = error.window, _BY_PAGES, error.window.expected
                    contacts = self._instead_of_export(error, orchestrator)
                else:
                    if read is None:
                        return
                    job, contacts = read
                    part, way, expected = job.window, _BY_EXPORT, job.holds
                    contacts = self._or_by_pages(part, contacts, orchestrator)
                left = planner.remaining
                if left is not None:
                    left += orchestrator.expected_behind_oldest()
                yield Extract(part, _counted(contacts, part, planner), way, expected, left)
                done = part.end
        except _EXPORTS_UNUSABLE as error:
            if self._mode == EXPORT:
                raise
            logger.warning("%s. Going on by pages", error.what)
            yield from self._by_pages(Window(done, window.end))
        finally:
            self._progress.exports = None
            orchestrator.close()

    def _instead_of_export(
        self, error: WindowNotExportedError, orchestrator: ExportOrchestrator
    ) -> Iterator[list[Contact]]:
        """Read a window by pages that no export can read, while other exports go on."""
        logger.warning("%s. Reading %s by pages", error.what, error.window)
        for contacts in self._paginator.read(error.window):
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
            if self._mode == EXPORT and (incomplete or not jobs_failed):
                raise
            failure = WindowNotExportedError(error.what, error.advice, window)
            yield from self._instead_of_export(failure, orchestrator)

    def _planned(
        self, window: Window, first: Page | None, target: int, *, ahead: int
    ) -> tuple[WindowPlanner, PlannedWindows]:
        services = self._services
        planner = WindowPlanner(
            window, target=target, horizon=target * ahead, zone=self._settings.zone
        )
        if services.contacts.length.refused is not None:
            planner.unanswered(services.contacts.length.refused, refused=True)
        if first is not None:
            ids = [contact.id for contact in first.contacts]
            planner.learn(Probe.of(window, ids, more=first.next_cursor is not None))
        limit = services.client.limiters["list"]
        windows = PlannedWindows(planner, services.contacts, limit, services.tasks, services.clock)
        return planner, windows


@contextlib.contextmanager
def open_extractor(
    settings: Settings, fields: Sequence[Field], clock: Clock, progress: Progress
) -> Iterator[Extractor]:
    """Put together what reading takes, for one sync, and clear up after it.

    Args:
        settings: Of this run.
        fields: Of a contact.
        clock: The machine's.
        progress: Where it is noted what is being done.

    Yields:
        What reads ranges.
    """
    clock = clock.fresh()
    client = CometlyClient(settings, clock)
    progress.requests = client.request_stats
    downloader = Downloader(clock, timeout=float(settings.request_timeout), user_agent=user_agent())
    repairs = RepairLog()
    decoder = ContactDecoder(fields, repairs)
    options = {field.option: 1 for field in fields if field.option}
    silent = RepairLog(silent=True)  # these pages are not delivered
    length = ServedLength()
    plain = ContactList(client, ContactDecoder(fields_asked(()), silent), {}, length)
    every = ContactList(client, ContactDecoder(FIELDS, silent), dict.fromkeys(OPTIONS, 1), length)
    tasks = ThreadTasks(clock)
    timezone_check = TimezoneCheck(plain, settings.zone)
    paginator = CursorPaginator(
        ContactList(client, decoder, options, length),
        OptionalColumns(fields, "The list"),
        page_size=settings.page_size,
        inspect=timezone_check.inspect,
    )
    services = Services(
        client=client,
        contacts=plain,
        every_column=every,
        repository=ExportRepository(client, downloader, decoder, plain.advice, options=options),
        export_columns=OptionalColumns(fields, "The export"),
        tasks=tasks,
        clock=clock,
    )
    try:
        yield Extractor(settings, services, paginator, timezone_check, progress)
    finally:
        tasks.close()
        client.close()
        downloader.close()
        repairs.summarize()


def _counted(
    blocks: Iterator[list[Contact]], window: Window, planner: WindowPlanner
) -> Iterator[list[Contact]]:
    """Count what a window holds, for sizing the next ones."""
    contacts = 0
    for block in blocks:
        contacts += len(block)
        yield block
    planner.finished(window, contacts)


def _wanted(blocks: Iterator[list[Contact]], start: datetime) -> Iterator[list[Contact]]:
    """Leave out contacts that are known to have been created before `start_date`."""
    for block in blocks:
        yield [c for c in block if c.created_at is None or c.created_at >= start]
