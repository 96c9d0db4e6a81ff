"""Calls a minute, per endpoint, for the whole Space."""

from __future__ import annotations

import math
from collections import defaultdict, deque
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.sandbox.options import Options


class Limiter:
    """Counts time that passes, whatever date the sandbox shows."""

    def __init__(self, options: Callable[[], Options], clock: Callable[[], float]) -> None:
        self._options = options
        self._clock = clock
        self._calls: dict[str, deque[float]] = defaultdict(deque)
        self._lock = Lock()

    def take(self, endpoint: str) -> int | None:
        """Count a call; one that comes too early is told to come back in so many seconds."""
        with self._lock:
            now, limit = self._clock(), self._limit(endpoint)
            used = self._used(endpoint, now)
            if len(used) < limit:
                used.append(now)
                return None
            wait = used[0] + self._options().minute - now if used else 1
            return max(1, math.ceil(wait))

    def use_up(self, endpoint: str, calls: int) -> None:
        """Count the calls of somebody else, as many as the limit allows."""
        with self._lock:
            now = self._clock()
            used = self._used(endpoint, now)
            used.extend([now] * min(calls, self._limit(endpoint) - len(used)))

    def headers(self, endpoint: str) -> dict[str, str]:
        """What every answer tells."""
        with self._lock:
            limit = self._limit(endpoint)
            left = max(0, limit - len(self._used(endpoint, self._clock())))
        return {"X-RateLimit-Limit": str(limit), "X-RateLimit-Remaining": str(left)}

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
