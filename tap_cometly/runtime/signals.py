"""How the tap stops when it is told to: at once, but never in the middle of a line.

The SDK's own handler writes a STATE message from within the signal handler, possibly into a
half-written RECORD, and exits with 0. Every commit has already written its STATE, so nothing needs
writing here: the handler raises `Stopped` wherever the program is, save while a line is being
written or the terminal's cursor is away from its place.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import time
import typing as t
from functools import partial

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

_CHECK_EVERY = 1.0  # seconds
_RAISE_AGAIN = 3.0  # seconds after which an exception has been lost, for it ended nothing


class Stopped(SystemExit):
    """The process was told to stop; its exit code is the shell's 128 + signal.

    Args:
        signum: The signal.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(128 + signum)
        self.signum = signum
        self.name = signal.Signals(signum).name


class StopSignal:
    """A request to stop, and the places that are finished first.

    Attributes:
        listening: Whether signals of this process end up in `request`.
    """

    def __init__(self) -> None:
        self.listening = False
        self._waiting: int | None = None
        self._holds = 0
        self._raised: Callable[[], BaseException] | None = None
        self._raised_at = 0.0
        self._check: Callable[[], None] | None = None

    def request(self, signum: int) -> None:
        """Stop now, or after what is held; a second request does not wait.

        Raises:
            Stopped: Unless something is held and this is the first request.
        """
        if self._holds and self._waiting is None:
            self._waiting = signum
            return
        self._waiting = None  # otherwise the next `hold` would raise it once more
        self._raise(partial(Stopped, signum))

    @contextlib.contextmanager
    def hold(self) -> Iterator[None]:
        """Let what is within be finished before the process stops.

        Signals reach the main thread only: in other threads this does nothing.

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
            self._raise(partial(Stopped, signum))

    def check_regularly(self, check: Callable[[], None]) -> None:
        """Call something every second in the main thread, whatever that is waiting for.

        A timer's signal interrupts the waiting, which a thread could not do. `stop_checking` ends
        it. It does nothing where signals, or this timer, belong to somebody else.

        Args:
            check: May raise, which ends the program. Not called while something is held.
        """
        is_free = (
            signal.getsignal(signal.SIGALRM) is signal.SIG_DFL
            and signal.getitimer(signal.ITIMER_REAL)[0] == 0
        )
        if self.listening and _in_main_thread() and is_free:
            self._check = check
            signal.signal(signal.SIGALRM, self._on_timer)
            signal.setitimer(signal.ITIMER_REAL, _CHECK_EVERY, _CHECK_EVERY)

    def _on_timer(self, _signum: int, _frame: FrameType | None) -> None:
        if self._holds or self._check is None:
            return
        if self._raised is not None:
            # An exception that a handler raises can get lost, e.g. inside of `__del__`.
            if time.monotonic() - self._raised_at > _RAISE_AGAIN:
                self._raise(self._raised)
            return
        try:
            self._check()
        except Exception as error:  # noqa: BLE001, raised again in the next line
            self._raise(partial(type(error), *error.args))

    def _raise(self, made: Callable[[], BaseException]) -> t.NoReturn:
        # Kept is what makes the exception: itself would keep alive whatever its traceback knows.
        self._raised, self._raised_at = made, time.monotonic()
        raise made()


def stop_checking() -> None:
    """End what `StopSignal.check_regularly` began, if anything did."""
    handler = signal.getsignal(signal.SIGALRM)
    if _in_main_thread() and isinstance(getattr(handler, "__self__", None), StopSignal):
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)


def remember_handlers() -> Callable[[], None]:
    """Remember the handlers of signals.

    Returns:
        A function that restores these handlers. Call it after the last log line.
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
