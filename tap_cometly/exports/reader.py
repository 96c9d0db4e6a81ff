"""Export files to contacts, oldest window first.

Contacts are passed on while a file is read; the file is checked for completeness at its end, before
its window counts as read.
"""

from __future__ import annotations

import itertools
import logging
import typing as t
from functools import partial

from tap_cometly.exceptions import RecordError, TapError, WindowNotExportedError

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tap_cometly.contacts.schema import Contact, OptionalColumns
    from tap_cometly.exports.download import SpoolFile
    from tap_cometly.exports.job import ExportJob
    from tap_cometly.exports.orchestrator import ExportOrchestrator
    from tap_cometly.exports.repository import ExportRepository
    from tap_cometly.runtime.tasks import TaskRunner
    from tap_cometly.timeranges import Window

logger = logging.getLogger(__name__)

_NEWCOMERS = 0.1  # of the ids that the list shows: contacts that came after the job was created
_FEW = 3  # contacts
_FEWER = 0.75  # of the contacts that are expected: so few are worth a question
_FAR_FEWER = 1 / 2  # of them: so few are, though the file holds what the list showed
_CLEARLY_FEWER = 1 / 3  # of them: so few are not believed without an answer
_LONGEST_WAIT = 60  # times that the list's limit is waited for, a second at most


class ExportReader:
    """Reads windows through export jobs.

    Args:
        orchestrator: Brings the files.
        repository: Decodes them, and asks the list what they should hold.
        tasks: Runs such a question in the background.
        columns: Sees to it that exports deliver the columns that were asked for.
        inspect: Called with each block of contacts and its window.
    """

    def __init__(
        self,
        orchestrator: ExportOrchestrator,
        repository: ExportRepository,
        tasks: TaskRunner,
        columns: OptionalColumns,
        inspect: Callable[[Sequence[Contact], Window], None],
    ) -> None:
        self._orchestrator = orchestrator
        self._repository = repository
        self._tasks = tasks
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
            content = FileContent(job)
            try:
                yield from self._decoded(job, content)
            except RecordError as error:
                logger.warning("%s; downloading the file again", error.what)
                self._orchestrator.download_again(job)
                content = FileContent(job)
                yield from self._decoded(job, content)
            doubt = self._doubt(job, content, rejected_rows)
            if doubt is None:
                break
            rejected_rows = content.rows
            self._orchestrator.reject(job, doubt)
        self._orchestrator.finished(job)

    def _decoded(self, job: ExportJob, content: FileContent) -> Iterator[list[Contact]]:
        for contacts in self._blocks(job):
            content.add(contacts)
            self._inspect(contacts, job.window)
            yield self._columns.fill(contacts)
            self._orchestrator.advance()

    def _doubt(self, job: ExportJob, content: FileContent, rejected_rows: int | None) -> str | None:
        """Say why a file is not believed; None when it is.

        Contacts that came, or were merged into others, while the job ran are no reason: an id must
        be missing that the list showed when the job was created and still shows; or several, where
        it was asked later.
        """
        is_worth_asking = (
            content.missing
            or content.is_short
            or (content.is_unknown and self._orchestrator.list_is_idle)
            or (content.is_unchecked and self._orchestrator.may_sample_late)
        )
        if not is_worth_asking:
            return None
        now = self._sample_again(job.window, everywhere=content.is_short)
        if now is None:
            if not content.is_clearly_short:
                return None
            if rejected_rows == content.rows:
                logger.warning(
                    "The list of contacts does not answer; the export of %s was made twice, with "
                    "the same %d contacts, and is believed",
                    job.window,
                    content.rows,
                )
                return None
            return "its file holds fewer contacts than expected, and the list does not answer"
        older_sample = None if job.sample_is_newer else content.sample
        surely_there = job.window.newest | (older_sample or frozenset())
        is_incomplete = bool(content.missing & now & surely_there)
        if not is_incomplete and (older_sample is None or content.is_short):
            ids = frozenset(contact.id for contacts in self._blocks(job) for contact in contacts)
            is_incomplete = _lacks(ids, now)
        return "its file lacks contacts that the list shows" if is_incomplete else None

    def _sample_again(self, window: Window, *, everywhere: bool) -> frozenset[int] | None:
        """Ask the list for some ids of a window, once its limit has room for that.

        Other windows' exports go on meanwhile.
        """
        for _ in range(_LONGEST_WAIT):
            if self._orchestrator.list_is_idle:
                break
            self._orchestrator.work_for(1.0)
        outcomes: list[frozenset[int] | Exception | None] = []
        sample = partial(self._repository.sample_again, window, everywhere=everywhere)
        self._tasks.start(sample, outcomes.append)
        while not outcomes:
            self._orchestrator.work_for(1.0)
        [outcome] = outcomes
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def _blocks(self, job: ExportJob) -> Iterator[list[Contact]]:
        return self._repository.contacts(t.cast("SpoolFile", job.spool))  # it is here by now


def _lacks(file: frozenset[int], shown: frozenset[int]) -> bool:
    """Whether a file lacks more of what the list shows now than may have come since it was made.

    Who came since has a higher id than all in the file.
    """
    missing = shown - file
    if not file:
        return bool(missing)
    old = [contact_id for contact_id in missing if contact_id < max(file)]
    return len(old) > _FEW or len(missing) > max(_FEW, _NEWCOMERS * len(shown))


class FileContent:
    """What has been seen of a file, compared with what is known of its window.

    Args:
        job: Of the file.

    Attributes:
        sample: Ids that the list showed; None where it was not asked, or did not answer.
        rows: Contacts seen.
        missing: Those of them, and of what a probe had shown, that were not seen.
    """

    def __init__(self, job: ExportJob) -> None:
        self._job = job
        self._window = job.window
        self.sample = job.sample
        self.rows = 0
        self.missing = set(job.sample or ()) | job.window.newest

    def add(self, contacts: Sequence[Contact]) -> None:
        """Note some contacts."""
        self.rows += len(contacts)
        if self.missing:
            self.missing.difference_update([contact.id for contact in contacts])

    @property
    def is_short(self) -> bool:
        """Whether it holds so few contacts that the list is to be asked."""
        if self.sample is None:
            return self._is_below(_FEWER)
        return bool(self.sample) and self._is_below(_FAR_FEWER)

    @property
    def is_unknown(self) -> bool:
        """Whether there is nothing to compare it with."""
        return self.sample is None and (self._window.guessed or self._window.expected is None)

    @property
    def is_unchecked(self) -> bool:
        """Whether there is but an estimate to compare it with, though the list would answer."""
        is_silent = self._job.sample_asked and self._job.sample is None
        return self.sample is None and not is_silent and self._window.counted is None

    @property
    def is_clearly_short(self) -> bool:
        """Whether so much seems to be missing that only the list's answer can make it credible."""
        return bool(self.missing) or self._is_below(_CLEARLY_FEWER)

    def _is_below(self, share: float) -> bool:
        window = self._window
        expected = 0.0 if window.guessed else (window.expected or 0) * share
        if self.sample is None and window.counted is not None:
            expected = window.counted
        return not self.rows or self.rows < expected


def _failing(error: Exception) -> Iterator[list[Contact]]:
    """Raise an error once the first block is asked for."""
    yield from ()  # makes this a generator
    raise error
