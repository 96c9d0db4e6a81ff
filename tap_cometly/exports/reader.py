"""Windows through export jobs: the works, connected to the API, the store and the decoder."""

from __future__ import annotations

import itertools
import typing as t

from tap_cometly import config as settings_schema
from tap_cometly.exceptions import ColumnError, ExportError, ForbiddenError, RecordError, TapError
from tap_cometly.exports.job import Stage
from tap_cometly.exports.line import Limits
from tap_cometly.exports.works import Works
from tap_cometly.extract.planner import WindowPlanner
from tap_cometly.extract.probing import Counted
from tap_cometly.runtime.progress import EXPORT, PAGES
from tap_cometly.timeranges import wall_range

if t.TYPE_CHECKING:
    import logging
    from collections.abc import Iterator

    from tap_cometly.config import Settings
    from tap_cometly.contacts.schema import Contact, OptionalColumns
    from tap_cometly.exports.download import SpoolFile
    from tap_cometly.exports.job import Job
    from tap_cometly.exports.repository import Source
    from tap_cometly.extract.pagination import CursorPaginator
    from tap_cometly.extract.timezone_check import TimezoneCheck
    from tap_cometly.runtime.clock import Clock
    from tap_cometly.runtime.progress import Progress
    from tap_cometly.runtime.tasks import TaskRunner
    from tap_cometly.timeranges import Window

UNUSABLE = (ColumnError, ExportError, ForbiddenError)
"""What speaks against exports, not against reading by pages."""

_AHEAD = 2  # windows beyond those in the works whose sizes should be known
_OFTEN = 0.05  # seconds between looks after the works; blocks come by the thousand


class ExportReader:
    """Reads ranges through export jobs."""

    def __init__(
        self,
        runner: TaskRunner,
        calls: Source,
        columns: OptionalColumns,
        pages: CursorPaginator,
        timezone_check: TimezoneCheck,
        settings: Settings,
        clock: Clock,
        progress: Progress,
        logger: logging.Logger,
    ) -> None:
        """Prepare.

        Args:
            runner: What makes calls in the background.
            calls: The API and the store.
            columns: Sees to it that exports deliver what was asked for.
            pages: For windows that exports cannot read.
            timezone_check: Looks at creation times.
            settings: Size, number and patience of exports.
            clock: Of this sync.
            progress: Where it is noted what exports are doing.
            logger: Where oddities are told.
        """
        self._calls = calls
        self._columns = columns
        self._pages = pages
        self._timezone_check = timezone_check
        self._settings = settings
        self._clock = clock
        self._progress = progress
        self._logger = logger
        self._runner = runner

    def planner(self, whole: Window) -> WindowPlanner:
        """Give what cuts a range into windows of the size the settings ask for."""
        target = self._settings.export_target_size
        ahead = self._settings.max_parallel_exports + _AHEAD
        return WindowPlanner(whole, target=target, horizon=target * ahead)

    def windows(self, planner: WindowPlanner) -> Iterator[tuple[Window, Iterator[list[Contact]]]]:
        """Read a range, oldest window first.

        Args:
            planner: Of the range; it may have learned something already.

        Yields:
            Each window with its contacts in blocks.

        Raises:
            TapError: The range cannot be read to its end by exports.
        """
        works = self._works(planner)
        self._progress.exports = works.doing
        try:
            while not works.done:
                job = works.head()
                if job is None:
                    works.turn()
                    continue
                counted = Counted(self._begun(works, job))
                way = PAGES if job.stage is Stage.BY_PAGES else EXPORT
                self._progress.enter(
                    str(job.window),
                    job.window.seconds,
                    way=way,
                    expected=job.holds,
                    remaining=works.left(),
                )
                yield job.window, iter(counted)
                works.taken(job, counted.contacts)
        finally:
            self._progress.exports = None
            works.close()

    def _works(self, planner: WindowPlanner) -> Works:
        settings = self._settings
        limits = Limits(
            settings.max_parallel_exports,
            float(settings.export_timeout),
            settings.export_threshold,
        )
        return Works(
            self._calls,
            planner,
            self._runner,
            self._clock,
            limits,
            self._logger,
            reserved=lambda: self._timezone_check.outstanding,
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
            self._fetch_again(works, job)
            yield from self._read(works, job)

    def _fetch_again(self, works: Works, job: Job) -> None:
        """Get a window's file once more; where exports are given up meanwhile, leave it to pages.

        Half of its contacts may have been written, so that it has to be read to its end.
        """
        works.fetch_again(job)
        try:
            while works.head() is None:
                works.turn()
        except UNUSABLE as error:
            if self._settings.extraction_mode == settings_schema.EXPORT:
                raise
            self._logger.warning("%s. Reading this window by pages", error.what)
            job.stage = Stage.BY_PAGES

    def _read(self, works: Works, job: Job) -> Iterator[list[Contact]]:
        """Read a window, while the works go on with others."""
        turned = self._clock.monotonic()
        for contacts in self._contacts(job):
            yield contacts
            if self._clock.monotonic() - turned >= _OFTEN:
                works.turn(wait=False)
                turned = self._clock.monotonic()

    def _contacts(self, job: Job) -> Iterator[list[Contact]]:
        if job.stage is Stage.BY_PAGES:
            return self._pages.read(job.window)
        if job.spool is None:
            msg = "a file that is said to be here is not"
            raise RuntimeError(msg)
        return self._decoded(job, job.spool)

    def _decoded(self, job: Job, spool: SpoolFile) -> Iterator[list[Contact]]:
        wall = wall_range(job.window.start, job.window.end, self._settings.zone)
        vouched = False
        for contacts in self._calls.contacts(spool):
            self._timezone_check.inspect(contacts, wall)
            if not vouched:
                self._timezone_check.vouch_elsewhere(contacts)
                vouched = True
            yield self._columns.fill(contacts)
