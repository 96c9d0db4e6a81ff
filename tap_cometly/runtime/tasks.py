"""Work in the background: what waits for the network runs in threads, what decides does not."""

from __future__ import annotations

import contextlib
import queue
import typing as t
from functools import partial

from tap_cometly.exceptions import ClosedError
from tap_cometly.runtime.clock import start_thread

if t.TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from tap_cometly.runtime.clock import Clock

_T = t.TypeVar("_T")
_GRACE = 0.3  # seconds in all that threads may take to notice the end


class TaskRunner(t.Protocol):
    """Runs work in the background and hands its outcome to whoever waits."""

    def start(self, work: Callable[[], _T], then: Callable[[_T | Exception], None]) -> None:
        """Begin some work; `then` is called from within `wait`, with its result or its error."""

    def wait(self, seconds: float) -> None:
        """Call `then` for each task that has ended, waiting up to `seconds` for the first."""

    def close(self) -> None:
        """Give up what is under way."""


def run_task(work: Callable[[], _T], then: Callable[[_T | Exception], None]) -> Callable[[], None]:
    """Run a task.

    Returns:
        A function that calls `then` with the result or the error; it does nothing once the sync is
        over.
    """
    outcome: _T | Exception
    try:
        outcome = work()
    except ClosedError:
        return lambda: None
    except Exception as error:  # noqa: BLE001, handed to whoever waits
        outcome = error
    return partial(then, outcome)


class ThreadTasks:
    """A runner with a thread for each piece of work; there are never many.

    Args:
        clock: Closed at the end, which ends the pauses of the work.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._done: queue.Queue[Callable[[], None]] = queue.Queue()
        self._threads: set[threading.Thread] = set()

    def start(self, work: Callable[[], _T], then: Callable[[_T | Exception], None]) -> None:
        """Begin some work in a thread that does not keep the process alive.

        Raises:
            MachineError: No more threads can be started.
        """
        if self._clock.closed:
            return

        def run() -> None:
            self._done.put(run_task(work, then))

        self._threads = {thread for thread in self._threads if thread.is_alive()}
        self._threads.add(start_thread(run))  # only now: a signal may end all this at any line

    def wait(self, seconds: float) -> None:
        """Call `then` for each task that has ended, waiting up to `seconds` for the first."""
        with contextlib.suppress(queue.Empty):
            if seconds > 0:
                self._done.get(timeout=seconds)()
            while True:
                self._done.get_nowait()()

    def close(self) -> None:
        """Wake what sleeps, wait a moment for threads to end, and hand on what they brought."""
        self._clock.close()
        until = self._clock.monotonic() + _GRACE
        for thread in self._threads:
            thread.join(max(0.0, until - self._clock.monotonic()))
        self.wait(0.0)
