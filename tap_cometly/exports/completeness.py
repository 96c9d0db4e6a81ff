"""Whether an export file holds all contacts of its window, as far as the list of contacts tells.

The list is asked for some ids of a window as its job is created, and again where the file lacks one
of them or seems too small.
"""

from __future__ import annotations

import logging
import typing as t
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from weakref import WeakKeyDictionary

from tap_cometly.client.client import LARGEST_PAGE
from tap_cometly.exports.job import JobStatus
from tap_cometly.timeranges import WIDEST_ZONE_GAP

if t.TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tap_cometly.contacts.decoder import Page
    from tap_cometly.contacts.schema import Contact
    from tap_cometly.exports.download import SpoolFile
    from tap_cometly.exports.job import ExportJob
    from tap_cometly.exports.repository import ExportRepository
    from tap_cometly.runtime.clock import Clock
    from tap_cometly.runtime.tasks import TaskRunner
    from tap_cometly.timeranges import Window

logger = logging.getLogger(__name__)

_NEWEST = 100  # ids asked for at the end of a window, or of a part of it
_ENOUGH = 10  # ids to tell whether one end is missing
_OLDEST_PARTS = 1 / 64, 1 / 8, 1 / 2  # of a window: where its oldest contacts are looked for
_MIDDLE = (1 / 2,)  # of a window: where contacts between its ends are looked for
_EVERYWHERE = 1 / 5, 2 / 5, 3 / 5, 4 / 5  # likewise, where a file seems to lack many

# Shares of the expected contacts.
_SMALL = 0.75  # with fewer, and no known ids, the list is asked
_SMALL_THOUGH_IDS_ARE_THERE = 1 / 2  # with fewer, the list is asked though ids are known
_TOO_SMALL = 1 / 3  # with fewer, a file is rejected if the list does not answer

_CHANGED = 0.1  # of the ids that the list shows: created, or merged away, since the job was created
_FEW = 3  # contacts that may be missing in any case
_CALLS_LEFT = 8  # of the minute, for the list to count as idle: probes come first
_LONGEST_WAIT = 60  # times that the list's limit is waited for, a second at most


@dataclass
class _Sample:
    """Ids of a window that the list was asked for.

    Attributes:
        job_number: The window's job that it was asked for, counted from 1.
        is_newer: Whether it may show contacts that were created after that job.
        ids: What the list showed; None as long as it does not answer.
    """

    job_number: int
    is_newer: bool
    ids: frozenset[int] | None = field(default=None, repr=False)

    def answered(self, outcome: frozenset[int] | Exception | None) -> None:
        """Note what the list showed."""
        self.ids = None if isinstance(outcome, Exception) else outcome


class CompletenessCheck:
    """Finds files that lack contacts.

    Args:
        repository: Asks the list, and decodes files.
        tasks: Makes the calls in the background.
        clock: UTC.
        advance_for: Goes on with other windows for some seconds, while the list is waited for.
        has_more_windows: Whether windows are still planned, whose probes need the list, too.
    """

    def __init__(
        self,
        repository: ExportRepository,
        tasks: TaskRunner,
        clock: Clock,
        advance_for: Callable[[float], None],
        has_more_windows: Callable[[], bool],
    ) -> None:
        self._repository = repository
        self._tasks = tasks
        self._clock = clock
        self._advance_for = advance_for
        self._has_more_windows = has_more_windows
        self._limiter = repository.limiters["list"]
        self._first_pages: dict[Window, Page] = {}
        # Each is of no use any more once the orchestrator has dropped its job.
        self._samples: WeakKeyDictionary[ExportJob, _Sample] = WeakKeyDictionary()

    def remember(self, window: Window, first: Page) -> None:
        """Note the first page of a window: its newest ids need not be asked for again."""
        self._first_pages[window] = first

    def ask(self, job: ExportJob) -> None:
        """Ask the idle list once for ids that a file has to hold, as its job is created.

        Where planning has used up the list's limit, it is asked while the job runs.
        """
        is_late = job.status is not JobStatus.TO_CREATE
        number = job.tries if is_late else job.tries + 1
        known = self._samples.get(job)
        if known is not None and (known.ids is not None or known.job_number == number):
            return
        if not (self._may_ask_late if is_late else self._is_idle):
            return
        is_newer = is_late and self._clock.now() - job.window.end < WIDEST_ZONE_GAP
        sample = self._samples[job] = _Sample(number, is_newer)
        first = self._first_pages.pop(job.window, None)
        work = partial(ids_shown, self._repository.newest, job.window, first)
        self._tasks.start(work, sample.answered)

    def tally(self, job: ExportJob) -> FileTally:
        """Return a tally for the file of a job, which is about to be read."""
        sample = self._samples.get(job)
        return FileTally(job.window, None if sample is None else sample.ids)

    def reason_to_reject(
        self, job: ExportJob, tally: FileTally, rejected_rows: int | None
    ) -> str | None:
        """Return why a file is not believed; None when it is.

        Contacts that were created, or merged into others, while the job ran are no reason: an id
        must be missing that the list showed when the job was created and still shows; or several,
        where it was asked later.

        Args:
            job: Of the file.
            tally: Of the whole file.
            rejected_rows: How many contacts the window's file held that was rejected before.
        """
        sample = self._samples.get(job)
        if sample is not None and sample.job_number != job.tries:
            sample = None  # it was asked for a job before this one
        is_silent = sample is not None and sample.ids is None
        is_worth_asking = (
            tally.missing
            or tally.is_suspiciously_small
            or (tally.has_no_reference and self._is_idle)
            or (tally.can_still_be_checked and not is_silent and self._may_ask_late)
        )
        if not is_worth_asking:
            return None
        shown = self._ask_again(job.window, everywhere=tally.is_suspiciously_small)
        if shown is None:
            if not tally.is_too_small_to_trust:
                return None
            if rejected_rows == tally.rows and not tally.lacks_known_ids:
                logger.warning(
                    "The list of contacts does not answer; the export of %s was made twice, with "
                    "the same %d contacts, and is believed",
                    job.window,
                    tally.rows,
                )
                return None
            return "its file holds fewer contacts than expected, and the list does not answer"
        older_ids = None if sample is not None and sample.is_newer else tally.sample
        surely_there = job.window.newest | (older_ids or frozenset())
        is_incomplete = bool(tally.missing & shown & surely_there)
        if not is_incomplete and (older_ids is None or tally.is_suspiciously_small):
            blocks = self._repository.contacts(t.cast("SpoolFile", job.spool))  # it is here by now
            is_incomplete = _lacks(frozenset(c.id for block in blocks for c in block), shown)
        return "its file lacks contacts that the list shows" if is_incomplete else None

    @property
    def _is_idle(self) -> bool:
        """Whether the list's limit allows more than the probes of the next windows."""
        return self._limiter.available() >= min(_CALLS_LEFT, self._limiter.limit)

    @property
    def _may_ask_late(self) -> bool:
        """Whether the list may be asked about a job that exists.

        The windows behind it may want probes soon, so all of the limit has to be free for them.
        """
        if self._has_more_windows():
            return self._limiter.available() >= self._limiter.limit
        return self._is_idle

    def _ask_again(self, window: Window, *, everywhere: bool) -> frozenset[int] | None:
        """Ask the list for the ids that a sample may have shown, as soon as its limit allows that.

        Other windows' exports go on meanwhile.
        """
        for _ in range(_LONGEST_WAIT):
            if self._is_idle:
                break
            self._advance_for(1.0)
        outcomes: list[frozenset[int] | Exception | None] = []
        places = _EVERYWHERE if everywhere else _MIDDLE
        work = partial(ids_shown, self._repository.newest, window, places=places)
        self._tasks.start(work, outcomes.append)
        while not outcomes:
            self._advance_for(1.0)
        [outcome] = outcomes
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


class FileTally:
    """What has been seen of a file, compared with what is known of its window.

    Args:
        window: Of the file.
        sample: Ids that the list showed; None where it was not asked, or did not answer.

    Attributes:
        rows: Contacts seen.
        missing: Ids of the sample, and of what a probe had shown, that were not seen.
    """

    def __init__(self, window: Window, sample: frozenset[int] | None = None) -> None:
        self._window = window
        self.sample = sample
        self.rows = 0
        self.missing = set(sample or ()) | window.newest
        self._known = len(self.missing)

    def add(self, contacts: Sequence[Contact]) -> None:
        """Note some contacts."""
        self.rows += len(contacts)
        if self.missing:
            self.missing.difference_update([contact.id for contact in contacts])

    @property
    def is_suspiciously_small(self) -> bool:
        """Whether the file holds so few contacts that the list is to be asked."""
        if self.sample is None:
            return self._is_below(_SMALL)
        return bool(self.sample) and self._is_below(_SMALL_THOUGH_IDS_ARE_THERE)

    @property
    def has_no_reference(self) -> bool:
        """Whether there is nothing to compare the file with."""
        return self.sample is None and (self._window.guessed or self._window.expected is None)

    @property
    def can_still_be_checked(self) -> bool:
        """Whether the file has been compared with nothing but an estimate."""
        return self.sample is None and self._window.counted is None

    @property
    def lacks_known_ids(self) -> bool:
        """Whether more known ids are missing than may have been merged into others since."""
        return len(self.missing) > max(_FEW, _CHANGED * self._known)

    @property
    def is_too_small_to_trust(self) -> bool:
        """Whether the file is rejected if the list does not answer."""
        return bool(self.missing) or self._is_below(_TOO_SMALL)

    def _is_below(self, share: float) -> bool:
        window = self._window
        expected = 0.0 if window.guessed else (window.expected or 0) * share
        if self.sample is None and window.counted is not None:
            expected = window.counted
        return not self.rows or self.rows < expected


def ids_shown(
    newest: Callable[..., Page | None],
    window: Window,
    first: Page | None = None,
    *,
    places: Sequence[float] | None = None,
) -> frozenset[int] | None:
    """Ask the list for ids of a window: the newest, some of the oldest, some between them.

    Args:
        newest: Asks the list for the newest contacts of a window.
        window: What the export covers.
        first: Its first page, where that has already been read.
        places: Where to ask between the ends, as parts of the window. Only given when the list is
            asked again: then for all ids that it may have shown before.

    Returns:
        The ids, all of them where one page of the list has shown them before; None when the list
        does not answer. Empty only where the window is.
    """
    if first is None:
        is_whole = places is not None or window.counted is not None
        first = newest(window, per_page=LARGEST_PAGE if is_whole else _NEWEST)
    if first is None:
        return None
    ids = {contact.id for contact in first.contacts}
    if first.next_cursor is None:
        return frozenset(ids)

    def newest_before(part: float) -> set[int] | None:
        seconds = max(1, int(window.seconds * part))
        stretch = replace(window, end=window.start + timedelta(seconds=seconds))
        page = newest(stretch, per_page=_NEWEST)
        return None if page is None else {contact.id for contact in page.contacts}

    for part in _OLDEST_PARTS:
        oldest = newest_before(part)
        ids |= oldest or set()
        if oldest is None or len(oldest) >= _ENOUGH:
            break
    for part in places or _MIDDLE if oldest is not None else ():
        ids |= newest_before(part) or set()
    return frozenset(ids) or None  # a list that serves short stretches only may have shown none


def _lacks(file: frozenset[int], shown: frozenset[int]) -> bool:
    """Whether a file lacks more ids that the list shows now than new contacts can explain.

    A contact created after the job has a higher id than every contact in the file.
    """
    missing = shown - file
    if not file:
        return bool(missing)
    old = [contact_id for contact_id in missing if contact_id < max(file)]
    return len(old) > _FEW or len(missing) > max(_FEW, _CHANGED * len(shown))
