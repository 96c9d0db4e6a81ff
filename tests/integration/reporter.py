"""What the tests of what a run tells have in common."""

from __future__ import annotations

import contextlib
import itertools
import logging
import re
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from typing_extensions import override

from tap_cometly.client.client import CometlyClient
from tap_cometly.exports.download import Downloader
from tests.integration.conftest import DAY, NOW

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tap_cometly.runtime.clock import Clock
    from tests.support.clock import FakeClock
    from tests.support.running import Run

START = {"start_date": (NOW - 21 * DAY).isoformat()}
SMALL = {**START, "export_threshold": 200}
PAGES: dict[str, Any] = {**SMALL, "extraction_mode": "pagination", "page_size": 100}
EXPORTS: dict[str, Any] = {**SMALL, "extraction_mode": "export", "export_target_size": 500}
BOTH_WAYS = pytest.mark.parametrize("config", [PAGES, EXPORTS], ids=["pages", "exports"])

_INSTANT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
WINDOW = re.compile(
    rf"({_INSTANT}) to ({_INSTANT}): ([\d,]+) contacts by (pages|export) in "
    r"([\d.]+) s(?:, [\d.]+ s of it waiting for limits)?"
)


def told(run: Run) -> list[str]:
    """What the log says of a sync; no metrics, no DEBUG and no ERROR."""
    lines = [line.split(" | ", 3) for line in run.log.splitlines()]
    return [
        line[3]
        for line in lines
        if line[1].strip() not in {"DEBUG", "ERROR"}
        and line[2].strip().startswith(("tap-cometly.contacts", "tap_cometly"))
    ]


@contextlib.contextmanager
def slowly(clock: FakeClock, seconds: float) -> Iterator[None]:
    """Have each call to the API and to the store take so long."""

    def late(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            clock.sleep(seconds)
            return real(*args, **kwargs)

        return call

    with contextlib.ExitStack() as patched:
        for kind, name in ((CometlyClient, "_send"), (Downloader, "_get")):
            patched.enter_context(mock.patch.object(kind, name, late(getattr(kind, name))))
        yield


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
def heard(clock: Clock) -> Iterator[Listener]:
    """Listen to what a run in this process tells."""
    logger, listener = logging.getLogger("tap-cometly"), Listener(clock)
    logger.addHandler(listener)
    try:
        yield listener
    finally:
        logger.removeHandler(listener)
