"""Export jobs: queued, processing, then completed or failed, by the sandbox's clock."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from threading import Event
from typing import TYPE_CHECKING, Literal

from tests.sandbox import export_file
from tests.sandbox.wall_time import Microseconds, moment, wall_filter

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.sandbox.contact import Columns
    from tests.sandbox.export_file import ExportFile
    from tests.sandbox.options import Options
    from tests.sandbox.space import Selection, Space

Status = Literal["queued", "processing", "completed", "failed"]

FIRST_ID = 1001
_WRITTEN_AT_ONCE = 2000


@dataclass
class Job:
    """One export. It keeps the options of its creation."""

    id: int
    created: float
    start: Microseconds
    end: Microseconds
    """The first instant that is no longer in it."""
    columns: Columns
    options: Options
    seconds: float = 0.0
    """Of processing; known when it begins."""
    failure: str | None = None
    file: Future[ExportFile] | None = None

    @property
    def begins(self) -> float:
        return self.created + self.options.queued_seconds

    @property
    def ends(self) -> float:
        return self.begins + self.seconds

    @property
    def number(self) -> int:
        """The first job is 1."""
        return self.id - FIRST_ID + 1

    @property
    def begun(self) -> bool:
        return self.failure is not None or self.file is not None

    def is_late(self, now: float) -> bool:
        """Whether it would be completed, were its file but written."""
        return now >= self.ends and self.file is not None and not self.file.done()

    def status(self, now: float) -> Status:
        if not self.begun:
            return "queued"
        if now < self.ends or (self.file and not self.file.done()):
            return "processing"
        return "failed" if self.failure else "completed"


class JobBoard:
    """All jobs of the Space. Guarded by the Space's own lock, for each waits for the other."""

    def __init__(self, space: Space, now: Callable[[], float]) -> None:
        self._space = space
        self._now = now
        self._jobs: dict[int, Job] = {}
        self._stop = Event()
        self._writer = ThreadPoolExecutor(1, "sandbox-export")
        space.before_change = self.advance

    def create(
        self, start: Microseconds, end: Microseconds, columns: Columns, options: Options
    ) -> Job:
        with self._space.lock:
            job = Job(FIRST_ID + len(self._jobs), self._now(), start, end, columns, options)
            self._jobs[job.id] = job
            return job

    def get(self, job_id: int) -> Job | None:
        """None when there never was one, or it is no longer kept."""
        self.advance()
        job = self._jobs.get(job_id)
        if job is None:
            return None
        kept = job.options.keep_exports
        return job if kept is None or self._now() < job.created + kept else None

    def running(self) -> int:
        """How many are neither completed nor failed."""
        self.advance()
        now = self._now()
        with self._space.lock:
            return sum(job.status(now) in {"queued", "processing"} for job in self._jobs.values())

    def advance(self) -> None:
        """Begin the jobs that are due: they see the Space as it is before its next change."""
        with self._space.lock:
            now = self._now()
            for job in self._jobs.values():
                if not job.begun and now >= job.begins:
                    self._begin(job)

    def close(self) -> None:
        self._stop.set()
        self._writer.shutdown()

    def _begin(self, job: Job) -> None:
        passes = wall_filter(job.start, job.end, job.options)
        selection = self._space.select(job.start, job.end, at=job.begins, passes=passes)
        contacts = selection.count()
        job.seconds = job.options.job_seconds
        if job.options.job_seconds_of:
            job.seconds = job.options.job_seconds_of(job.number)
        job.failure = _failure(job, contacts)
        if job.failure is None:
            job.file = self._write(job, selection, contacts)

    def _write(self, job: Job, selection: Selection, contacts: int) -> Future[ExportFile]:
        keeps = job.options.export_keeps if _is_partial(job) else None
        arguments = (selection, job.columns, job.options, self._stop.is_set, keeps)
        if contacts > _WRITTEN_AT_ONCE:
            return self._writer.submit(export_file.write, *arguments)
        written: Future[ExportFile] = Future()
        written.set_result(export_file.write(*arguments))
        return written


def _is_partial(job: Job) -> bool:
    most = job.options.partial_exports
    return most is None or job.number <= most


def _failure(job: Job, contacts: int) -> str | None:
    options = job.options
    most = options.max_export_contacts
    if most is not None and contacts > most:
        return "The export failed: too many contacts."
    if options.job_fails and options.job_fails(moment(job.start), moment(job.end - 1)):
        return "The export failed."
    return None
