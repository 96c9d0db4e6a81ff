"""How the tap stops when it is told to: at once, but never in the middle of a line.

The SDK's own handler writes a STATE message from within the signal handler, possibly into a
half-written RECORD, and exits with 0. Every commit has already written its STATE, so nothing needs
writing here: the handler ends the program where it stands, save while a line is on its way out, or
a terminal's cursor where nobody would look for it.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Stopped(SystemExit):
    """The process was told to stop; its exit code is the shell's 128 + signal."""

    def __init__(self, signum: int) -> None:
        """Remember which signal it was."""
        super().__init__(128 + signum)
        self.name = signal.Signals(signum).name


class StopSignal:
    """A request to stop, and the places that may finish first."""

    def __init__(self) -> None:
        """Start without a request."""
        self._waiting: int | None = None
        self._holds = 0

    def request(self, signum: int) -> None:
        """Stop now, or after what is held; a second request does not wait.

        Args:
            signum: The signal that arrived.

        Raises:
            Stopped: Unless something is held and this is the first request.
        """
        if self._holds and self._waiting is None:
            self._waiting = signum
            return
        self._waiting = None  # else whoever clears up and holds would be told once more
        raise Stopped(signum)

    @contextlib.contextmanager
    def hold(self) -> Iterator[None]:
        """Let what is within be finished before the process stops.

        Only the main thread is ever told to stop: for others this does nothing.

        Raises:
            Stopped: A request came meanwhile.
        """
        if not _in_main_thread():
            yield
            return
        self._holds += 1
        try:
            yield
        finally:
            self._holds -= 1
        if self._waiting is not None and not self._holds:
            signum, self._waiting = self._waiting, None
            raise Stopped(signum)


def listening_ends() -> Callable[[], None]:
    """Give what leaves signals to whoever has them now, for when nobody can tell of one any more.

    Returns:
        To be called once the last line has been told.
    """
    if not _in_main_thread():
        return lambda: None
    handlers = [(number, signal.getsignal(number)) for number in (signal.SIGINT, signal.SIGTERM)]

    def restore() -> None:
        for number, handler in handlers:
            signal.signal(number, handler)

    return restore


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
