"""How far a sync is, and how it is shown: in the log, on a terminal, as metrics, in a last line.

The sync notes what it does in a `Progress`, which any thread may read at any time. A `Display`
shows that: one class for the log, one for a terminal. A `SyncReporter` ties both to one sync.
"""

from __future__ import annotations

import abc
import logging
import math
import os
import sys
import typing as t
from datetime import timedelta

from singer_sdk.exceptions import AbortedSyncPausedException
from typing_extensions import Self, override

from tap_cometly.runtime import metrics

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
    from types import TracebackType

    from singer_sdk import Stream

    from tap_cometly.runtime.clock import Clock
    from tap_cometly.runtime.signals import StopSignal

logger = logging.getLogger(__name__)

_SLOW = 1.0  # seconds; a target that reads takes less for a block
_LONG_WAIT = 1.0  # seconds of waiting for limits that a window names
_TOO_LITTLE = 0.005  # of the range; a smaller share does not tell how long the rest takes
_ASKING = {
    "list": "asking the list",
    "create": "asking for an export",
    "poll": "polling an export",
}

_Block = t.TypeVar("_Block", bound="Sized")


class RequestStats(t.NamedTuple):
    """The requests to one endpoint.

    Attributes:
        made: How many have been sent.
        in_flight: How many of them have not been answered yet.
        waited: Seconds that requests waited for the endpoint's limit.
    """

    made: int
    in_flight: int
    waited: float


class _Window(t.NamedTuple):
    """The window that is being read; see `Progress.start_window`."""

    name: str
    seconds: int
    way: str
    expected: int | None
    contacts_before: int


_NO_WINDOW = _Window("", 0, "", None, 0)


class Progress:
    """What a sync has done, and what it is doing.

    Args:
        clock: Of the sync.

    Attributes:
        contacts: How many have been written.
        exports: Says what each export is doing, given the monotonic time; None without exports.
        requests: Gives the requests of each endpoint: `list`, `create`, `poll`.
    """

    def __init__(self, clock: Clock) -> None:
        self.contacts = 0
        self.exports: Callable[[float], list[str]] | None = None
        self.requests: Callable[[], Mapping[str, RequestStats]] = dict
        self._clock = clock
        self._began = self._window_began = clock.monotonic()
        self._writing_since: float | None = None
        self._range_seconds = 0
        self._seconds_before = 0  # of the range, in windows that have been left
        self._window = _NO_WINDOW
        self._expected_in_all: float | None = None  # contacts
        self._share = 0.0
        self._waited_before = 0.0  # seconds for limits, in windows that have been left

    # What the sync notes.

    def begin(self, seconds: int) -> None:
        """Note how long the range to be read is."""
        self._range_seconds = seconds

    def start_window(
        self,
        window: str,
        seconds: int,
        *,
        way: str,
        expected: int | None = None,
        remaining: float | None = None,
    ) -> None:
        """Note that a window begins to be read.

        Args:
            window: Its name, for the log.
            seconds: Its length.
            way: How it is read, in words, e.g. `by pages`.
            expected: How many contacts it holds, if that is known.
            remaining: How many contacts lie behind it, if that is known.
        """
        self._window = _Window(window, seconds, way, expected, self.contacts)
        if expected is not None and remaining is not None:
            self._expected_in_all = self.contacts + expected + remaining

    def start_writing(self) -> None:
        """Note that messages are being written."""
        self._writing_since = self._clock.monotonic()

    def finish_writing(self, contacts: int) -> None:
        """Note that the messages of so many contacts have been written."""
        self._writing_since = None
        self.contacts += contacts

    def finish_window(self) -> str:
        """Note that the window has been read and committed.

        Returns:
            A line about it: its contacts, how they were read, and the seconds since the window
            before; of these, the ones of waiting for limits are named.
        """
        now = self._clock.monotonic()
        took, self._window_began = now - self._window_began, now
        total = self._waited()
        waited, self._waited_before = min(total - self._waited_before, took), total
        self._writing_since = None
        window, self._window = self._window, _NO_WINDOW
        self._seconds_before += window.seconds
        read = self.contacts - window.contacts_before
        line = f"{window.name}: {read:,} contacts {window.way} in {took:.1f} s"
        return line if waited < _LONG_WAIT else f"{line}, {waited:.1f} s of it waiting for limits"

    # What can be asked.

    @property
    def share(self) -> float:
        """The share of the range that is done, 0 to 1; never less than before.

        Counted in contacts as soon as it is known about how many there are, for equal times may
        hold very different numbers of them; before that in time.
        """
        if self._expected_in_all is None:
            share = self._seconds_done() / max(self._range_seconds, 1)
        else:
            share = self.contacts / max(self._expected_in_all, self.contacts, 1)
        self._share = max(self._share, min(share, 1.0))
        return self._share

    def summary(self) -> str:
        """Return how much is done, how fast, and how long the rest may take."""
        elapsed = self._clock.monotonic() - self._began
        rate = self.contacts / elapsed if elapsed > 0 else 0.0
        ahead, share = "", self.share
        if share >= _TOO_LITTLE:
            ahead = f", {timedelta(seconds=round(elapsed * (1 - share) / share))} left"
        return f"{self.contacts:,} contacts, {rate:,.0f}/s{ahead}"

    def activity(self) -> str:
        """Return what is being done, or waited for."""
        now, exports, writing_since = self._clock.monotonic(), self.exports, self._writing_since
        words = [
            _ASKING[endpoint] for endpoint, stats in self.requests().items() if stats.in_flight
        ]
        if exports is not None and (each := exports(now)):
            words = [f"{len(each)} export{'s'[: len(each) - 1]}: {', '.join(each)}"]
        if writing_since is not None and now - writing_since > _SLOW:
            words.append(f"waiting {now - writing_since:.0f} s for the target")
        return "; ".join(words) or "waiting"

    def request_summary(self) -> str:
        """Return which requests were made, and how long limits were waited for."""
        made = ", ".join(f"{name} {stats.made}" for name, stats in self.requests().items())
        return f"API calls: {made or 'none'}; {self._waited():.0f} s of waiting for limits"

    def _seconds_done(self) -> float:
        """Of the range: those of windows that have been left, and the share of the present one."""
        window = self._window
        read = (self.contacts - window.contacts_before) / (window.expected or math.inf)
        return self._seconds_before + min(read, 1.0) * window.seconds

    def _waited(self) -> float:
        return sum(stats.waited for stats in self.requests().values())


class Display(abc.ABC):
    """Shows a sync's progress.

    Attributes:
        every: Seconds from one call of `show` to the next.
    """

    every: float

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    @abc.abstractmethod
    def show(self) -> None:
        """Show how far the sync is now; called in the background."""

    def close(self) -> None:  # noqa: B027, not every display has something to do
        """Stop showing it."""


class LogDisplay(Display):
    """Writes a line to the log now and then, whatever is waited for."""

    every = 25.0  # so that no silence lasts longer than 30, though a line may be late

    @override
    def show(self) -> None:
        share, progress = self._progress.share, self._progress
        logger.info("%.0f%%, %s; %s", 100 * share, progress.summary(), progress.activity())


class SyncReporter:
    """Reports how a sync goes, from when it is entered until it is left.

    Args:
        stream: What is synced: its metrics are used.
        clock: The machine's.
        stop: Held while a terminal is drawn on.
        describe_bookmark: Words for the last line: where the bookmark is by then.

    Attributes:
        progress: What is reported.
    """

    def __init__(
        self,
        stream: Stream,
        clock: Clock,
        stop: StopSignal,
        describe_bookmark: Callable[[], str],
    ) -> None:
        self._stop = stop
        self._clock = clock.fresh()
        self._describe_bookmark = describe_bookmark
        self._counter, self._timer = stream.get_record_counter(), stream.get_sync_timer()
        for meter in (self._counter, self._timer):
            meter.with_context({})  # as the SDK's own loop has it, without partitions
        self._is_sample = stream.ABORT_AT_RECORD_COUNT is not None
        self._requests_counted: dict[str, int] = {}
        self.progress = Progress(self._clock)

    def __enter__(self) -> Self:
        """Begin to show progress."""
        self._counter.__enter__()
        self._timer.__enter__()
        self._display: Display
        if on_terminal() and not self._is_sample:
            from tap_cometly.runtime.progress_bar import ProgressBar  # noqa: PLC0415, takes 50 ms

            self._display = ProgressBar(self.progress, self._stop)
        else:
            self._display = LogDisplay(self.progress)
        self._clock.every(self._display.every, self._display.show)
        return self

    def blocks(self, blocks: Iterable[_Block]) -> Iterator[_Block]:
        """Go through a window's blocks of contacts.

        Args:
            blocks: Each has been written by the time the next one is asked for. What is written
                after the last one, up to `committed`, counts as waiting for the target, too.
        """
        for block in blocks:
            self.progress.start_writing()
            yield block
            self.progress.finish_writing(len(block))
            self._counter.increment(len(block))
        self.progress.start_writing()

    def committed(self) -> None:
        """Log that a window has been written to its end, STATE included."""
        logger.info(self.progress.finish_window())
        self._count_requests()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End, with one line that says what has been done."""
        self._clock.close()
        self._display.close()
        self._count_requests()
        is_enough = kind is not None and issubclass(kind, AbortedSyncPausedException)
        ended = (None, None, None) if is_enough else (kind, error, trace)
        self._timer.__exit__(*ended)
        self._counter.__exit__(*ended)
        if is_enough:
            return  # `--test` has seen the contacts it wanted; nothing failed
        done = "Done" if kind is None else "Not finished"
        contacts, requests = f"{self.progress.contacts:,}", self.progress.request_summary()
        logger.info("%s: %s contacts. %s. %s", done, contacts, requests, self._describe_bookmark())

    def _count_requests(self) -> None:
        for endpoint, stats in self.progress.requests().items():
            if new := stats.made - self._requests_counted.get(endpoint, 0):
                metrics.requests_made(endpoint, new)
                self._requests_counted[endpoint] = stats.made


def on_terminal() -> bool:
    """Whether standard error is a terminal, and the messages do not go to the same one."""
    if sys.stderr is None or os.environ.get("TERM") == "dumb":  # it may have been closed
        return False
    return sys.stderr.isatty() and not (sys.stdout is None or sys.stdout.isatty())
