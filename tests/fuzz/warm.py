"""Taps that start in no time: a process that has imported everything, and forks a real one a run.

`python -m tests.fuzz.warm` serves orders, one JSON object a line; `Warm` is its other end.
"""

from __future__ import annotations

import io
import json
import logging
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from typing_extensions import Buffer, override

from tap_cometly.__main__ import main
from tap_cometly.client.client import DOCUMENTED_LIMITS
from tap_cometly.exports import orchestrator
from tap_cometly.extract import extractor, services
from tap_cometly.tap import TapCometly
from tests.fuzz.hurry import HurriedClock, HurriedThreads
from tests.support.running import tap_with

if TYPE_CHECKING:
    from collections.abc import Iterator

_ROOT = Path(__file__).parents[2]
_PAGE_WINDOW = 10  # contacts: several windows out of few contacts
_POLLS = ("_FIRST_POLLS", "_POLL_INTERVAL", "_OTHERS_INTERVAL")
_NO_LIMIT = 100_000
_POLL_EVERY = 0.02  # seconds: the sandbox's exports are ready at once


@dataclass(frozen=True)
class Order:
    """A run, and how it is to be ended: before its n-th line is complete, or after a while."""

    arguments: list[str]
    out: str
    log: str
    signal: int = 0
    line: int | None = None
    bytes: int = 0
    """How much of the line after the last complete one still goes out."""
    seconds: float | None = None
    since: float = 0.0
    speed: float = 0.0
    """How much faster its time goes by; 0 for the machine's own."""


class End(NamedTuple):
    """The code that `subprocess` would tell, and how long dying took."""

    code: int
    seconds: float


class Warm(NamedTuple):
    """The process that forks taps; they are its children, so it ends and buries them."""

    process: subprocess.Popen[str]
    spool: Path

    def run(self, order: Order) -> End:
        assert self.process.stdin
        assert self.process.stdout
        print(json.dumps(asdict(order)), file=self.process.stdin, flush=True)
        return End(*json.loads(self.process.stdout.readline()))


@contextmanager
def warm(spool: Path) -> Iterator[Warm]:
    """Start it; its taps have this folder, which is made, for their temporary files."""
    spool.mkdir()
    # macOS asks the system for its proxies, which a forked process must not do.
    settings = {"NO_PROXY": "127.0.0.1", "TAP_COMETLY_LOGLEVEL": "DEBUG", "TMPDIR": str(spool)}
    process = subprocess.Popen(  # noqa: S603, our own module
        [sys.executable, "-m", __name__],
        cwd=_ROOT,
        env={**os.environ, **settings},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield Warm(process, spool)
    finally:
        process.communicate()


class _Tripwire(io.RawIOBase):
    """A standard output that sends its own process a signal within the n-th line."""

    def __init__(self, lines: int, more: int, number: int) -> None:
        self._lines = lines
        self._more = more
        self._signal = number

    @override
    def writable(self) -> bool:
        return True

    @override
    def write(self, data: Buffer, /) -> int:
        part = bytes(data)
        last = self._end_of_last_line(part)
        if last is None:
            return os.write(1, part)
        written = os.write(1, part[: last + self._more]) if last + self._more else 0
        number, self._signal = self._signal, 0
        os.kill(os.getpid(), number)
        return written or os.write(1, part)

    def _end_of_last_line(self, part: bytes) -> int | None:
        """Where the last line that may go out ends; None while it is still to come."""
        if not self._signal:
            return None
        end = 0
        while self._lines:
            end = part.find(b"\n", end) + 1
            if not end:
                return None
            self._lines -= 1
        return end


def _serve() -> None:
    extractor.PAGE_WINDOW = _PAGE_WINDOW
    _import_everything()
    for line in sys.stdin:
        order = Order(**json.loads(line))
        child = os.fork()
        if not child:
            _become_a_tap(order)
        print(json.dumps(_end(child, order)), flush=True)  # noqa: T201, its other end reads it


def _import_everything() -> None:
    """Build a tap and let go of it: much is imported where it is first needed."""
    config = {"api_key": "ck_none", "start_date": "2024-01-01T00:00:00Z", "timezone": "Asia/Tokyo"}
    TapCometly(config=config)
    logging.getLogger().handlers.clear()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


def _become_a_tap(order: Order) -> None:
    for number, path in ((0, os.devnull), (1, order.out), (2, order.log)):
        opened = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    if order.line is not None:
        wire = _Tripwire(order.line, order.bytes, order.signal)
        sys.stdout = io.TextIOWrapper(io.BufferedWriter(wire), encoding="utf-8")
    if order.speed:
        setattr(services, "ThreadTasks", HurriedThreads)  # noqa: B010, as tests/support does it
        tap_with(HurriedClock(order.since, order.speed)).cli(order.arguments)
    else:
        _poll_at_once()
        main(order.arguments)


def _poll_at_once() -> None:
    for interval in _POLLS:
        assert hasattr(orchestrator, interval)
        setattr(orchestrator, interval, _POLL_EVERY)
    DOCUMENTED_LIMITS["poll"] = _NO_LIMIT


def _end(child: int, order: Order) -> End:
    if order.seconds is not None:
        time.sleep(order.seconds)
        os.kill(child, order.signal)
    sent = time.monotonic()
    _, status = os.waitpid(child, 0)
    return End(os.waitstatus_to_exitcode(status), time.monotonic() - sent)


if __name__ == "__main__":
    _serve()
