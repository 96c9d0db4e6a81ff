"""What a process costs: CPU seconds of its whole life, and its peak memory."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from typing import IO, TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from tests.bench.cost.bench import Bench, Case

MILLION = 1_000_000

_UNIT = 1 if sys.platform == "darwin" else 1024  # bytes, of ru_maxrss


class Cost(NamedTuple):
    """Of one run."""

    cpu: float
    memory: float
    """Peak, in MB of 10^6 bytes."""


class FailedError(RuntimeError):
    """What was to be measured did not work."""


def measure(command: Sequence[str], *, into_pipe: bool = False) -> Cost:
    """Run a command to its end; its output goes nowhere, or to somebody who reads it all.

    Whoever calls this must be small: Linux counts an ancestor's memory at the time of `exec` as
    the new process' own.
    """
    with subprocess.Popen(  # noqa: S603, our own commands
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if into_pipe else subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as process:
        said: list[bytes] = []
        listener = threading.Thread(target=_listen, args=(process.stderr, said))
        listener.start()
        while process.stdout and process.stdout.read(2**20):
            pass
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        listener.join()
    if process.returncode:
        tail = b"".join(said).decode(errors="replace")
        message = f"{' '.join(command)} failed with {process.returncode}: {tail}"
        raise FailedError(message)
    return Cost(usage.ru_utime + usage.ru_stime, usage.ru_maxrss * _UNIT / 1e6)


def _listen(stderr: IO[bytes] | None, said: list[bytes]) -> None:
    for line in stderr or ():
        said[:] = [*said[-20:], line]


class Rounds:
    """Rounds in each of which every case reads a smaller and a larger number of contacts.

    Cases take turns, so what else the machine does slows all of them alike.
    """

    def __init__(self, bench: Bench, sizes: Mapping[Case, tuple[int, int]]) -> None:
        self._bench = bench
        self._sizes = sizes
        self._spent: dict[tuple[Case, int], list[float]] = {}

    def once_more(self) -> None:
        for case, sizes in self._sizes.items():
            for contacts in sizes:
                cost = measure(case.command(self._bench, contacts), into_pipe=case.into_pipe)
                self._spent.setdefault((case, contacts), []).append(cost.cpu)
            log(f"{case.name}: {cost.cpu:.2f} s for {contacts:,}")

    def marginal(self, choose: Callable[[Iterable[float]], float]) -> dict[str, float]:
        """CPU seconds that one million contacts more cost, by case."""
        return {
            case.name: (choose(self._spent[case, many]) - choose(self._spent[case, few]))
            / (many - few)
            * MILLION
            for case, (few, many) in self._sizes.items()
        }


def log(what: str) -> None:
    """Log to standard error how far it is; standard output holds the tables alone."""
    print(what, file=sys.stderr, flush=True)  # noqa: T201
