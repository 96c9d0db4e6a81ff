"""What becomes of a job by what comes back from the API and the store."""

from __future__ import annotations

import typing as t
from functools import partial

from tap_cometly.exceptions import (
    AnswerLostError,
    BadFileError,
    FileGoneError,
    NotFoundError,
    RejectedError,
    UrlRefusedError,
)
from tap_cometly.exports.job import POLLS_WITHOUT_URL, PROCESSING, QUEUED, REFUSED_URLS, Stage
from tap_cometly.exports.repository import ExportStatus
from tap_cometly.runtime import metrics as metering

if t.TYPE_CHECKING:
    import logging

    from tap_cometly.exports.download import SpoolFile
    from tap_cometly.exports.job import Job
    from tap_cometly.exports.line import Line
    from tap_cometly.exports.repository import ExportApi
    from tap_cometly.runtime.clock import Clock
    from tap_cometly.runtime.tasks import TaskRunner
    from tap_cometly.timeranges import Window

_PAUSE = 5.0  # seconds before a job whose creation may have been lost is created again
_RUNNING = {QUEUED, PROCESSING}


class Outcomes:
    """Takes in what was asked for in the background, and asks on.

    Attributes:
        closed: Whether the works are, so that nobody wants what still comes.
    """

    def __init__(
        self,
        api: ExportApi,
        line: Line,
        runner: TaskRunner,
        clock: Clock,
        logger: logging.Logger,
        *,
        timeout: float,
    ) -> None:
        """Prepare.

        Args:
            api: What is asked.
            line: Where the jobs stand.
            runner: What asks, in the background.
            clock: Of this sync.
            logger: Where oddities are told.
            timeout: Seconds that a job may take.
        """
        self.closed = False
        self._api = api
        self._line = line
        self._runner = runner
        self._clock = clock
        self._logger = logger
        self._timeout = timeout
        self._odd_status = False

    def created(self, job: Job, outcome: int | Exception) -> None:
        """Go on after a job was asked for."""
        now = self._clock.monotonic()
        match outcome:
            case int():
                job.begun(outcome, now)
                self._line.look(job)
            case RejectedError():
                self._line.refused(job, outcome.what)
            case AnswerLostError():
                job.created = now
                self._line.failed(job, outcome.what, pause=_PAUSE)
            case _:
                self._line.stop(outcome)

    def polled(self, job: Job, outcome: ExportStatus | Exception) -> None:
        """Go on after a job was asked after."""
        now = self._clock.monotonic()
        match outcome:
            case NotFoundError():
                self._line.failed(job, "the API no longer knows the export")
            case Exception():
                self._line.stop(outcome)
            case ExportStatus(status="failed"):
                self._line.failed(job, "the export failed")
            case ExportStatus(status="completed", url=str(url)):
                self._completed(job, url, now)
            case ExportStatus() if now - job.created > self._timeout:
                self._line.failed(job, f"the export took longer than {self._timeout:.0f} s")
            case ExportStatus(status=status):
                self._still_running(job, status, now)

    def _completed(self, job: Job, url: str, now: float) -> None:
        if not job.timed:  # otherwise only its file is to be had again
            job.timed = True
            metering.export_ended(str(job.window), now - job.created, completed=True)
            self._line.durations.learn_from(job, now)
            self._line.look_anew()
        job.stage = Stage.FETCHING
        self._runner.start(partial(self._fetch, job.window, url), partial(self._fetched, job))

    def _still_running(self, job: Job, status: str, now: float) -> None:
        if status == "completed":
            job.looks_without_url += 1
            if job.looks_without_url >= POLLS_WITHOUT_URL:
                self._line.failed(job, "the export is completed but has no file")
                return
        elif (status not in _RUNNING or job.looks_without_url) and not self._odd_status:
            self._odd_status = True
            self._logger.warning("An export's status makes no sense; waiting until its timeout")
        job.still(status if status in _RUNNING else Stage.RUNNING.value, now)
        self._line.look(job)

    def _fetch(self, window: Window, url: str) -> SpoolFile:
        """Download a file, in the background."""
        began = self._clock.monotonic()
        spool = None
        try:
            spool = self._api.fetch(url)
        finally:
            if not self._clock.closed:
                metering.download_ended(
                    str(window), self._clock.monotonic() - began, spool.size if spool else None
                )
        return spool

    def _fetched(self, job: Job, outcome: SpoolFile | Exception) -> None:
        match outcome:
            case UrlRefusedError():
                job.refused_urls += 1
                if job.refused_urls > REFUSED_URLS:
                    self._line.failed(job, "the store refuses the file's URL")
                else:
                    self._line.look(job, after=2.0**job.refused_urls / 2)
            case FileGoneError():
                self._line.failed(job, "the store has no such file")
            case BadFileError():
                self._line.spoiled(job, str(outcome))
            case Exception():
                self._line.stop(outcome)
            case _ if self.closed:
                outcome.close()
            case _ if outcome.lines == 0:
                job.spool = outcome
                self._runner.start(
                    partial(self._api.is_empty, job.window), partial(self._compared, job)
                )
            case _:
                self._line.ready(job, outcome)

    def _compared(self, job: Job, empty: bool | Exception) -> None:  # noqa: FBT001, an answer
        if isinstance(empty, Exception):
            self._line.stop(empty)
        elif job.spool is None:
            return  # the works are closed
        elif empty:
            self._line.ready(job, job.spool)
        else:
            self._line.spoiled(job, "it is empty, but the list has contacts")
