"""Work in the background: what waits for the network runs in threads, what decides does not."""

from __future__ import annotations

import queue
import threading
import typing as t

from tap_cometly.clock import ClosedError

if t.TYPE_CHECKING:
    from collections.abc import Callable

    from tap_cometly.clock import Clock

_T = t.TypeVar("_T")
_GRACE = 0.3  # seconds in all that threads may take to notice the end


class Runner(t.Protocol):
    """Runs work in the background and hands its outcome to whoever waits."""

    def start(self, work: Callable[[], _T], then: Callable[[_T | Exception], None]) -> None:
        """Begin some work; `then` is called from within `wait`, with its result or its error."""

    def wait(self, seconds: float) -> None:
        """Hand on what has been done; wait for it no longer than so many seconds."""

    def close(self) -> None:
        """Give up what is under way."""


class Threads:
    """A runner with a thread for each piece of work; there are never many."""

    def __init__(self, clock: Clock) -> None:
        """Prepare.

        Args:
            clock: Closed at the end, which ends the pauses of the work.
        """
        self._clock = clock
        self._done: queue.Queue[Callable[[], None]] = queue.Queue()
        self._threads: set[threading.Thread] = set()

    def start(self, work: Callable[[], _T], then: Callable[[_T | Exception], None]) -> None:
        """Begin some work in a thread that does not keep the process alive."""

        def run() -> None:
            outcome: _T | Exception
            try:
                outcome = work()
            except ClosedError:
                return
            except Exception as error:  # noqa: BLE001, handed to whoever waits
                outcome = error
            self._done.put(lambda: then(outcome))

        self._threads = {thread for thread in self._threads if thread.is_alive()}
        thread = threading.Thread(target=run, daemon=True, name="tap-cometly")
        self._threads.add(thread)
        thread.start()

    def wait(self, seconds: float) -> None:
        """Hand on everything that has been done, or the first that gets done in time."""
        try:
            then = self._done.get(timeout=seconds) if seconds > 0 else self._done.get_nowait()
        except queue.Empty:
            return
        then()
        while True:
            try:
                then = self._done.get_nowait()
            except queue.Empty:
                return
            then()

    def close(self) -> None:
        """Wake what sleeps, and wait a moment for threads to end."""
        self._clock.close()
        until = self._clock.monotonic() + _GRACE
        for thread in self._threads:
            thread.join(max(0.0, until - self._clock.monotonic()))
