"""Windows through export jobs: the works, connected to the API, the store and the decoder."""

from __future__ import annotations

import itertools
import typing as t

import msgspec

from tap_cometly import ndjson
from tap_cometly.decoding import GarbledError
from tap_cometly.errors import RecordError, RejectedError, TapError
from tap_cometly.jobs import Stage
from tap_cometly.line import Limits
from tap_cometly.probing import Counted, probe_of
from tap_cometly.space_time import wall_range
from tap_cometly.windows import Cutter, Probe, Window
from tap_cometly.works import ExportApi, ExportStatus, Works

if t.TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterator, Mapping

    from tap_cometly.client import CometlyClient
    from tap_cometly.clock import Clock
    from tap_cometly.decoding import Columns, ContactDecoder
    from tap_cometly.download import Downloader, Spool
    from tap_cometly.jobs import Job
    from tap_cometly.pages import Listing, Pages
    from tap_cometly.record import Contact
    from tap_cometly.runner import Runner
    from tap_cometly.settings import Settings
    from tap_cometly.space_time import WallRange
    from tap_cometly.zone_check import ZoneCheck

_PAGE_SIZE = 5000  # contacts; a probe counts that many exactly
_MONTH = 31 * 86_400  # seconds; what a list may not be refused for being too long
_AHEAD = 2  # windows beyond those in the works whose sizes should be known


class _Created(msgspec.Struct):
    export_id: int


class _Status(msgspec.Struct):
    status: str
    download_url: str | None = None


def _reader(kind: type[msgspec.Struct]) -> Callable[[bytes], t.Any]:
    decoder = msgspec.json.Decoder(kind)

    def read(body: bytes) -> t.Any:
        try:
            return decoder.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            msg = "the answer about an export makes no sense"
            raise GarbledError(msg) from None

    return read


class Source(ExportApi, t.Protocol):
    """The API, the store, and what is in the files."""

    def contacts(self, spool: Spool) -> Iterator[list[Contact]]:
        """Decode a file, block by block; not in the background."""


class ExportCalls:
    """What the works ask for, asked of the API and the store. Its methods run in threads."""

    def __init__(
        self,
        client: CometlyClient,
        listing: Listing,
        downloader: Downloader,
        decoder: ContactDecoder,
        settings: Settings,
        *,
        options: Mapping[str, int],
    ) -> None:
        """Prepare to export with these `include_*` parameters."""
        self.budgets = client.budgets
        self._client = client
        self._listing = listing
        self._downloader = downloader
        self._decoder = decoder
        self._zone = settings.zone
        self._options = options
        self._read_created = _reader(_Created)
        self._read_status = _reader(_Status)

    def create(self, window: Window) -> int:
        """Create an export, and give its id."""
        created: _Created = self._client.create_export(
            self._wall(window), self._read_created, options=self._options
        )
        return created.export_id

    def poll(self, export_id: int) -> ExportStatus:
        """Ask how an export is doing."""
        status: _Status = self._client.read_export(export_id, self._read_status)
        return ExportStatus(status.status, status.download_url or None)

    def fetch(self, url: str) -> Spool:
        """Download a file and verify it."""
        return self._downloader.fetch(url)

    def contacts(self, spool: Spool) -> Iterator[list[Contact]]:
        """Decode a file, block by block."""
        return ndjson.blocks(spool.file, self._decoder)

    def probe(self, window: Window) -> Probe:
        """Read the first page of a window; a refused one holds more than can be told."""
        try:
            page = self._listing.ask(self._wall(window), per_page=_PAGE_SIZE, slot_taken=True)
        except RejectedError:
            return Probe(window, 0, more=True, ids=None)
        return probe_of(window, page)

    def is_empty(self, window: Window) -> bool:
        """Ask the list whether a window holds no contact; in parts, if it refuses so long a one."""
        try:
            return not self._listing.ask(self._wall(window), per_page=1).contacts
        except RejectedError:
            if window.seconds < _MONTH:
                raise
            return all(map(self.is_empty, window.halves()))

    def _wall(self, window: Window) -> WallRange:
        return wall_range(window.start, window.end, self._zone)


class Exports:
    """Reads ranges through export jobs."""

    def __init__(
        self,
        runner: Runner,
        calls: Source,
        columns: Columns,
        pages: Pages,
        zone_check: ZoneCheck,
        settings: Settings,
        clock: Clock,
        logger: logging.Logger,
    ) -> None:
        """Prepare.

        Args:
            runner: What makes calls in the background.
            calls: The API and the store.
            columns: Sees to it that exports deliver what was asked for.
            pages: For windows that exports cannot read.
            zone_check: Looks at creation times.
            settings: Size, number and patience of exports.
            clock: Of this sync.
            logger: Where progress is told.
        """
        self._calls = calls
        self._columns = columns
        self._pages = pages
        self._zone_check = zone_check
        self._settings = settings
        self._clock = clock
        self._logger = logger
        self._runner = runner

    def cutter(self, whole: Window) -> Cutter:
        """Give what cuts a range into windows of the size the settings ask for."""
        target = self._settings.export_target_size
        ahead = self._settings.max_parallel_exports + _AHEAD
        return Cutter(whole, target=target, horizon=target * ahead)

    def windows(self, cutter: Cutter) -> Iterator[tuple[Window, Iterator[list[Contact]]]]:
        """Read a range, oldest window first.

        Args:
            cutter: Of the range; it may have learned something already.

        Yields:
            Each window with its contacts in blocks.

        Raises:
            TapError: The range cannot be read to its end by exports.
        """
        works = self._works(cutter)
        try:
            while not works.done:
                job = works.head()
                if job is None:
                    works.turn()
                    continue
                counted = Counted(self._begun(works, job))
                yield job.window, iter(counted)
                works.taken(job, counted.contacts)
        finally:
            works.close()

    def _works(self, cutter: Cutter) -> Works:
        settings = self._settings
        limits = Limits(
            settings.max_parallel_exports,
            float(settings.export_timeout),
            settings.export_threshold,
        )
        return Works(
            self._calls,
            cutter,
            self._runner,
            self._clock,
            limits,
            self._logger,
            reserved=lambda: self._zone_check.outstanding,
        )

    def _begun(self, works: Works, job: Job) -> Iterator[list[Contact]]:
        """Read the first block at once: what it shows may speak against exports altogether."""
        blocks = self._blocks(works, job)
        try:
            first = next(blocks, [])
        except TapError as error:
            raise error.within(job.window) from None
        return itertools.chain([first], blocks)

    def _blocks(self, works: Works, job: Job) -> Iterator[list[Contact]]:
        try:
            yield from self._read(works, job)
        except RecordError as error:
            if job.stage is Stage.BY_PAGES:
                raise
            self._logger.warning("%s; fetching the file again", error.what)
            works.fetch_again(job)
            while works.head() is None:
                works.turn()
            yield from self._read(works, job)

    def _read(self, works: Works, job: Job) -> Iterator[list[Contact]]:
        if job.stage is Stage.BY_PAGES:
            self._logger.info("Reading %s through pages", job.window)
            return self._pages.read(job.window)
        if job.spool is None:
            msg = "a file that is said to be here is not"
            raise RuntimeError(msg)
        return self._decoded(works, job, job.spool)

    def _decoded(self, works: Works, job: Job, spool: Spool) -> Iterator[list[Contact]]:
        wall = wall_range(job.window.start, job.window.end, self._settings.zone)
        vouched = False
        for contacts in self._calls.contacts(spool):
            self._zone_check.inspect(contacts, wall)
            if not vouched:
                self._zone_check.vouch_elsewhere(contacts)
                vouched = True
            yield self._columns.fill(contacts)
            works.turn(wait=False)
