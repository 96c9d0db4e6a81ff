"""The rate limit: requests a minute to one endpoint, never over the Space's limit.

The limit holds in any sixty seconds, and the server counts a request somewhere between its sending
and its answer. So a request takes a slot from when it is sent until sixty seconds after it was
answered. Other clients of the same Space show up in the headers of each answer.
"""

from __future__ import annotations

import math
import threading
import typing as t
from collections import deque

if t.TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_cometly.runtime.clock import Clock

MINUTE = 60.0  # seconds
# Seconds until one request is tried after the headers said that none remain; doubled each time.
_ASK_AGAIN = 5.0
_LONGEST_NUMBER = 9  # digits of a header; anything longer is nonsense


class RateLimiter:
    """The slots of one endpoint; safe to share between threads.

    Args:
        limit: Requests that the Space may make in a minute, as documented; headers correct it.
        share: The part of them that this tap may make, above 0 and up to 1.
        clock: Whose monotonic time counts.

    Attributes:
        requests: How many have been made.
        in_flight: How many of them have not been answered yet.
        waited: Seconds for which whoever needed a slot had to wait.
    """

    def __init__(self, limit: int, *, share: float, clock: Clock) -> None:
        self._limit = limit
        self._share = share
        self._clock = clock
        self._lock = threading.Lock()
        self._answered: deque[float] = deque()
        self._left_to_all: int | None = None
        self._left_until = 0.0
        self._ask_again = _ASK_AGAIN
        self._blocked_until = 0.0
        self.requests = 0
        self.in_flight = 0
        self.waited = 0.0
        self._waited_until = 0.0

    @property
    def limit(self) -> int:
        """How many requests this tap may make in any minute, at least one."""
        return max(1, int(self._limit * self._share))

    def delay(self) -> float:
        """Return how long until a request may go.

        Returns:
            Seconds; 0 when one may go now, infinity when only an answer can free a slot.
        """
        with self._lock:
            return self._delay(self._clock.monotonic())

    def available(self) -> int:
        """Return how many requests may be made now, by this run's own count and the headers."""
        with self._lock:
            now = self._clock.monotonic()
            return 0 if self._delay(now) > 0 else int(min(self._free(now)))

    def note_wait(self, seconds: float) -> float:
        """Count a wait that begins now; waits that overlap are counted once.

        Returns:
            Seconds by which it extends those already counted.
        """
        with self._lock:
            now = self._clock.monotonic()
            longer = max(0.0, now + seconds - max(now, self._waited_until))
            self._waited_until = max(self._waited_until, now + seconds)
            self.waited += longer
            return longer

    def try_acquire(self) -> bool:
        """Take a slot if one is free; the request must be followed by `release`."""
        with self._lock:
            if self._delay(self._clock.monotonic()) > 0:
                return False
            self.in_flight += 1
            self.requests += 1
            return True

    def release(self, headers: Mapping[str, str] | None = None) -> None:
        """Note that a request came back, or never will.

        Args:
            headers: Of the answer, if there is one: what the server counts.
        """
        with self._lock:
            now = self._clock.monotonic()
            self.in_flight -= 1
            self._answered.append(now)
            limit = _number((headers or {}).get("X-RateLimit-Limit"))
            if limit:
                self._limit = limit
            left = _number((headers or {}).get("X-RateLimit-Remaining"))
            if left is not None:
                self._left_to_all = left
                self._left_until = self._answered[0] + MINUTE
                if not left:
                    self._left_until = min(self._left_until, now + self._ask_again)
                    self._ask_again *= 2
            elif self._left_to_all:
                self._left_to_all -= 1

    def pause_for(self, seconds: float) -> None:
        """Let nothing go for a while, as the server asked."""
        with self._lock:
            until = self._clock.monotonic() + seconds
            self._blocked_until = max(self._blocked_until, until)

    def _free(self, now: float) -> tuple[float, float]:
        """Return the slots that are free by our own count, and by what the server said last."""
        while self._answered and self._answered[0] + MINUTE <= now:
            self._answered.popleft()
            self._ask_again = MINUTE  # by now an earlier run's requests do not count any more
        if self._left_to_all is not None and now >= self._left_until:
            # Nobody tells when other clients' requests expire. One request finds out: it is
            # answered, or a 429 tells how long to wait.
            self._left_to_all = None if self._left_to_all else 1
            self._left_until = now + MINUTE
        mine = self.limit - self.in_flight - len(self._answered)
        if self._left_to_all is None:
            return mine, math.inf
        return mine, self._left_to_all - self.in_flight

    def _delay(self, now: float) -> float:
        mine, all_of_us = self._free(now)
        if now < self._blocked_until:
            return self._blocked_until - now
        if min(mine, all_of_us) > 0:
            return 0.0
        if mine > 0:  # the server may already have counted what is in flight
            return math.inf if self.in_flight else self._left_until - now
        return self._answered[0] + MINUTE - now if self._answered else math.inf


def _number(text: str | None) -> int | None:
    plain = text is not None and len(text) <= _LONGEST_NUMBER and text.isascii() and text.isdigit()
    return int(text) if text is not None and plain else None
