"""The line of windows in the works: what becomes of each as its exports succeed or fail.

Nothing here talks to anyone. A window's place in the line is its place in time, oldest first.
"""

from __future__ import annotations

import typing as t

from tap_cometly.exceptions import ExportError
from tap_cometly.exports.job import BAD_FILES, TRIES, Durations, Job, Stage, Streak
from tap_cometly.exports.ndjson import bad_file
from tap_cometly.runtime import metrics as metering

if t.TYPE_CHECKING:
    import logging
    from collections.abc import Iterator

    from tap_cometly.exports.download import SpoolFile
    from tap_cometly.runtime.clock import Clock
    from tap_cometly.timeranges import Window


class Limits(t.NamedTuple):
    """What the settings allow.

    Attributes:
        parallel: Windows that may be in the works at once.
        timeout: Seconds that a job may take.
        threshold: Contacts; a window that holds no more is not worth an export of its own.
    """

    parallel: int
    timeout: float
    threshold: int


class Line:
    """Windows in the works, oldest first.

    Attributes:
        durations: How long jobs take.
        end: Why the works stop, once they do.
    """

    def __init__(self, limits: Limits, clock: Clock, logger: logging.Logger) -> None:
        """Begin with an empty line."""
        self.durations = Durations()
        self.end: Exception | None = None
        self._jobs: tuple[Job, ...] = ()  # never changed, only replaced: others look at it, too
        self._limits = limits
        self._clock = clock
        self._logger = logger
        self._streak = Streak()
        self._refused_size: float = float("inf")

    def __iter__(self) -> Iterator[Job]:
        """Go through all of them, oldest first."""
        return iter(self._jobs)

    def __len__(self) -> int:
        """Count them."""
        return len(self._jobs)

    def in_turn(self) -> tuple[Job, ...]:
        """Give those that may have an export: after halving, there may be more than that."""
        return self._jobs[: self._limits.parallel]

    def doing(self, now: float) -> list[str]:
        """Say what each of them is doing."""
        words = [job.doing(now) for job in self.in_turn()]
        return ["reading", *words[1:]] if self.head() else words

    def others(self) -> tuple[Job, ...]:
        """Give all but the oldest."""
        return self._jobs[1:]

    @property
    def has_room(self) -> bool:
        """Whether another window may come in."""
        return len(self._jobs) < self._limits.parallel

    def add(self, window: Window) -> None:
        """Put a window at the end."""
        self._jobs = (*self._jobs, Job(window))

    def head(self) -> Job | None:
        """Give the oldest window once it can be read; None while it cannot."""
        job = next(iter(self._jobs), None)
        return job if job and job.stage in {Stage.READY, Stage.BY_PAGES} else None

    def leave(self) -> None:
        """Let the oldest window go; it has been read."""
        job, *others = self._jobs
        self._jobs = tuple(others)
        job.close()

    def stop(self, reason: Exception) -> None:
        """Let nothing new begin; the first reason counts."""
        self.end = self.end or reason

    # When to look.

    def is_scout(self, job: Job) -> bool:
        """Whether it is the oldest that runs: the one that finds out how long jobs take."""
        running = (j for j in self._jobs if j.stage in {Stage.RUNNING, Stage.POLLING})
        return next(running, None) is job

    def look_anew(self) -> None:
        """Look earlier at jobs that are running, where what is now known says so."""
        for job in self._jobs:
            if job.stage is Stage.RUNNING and not job.bad_files and not job.refused_urls:
                planned = job.look_at
                self.look(job)
                job.look_at = min(job.look_at, planned)

    def look(self, job: Job, after: float | None = None) -> None:
        """Look at a job again, when it is likely to be done or after some seconds."""
        now = self._clock.monotonic()
        job.stage = Stage.RUNNING
        if after is None:
            age = self.durations.next_look(
                now - job.created, job.expected, scout=self.is_scout(job)
            )
            after = min(job.created + age, job.created + self._limits.timeout + 1) - now
        job.look_at = now + max(after, 0.0)

    # What becomes of a job.

    def ready(self, job: Job, spool: SpoolFile) -> None:
        """Note that a window's file is here, whole."""
        self._streak.completed()
        job.spool = spool
        job.stage = Stage.READY

    def spoiled(self, job: Job, reason: str) -> None:
        """Fetch a file that came broken again, then have it made anew, then give up."""
        job.close()
        job.bad_files += 1
        if job.bad_files < BAD_FILES:
            self._logger.warning("The file of %s: %s; fetching it again", job.window, reason)
            self.look(job, after=float(job.bad_files))
        elif job.tries < TRIES:
            self.failed(job, reason)
        else:
            self.stop(bad_file(job.window, reason))

    def failed(self, job: Job, problem: str, *, again: bool = True, pause: float = 0.0) -> None:
        """Create a failed job once more, then halve its window, or leave it to pages."""
        now = self._clock.monotonic()
        job.close()
        if not job.timed:
            job.timed = True
            metering.export_ended(str(job.window), now - job.created, completed=False)
        if self._streak.failed(job.created, now):
            msg = f"Three exports in a row failed, the last one because {problem}"
            advice = "Set `extraction_mode` to auto or pagination, or ask Cometly's support."
            self.stop(ExportError(msg, advice).within(job.window))
            return
        self._logger.warning("Export of %s: %s", job.window, problem)
        if again and job.tries < TRIES:
            job.stage = Stage.TO_CREATE
            job.look_at = now + pause
        elif not self.halve(job):
            job.stage = Stage.BY_PAGES

    def refused(self, job: Job, problem: str) -> None:
        """Read a window that the API finds too large in halves, and cut no other of its size."""
        self._refused_size = min(self._refused_size, job.expected)
        if not self.halve(job):
            job.created = self._clock.monotonic()
            self.failed(job, problem, again=False)

    def too_large(self, job: Job) -> bool:
        """Whether one of its size has already been refused."""
        return job.tries == 0 and job.expected >= self._refused_size

    def halve(self, job: Job) -> bool:
        """Put two halves in the window's place, unless they would be too small to be worth it."""
        if job.begun_to_read or not job.window.can_halve:
            return False
        if job.expected <= self._limits.threshold:
            return False
        place = self._jobs.index(job)
        halves = map(Job, job.window.halves())
        self._jobs = (*self._jobs[:place], *halves, *self._jobs[place + 1 :])
        return True
