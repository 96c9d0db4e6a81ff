"""A log that never falls silent for long, whatever is being waited for."""

from __future__ import annotations

import logging
import typing as t

from typing_extensions import override

if t.TYPE_CHECKING:
    from tap_cometly.runtime.clock import Clock
    from tap_cometly.runtime.progress import Progress

LONGEST_SILENCE = 30.0  # seconds without a line in the log
LOOK_EVERY = 2.0  # seconds, to see whether it is time for one


class LogProgress(logging.Handler):
    """Listens to the log, and breaks its silence."""

    def __init__(self, progress: Progress, clock: Clock, logger: logging.Logger) -> None:
        """Begin to listen.

        Args:
            progress: What there is to tell.
            clock: Of the sync.
            logger: Whatever is told goes through it.
        """
        super().__init__(logging.INFO)
        self._progress = progress
        self._clock = clock
        self._logger = logger
        self._heard = clock.monotonic()
        logger.addHandler(self)

    @override
    def emit(self, record: logging.LogRecord) -> None:
        """Note that something has been told."""
        self._heard = self._clock.monotonic()

    def show(self) -> None:
        """Tell how far the sync is, if nothing has been told for long."""
        silence = self._clock.monotonic() - self._heard
        if silence > LONGEST_SILENCE - 2 * LOOK_EVERY and not self._clock.closed:
            share, progress = self._progress.share, self._progress
            self._logger.info("%.0f%%, %s; %s", 100 * share, progress.summary(), progress.doing())

    @override
    def close(self) -> None:
        """Stop listening."""
        self._logger.removeHandler(self)
        super().close()
