"""What a process costs: CPU seconds of its whole life, and its peak memory."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from typing import IO, TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Sink = Literal["null", "pipe", "slow pipe"]

_UNIT = 1 if sys.platform == "darwin" else 1024  # bytes, of ru_maxrss
_PART = 2**20  # bytes
_NAP = 5.0  # seconds in which a slow reader reads nothing at all
_PAUSE = 0.02  # seconds after each megabyte of it


class Cost(NamedTuple):
    """Of one run."""

    cpu: float
    memory: float
    """Peak, in MB of 10^6 bytes."""
    lines: int
    """Read from its standard output, if anybody read."""


class FailedError(RuntimeError):
    """What was to be measured did not work."""


def measure(
    command: Sequence[str], sink: Sink = "null", env: Mapping[str, str] | None = None
) -> Cost:
    """Run a command to its end. Whoever calls this must be small: Linux counts an
    ancestor's memory at the time of `exec` as the new process' own.
    """
    with subprocess.Popen(  # noqa: S603, our own commands
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL if sink == "null" else subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **(env or {})},
    ) as process:
        said: list[bytes] = []
        listener = threading.Thread(target=_listen, args=(process.stderr, said))
        listener.start()
        lines = _drain(process.stdout, slowly=sink == "slow pipe") if process.stdout else 0
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        listener.join()
    if process.returncode:
        tail = b"".join(said)[-2000:].decode(errors="replace")
        message = f"{' '.join(command)} failed with {process.returncode}: {tail}"
        raise FailedError(message)
    return Cost(usage.ru_utime + usage.ru_stime, usage.ru_maxrss * _UNIT / 1e6, lines)


def _listen(stderr: IO[bytes] | None, said: list[bytes]) -> None:
    for line in stderr or ():
        said[:] = [*said[-20:], line]


def _drain(stdout: IO[bytes], *, slowly: bool) -> int:
    lines = 0
    if slowly:
        time.sleep(_NAP)
    while part := stdout.read(_PART):
        lines += part.count(b"\n")
        if slowly:
            time.sleep(_PAUSE)
    return lines
