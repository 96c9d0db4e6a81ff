"""The export jobs of a range: several at once, handed out oldest window first.

Each window goes through create, poll and download. What happens to a job when one of these fails is
decided here, and nowhere else. Nothing here waits for the network: calls are made by background
tasks and their outcomes come back, so the same code runs in threads and in a simulation.
"""

from __future__ import annotations

import logging
import math
import typing as t
from functools import partial

from tap_cometly.client.client import ExportStatus
from tap_cometly.exceptions import (
    AccessError,
    AnswerLostError,
    ApiError,
    BadFileError,
    ExportBusyError,
    ExportError,
    FileError,
    FileGoneError,
    IncompleteExportError,
    RateLimitError,
    RejectedError,
    UnavailableError,
    UrlRefusedError,
    WindowNotExportedError,
)
from tap_cometly.exports.completeness import CompletenessCheck
from tap_cometly.exports.download import SpoolFile
from tap_cometly.exports.job import ExportJob, JobStatus
from tap_cometly.runtime import metrics

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tap_cometly.client.client import Endpoint
    from tap_cometly.config import Settings
    from tap_cometly.exports.repository import ExportRepository
    from tap_cometly.runtime.clock import Clock
    from tap_cometly.runtime.tasks import TaskRunner
    from tap_cometly.timeranges import Window

logger = logging.getLogger(__name__)

TRIES = 2  # export jobs for one window
BAD_FILES = 3  # downloads of one job's file
REFUSED_URLS = 3  # fresh URLs for one job's file
FAILED_IN_A_ROW = 3  # jobs, until exports are given up for this run
POLLS_WITHOUT_URL = 8  # of a job that says it is completed

_POLL_INTERVAL = 5.0  # seconds; measured: learned intervals save 3 s of a million contacts
_FIRST_POLLS = 2.0  # seconds between the first polls of the oldest job
_OTHERS_INTERVAL = 10.0  # seconds between the polls of a job that is not the oldest
_OLDEST_SHARE = 0.4  # of the poll limit, when several jobs run: the oldest is waited for
_ASK_AGAIN = 5.0  # seconds before a job is created again whose creation may have been lost
_ADVANCE_EVERY = 0.05  # seconds, while a window is read; its blocks come by the thousand
_SHORT_WAIT = 1.0  # seconds: for a limit, and for the next window to be known
_IDLE = 30.0  # seconds to wait for an outcome when there is nothing to start

_ADVICE = "Set `extraction_mode` to auto or pagination, or ask Cometly's support."
_FILE_ADVICE = (
    "Run again; if it stays, ask Cometly's support, or set `extraction_mode: pagination`."
)
_RUNNING = {"queued", "processing"}  # as the API words it

_T = t.TypeVar("_T")


class ExportOrchestrator:
    """Takes windows through export jobs to files.

    Args:
        windows: The windows to read, oldest first; None while the next one is not known yet.
        repository: What is asked of the API and the file store.
        tasks: Runs the calls in the background.
        clock: Monotonic seconds.
        settings: Exports at once, the time that one may take, the contacts that are worth one,
            and the Space's zone: no window is cut in an hour that occurs twice there.

    Attributes:
        completeness: Checks the files, for which it asks the list as jobs are created.
    """

    def __init__(
        self,
        windows: Iterator[Window | None],
        repository: ExportRepository,
        tasks: TaskRunner,
        clock: Clock,
        settings: Settings,
    ) -> None:
        self._windows = windows
        self._repository = repository
        self._tasks = tasks
        self._clock = clock
        self._settings = settings
        self.completeness = CompletenessCheck(
            repository, tasks, clock, self.advance_for, lambda: self._has_more_windows
        )
        self._parallel = settings.max_parallel_exports
        self._jobs: tuple[ExportJob, ...] = ()  # replaced, never changed: progress reads it, too
        self._has_more_windows = True
        self._error: Exception | None = None
        self._failures = 0
        self._last_failure = -math.inf
        self._smallest_refused = math.inf
        self._warned_of_status = False
        self._advanced_at = -math.inf
        self._closed = False

    def next_export(self) -> ExportJob | None:
        """Wait until the oldest window's file is here.

        Returns:
            Its job, to be given back to `release` when it has been read; None after the last.

        Raises:
            WindowNotExportedError: The oldest window cannot be read by an export; others can.
            TapError: No export can be read any more.
        """
        while True:
            self._admit_windows()
            oldest = next(iter(self._jobs), None)
            if oldest is None and not self._has_more_windows:
                return None
            if oldest is not None and oldest.status is JobStatus.READY:
                oldest.is_being_read = True
                return oldest
            if self._error is not None:
                raise self._error
            if oldest is not None and oldest.status is JobStatus.FAILED:
                self._remove(oldest)
                msg = f"No export can read this window: {oldest.failure}"
                kind = IncompleteExportError if oldest.incomplete else WindowNotExportedError
                raise kind(msg, _ADVICE, oldest.window).within(oldest.window)
            self._tasks.wait(self._start_what_is_due())

    def advance(self) -> None:
        """Go on with other windows while one is being read, without waiting."""
        now = self._clock.monotonic()
        if now - self._advanced_at >= _ADVANCE_EVERY:
            self._advanced_at = now
            self._admit_windows()
            self._start_what_is_due()
            self._tasks.wait(0.0)

    def advance_for(self, seconds: float) -> None:
        """Go on with the windows that have been begun, while something else is waited for."""
        self._tasks.wait(min(seconds, self._start_what_is_due()))

    def release(self, job: ExportJob) -> None:
        """Let go of the oldest window, which has been read, and of its file."""
        self._remove(job)
        job.close()

    def download_again(self, job: ExportJob) -> None:
        """Get the file of the oldest window once more, which is being read.

        Raises:
            WindowNotExportedError: It cannot be had.
            TapError: No export can be read any more.
        """
        job.fresh_url(self._clock.monotonic())
        self.next_export()

    def reject(self, job: ExportJob, reason: str) -> None:
        """Have the file of the oldest window, which is being read, made once more.

        Args:
            job: Its job.
            reason: Why the file is not believed.

        Raises:
            WindowNotExportedError: It has been made once more already, or cannot be had.
            TapError: No export can be read any more.
        """
        job.incomplete = True
        self._fail(job, reason)
        self.next_export()

    def describe(self, now: float) -> list[str]:
        """Return what each export is doing, oldest window first; from any thread."""
        jobs = self._jobs[: self._parallel]
        words = [job.describe(now) for job in jobs]
        if jobs and jobs[0].status is JobStatus.READY:
            words[0] = "reading"
        return words

    def expected_behind_oldest(self) -> int:
        """Return how many contacts the windows behind the oldest are thought to hold."""
        return sum(job.expected for job in self._jobs[1:])

    def close(self) -> None:
        """Let go of all files, also of those that are still to come."""
        self._closed = True
        for job in self._jobs:
            job.close()

    # What to do next.

    def _admit_windows(self) -> None:
        while self._has_more_windows and len(self._jobs) < self._parallel:
            try:
                window = next(self._windows)
            except StopIteration:
                self._has_more_windows = False
                return
            if window is None:
                return
            self._jobs = (*self._jobs, ExportJob(window))

    def _start_what_is_due(self) -> float:
        """Create and poll what is due, oldest window first, as far as the limits allow.

        Returns:
            Seconds after which more may be due, if nothing comes back before.
        """
        now = self._clock.monotonic()
        jobs = self._jobs[: self._parallel]  # halving may have made more than that
        waits_for_window = self._has_more_windows and len(jobs) < self._parallel
        wait = _SHORT_WAIT if waits_for_window else _IDLE
        for job in jobs if self._error is None else ():
            if job.status is JobStatus.TO_CREATE:
                self.completeness.ask(job)
                due_at, start = job.due_at, self._create
            elif job.status is JobStatus.RUNNING:
                self.completeness.ask(job)
                due_at, start = self._poll_at(job), self._poll
            else:
                continue
            wait = min(wait, due_at - now if due_at > now else start(job))
        return wait

    def _create(self, job: ExportJob) -> float:
        """Create a job; return the seconds to wait where the limit allows no request now."""
        is_refused_size = job.tries == 0 and job.expected >= self._smallest_refused
        if is_refused_size and self._halve(job):
            return 0.0
        if (wait := self._wait_for("create")) is not None:
            return wait
        job.creating(self._clock.monotonic())
        self._start(partial(self._repository.create, job.window), partial(self._created, job))
        return _IDLE

    def _poll(self, job: ExportJob) -> float:
        """Poll a job; return the seconds to wait where the limit allows no request now."""
        if (wait := self._wait_for("poll")) is not None:
            return wait
        job.polling()
        self._start(partial(self._repository.poll, job.export_id), partial(self._polled, job))
        return _IDLE

    def _wait_for(self, endpoint: Endpoint) -> float | None:
        """Acquire a request: return None, or the seconds to wait where none is allowed now."""
        limiter = self._repository.limiters[endpoint]
        if limiter.try_acquire():
            return None
        wait = min(limiter.delay(), _SHORT_WAIT)
        if self._jobs[0].status is not JobStatus.READY:  # while a window is read, nothing is lost
            limiter.note_wait(wait)
        return wait

    def _poll_at(self, job: ExportJob) -> float:
        """Return when to poll a running job: the oldest soon and often, for it is waited for.

        All jobs together are polled no more often than the limit allows evenly, so that no job has
        to wait for the end of a minute whose polls are used up.
        """
        if job.wants_url:
            return job.due_at
        running = [j for j in self._jobs if j.is_running]
        others = len(running) - 1
        evenly = 60.0 / self._repository.limiters["poll"].limit
        others_interval = max(_OTHERS_INTERVAL, evenly * others / (1 - _OLDEST_SHARE))
        if job is not running[0]:
            return job.polled_at + others_interval
        age = job.polled_at - job.created_at
        if age >= _POLL_INTERVAL:  # after its first polls the oldest has what the others leave
            evenly /= 1 - evenly * others / others_interval
        return job.polled_at + max(evenly, min(max(_FIRST_POLLS, age / 5), _POLL_INTERVAL))

    def _start(self, work: Callable[[], _T], then: Callable[[_T | Exception], None]) -> None:
        """Make a call in the background; what it brings after `close` is of no use any more."""

        def came_back(outcome: _T | Exception) -> None:
            if not self._closed:
                then(outcome)
            elif isinstance(outcome, SpoolFile):
                outcome.close()

        self._tasks.start(work, came_back)

    # What came back.

    def _created(self, job: ExportJob, outcome: int | Exception) -> None:
        now = self._clock.monotonic()
        match outcome:
            case int():
                job.created(outcome, now)
            case RejectedError():
                self._refuse(job, outcome.what)
            case ExportBusyError():
                self._busy(job, outcome, now)
            case AnswerLostError() if job.tries < TRIES:
                # Not a failure yet: the window gets a second job, and only its loss counts as one.
                logger.warning("Export of %s: %s", job.window, outcome.what)
                job.again(now + _ASK_AGAIN)
            case AnswerLostError():
                self._fail(job, outcome.what)
            case AccessError() | RateLimitError() | UnavailableError():
                self._stop(outcome)
            case ApiError():
                self._stop(ExportError(outcome.what, outcome.advice).within(job.window))
            case _:
                self._stop(outcome)

    def _busy(self, job: ExportJob, error: ExportBusyError, now: float) -> None:
        """Ask again as told, but no later than at the timeout of the window."""
        left = job.first_asked_at + self._settings.export_timeout - now
        if left <= 0:
            self._fail(job, error.what)
            return
        pause = min(error.seconds, left)
        logger.info("%s; asking again in %.0f s", error.what, pause)
        job.not_created(now + pause)

    def _polled(self, job: ExportJob, outcome: ExportStatus | Exception) -> None:
        now = self._clock.monotonic()
        match outcome:
            case AccessError() | RateLimitError():
                self._stop(outcome)
            case ApiError():
                self._fail(job, f"it cannot be polled ({outcome.what})")
            case Exception():
                self._stop(outcome)
            case ExportStatus(status="failed"):
                self._fail(job, "the export failed")
            case ExportStatus(status="completed", url=str(url)) if url:
                self._completed(job, url, now)
            case ExportStatus() if now - job.created_at > self._settings.export_timeout:
                self._fail(
                    job, f"the export took longer than {self._settings.export_timeout:.0f} s"
                )
            case ExportStatus(status=status):
                self._still_running(job, status, now)

    def _completed(self, job: ExportJob, url: str, now: float) -> None:
        if not job.completed:
            metrics.export_ended(str(job.window), now - job.created_at, completed=True)
        job.downloading()
        self._start(partial(self._download, job.window, url), partial(self._downloaded, job))

    def _still_running(self, job: ExportJob, status: str, now: float) -> None:
        if status == "completed":
            job.polls_without_url += 1
            if job.polls_without_url >= POLLS_WITHOUT_URL:
                self._fail(job, "the export is completed but has no file")
                return
        elif (status not in _RUNNING or job.polls_without_url) and not self._warned_of_status:
            self._warned_of_status = True
            logger.warning(
                "An export reports an unexpected status; it is polled until `export_timeout`"
            )
        job.running(status if status in {*_RUNNING, "completed"} else "running", now)

    def _download(self, window: Window, url: str) -> SpoolFile:
        """Download a file, in the background."""
        began = self._clock.monotonic()
        spool = None
        try:
            spool = self._repository.download(url)
        finally:
            if not self._clock.closed:
                size = None if spool is None else spool.size
                metrics.download_ended(str(window), self._clock.monotonic() - began, size)
        return spool

    def _downloaded(self, job: ExportJob, outcome: SpoolFile | Exception) -> None:
        now = self._clock.monotonic()
        match outcome:
            case SpoolFile():
                self._failures = 0
                job.ready(outcome)
            case UrlRefusedError() if job.refused_urls < REFUSED_URLS:
                job.refused_urls += 1
                job.fresh_url(now + 2.0**job.refused_urls / 2)
            case UrlRefusedError():
                self._fail(job, "the store refuses the file's URL")
            case FileGoneError():
                self._fail(job, "the store has no such file")
            case BadFileError() if job.bad_files < BAD_FILES - 1:
                job.bad_files += 1
                logger.warning("The file of %s: %s; downloading it again", job.window, outcome)
                job.fresh_url(now + job.bad_files)
            case BadFileError() if job.tries < TRIES:
                self._fail(job, f"its file is broken: {outcome}")
            case BadFileError():
                msg = f"The export file of {job.window} stayed unusable: {outcome}"
                self._stop(FileError(msg, _FILE_ADVICE))
            case UnavailableError():
                self._fail(job, outcome.what)
            case _:
                self._stop(outcome)

    # What becomes of a job.

    def _fail(self, job: ExportJob, reason: str, *, again: bool = True) -> None:
        """Create a failed job once more, then halve its window, or leave it to pages.

        Jobs that ran side by side probably failed for one reason: a failure counts only if its job
        was asked for after the last counted failure.
        """
        now = self._clock.monotonic()
        if not job.completed:
            metrics.export_ended(str(job.window), now - job.asked_at, completed=False)
        job.failure = reason
        if job.asked_at >= self._last_failure:
            self._failures += 1
            self._last_failure = now
        if self._failures >= FAILED_IN_A_ROW:
            msg = f"Three exports in a row failed; the last reason: {reason}"
            job.failed()
            self._stop(ExportError(msg, _ADVICE).within(job.window))
            return
        logger.warning("Export of %s: %s", job.window, reason)
        if again and job.tries < TRIES:
            job.again(now)
        elif not self._halve(job):
            job.failed()

    def _refuse(self, job: ExportJob, reason: str) -> None:
        """Read a window that the API finds too large in halves, and ask for none of its size."""
        # A smaller window was refused for another reason, which says nothing about size.
        if job.expected > self._settings.export_threshold:
            self._smallest_refused = min(self._smallest_refused, job.expected)
        if not self._halve(job):
            self._fail(job, reason, again=False)

    def _halve(self, job: ExportJob) -> bool:
        """Put two halves in the window's place, unless they would not be worth an export."""
        if job.is_being_read or job.expected <= self._settings.export_threshold:
            return False
        halves = job.window.halves(self._settings.zone)
        if not halves:
            return False
        place = self._jobs.index(job)
        job.close()
        self._jobs = (*self._jobs[:place], *map(ExportJob, halves), *self._jobs[place + 1 :])
        return True

    def _remove(self, job: ExportJob) -> None:
        self._jobs = tuple(other for other in self._jobs if other is not job)

    def _stop(self, error: Exception) -> None:
        """Let nothing new begin; the first reason counts."""
        self._error = self._error or error
