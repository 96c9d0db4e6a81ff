"""The windows of a range, one after the other, with the probes that the planner wants for them."""

from __future__ import annotations

import math
import typing as t
from functools import partial

from tap_cometly.exceptions import RejectedError, TooLongError
from tap_cometly.extract.pagination import LARGEST_PAGE
from tap_cometly.extract.planner import Probe

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_cometly.client.rate_limit import RateLimiter
    from tap_cometly.contacts.decoder import Page
    from tap_cometly.extract.pagination import ContactList
    from tap_cometly.extract.planner import WindowPlanner
    from tap_cometly.runtime.clock import Clock
    from tap_cometly.runtime.tasks import TaskRunner
    from tap_cometly.timeranges import Window

_PAUSE_AFTER_SILENCE = 60.0  # seconds in which the list is not asked again after it did not answer


class PlannedWindows:
    """The windows of a range, oldest first.

    Probes are asked for in the background, as far as the rate limit allows. They only advise: when
    the list does not answer, windows are cut without it.

    Args:
        planner: Cuts the range.
        contacts: The list, asked for no optional columns.
        limiter: Of the list.
        tasks: Makes the calls in the background.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        planner: WindowPlanner,
        contacts: ContactList,
        limiter: RateLimiter,
        tasks: TaskRunner,
        clock: Clock,
    ) -> None:
        self._planner = planner
        self._list = contacts
        self._limiter = limiter
        self._tasks = tasks
        self._clock = clock
        self._in_flight = 0
        self._silent_until = float("-inf")

    def __iter__(self) -> Iterator[Window | None]:
        """Yield each window once its end is known, and None as long as it is not."""
        while not self._planner.done:
            window = self._planner.next_window(guess=self._is_silent)
            if not (self._planner.done or self._is_silent):
                self._probe()
            yield window

    @property
    def _is_silent(self) -> bool:
        """Whether the list did not answer a moment ago, or wants not to be asked for long (429)."""
        is_refused = _PAUSE_AFTER_SILENCE < self._limiter.delay() < math.inf
        return is_refused or self._clock.monotonic() < self._silent_until

    def _probe(self) -> None:
        for window in self._planner.wanted(self._limiter.available() - self._in_flight):
            self._in_flight += 1
            self._tasks.start(partial(self._ask, window), partial(self._answered, window))

    def _ask(self, window: Window) -> Probe:
        return probe_of(window, self._list.first_page(window, per_page=LARGEST_PAGE, advisory=True))

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


def probe_of(window: Window, page: Page) -> Probe:
    """Sum up the first page of a window for the planner."""
    return Probe.of(window, [c.id for c in page.contacts], more=page.next_cursor is not None)
