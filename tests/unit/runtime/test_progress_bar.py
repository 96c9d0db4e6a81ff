"""A bar that is interrupted leaves the terminal as if there had been none."""

from __future__ import annotations

import contextlib
import io
import logging
import signal
from typing import TYPE_CHECKING

import pytest
from typing_extensions import override

from tap_cometly.runtime.clock import Clock
from tap_cometly.runtime.progress import Progress
from tap_cometly.runtime.progress_bar import ProgressBar
from tap_cometly.runtime.signals import Stopped, StopSignal
from tests.support.terminal import Screen

if TYPE_CHECKING:
    from collections.abc import Iterator


class Terminal(io.StringIO):
    """Standard error, at whose n-th piece of text a signal arrives."""

    def __init__(self, stop: StopSignal) -> None:
        super().__init__()
        self.pieces = 0
        self.signal_at: int | None = None
        self._stop = stop

    @override
    def write(self, text: str) -> int:
        written = super().write(text)
        self.pieces += 1
        if self.pieces == self.signal_at:
            self._stop.request(signal.SIGTERM)
        return written

    @property
    def left(self) -> list[str]:
        screen = Screen()
        screen.take(self.getvalue().replace("\n", "\r\n"))  # as terminals have it
        return screen.lines


@pytest.fixture
def stop() -> StopSignal:
    return StopSignal()


@pytest.fixture
def terminal(stop: StopSignal) -> Terminal:
    return Terminal(stop)


@pytest.fixture
def logger(terminal: Terminal) -> Iterator[logging.Logger]:
    made = logging.getLogger("tests.progress_bar")
    handler = logging.StreamHandler(terminal)
    made.addHandler(handler)
    made.setLevel(logging.INFO)
    yield made
    made.removeHandler(handler)


def draw(stop: StopSignal, logger: logging.Logger, terminal: Terminal) -> None:
    with contextlib.redirect_stderr(terminal):
        bar = ProgressBar(Progress(Clock()), stop)
        try:
            logger.info("One line")
            logger.info("Another")
        finally:
            bar.close()


def test_a_signal_at_any_moment_leaves_whole_lines_only(
    stop: StopSignal, terminal: Terminal, logger: logging.Logger
) -> None:
    draw(stop, logger, terminal)
    assert terminal.left == ["One line", "Another"]
    moments = terminal.pieces

    for moment in range(1, moments + 1):
        terminal.truncate(0)
        terminal.seek(0)
        terminal.pieces, terminal.signal_at = 0, moment
        with pytest.raises(Stopped):
            draw(stop, logger, terminal)

        assert terminal.left == ["One line", "Another"][: len(terminal.left)], moment
