"""A window on its way through an export job: its stages, its failures, and when to look; pure."""

from __future__ import annotations

import enum
import typing as t
from dataclasses import dataclass, field

if t.TYPE_CHECKING:
    from tap_cometly.exports.download import SpoolFile
    from tap_cometly.timeranges import Window

TRIES = 2  # export jobs for one window
BAD_FILES = 3  # downloads of one job's file
REFUSED_URLS = 3  # fresh URLs for one job's file
FAILED_IN_A_ROW = 3  # jobs, until exports are given up
POLLS_WITHOUT_URL = 8  # of a job that says it is completed

QUEUED, PROCESSING = "queued", "processing"  # as the API words it

_SOONEST = 0.25  # seconds between two looks at a job
_FIRST_LOOK = 1.0  # seconds, when nothing is known about how long jobs take
_GROWTH_OF_SCOUT = 1.06  # of a job's age from look to look: the first job finds out for all
_GROWTH_OF_OTHERS = 2.5
_GROWTH_WHEN_KNOWN = 1.06
_EARLY = 0.9  # of the expected time: jobs may have become quicker
_FIXED_PART = 0.3  # of a job's time does not depend on its size, until we know better


class Stage(enum.Enum):
    """Where a window is."""

    TO_CREATE = "waiting to be created"
    CREATING = "being created"
    RUNNING = "running"
    POLLING = "being asked after"
    FETCHING = "downloading"
    READY = "downloaded"
    BY_PAGES = "left to pages"


@dataclass(eq=False)
class Job:
    """A window and the export jobs made for it; times are monotonic seconds.

    Attributes:
        window: What to read.
        stage: How far it is.
        tries: Export jobs asked for.
        export_id: Of the last one.
        created: When that one was created.
        look_at: When to do the next thing about it.
        looked_at: When it was last seen running.
        status: What it was last seen doing; ours, for the API's own word may be anything.
        status_since: When it was first seen doing that.
        timed: Whether the last job's time has been told, or there is none.
        looks_without_url: Polls that said `completed` but gave no URL.
        refused_urls: URLs the store did not take, of the last job.
        bad_files: Files that came broken, of the last job.
        spool: The file, once it is here.
        begun_to_read: Whether its reader waits for this very window, whatever becomes of it.
    """

    window: Window
    stage: Stage = Stage.TO_CREATE
    tries: int = 0
    export_id: int = 0
    created: float = 0.0
    look_at: float = 0.0
    looked_at: float = 0.0
    status: str = QUEUED
    status_since: float = 0.0
    timed: bool = True
    looks_without_url: int = 0
    refused_urls: int = 0
    bad_files: int = 0
    spool: SpoolFile | None = None
    begun_to_read: bool = False

    @property
    def expected(self) -> int:
        """How many contacts it is thought to hold."""
        return self.window.expected or 1

    @property
    def holds(self) -> int | None:
        """How many contacts it holds, counted once its file is here."""
        return self.window.expected if self.spool is None else self.spool.lines

    def doing(self, now: float) -> str:
        """Say in a word or two what it is doing."""
        if self.stage in {Stage.RUNNING, Stage.POLLING}:
            return f"{self.status} {now - self.status_since:.0f} s"
        return str(self.stage.value)

    def begin(self) -> None:
        """Ask for a job, the first one or another one."""
        self.stage = Stage.CREATING
        self.tries += 1
        self.looks_without_url = self.refused_urls = self.bad_files = 0

    def begun(self, export_id: int, now: float) -> None:
        """Note that the job exists."""
        self.export_id = export_id
        self.created = self.looked_at = self.status_since = now
        self.status = QUEUED
        self.timed = False
        self.stage = Stage.RUNNING

    def still(self, status: str, now: float) -> None:
        """Note that the job is not done, and what it is doing."""
        self.looked_at = now
        if status != self.status:
            self.status, self.status_since = status, now

    def close(self) -> None:
        """Let go of the file."""
        if self.spool is not None:
            self.spool.close()
            self.spool = None


@dataclass
class Durations:
    """How long jobs of a given size take, learned from those that completed."""

    _samples: list[tuple[int, float]] = field(default_factory=list)

    @property
    def known(self) -> bool:
        """Whether any job has completed."""
        return bool(self._samples)

    def learn_from(self, job: Job, now: float) -> None:
        """Note that a job has completed, some time between the last look at it and this one."""
        age = now - job.created
        still_running = max(job.looked_at - job.created, age * _EARLY)
        self.learn(job.expected, (still_running + age) / 2)

    def learn(self, contacts: int, seconds: float) -> None:
        """Note how long a job of this size took."""
        self._samples = [*self._samples[-7:], (max(contacts, 1), seconds)]

    def expect(self, contacts: int) -> float | None:
        """Say how many seconds a job of this size may take; None when nothing is known."""
        if not self._samples:
            return None
        nearest, seconds = min(reversed(self._samples), key=lambda s: abs(s[0] - contacts))
        return seconds * (_FIXED_PART + (1 - _FIXED_PART) * contacts / nearest)

    def next_look(self, age: float, contacts: int, *, scout: bool) -> float:
        """Say at which age to look at a job again.

        Args:
            age: Of the job now, seconds.
            contacts: It is thought to hold.
            scout: Whether it is the one that finds out how long jobs take, while nothing is known.

        Returns:
            Seconds, later than `age`.
        """
        expected = self.expect(contacts)
        if expected is not None:
            return max(expected * _EARLY, age * _GROWTH_WHEN_KNOWN, age + _SOONEST)
        growth = _GROWTH_OF_SCOUT if scout else _GROWTH_OF_OTHERS
        return max(age * growth, age + _FIRST_LOOK)


@dataclass
class Streak:
    """Failed jobs without a completed one between.

    Jobs that were already running when another failed say nothing new: they do not count.
    """

    _count: int = 0
    _last: float = float("-inf")

    def failed(self, created: float, now: float) -> bool:
        """Count a failure.

        Args:
            created: When the job was created.
            now: When it turned out to have failed.

        Returns:
            Whether it is time to give up on exports.
        """
        if created >= self._last:
            self._count += 1
            self._last = now
        return self._count >= FAILED_IN_A_ROW

    def completed(self) -> None:
        """Begin to count anew."""
        self._count = 0
