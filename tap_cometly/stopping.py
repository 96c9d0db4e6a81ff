"""How the tap stops when it is told to: at once, but never in the middle of a line.

The SDK's own handler writes a STATE message from within the signal handler, possibly into a
half-written RECORD, and exits with 0. Every commit has already written its STATE, so nothing needs
writing here: the handler ends the program where it stands, save while a line is on its way out.
"""

from __future__ import annotations

import contextlib
import signal
import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Iterator


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
        self._signum: int | None = None
        self._holds = 0

    def request(self, signum: int) -> None:
        """Stop now, or after what is held; a second request does not wait.

        Args:
            signum: The signal that arrived.

        Raises:
            Stopped: Unless something is held and this is the first request.
        """
        first = self._signum is None
        self._signum = signum
        if not (first and self._holds):
            raise Stopped(signum)

    @contextlib.contextmanager
    def hold(self) -> Iterator[None]:
        """Let a line be finished before the process stops."""
        self._holds += 1
        try:
            yield
        finally:
            self._holds -= 1
        if self._signum is not None and not self._holds:
            raise Stopped(self._signum)
