"""The export jobs of a range: several at once, handed out oldest window first.

Each window goes through create, poll and download. What happens to a job when one of these fails is
decided here, and nowhere else. Nothing here waits for the network: calls are made by background
tasks and their outcomes come back, so the same code runs in threads and in a simulation.
"""

from __future__ import annotations

import logging
import typing as t
from datetime import timezone
from functools import partial

from tap_cometly.client.client import ExportStatus
from tap_cometly.exceptions import (
    AccessError,
    AnswerLostError,
    ApiError,
    BadFileError,
    ExportBusyError,
    ExportError,
    FileGoneError,
    IncompleteExportError,
    RateLimitError,
    RejectedError,
    UnavailableError,
    UrlRefusedError,
    WindowNotExportedError,
)
from tap_cometly.exports.job import ExportJob, JobStatus
from tap_cometly.exports.ndjson import bad_file
from tap_cometly.runtime import metrics

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import tzinfo

    from tap_cometly.exports.download import SpoolFile
    from tap_cometly.exports.repository import Repository
    from tap_cometly.runtime.clock import Clock
    from tap_cometly.runtime.tasks import TaskRunner
    from tap_cometly.timeranges import Window

logger = logging.getLogger(__name__)

TRIES = 2  # export jobs for one window
BAD_FILES = 3  # downloads of one job's file
REFUSED_URLS = 3  # fresh URLs for one job's file
FAILED_IN_A_ROW = 3  # jobs, until exports are given up for this run
POLLS_WITHOUT_URL = 8  # of a job that says it is completed
LIST_CALLS_LEFT = 8  # of the minute, for the list to be idle: probes come before checks

_POLL_INTERVAL = 5.0  # seconds; measured: learned intervals save 3 s of a million contacts
_FIRST_POLLS = 2.0  # seconds between the first polls of the oldest job
_OTHERS_INTERVAL = 10.0  # seconds between the polls of a job that is not the oldest
_OLDEST_SHARE = 0.4  # of the poll limit, when several jobs run: the oldest is waited for
_ASK_AGAIN = 5.0  # seconds before a job is created again whose creation may have been lost
_ADVANCE_EVERY = 0.05  # seconds, while a window is read; its blocks come by the thousand
_IDLE = 30.0  # seconds to wait for an outcome when there is nothing to start
_MOMENT = 0.01  # seconds to wait at least, lest rounding keep the machine busy

_ADVICE = "Set `extraction_mode` to auto or pagination, or ask Cometly's support."
_RUNNING = {"queued", "processing"}  # as the API words it


class ExportLimits(t.NamedTuple):
    """What the settings allow.

    Attributes:
        parallel: Exports at once.
        timeout: Seconds that a job may take.
        threshold: Contacts; a window that holds no more is not worth an export of its own.
        zone: The Space's: no window is cut in an hour that occurs twice there.
    """

    parallel: int
    timeout: float
    threshold: int
    zone: tzinfo = timezone.utc


class ExportOrchestrator:
    """Takes windows through export jobs to files.

    Args:
        windows: The windows to read, oldest first; None while the next one is not known yet.
        repository: What is asked of the API and the file store.
        tasks: Runs the calls in the background.
        clock: Monotonic seconds.
        limits: What the settings allow.
    """

    def __init__(
        self,
        windows: Iterator[Window | None],
        repository: Repository,
        tasks: TaskRunner,
        clock: Clock,
        limits: ExportLimits,
    ) -> None:
        self._windows = windows
        self._repository = repository
        self._tasks = tasks
        self._clock = clock
        self._limits = limits
        self._jobs: tuple[ExportJob, ...] = ()  # replaced, never changed: progress reads it, too
        self._has_more_windows = True
        self._waits_for_window = False
        self._error: Exception | None = None
        self._failures = 0
        self._rejected = 0  # files, since one was believed
        self._last_failure = float("-inf")
        self._smallest_refused = float("inf")
        self._warned_of_status = False
        self._advanced_at = float("-inf")
        self._closed = False

    def next_export(self) -> ExportJob | None:
        """Wait until the oldest window's file is here.

        Returns:
            Its job, to be given back to `finished` when it has been read; None after the last.

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
                return oldest
            if oldest is not None and oldest.status is JobStatus.FAILED:
                self._remove(oldest)
                raise self._not_exported(oldest)
            if self._error is not None:
                raise self._error
            self._start_what_is_due()
            self._wait(self._idle_seconds())

    def advance(self) -> None:
        """Go on with other windows while one is being read, without waiting."""
        now = self._clock.monotonic()
        if now - self._advanced_at < _ADVANCE_EVERY:
            return
        self._advanced_at = now
        self._admit_windows()
        self._start_what_is_due()
        self._tasks.wait(0.0)

    def work_for(self, seconds: float) -> None:
        """Go on with the windows that have been begun, while something else is waited for."""
        self._start_what_is_due()
        self._wait(min(seconds, self._idle_seconds()))

    def finished(self, job: ExportJob) -> None:
        """Note that the oldest window has been read."""
        self._rejected = 0
        self._remove(job)
        job.close()

    def download_again(self, job: ExportJob) -> None:
        """Get the file of the oldest window once more, which is being read.

        Raises:
            WindowNotExportedError: It cannot be had.
            TapError: No export can be read any more.
        """
        job.fresh_url(self._clock.monotonic())
        self._wait_for_file(job)

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
        self._rejected += 1
        if self._rejected >= FAILED_IN_A_ROW:
            self._remove(job)
            job.close()
            msg = f"Three export files in a row are incomplete: {reason}"
            error = ExportError(msg, _ADVICE).within(job.window)
            self._stop(error)
            raise error
        self._fail(job, reason, halve=False)
        self._wait_for_file(job)

    def describe(self, now: float) -> list[str]:
        """Say what each export is doing, oldest window first; from any thread."""
        jobs = self._jobs[: self._limits.parallel]
        words = [job.describe(now) for job in jobs]
        if jobs and jobs[0].status is JobStatus.READY:
            words[0] = "reading"
        return words

    def expected_behind_oldest(self) -> int:
        """Tell how many contacts the windows behind the oldest are thought to hold."""
        return sum(job.expected for job in self._jobs[1:])

    def close(self) -> None:
        """Let go of all files, also of those that are still to come."""
        self._closed = True
        for job in self._jobs:
            job.close()

    # What to do next.

    def _admit_windows(self) -> None:
        self._waits_for_window = False
        while self._has_more_windows and len(self._jobs) < self._limits.parallel:
            try:
                window = next(self._windows)
            except StopIteration:
                self._has_more_windows = False
                return
            if window is None:
                self._waits_for_window = True
                return
            self._jobs = (*self._jobs, ExportJob(window))

    def _start_what_is_due(self) -> None:
        """Create and poll what is due, oldest window first, as far as the limits allow."""
        if self._error is not None:
            return None
        now = self._clock.monotonic()
        for job in self._jobs[: self._limits.parallel]:  # halving may have made more than that
            if job.status is JobStatus.TO_CREATE and not job.sample_asked:
                self._sample(job)
            if job.status is JobStatus.TO_CREATE and job.due_at <= now:
                if self._is_refused_size(job) and self._halve(job):
                    return self._start_what_is_due()
                self._create(job)
            elif job.status is JobStatus.RUNNING and self._poll_at(job) <= now:
                self._poll(job)
        return None

    def _sample(self, job: ExportJob) -> None:
        """Ask the idle list for ids that the file has to hold, before the job is created."""
        if self._repository.limiters["list"].available() >= LIST_CALLS_LEFT:
            job.sample_asked = True
            sample = partial(self._repository.sample, job.window)
            self._tasks.start(sample, partial(self._sampled, job))

    def _create(self, job: ExportJob) -> None:
        if not self._repository.limiters["create"].try_acquire():
            return
        job.creating(self._clock.monotonic())
        self._tasks.start(partial(self._repository.create, job.window), partial(self._created, job))

    def _poll(self, job: ExportJob) -> None:
        if not self._repository.limiters["poll"].try_acquire():
            return
        job.polling()
        self._tasks.start(partial(self._repository.poll, job.export_id), partial(self._polled, job))

    def _poll_at(self, job: ExportJob) -> float:
        """Say when to poll a running job: the oldest soon and often, for it is waited for.

        All jobs together are polled no more often than the limit allows evenly, so that no job has
        to wait for the end of a minute whose polls are used up: after its first polls the oldest
        has what the others leave, a fixed share at least.
        """
        if job.wants_url:
            return job.due_at
        evenly = 60.0 / self._repository.limiters["poll"].limit
        others = sum(
            j.status in {JobStatus.RUNNING, JobStatus.POLLING}
            for j in self._jobs[: self._limits.parallel]
            if j is not job
        )
        interval = max(_OTHERS_INTERVAL, evenly * others / (1 - _OLDEST_SHARE))
        if not self._is_oldest_running(job):
            return job.polled_at + interval
        age = job.polled_at - job.created_at
        growing = min(max(_FIRST_POLLS, age / 5), _POLL_INTERVAL)
        left = 1 / evenly - others / interval  # polls a second
        return job.polled_at + max(growing, evenly if age < _POLL_INTERVAL else 1 / left)

    def _is_oldest_running(self, job: ExportJob) -> bool:
        running = (j for j in self._jobs if j.status in {JobStatus.RUNNING, JobStatus.POLLING})
        return next(running, None) is job

    def _idle_seconds(self) -> float:
        """Say how long there is nothing to start."""
        now, limiters = self._clock.monotonic(), self._repository.limiters
        times = [now + _IDLE]
        for job in self._jobs[: self._limits.parallel]:
            if job.status is JobStatus.TO_CREATE:
                times.append(max(job.due_at, now + limiters["create"].delay()))
            elif job.status is JobStatus.RUNNING:
                times.append(max(self._poll_at(job), now + limiters["poll"].delay()))
        if self._waits_for_window:
            times.append(now + 1.0)
        return max(_MOMENT, min(times) - now)

    def _wait(self, seconds: float) -> None:
        """Wait for an outcome; what a limit alone keeps waiting is counted as such."""
        began = self._clock.monotonic()
        due = {
            "create": [j for j in self._in_status(JobStatus.TO_CREATE) if j.due_at <= began],
            "poll": [j for j in self._in_status(JobStatus.RUNNING) if self._poll_at(j) <= began],
        }
        self._tasks.wait(seconds)
        waited = self._clock.monotonic() - began
        for endpoint, limiter in self._repository.limiters.items():
            if due.get(endpoint):
                limiter.add_wait(waited)

    def _in_status(self, status: JobStatus) -> Iterator[ExportJob]:
        return (job for job in self._jobs[: self._limits.parallel] if job.status is status)

    def _wait_for_file(self, job: ExportJob) -> None:
        """Wait for the file of a window that is being read."""
        job.keeps_its_window = True
        while job.status is not JobStatus.READY:
            if job.status is JobStatus.FAILED:
                self._remove(job)
                raise self._not_exported(job)
            if self._error is not None:
                raise self._error
            self._admit_windows()
            self._start_what_is_due()
            self._wait(self._idle_seconds())

    # What came back.

    def _sampled(self, job: ExportJob, outcome: frozenset[int] | Exception | None) -> None:
        job.sample = None if isinstance(outcome, Exception) else outcome

    def _created(self, job: ExportJob, outcome: int | Exception) -> None:
        if self._closed:
            return
        now = self._clock.monotonic()
        match outcome:
            case int():
                job.created(outcome, now)
            case RejectedError():
                self._refuse(job, outcome.what)
            case ExportBusyError():
                self._busy(job, outcome, now)
            case AnswerLostError() if job.tries < TRIES:
                # Whether it failed is known once it has been asked for again.
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
        first = now if job.first_asked_at is None else job.first_asked_at
        left = first + self._limits.timeout - now
        if left <= 0:
            self._fail(job, error.what)
            return
        pause = min(error.seconds, left)
        logger.info("%s; asking again in %.0f s", error.what, pause)
        job.not_created(now + pause)

    def _polled(self, job: ExportJob, outcome: ExportStatus | Exception) -> None:
        if self._closed:
            return
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
            case ExportStatus(status="completed", url=str(url)):
                self._completed(job, url, now)
            case ExportStatus() if now - job.created_at > self._limits.timeout:
                self._fail(job, f"the export took longer than {self._limits.timeout:.0f} s")
            case ExportStatus(status=status):
                self._still_running(job, status, now)

    def _completed(self, job: ExportJob, url: str, now: float) -> None:
        if not job.completed:
            metrics.export_ended(str(job.window), now - job.created_at, completed=True)
        job.downloading()
        self._tasks.start(partial(self._download, job.window, url), partial(self._downloaded, job))

    def _still_running(self, job: ExportJob, status: str, now: float) -> None:
        if status == "completed":
            job.polls_without_url += 1
            if job.polls_without_url >= POLLS_WITHOUT_URL:
                self._fail(job, "the export is completed but has no file")
                return
        elif (status not in _RUNNING or job.polls_without_url) and not self._warned_of_status:
            self._warned_of_status = True
            logger.warning("An export has an unknown status; waiting until its timeout")
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
        if self._closed:
            if not isinstance(outcome, Exception):
                outcome.close()
            return
        match outcome:
            case UrlRefusedError():
                job.refused_urls += 1
                if job.refused_urls > REFUSED_URLS:
                    self._fail(job, "the store refuses the file's URL")
                else:
                    job.fresh_url(self._clock.monotonic() + 2.0**job.refused_urls / 2)
            case FileGoneError():
                self._fail(job, "the store has no such file")
            case BadFileError():
                self._handle_bad_file(job, str(outcome))
            case UnavailableError():
                self._fail(job, outcome.what)
            case Exception():
                self._stop(outcome)
            case _:
                self._failures = 0
                job.ready(outcome)

    # What becomes of a job.

    def _handle_bad_file(self, job: ExportJob, reason: str) -> None:
        """Download a broken file again, then create its job again, then give up."""
        job.bad_files += 1
        if job.bad_files < BAD_FILES:
            logger.warning("The file of %s: %s; downloading it again", job.window, reason)
            job.fresh_url(self._clock.monotonic() + job.bad_files)
        elif job.tries < TRIES:
            self._fail(job, reason)
        else:
            self._stop(bad_file(job.window, reason))

    def _fail(self, job: ExportJob, reason: str, *, again: bool = True, halve: bool = True) -> None:
        """Create a failed job once more, then halve its window, or leave it to pages.

        Failures that began together have one cause: jobs that were asked for before the last
        failure was seen do not count.
        """
        now = self._clock.monotonic()
        if not job.completed:
            metrics.export_ended(str(job.window), now - job.asked_at, completed=False)
        job.failure = reason
        if job.asked_at >= self._last_failure:
            self._failures += 1
            self._last_failure = now
        if self._failures >= FAILED_IN_A_ROW:
            msg = f"Three exports in a row failed, the last one because {reason}"
            job.close()
            self._stop(ExportError(msg, _ADVICE).within(job.window))
            return
        logger.warning("Export of %s: %s", job.window, reason)
        if again and job.tries < TRIES:
            job.again(now)
        elif not (halve and self._halve(job)):
            job.failed()

    def _refuse(self, job: ExportJob, reason: str) -> None:
        """Read a window that the API finds too large in halves, and ask for none of its size."""
        if job.expected > self._limits.threshold:  # a smaller one is refused for something else
            self._smallest_refused = min(self._smallest_refused, job.expected)
        if not self._halve(job):
            self._fail(job, reason, again=False)

    def _is_refused_size(self, job: ExportJob) -> bool:
        return job.tries == 0 and job.expected >= self._smallest_refused

    def _halve(self, job: ExportJob) -> bool:
        """Put two halves in the window's place, unless they would not be worth an export."""
        if job.keeps_its_window or job.expected <= self._limits.threshold:
            return False
        halves = job.window.halves(self._limits.zone)
        if not halves:
            return False
        place = self._jobs.index(job)
        job.close()
        self._jobs = (*self._jobs[:place], *map(ExportJob, halves), *self._jobs[place + 1 :])
        return True

    def _remove(self, job: ExportJob) -> None:
        self._jobs = tuple(other for other in self._jobs if other is not job)

    def _not_exported(self, job: ExportJob) -> WindowNotExportedError:
        msg = f"No export can read this window: {job.failure}"
        kind = IncompleteExportError if job.incomplete else WindowNotExportedError
        error = kind(msg, _ADVICE, job.window)
        error.within(job.window)
        return error

    def _stop(self, error: Exception) -> None:
        """Let nothing new begin; the first reason counts."""
        self._error = self._error or error
