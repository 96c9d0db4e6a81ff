"""Runs everything, in turn and several times over, and works out what the table shows."""

from __future__ import annotations

import statistics
import sys
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from tests.bench.cost.measuring import Sink, measure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.bench.cost.bench import Bench
    from tests.bench.cost.cases import Case

MILLION = 1_000_000


Sizes: TypeAlias = "Callable[[Case], tuple[int, int]]"


def marginal(bench: Bench, cases: Iterable[Case], sizes: Sizes, rounds: int) -> dict[str, float]:
    """CPU seconds that one million contacts more cost, by case: medians of some rounds.

    Each round runs every case with a smaller and a larger number of contacts: as they take turns,
    what else the machine does slows all of them alike.
    """
    runs = [(case, contacts) for case in cases for contacts in sizes(case)]
    spent: dict[tuple[Case, int], list[float]] = {run: [] for run in runs}
    for _ in range(rounds):
        for case, contacts in runs:
            cost = measure(case.command(bench, contacts), case.sink)
            spent[case, contacts].append(cost.cpu)
            log(f"{case.name}: {cost.cpu:.2f} s for {contacts:,}")
    medians = {run: statistics.median(seconds) for run, seconds in spent.items()}
    by_case = {case: sizes(case) for case, _ in runs}
    return {
        case.name: (medians[case, many] - medians[case, few]) / (many - few) * MILLION
        for case, (few, many) in by_case.items()
    }


class Memory(NamedTuple):
    """Peak of one mode, in MB."""

    sizes: dict[int, float]
    slow_reader: float


def memory(
    bench: Bench, cases: Iterable[Case], sizes: Iterable[int], slow: int
) -> dict[str, Memory]:
    """Peak memory by mode, at several numbers of contacts and with a slow reader."""

    def peak(case: Case, contacts: int, sink: Sink) -> float:
        cost = measure(case.command(bench, contacts), sink)
        log(f"memory: {case.name}, {cost.memory:.0f} MB for {contacts:,}, {sink}")
        return cost.memory

    sizes = list(sizes)
    return {
        case.name: Memory(
            {contacts: peak(case, contacts, "pipe") for contacts in sizes},
            peak(case, slow, "slow pipe"),
        )
        for case in cases
    }


class StartUp(NamedTuple):
    """CPU seconds."""

    tap: float
    bare: float


def start_up(bench: Bench, rounds: int) -> dict[str, StartUp]:
    """How long the tap takes to say something, beside a bare tap of the SDK."""
    ours, bare = bench.tap(0)[0], bench.stock_sdk()
    bare = bare[:2]
    found = {}
    for option in ("--version", "--discover"):
        spent: tuple[list[float], list[float]] = [], []
        for _ in range(rounds):
            for command, into in zip(([ours], bare), spent, strict=True):
                into.append(measure([*command, option]).cpu)
        found[option] = StartUp(*map(statistics.median, spent))
        log(f"start-up {option}: {found[option]}")
    return found


def log(what: str) -> None:
    """Log to standard error how far it is; standard output holds the table alone."""
    print(what, file=sys.stderr, flush=True)  # noqa: T201
