"""A progress bar on a terminal: two lines at its bottom, above which the log goes on.

Imported only where one is shown: no other run needs the library.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
import typing as t

from singer_sdk.metrics import METRICS_LOGGER_NAME
from tqdm import tqdm
from typing_extensions import override

from tap_cometly.runtime.progress import Display

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_cometly.runtime.progress import Progress
    from tap_cometly.runtime.signals import StopSignal

_BAR = "{percentage:3.0f}%|{bar:24}| {desc}"
_WIDTH = 80  # columns, where the terminal does not tell


class _Row(tqdm):  # type: ignore[type-arg]
    monitor_interval = 0  # no thread of its own

    @override
    def __init__(self, position: int, bar_format: str) -> None:
        super().__init__(
            total=1.0, file=sys.stderr, leave=False, position=position, bar_format=bar_format
        )


_LOCK = threading.RLock()
_Row.set_lock(_LOCK)  # the library's own one is also for other processes


class ProgressBar(Display):
    """A bar with a text beside it, and a text below; the log is written above both.

    Args:
        progress: What is shown.
        stop: Held while something is drawn, so that the cursor is left where it belongs.
    """

    every = 0.25

    def __init__(self, progress: Progress, stop: StopSignal) -> None:
        super().__init__(progress)
        self._stop = stop
        with stop.hold():
            self._bar, self._below = _Row(0, _BAR), _Row(1, "{desc}")
            self._moved = [(handler, handler.setStream(_Above(stop))) for handler in _handlers()]
            for handler, _ in self._moved:
                handler.addFilter(_is_no_metric)

    @override
    def show(self) -> None:
        progress = self._progress
        with _LOCK, contextlib.suppress(OSError):  # the terminal may be gone
            if self._bar.disable:
                return
            width = _width()
            self._bar.ncols = width - 1
            self._bar.n = progress.share
            self._bar.set_description_str(progress.summary())
            self._below.set_description_str(progress.activity()[: width - 1])

    @override
    def close(self) -> None:
        with self._stop.hold():
            for handler, stream in self._moved:
                handler.setStream(stream)
                handler.removeFilter(_is_no_metric)
            with _LOCK, contextlib.suppress(OSError):
                self._below.close()
                self._bar.close()


class _Above:
    """Standard error for the log: its lines go above the bar."""

    def __init__(self, stop: StopSignal) -> None:
        self._stop = stop

    def write(self, text: str) -> None:
        with self._stop.hold(), _Row.external_write_mode(file=sys.stderr):
            sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


def _is_no_metric(record: logging.LogRecord) -> bool:
    """Keep METRIC lines away from people in front of a terminal."""
    return record.name != METRICS_LOGGER_NAME


def _handlers() -> Iterator[logging.StreamHandler[t.Any]]:
    """Return those that write to standard error, whoever set them up."""
    loggers = [logging.getLogger(), *map(logging.getLogger, logging.root.manager.loggerDict)]
    for handler in {handler for logger in loggers for handler in logger.handlers}:
        if isinstance(handler, logging.StreamHandler) and handler.stream is sys.stderr:
            yield handler


def _width() -> int:
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or _WIDTH
    except (OSError, ValueError):
        return _WIDTH
