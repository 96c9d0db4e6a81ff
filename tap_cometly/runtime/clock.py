"""The time, and waiting for it: passed in wherever it is needed, so that tests can replace it."""

from __future__ import annotations

import threading
import time
import typing as t
from datetime import datetime, timezone

from tap_cometly.exceptions import ClosedError, machine_error

if t.TYPE_CHECKING:
    from collections.abc import Callable


class Clock:
    """The machine's clock, and a sleep that ends early when the sync does."""

    def __init__(self) -> None:
        self._closed = threading.Event()

    def fresh(self) -> Clock:
        """Return a clock that shows the same time and is closed on its own."""
        return Clock()

    def now(self) -> datetime:
        """Return the machine's time, UTC."""
        return datetime.now(tz=timezone.utc)

    def monotonic(self) -> float:
        """Return seconds that only ever grow, from an arbitrary start."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait so many seconds.

        Raises:
            ClosedError: The sync was closed meanwhile.
        """
        if self._closed.wait(max(seconds, 0)):
            raise ClosedError

    def every(self, seconds: float, do: Callable[[], None]) -> None:
        """Do something every so many seconds in the background, until this clock is closed.

        `do` must not raise and must be quick.

        Raises:
            MachineError: No more threads can be started.
        """

        def run() -> None:
            while not self._closed.wait(seconds):
                do()

        start_thread(run)

    @property
    def closed(self) -> bool:
        """Whether the sync is over."""
        return self._closed.is_set()

    def close(self) -> None:
        """Wake every sleeper of this clock, for good."""
        self._closed.set()


def start_thread(run: Callable[[], None]) -> threading.Thread:
    """Run something in a thread that does not keep the process alive.

    Raises:
        MachineError: No more threads can be started.
    """
    thread = threading.Thread(target=run, daemon=True, name="tap-cometly")
    try:
        thread.start()
    except RuntimeError as error:
        raise machine_error(error) or error from None
    return thread
