"""What can go wrong, each with what to do about it.

The classes as a tree; each says below what it stands for::

    TapError                        ends the run with one ERROR line and advice
    ├── SettingsError, StateError, CatalogError, TimezoneError
    ├── RecordError, ColumnError, FileError
    ├── OutputError, MachineError
    ├── ExportError
    │   └── WindowNotExportedError
    │       └── IncompleteExportError
    └── ApiError
        ├── AccessError
        │   └── ForbiddenError
        ├── UnavailableError
        │   └── TooSlowError
        ├── RateLimitError, ExportBusyError, UnreachableError, ClockError
        └── RejectedError, AnswerLostError

    Exception                       caught within the tap; no user sees these
    ├── TooLongError, GarbledError, NoContactError
    ├── BadFileError, UrlRefusedError, FileGoneError
    └── ClosedError

Whoever raises a `TapError` says what happened and what the user can do. The window that was being
read is added on the way up, where it is known, and the tap prints the whole as one ERROR line.
"""

from __future__ import annotations

import errno
import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_T = t.TypeVar("_T")


class TapError(Exception):
    """An expected failure: what happened, where, and what to do next.

    Args:
        what: What happened, a sentence without its full stop. Never holds a key, a presigned
            signature or anything of a contact.
        advice: What the user can do, a whole sentence.
    """

    def __init__(self, what: str, advice: str) -> None:
        super().__init__(what, advice)
        self.what = what
        self.advice = advice
        self.where = ""

    def within(self, where: object) -> TapError:
        """Name the window that was being read, unless a narrower one is already named."""
        self.where = self.where or f" (contacts created {where})"
        return self

    def __str__(self) -> str:
        """Return the line the user reads."""
        return f"{self.what}{self.where}. {self.advice}"


class SettingsError(TapError):
    """A setting is missing or wrong, or two of them contradict each other."""


class StateError(TapError):
    """The state that was passed in cannot be understood."""


class CatalogError(TapError):
    """The catalog asks for something this stream cannot do."""


class TimezoneError(TapError):
    """The Space keeps another time zone than the setting says."""


class RecordError(TapError):
    """Something that should be a contact is not one."""


class ColumnError(TapError):
    """A column that was asked for is not delivered by this way of reading."""


class FileError(TapError):
    """An export file could not be had whole."""


class OutputError(TapError):
    """Standard output, or the private file for a download, can take no more."""


class MachineError(TapError):
    """The machine, or a limit of the process, refuses what the tap needs."""


class ExportError(TapError):
    """Export jobs failed, took too long, or delivered incomplete files."""


class WindowNotExportedError(ExportError):
    """One window cannot be read by an export job; others can.

    Attributes:
        window: Which one.
    """

    def __init__(self, what: str, advice: str, window: t.Any) -> None:
        """Add the window to what happened and what to do."""
        super().__init__(what, advice)
        self.window = window


class IncompleteExportError(WindowNotExportedError):
    """The files of one window lack contacts."""


class ApiError(TapError):
    """Cometly's API answered in a way the tap cannot go on from."""


class AccessError(ApiError):
    """The key is missing or wrong, or may not do this (401, 403)."""


class ForbiddenError(AccessError):
    """The key is right but may not do this (403)."""


class UnavailableError(ApiError):
    """The API could not be reached, or only answered with errors, until the tap gave up."""


class TooSlowError(UnavailableError):
    """A gateway, or the tap, did not wait for the answer: perhaps too much was asked for."""


class RateLimitError(ApiError):
    """The API has been over its limit for too long, or says that it will be (429)."""


class ExportBusyError(ApiError):
    """The API cannot create an export now, for another one is in progress (409, 423, 425).

    Attributes:
        seconds: How long to wait before asking again.
    """

    def __init__(self, what: str, advice: str, seconds: float) -> None:
        """Add how long to wait to what happened and what to do."""
        super().__init__(what, advice)
        self.seconds = seconds


class UnreachableError(ApiError):
    """No connection could be made since the run began: more likely a mistake than an outage."""


class ClockError(ApiError):
    """The API's clock and the machine's differ by more than a day."""


class RejectedError(ApiError):
    """The API found a parameter wrong (422)."""


class AnswerLostError(ApiError):
    """A request that must not simply be repeated went out, and no usable answer came back."""


class TooLongError(Exception):
    """The list refuses a window for its length; the message says how."""


class GarbledError(Exception):
    """An answer of the API that cannot be read; asking again may help."""


class NoContactError(Exception):
    """A value is not a contact; the message says why, never what it holds."""


class BadFileError(Exception):
    """A file is not what an export should be; fetching it again may help."""


class UrlRefusedError(Exception):
    """The store does not take this URL, or no longer: a fresh one is needed."""


class FileGoneError(Exception):
    """The store has no such file."""


class ClosedError(Exception):
    """The sync is over: whoever waits should give up."""


def naming(where: object, things: Iterable[_T]) -> Iterator[_T]:
    """Go through some things, and name the window in whatever goes wrong on the way."""
    try:
        yield from things
    except TapError as error:
        raise error.within(where) from None


_NO_TEMPORARY_DIRECTORY = "No usable temporary directory"  # as Python's `tempfile` words it
_NO_THREAD = "can't start new thread"  # as Python's `threading` words it
_NOWHERE_TO_WRITE = (
    "No directory for temporary files can be written to",
    "Set TMPDIR to one that can",
)
_TOO_MANY_THREADS = (
    "No more threads can be started",
    "Raise the limit of processes (`ulimit -u`, or the container's)",
)
_REFUSED_BY_THE_MACHINE: dict[int, tuple[str, str]] = {
    errno.EMFILE: ("This process may open no more files", "Raise its limit, e.g. `ulimit -n 1024`"),
    errno.ENFILE: ("This machine can open no more files", "Raise the limit `fs.file-max`"),
    errno.ENOSPC: ("The disk is full", "Free some space, or set TMPDIR to a larger directory"),
    errno.EDQUOT: ("The disk quota is used up", "Raise it, or set TMPDIR to another directory"),
    errno.ENOMEM: ("This machine has no more memory", "Raise the memory limit of the process"),
}


def machine_error(failure: BaseException) -> MachineError | None:
    """Find what the machine refused, in an error or in those that led to it.

    Args:
        failure: Any error, e.g. one of `requests`, which wraps those of the operating system.

    Returns:
        The error to raise in its place; None when the machine is not the cause.
    """
    pending, seen = [failure], set[int]()
    while pending:
        error = pending.pop()
        if id(error) in seen:
            continue
        seen.add(id(error))
        if (told := _told_by(error)) is not None:
            what, advice = told
            return MachineError(what, f"{advice}, and run again; the bookmark is kept.")
        linked = (error.__cause__, error.__context__, getattr(error, "reason", None), *error.args)
        pending += [each for each in linked if isinstance(each, BaseException)]
    return None


def _told_by(error: BaseException) -> tuple[str, str] | None:
    match error:
        case FileNotFoundError() if _NO_TEMPORARY_DIRECTORY in str(error):
            return _NOWHERE_TO_WRITE
        case OSError(errno=int(number)):
            return _REFUSED_BY_THE_MACHINE.get(number)
        case RuntimeError() if _NO_THREAD in str(error):
            return _TOO_MANY_THREADS
        case MemoryError():
            return _REFUSED_BY_THE_MACHINE[errno.ENOMEM]
    return None
