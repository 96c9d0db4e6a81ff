"""How far a sync is, in numbers and words: what a terminal shows, and what breaks a log's silence.

The sync notes what it does; any thread may ask at any time.
"""

from __future__ import annotations

import typing as t
from datetime import timedelta

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tap_cometly.client.client import Endpoint
    from tap_cometly.client.rate_limit import RateLimiter
    from tap_cometly.runtime.clock import Clock
    from tap_cometly.timeranges import Window

PAGES, EXPORT = "through pages", "through an export"

_SLOW = 1.0  # seconds that nobody waits for a target that reads
_TOO_LITTLE = 0.005  # of the range, to tell from it how long the rest will take
_ASKING: Mapping[Endpoint, str] = {
    "list": "asking the list",
    "create": "asking for an export",
    "poll": "asking after an export",
}


class Opened(t.NamedTuple):
    """What is known of a window when it begins to be read.

    Attributes:
        way: How it is read, in words.
        holds: How many contacts it holds.
        left: How many contacts are behind it.
    """

    way: str = PAGES
    holds: int | None = None
    left: float | None = None


class Progress:
    """What a sync has done, and what it is doing.

    Attributes:
        contacts: That have been written.
        opened: What whoever reads knows of the present window.
        exports: Says what each export is doing, by the time; None while there are none.
        budgets: Of the requests; empty before any can be made.
    """

    def __init__(self, clock: Clock) -> None:
        """Begin."""
        self.contacts = 0
        self.opened = Opened()
        self.exports: Callable[[float], list[str]] | None = None
        self.limiters: Mapping[Endpoint, RateLimiter] = {}
        self._writing_since: float | None = None
        self._clock = clock
        self._began = self._last_left = clock.monotonic()
        self._whole: Window | None = None
        self._window: Window | None = None
        self._written_before = 0  # contacts of earlier windows
        self._seconds_before = 0  # of the range
        self._total: float | None = None
        self._share = 0.0

    # What the sync notes.

    def begin(self, whole: Window) -> None:
        """Note the range that is to be read."""
        self._whole = whole

    def enter(self, window: Window) -> None:
        """Note that a window begins to be read."""
        self._window = window
        self._written_before = self.contacts
        if self.opened.holds is None:
            self.opened = self.opened._replace(holds=window.expected)
        _, holds, left = self.opened
        if holds is not None and left is not None:
            self._total = self.contacts + holds + left

    def write(self) -> None:
        """Note that contacts are on their way out."""
        self._writing_since = self._clock.monotonic()

    def wrote(self, contacts: int) -> None:
        """Note that they have been taken."""
        self._writing_since = None
        self.contacts += contacts

    def leave(self, window: Window) -> str:
        """Note that a window has been read, and sum it up."""
        now = self._clock.monotonic()
        took, self._last_left = now - self._last_left, now
        held, way = self.contacts - self._written_before, self.opened.way
        self._window = None
        self._seconds_before += window.seconds
        self.opened = Opened()
        return f"{window}: {_number(held)} contacts {way} in {took:.1f} s"

    # What can be asked.

    @property
    def share(self) -> float:
        """The share of the range that is done, 0 to 1; never less than before.

        Counted in contacts as soon as it is known about how many there are, for the same time may
        hold none or most of them; before that in time.
        """
        if self._total is None:
            share = self._share_of_time()
        else:
            share = self.contacts / max(self._total, self.contacts, 1)
        self._share = max(self._share, min(share, 1.0))
        return self._share

    def summary(self) -> str:
        """Say in words how much is done, how fast, and how long the rest may take."""
        elapsed = self._clock.monotonic() - self._began
        rate = self.contacts / elapsed if elapsed > 0 else 0.0
        left = self._seconds_left(elapsed)
        ahead = "" if left is None else f", {timedelta(seconds=round(left))} left"
        return f"{_number(self.contacts)} contacts, {_number(rate)}/s{ahead}"

    def doing(self) -> str:
        """Say in words what is being done, or waited for."""
        now, exports, writing_since = self._clock.monotonic(), self.exports, self._writing_since
        words = [text for kind, text in _ASKING.items() if self._is_asking(kind)]
        if exports is not None and (each := exports(now)):
            words = [f"{len(each)} export{'s'[: len(each) - 1]}: {', '.join(each)}"]
        if writing_since is not None and now - writing_since > _SLOW:
            words.append(f"waiting {now - writing_since:.0f} s for the target")
        return "; ".join(words) or "waiting"

    def spent(self) -> str:
        """Say in words which calls were made, and how long limits were waited for."""
        made = ", ".join(f"{kind} {limiter.requests}" for kind, limiter in self.limiters.items())
        waited = sum(limiter.waited for limiter in self.limiters.values())
        return f"API calls: {made or 'none'}; {waited:.0f} s of waiting for limits"

    def _is_asking(self, endpoint: Endpoint) -> bool:
        return endpoint in self.limiters and self.limiters[endpoint].in_flight > 0

    def _share_of_time(self) -> float:
        if self._whole is None:
            return 0.0
        within, window, holds = 0.0, self._window, self.opened.holds
        if window is not None and holds:
            read = (self.contacts - self._written_before) / holds
            within = min(read, 1.0) * window.seconds
        return (self._seconds_before + within) / self._whole.seconds

    def _seconds_left(self, elapsed: float) -> float | None:
        """Guess from how long the same has taken so far; None when there is too little to go by."""
        share = self.share
        if share < _TOO_LITTLE:
            return None
        return elapsed * (1 - share) / share


def _number(number: float) -> str:
    return f"{number:,.0f}"
