"""Export files to contacts, oldest window first.

Contacts are passed on while a file is read; the file is checked for completeness at its end, before
its window counts as read.
"""

from __future__ import annotations

import itertools
import logging
import typing as t

from tap_cometly.exceptions import RecordError, TapError, WindowNotExportedError

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tap_cometly.contacts.schema import Contact, OptionalColumns
    from tap_cometly.exports.completeness import FileTally
    from tap_cometly.exports.download import SpoolFile
    from tap_cometly.exports.job import ExportJob
    from tap_cometly.exports.orchestrator import ExportOrchestrator
    from tap_cometly.exports.repository import ExportRepository
    from tap_cometly.timeranges import Window

logger = logging.getLogger(__name__)


class ExportReader:
    """Reads windows through export jobs.

    Args:
        orchestrator: Brings the files, and checks them.
        repository: Decodes them.
        columns: Sees to it that exports deliver the columns that were asked for.
        inspect: Called with each block of contacts and its window.
    """

    def __init__(
        self,
        orchestrator: ExportOrchestrator,
        repository: ExportRepository,
        columns: OptionalColumns,
        inspect: Callable[[Sequence[Contact], Window], None],
    ) -> None:
        self._orchestrator = orchestrator
        self._completeness = orchestrator.completeness
        self._repository = repository
        self._columns = columns
        self._inspect = inspect

    def next_window(self) -> tuple[ExportJob, Iterator[list[Contact]]] | None:
        """Wait for the oldest window.

        Returns:
            Its job, and its contacts in blocks; None after the last window. When the blocks have
            been taken to their end, every contact of the window was among them. Some may have come
            twice.

        Raises:
            WindowNotExportedError: This window cannot be read by an export; others can.
            TapError: No export can be read any more.
        """
        job = self._orchestrator.next_export()
        if job is None:
            return None
        blocks = self._until_complete(job)
        try:
            # What the first block shows may speak against exports altogether.
            first = next(blocks, [])
        except WindowNotExportedError as error:
            return job, _failing(error)  # as if a later block had shown it
        except TapError as error:
            raise error.within(job.window) from None
        return job, itertools.chain([first], blocks)

    def _until_complete(self, job: ExportJob) -> Iterator[list[Contact]]:
        """Read a window's file.

        It is downloaded once more where a line is no contact, and its job is created once more
        where it lacks contacts.
        """
        rejected_rows: int | None = None
        while True:
            tally = self._completeness.tally(job)
            try:
                yield from self._decoded(job, tally)
            except RecordError as error:
                logger.warning("%s; downloading the file again", error.what)
                self._orchestrator.download_again(job)
                tally = self._completeness.tally(job)
                yield from self._decoded(job, tally)
            reason = self._completeness.reason_to_reject(job, tally, rejected_rows)
            if reason is None:
                break
            rejected_rows = tally.rows
            self._orchestrator.reject(job, reason)
        self._orchestrator.release(job)

    def _decoded(self, job: ExportJob, tally: FileTally) -> Iterator[list[Contact]]:
        for contacts in self._blocks(job):
            tally.add(contacts)
            self._inspect(contacts, job.window)
            self._columns.fill(contacts)
            yield contacts
            self._orchestrator.advance()

    def _blocks(self, job: ExportJob) -> Iterator[list[Contact]]:
        return self._repository.contacts(t.cast("SpoolFile", job.spool))  # it is here by now


def _failing(error: Exception) -> Iterator[list[Contact]]:
    """Raise an error once the first block is asked for."""
    yield from ()  # makes this a generator
    raise error
