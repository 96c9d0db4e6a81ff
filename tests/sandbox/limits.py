"""Calls a minute, per endpoint, for the whole Space."""

from __future__ import annotations

import math
from collections import defaultdict, deque
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.sandbox.options import Options


class Allowance(NamedTuple):
    """What the headers tell after a call."""

    limit: int
    remaining: int
    retry_after: int | None = None
    """Whole seconds; set when the call came too early."""


class Limiter:
    """Counts time that passes, whatever date the sandbox shows."""

    def __init__(self, options: Callable[[], Options], clock: Callable[[], float]) -> None:
        self._options = options
        self._clock = clock
        self._calls: dict[str, deque[float]] = defaultdict(deque)
        self._lock = Lock()

    def take(self, endpoint: str) -> Allowance:
        """Count a call, or tell when to come back."""
        with self._lock:
            now = self._clock()
            limit, used = self._limit(endpoint), self._used(endpoint, now)
            if len(used) >= limit:
                wait = used[0] + self._options().minute - now if used else 1
                return Allowance(limit, 0, max(1, math.ceil(wait)))
            used.append(now)
            return Allowance(limit, limit - len(used))

    def use_up(self, endpoint: str, calls: int) -> None:
        """Count the calls of somebody else, as many as the limit allows."""
        with self._lock:
            now = self._clock()
            used = self._used(endpoint, now)
            used.extend([now] * min(calls, self._limit(endpoint) - len(used)))

    def look(self, endpoint: str) -> Allowance:
        with self._lock:
            limit = self._limit(endpoint)
            return Allowance(limit, max(0, limit - len(self._used(endpoint, self._clock()))))

    def _limit(self, endpoint: str) -> int:
        limit: int = getattr(self._options().limits, endpoint)
        return limit

    def _used(self, endpoint: str, now: float) -> deque[float]:
        """Calls of the current minute."""
        used, options = self._calls[endpoint], self._options()
        if options.limit_window == "fixed":
            if used and now - used[0] >= options.minute:
                used.clear()
            return used
        while used and now - used[0] >= options.minute:
            used.popleft()
        return used
