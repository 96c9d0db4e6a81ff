"""The windows of a range, one after the other, with the probes that the planner asks for."""

from __future__ import annotations

import math
import typing as t
from dataclasses import replace
from functools import partial

from tap_cometly.client.client import LARGEST_PAGE
from tap_cometly.exceptions import RejectedError, TooLongError
from tap_cometly.extract.density import Probe

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from tap_cometly.client.rate_limit import RateLimiter
    from tap_cometly.contacts.decoder import Page
    from tap_cometly.extract.pagination import ContactList
    from tap_cometly.extract.planner import WindowPlanner
    from tap_cometly.runtime.clock import Clock
    from tap_cometly.runtime.tasks import TaskRunner
    from tap_cometly.timeranges import Window

    _Answer: t.TypeAlias = tuple[Probe, frozenset[int]]

IDS_REMEMBERED = 100  # of a probe: the newest ones
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
        self._newest: dict[datetime, tuple[datetime, frozenset[int]]] = {}  # by end, with the start
        self._silent_until = float("-inf")

    def __iter__(self) -> Iterator[Window | None]:
        """Yield each window once its end is known, and None as long as it is not."""
        while not self._planner.done:
            window = self._planner.next_window(guess=self._is_silent)
            if not (self._planner.done or self._is_silent):
                self._probe()
            yield window and self._with_newest(window)

    @property
    def _is_silent(self) -> bool:
        """Whether the list failed a moment ago, or a 429 blocks it for more than a minute."""
        is_refused = _PAUSE_AFTER_SILENCE < self._limiter.delay() < math.inf
        return is_refused or self._clock.monotonic() < self._silent_until

    def _probe(self) -> None:
        for window in self._planner.next_probes(self._limiter.available() - self._in_flight):
            self._in_flight += 1
            self._tasks.start(partial(self._ask, window), partial(self._answered, window))

    def _ask(self, window: Window) -> _Answer:
        page = self._list.first_page(window, per_page=LARGEST_PAGE, optional=True)
        newest = frozenset(contact.id for contact in page.contacts[:IDS_REMEMBERED])
        return probe_of(window, page), newest

    def _with_newest(self, window: Window) -> Window:
        """Note which contacts a probe has shown at the end of a window: an export has to hold them.

        That costs no call, which planning may have left none of.
        """
        since, ids = self._newest.get(window.end, (window.start, frozenset[int]()))
        for end in [end for end in self._newest if end <= window.end]:
            del self._newest[end]
        return replace(window, newest=ids) if since >= window.start else window

    def _answered(self, window: Window, outcome: _Answer | Exception) -> None:
        self._in_flight -= 1
        match outcome:
            case (probe, newest):
                self._newest[window.end] = window.start, newest
                self._planner.add_probe(probe)
            case TooLongError() | RejectedError():
                self._planner.probe_failed(window, refused=True)
            case _:
                self._planner.probe_failed(window)
                self._silent_until = self._clock.monotonic() + _PAUSE_AFTER_SILENCE


def probe_of(window: Window, page: Page) -> Probe:
    """Sum up the first page of a window for the planner."""
    return Probe.of(window, [c.id for c in page.contacts], more=page.next_cursor is not None)
