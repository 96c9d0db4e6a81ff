"""A terminal for a program's standard error, and what somebody in front of it sees."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import struct
import subprocess
import tempfile
import termios
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support.running import LONGEST_RUN, SCRIPT, arguments, config_for, environment

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.sandbox import Sandbox

COLUMNS = 120
_PIECES = re.compile(r"\x1b\[A|[\r\n]|[^\r\n\x1b]+|\x1b[^A]*")


class Screen:
    """Rows of text, as a terminal makes them of what it is sent."""

    def __init__(self) -> None:
        self.rows = [""]
        self._row = self._column = 0

    def take(self, text: str) -> None:
        for piece in _PIECES.findall(text):
            match piece:
                case "\r":
                    self._column = 0
                case "\n":
                    self._row += 1
                    self.rows += [""] * (self._row + 1 - len(self.rows))
                case "\x1b[A":
                    self._row -= 1
                case _:
                    assert not piece.startswith("\x1b"), f"no terminal is that clever: {piece!r}"
                    self._write(piece)

    def _write(self, piece: str) -> None:
        row, end = self.rows[self._row].ljust(self._column), self._column + len(piece)
        self.rows[self._row] = row[: self._column] + piece + row[end:]
        self._column = end

    @property
    def lines(self) -> list[str]:
        """What is on it in the end, less blanks behind."""
        return [row.rstrip() for row in self.rows if row.strip()]


@dataclass
class Session:
    """A run of the tap in front of a terminal."""

    process: subprocess.Popen[bytes]
    shown: list[bytes] = field(default_factory=list)
    out: bytes = b""

    @property
    def sent(self) -> str:
        """Everything the terminal was sent."""
        return b"".join(self.shown).decode(errors="ignore")

    @property
    def left(self) -> list[str]:
        """The rows that are there after the end."""
        screen = Screen()
        screen.take(self.sent)
        return screen.lines


@contextlib.contextmanager
def session(
    sandbox: Sandbox,
    config: Mapping[str, Any] | None = None,
    env: Mapping[str, str] | None = None,
    *,
    messages_too: bool = False,
) -> Iterator[Session]:
    """Start the console script; after the `with` block it has ended, and all has been read.

    Standard output is a pipe, or with `messages_too` the same terminal.
    """
    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        given = {"TERM": "xterm", "TAP_COMETLY_LOGLEVEL": "INFO", **(env or {})}
        process = subprocess.Popen(  # noqa: S603, our own script
            [str(SCRIPT), *arguments(folder, config_for(sandbox, config))],
            env=environment(folder, given),
            stdout=slave if messages_too else subprocess.PIPE,
            stderr=slave,
        )
        os.close(slave)
        started = Session(process)
        look = threading.Thread(target=_look, args=(master, started.shown))
        look.start()
        try:
            yield started
            started.out, _ = process.communicate(timeout=LONGEST_RUN)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            look.join()
            os.close(master)


def _look(master: int, shown: list[bytes]) -> None:
    with contextlib.suppress(OSError):  # how a terminal says that nobody holds it any more
        while part := os.read(master, 2**16):
            shown.append(part)
