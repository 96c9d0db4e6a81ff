"""An export job as data: what it reads, how far it is, what has gone wrong with it; pure."""

from __future__ import annotations

import enum
import math
import typing as t
from dataclasses import dataclass, field

if t.TYPE_CHECKING:
    from tap_cometly.exports.download import SpoolFile
    from tap_cometly.timeranges import Window


class JobStatus(enum.Enum):
    """How far the export of a window is."""

    TO_CREATE = "waiting to be created"
    CREATING = "being created"
    RUNNING = "running"
    POLLING = "being polled"
    DOWNLOADING = "downloading"
    READY = "downloaded"
    FAILED = "left to pages"


@dataclass(eq=False)
class ExportJob:
    """A window and the export jobs made for it; times are monotonic seconds.

    Attributes:
        window: What to read.
        status: How far it is.
        tries: Export jobs created for it, or asked for in vain.
        export_id: Of the last one.
        asked_at: When the last one was asked for.
        created_at: When the last one was created.
        due_at: When to do the next thing about it.
        polled_at: When it was last polled.
        api_status: What the API last said of it, if it is a word that the API documents.
        api_status_since: When the API first said so.
        completed: Whether the last job was seen completed.
        wants_url: Whether it is to be polled for a fresh URL when it is due.
        polls_without_url: Polls of the last job that said `completed` but gave no URL.
        refused_urls: URLs of the last job that the store refused.
        bad_files: Files of the last job that came broken.
        failure: Why the last job failed.
        first_asked_at: When the first export of this window was asked for.
        keeps_its_window: Whether a reader has begun to read this very window: it is not halved.
        incomplete: Whether one of its files was not believed, for it lacked contacts.
        spool: The file, once it is here.
        sample_asked: Whether the list was asked for some ids of this window.
        sample: Those that it showed before the job was created; None where it was not asked or did
            not answer.
    """

    window: Window
    status: JobStatus = JobStatus.TO_CREATE
    tries: int = 0
    export_id: int = 0
    asked_at: float = 0.0
    created_at: float = 0.0
    due_at: float = 0.0
    polled_at: float = 0.0
    api_status: str = ""
    api_status_since: float = 0.0
    completed: bool = False
    wants_url: bool = False
    polls_without_url: int = 0
    refused_urls: int = 0
    bad_files: int = 0
    failure: str = ""
    first_asked_at: float = math.inf
    keeps_its_window: bool = False
    incomplete: bool = False
    spool: SpoolFile | None = None
    sample_asked: bool = False
    sample: frozenset[int] | None = field(default=None, repr=False)

    @property
    def expected(self) -> int:
        """How many contacts the window is thought to hold, at least one."""
        return self.window.expected or 1

    @property
    def holds(self) -> int | None:
        """How many contacts the window holds: by its file once it is here, else as expected."""
        return self.window.expected if self.spool is None else self.spool.lines

    @property
    def is_running(self) -> bool:
        """Whether the last job exists, and is not known to have ended."""
        return self.status in {JobStatus.RUNNING, JobStatus.POLLING}

    def describe(self, now: float) -> str:
        """Say in a word or two what the job is doing."""
        if self.is_running:
            return f"{self.api_status or 'running'} {now - self.api_status_since:.0f} s"
        return str(self.status.value)

    def creating(self, now: float) -> None:
        """Note that a job is asked for, the first one of the window or another one."""
        self.status = JobStatus.CREATING
        self.tries += 1
        self.asked_at = now
        self.first_asked_at = min(self.first_asked_at, now)
        self.polls_without_url = self.refused_urls = self.bad_files = 0
        self.completed = False

    def created(self, export_id: int, now: float) -> None:
        """Note that the job exists."""
        self.export_id = export_id
        self.status = JobStatus.RUNNING
        self.created_at = self.polled_at = self.api_status_since = now
        self.api_status = "queued"

    def fresh_url(self, due_at: float) -> None:
        """Note that the job is to be polled for a fresh URL."""
        self.close()
        self.status = JobStatus.RUNNING
        self.wants_url = True
        self.due_at = due_at

    def not_created(self, due_at: float) -> None:
        """Note that no job could be created for now, which is no failure of one."""
        self.tries -= 1
        self.status = JobStatus.TO_CREATE
        self.due_at = due_at

    def polling(self) -> None:
        """Note that the API is asked how the job is doing."""
        self.status = JobStatus.POLLING
        self.wants_url = False

    def running(self, api_status: str, now: float) -> None:
        """Note that the job is still running."""
        self.status = JobStatus.RUNNING
        self.polled_at = now
        if api_status != self.api_status:
            self.api_status, self.api_status_since = api_status, now

    def downloading(self) -> None:
        """Note that its file is on its way."""
        self.status = JobStatus.DOWNLOADING
        self.completed = True

    def ready(self, spool: SpoolFile) -> None:
        """Note that its file is here, whole."""
        self.spool = spool
        self.status = JobStatus.READY

    def again(self, due_at: float) -> None:
        """Note that the window needs another job."""
        self.close()
        self.status = JobStatus.TO_CREATE
        self.sample_asked = self.sample is not None
        self.due_at = due_at

    def failed(self) -> None:
        """Note that no export can read the window."""
        self.close()
        self.status = JobStatus.FAILED

    def close(self) -> None:
        """Let go of the file."""
        if self.spool is not None:
            self.spool.close()
            self.spool = None
