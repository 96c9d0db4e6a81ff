"""The time, and waiting for it: passed in wherever it is needed, so that tests can own it."""

from __future__ import annotations

import threading
import time
from datetime import datetime, timezone


class ClosedError(Exception):
    """Whoever was waiting should give up: the sync is over."""


class Clock:
    """The machine's clock, and a sleep that ends early when the sync does."""

    def __init__(self) -> None:
        """Start with nobody having closed anything."""
        self._closed = threading.Event()

    def fresh(self) -> Clock:
        """Give the same clock, for a sync of its own to close."""
        return Clock()

    def now(self) -> datetime:
        """Give the machine's idea of now, in UTC."""
        return datetime.now(tz=timezone.utc)

    def monotonic(self) -> float:
        """Give seconds that only ever grow, from an arbitrary start."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait.

        Args:
            seconds: How long.

        Raises:
            ClosedError: The sync was closed meanwhile.
        """
        if self._closed.wait(max(seconds, 0)):
            raise ClosedError

    @property
    def closed(self) -> bool:
        """Whether the sync is over."""
        return self._closed.is_set()

    def close(self) -> None:
        """Wake every sleeper of this clock, for good."""
        self._closed.set()
