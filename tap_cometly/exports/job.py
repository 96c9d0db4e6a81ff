"""An export job as data: what it reads, how far it is, what has gone wrong with it; pure."""

from __future__ import annotations

import enum
import math
import typing as t
from dataclasses import dataclass

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
    """A window and the export jobs made for it, one after the other; times are monotonic seconds.

    Fields about `the job` describe the newest of these jobs.
    """

    window: Window
    status: JobStatus = JobStatus.TO_CREATE
    tries: int = 0  # jobs that were asked for, created or not
    first_asked_at: float = math.inf  # when the first job was asked for
    asked_at: float = 0.0  # when the job was asked for
    created_at: float = 0.0
    due_at: float = 0.0  # when to create it, or to poll it for a fresh URL
    polled_at: float = 0.0
    export_id: int = 0
    api_status: str = ""  # what the API last said of it, if it is a word that the API documents
    api_status_since: float = 0.0
    completed: bool = False  # whether it was seen completed
    wants_url: bool = False  # whether it is to be polled for a fresh URL when it is due
    polls_without_url: int = 0  # that said `completed`
    refused_urls: int = 0  # by the store
    bad_files: int = 0
    failure: str = ""  # why the job failed
    incomplete: bool = False  # whether a file was not believed, for it lacked contacts
    is_being_read: bool = False  # by a reader: the window is not halved any more
    spool: SpoolFile | None = None  # the file, once it is here

    @property
    def expected(self) -> int:
        """How many contacts the window is thought to hold, at least one."""
        return self.window.expected or 1

    @property
    def contacts(self) -> int | None:
        """How many contacts the window holds: by its file once it is here, else as expected."""
        return self.window.expected if self.spool is None else self.spool.lines

    @property
    def is_running(self) -> bool:
        """Whether the job exists, and is not known to have ended."""
        return self.status in {JobStatus.RUNNING, JobStatus.POLLING}

    def describe(self, now: float) -> str:
        """Return in a word or two what the job is doing."""
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
