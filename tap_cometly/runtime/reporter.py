"""What a run tells while it runs, and in its last line: in the log, on a terminal, as metrics."""

from __future__ import annotations

import os
import sys
import typing as t

from singer_sdk.exceptions import AbortedSyncPausedException
from typing_extensions import Self

from tap_cometly.runtime import metrics as metering
from tap_cometly.runtime.log_progress import LOOK_EVERY, LogProgress
from tap_cometly.runtime.progress import Progress
from tap_cometly.timeranges import utc_text

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sized
    from types import TracebackType

    from singer_sdk import Stream

    from tap_cometly.runtime.clock import Clock
    from tap_cometly.runtime.signals import StopSignal
    from tap_cometly.state import Bookmark
    from tap_cometly.timeranges import Window

_DRAW_EVERY = 0.25  # seconds

_Block = t.TypeVar("_Block", bound="Sized")


class SyncReporter:
    """Tells how a sync goes, from when it is entered until it is left.

    Attributes:
        progress: What there is to tell.
    """

    def __init__(
        self, stream: Stream, clock: Clock, bookmark: Bookmark | None, stop: StopSignal
    ) -> None:
        """Prepare.

        Args:
            stream: That is synced; its log and metrics are used.
            clock: The machine's.
            bookmark: Told at the end, as it is then.
            stop: Held while a terminal is written to.
        """
        self._stop = stop
        self._clock = clock.fresh()
        self._logger = stream.logger
        self._bookmark = bookmark
        self._counter, self._timer = stream.get_record_counter(), stream.get_sync_timer()
        for meter in (self._counter, self._timer):
            meter.with_context({})  # as the SDK's own loop has it, without partitions
        self._is_sample = stream.ABORT_AT_RECORD_COUNT is not None
        self.progress = Progress(self._clock)

    def __enter__(self) -> Self:
        """Begin."""
        self._counter.__enter__()
        self._timer.__enter__()
        if on_terminal() and not self._is_sample:
            from tap_cometly.runtime.progress_bar import ProgressBar  # noqa: PLC0415, takes 50 ms to import

            self._display: ProgressBar | LogProgress = ProgressBar(self.progress, self._stop)
            self._clock.every(_DRAW_EVERY, self._display.show)
        else:
            self._display = LogProgress(self.progress, self._clock, self._logger)
            self._clock.every(LOOK_EVERY, self._display.show)
        return self

    def blocks(self, window: Window, blocks: Iterable[_Block]) -> Iterator[_Block]:
        """Go through a window's blocks; each has been written when the next one is asked for."""
        progress = self.progress
        progress.enter(window)
        for block in blocks:
            progress.write()
            yield block
            progress.wrote(len(block))
            self._counter.increment(len(block))

    def committed(self, window: Window) -> None:
        """Tell that a window has been written to its end."""
        self._logger.info(self.progress.leave(window))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End, with one line that says what has been done."""
        self._clock.close()
        self._display.close()
        metering.asked(self.progress.limiters)
        self._timer.__exit__(kind, error, trace)
        self._counter.__exit__(kind, error, trace)
        if kind is not None and issubclass(kind, AbortedSyncPausedException):
            return  # a test has seen enough
        done = "Done" if kind is None else "Not finished"
        contacts, spent = f"{self.progress.contacts:,}", self.progress.spent()
        self._logger.info("%s: %s contacts. %s. %s", done, contacts, spent, self._where())

    def _where(self) -> str:
        instant = self._bookmark.instant if self._bookmark else None
        return f"Bookmark: {utc_text(instant)}" if instant else "No bookmark"


def on_terminal() -> bool:
    """Whether somebody looks on, and the messages go elsewhere than to the same terminal."""
    if sys.stderr is None or os.environ.get("TERM") == "dumb":  # closed by whoever started this
        return False
    return sys.stderr.isatty() and not sys.stdout.isatty()
