"""What is logged while something runs.

pytest's own capture is off: it writes each line of the tap's DEBUG log once more, which takes a
tenth of the time of the tests that run the tap in their process.
"""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING

from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Iterator


class _Keeping(logging.Handler):
    def __init__(self, level: int) -> None:
        super().__init__(level)
        self.messages: list[str] = []

    @override
    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(self.format(record))


@contextlib.contextmanager
def logged(name: str, level: int) -> Iterator[list[str]]:
    """Keep what a logger, or one below it, is told at a level or above."""
    logger, handler = logging.getLogger(name), _Keeping(level)
    before = logger.level
    logger.setLevel(min(level, before or level))
    logger.addHandler(handler)
    try:
        yield handler.messages
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)
