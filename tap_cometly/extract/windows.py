"""The windows of a range, one after the other: the planner's, with the probes that it wants."""

from __future__ import annotations

import typing as t
from functools import partial

from tap_cometly.exceptions import RejectedError, TooLongError
from tap_cometly.extract.pagination import LARGEST_PAGE
from tap_cometly.extract.planner import Probe

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tap_cometly.client.client import Endpoint
    from tap_cometly.client.rate_limit import RateLimiter
    from tap_cometly.extract.pagination import ContactList
    from tap_cometly.extract.planner import WindowPlanner
    from tap_cometly.runtime.clock import Clock
    from tap_cometly.runtime.tasks import TaskRunner
    from tap_cometly.timeranges import Window

_LONGEST_WAIT = 5.0  # seconds for the list's limit
_PAUSE_AFTER_SILENCE = 60.0  # seconds in which the list is not asked again after it did not answer


class PlannedWindows:
    """Iterates over the windows of a range, oldest first; None while the next one is not known yet.

    Probes are asked for in the background, as far as the rate limit allows. They only advise: when
    the list does not answer, windows are cut without it.

    Args:
        planner: Cuts the range.
        contacts: The list, asked for no optional columns.
        limiters: Of the list; and of creating exports, where windows are cut for them.
        tasks: Makes the calls in the background.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        planner: WindowPlanner,
        contacts: ContactList,
        limiters: Mapping[Endpoint, RateLimiter],
        tasks: TaskRunner,
        clock: Clock,
    ) -> None:
        self._planner = planner
        self._list = contacts
        self._limiters = limiters
        self._tasks = tasks
        self._clock = clock
        self._in_flight = 0
        self._created_at_guess = -1  # exports, when the last window was guessed
        self._silent_until = float("-inf")

    @property
    def remaining(self) -> float | None:
        """How many contacts lie in what has not been cut into windows, as far as that is known."""
        return self._planner.remaining

    def finished(self, window: Window, contacts: int) -> None:
        """Note that a window has been read, and what it held."""
        self._planner.finished(window, contacts)

    def __iter__(self) -> Iterator[Window | None]:
        """Give the windows as they become known."""
        return self

    def __next__(self) -> Window | None:
        """Cut the next window, or ask for what has to be known before.

        Raises:
            StopIteration: All of the range has been cut.
        """
        if self._planner.done:
            raise StopIteration
        window = self._planner.next_window()
        if window is None and self._must_guess():
            window = self._planner.next_window(guess=True)
            if window is not None and "create" in self._limiters:
                self._created_at_guess = self._limiters["create"].requests
        if window is None or not self._planner.done:
            self._probe()
        return window

    def wait(self) -> Window | None:
        """Wait for the next window; None after the last one."""
        for window in self:
            if window is not None:
                return window
            self._tasks.wait(1.0)
        return None

    def _must_guess(self) -> bool:
        """Whether to cut without probes: the list fails, or its limit is used up for a while.

        There is time for probes as long as no export can be created anyway, or the last window that
        was guessed waits for its own.
        """
        exports = self._limiters.get("create")
        if exports and (exports.delay() > 0 or exports.requests == self._created_at_guess):
            return False
        is_silent = self._clock.monotonic() < self._silent_until
        return is_silent or (not self._in_flight and self._limiters["list"].delay() > _LONGEST_WAIT)

    def _probe(self) -> None:
        if self._clock.monotonic() < self._silent_until:
            return
        room = self._limiters["list"].available() - self._in_flight
        for window in self._planner.wanted(max(0, room)):
            self._in_flight += 1
            ask = partial(self._list.first_page, window, per_page=LARGEST_PAGE, advisory=True)
            self._tasks.start(partial(_probe_of, window, ask), partial(self._answered, window))

    def _answered(self, window: Window, outcome: Probe | Exception) -> None:
        self._in_flight -= 1
        match outcome:
            case Probe():
                self._planner.learn(outcome)
            case TooLongError() | RejectedError():
                self._planner.unanswered(window, refused=True)
            case _:
                self._planner.unanswered(window)
                self._silent_until = self._clock.monotonic() + _PAUSE_AFTER_SILENCE


def _probe_of(window: Window, ask: t.Callable[[], t.Any]) -> Probe:
    page = ask()
    return Probe.of(window, [c.id for c in page.contacts], more=page.next_cursor is not None)
