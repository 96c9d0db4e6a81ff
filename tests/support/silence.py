"""How long a log says nothing, in the time that its run lives in."""

from __future__ import annotations

import contextlib
import itertools
import logging
from typing import TYPE_CHECKING

from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_cometly.runtime.clock import Clock


class Listener(logging.Handler):
    """Notes when something is told to somebody who does not ask for DEBUG."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(logging.INFO)
        self._clock = clock
        self._heard = [clock.monotonic()]

    @override
    def emit(self, record: logging.LogRecord) -> None:
        self._heard.append(self._clock.monotonic())

    @property
    def longest_silence(self) -> float:
        """Seconds from one line to the next, and from the last one until now."""
        times = [*self._heard, self._clock.monotonic()]
        return max(later - earlier for earlier, later in itertools.pairwise(times))


@contextlib.contextmanager
def listening(clock: Clock) -> Iterator[Listener]:
    """Listen to what a run in this process tells."""
    logger, listener = logging.getLogger("tap-cometly"), Listener(clock)
    logger.addHandler(listener)
    try:
        yield listener
    finally:
        logger.removeHandler(listener)
