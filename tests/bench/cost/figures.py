"""Runs everything, in turn and several times over, and works out what the table shows."""

from __future__ import annotations

import statistics
import sys
from typing import TYPE_CHECKING, NamedTuple

from tests.bench.cost.measuring import Sink, measure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.bench.cost.cases import Case
    from tests.bench.cost.workshop import Workshop

MILLION = 1_000_000


def marginal(
    shop: Workshop,
    cases: Iterable[Case],
    sizes: Callable[[Case], tuple[int, int]],
    rounds: int,
    of_all: Callable[[list[float]], float] = statistics.median,
) -> dict[str, float]:
    """CPU seconds that one million contacts more cost, by case.

    Each case reads a smaller and a larger number of contacts, and all cases take turns: what else
    the machine does meets all of them.
    """
    cases = list(cases)
    spent: dict[tuple[str, int], list[float]] = {}
    for turn in range(rounds):
        for case in cases:
            for contacts in sizes(case):
                cost = measure(case.command(shop, contacts), case.sink)
                spent.setdefault((case.name, contacts), []).append(cost.cpu)
            tell(f"round {turn + 1}: {case.name}, {cost.cpu:.2f} s for {contacts:,}")
    chosen = {key: of_all(values) for key, values in spent.items()}

    def more(case: Case) -> float:
        fewer, many = sizes(case)
        seconds = chosen[case.name, many] - chosen[case.name, fewer]
        return seconds / (many - fewer) * MILLION

    return {case.name: more(case) for case in cases}


class Memory(NamedTuple):
    """Peak of one mode, in MB."""

    sizes: dict[int, float]
    slow_reader: float


def memory(
    shop: Workshop, cases: Iterable[Case], sizes: Iterable[int], slow: int
) -> dict[str, Memory]:
    """Peak memory by mode, at several numbers of contacts and with a slow reader."""

    def peak(case: Case, contacts: int, sink: Sink) -> float:
        cost = measure(case.command(shop, contacts), sink)
        tell(f"memory: {case.name}, {cost.memory:.0f} MB for {contacts:,}, {sink}")
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


def start_up(shop: Workshop, rounds: int) -> dict[str, StartUp]:
    """How long the tap takes to say something, beside a bare tap of the SDK."""
    ours, bare = shop.tap(0)[0], shop.stock_sdk()
    bare = bare[:2]
    found = {}
    for option in ("--version", "--discover"):
        spent: tuple[list[float], list[float]] = [], []
        for _ in range(rounds):
            for command, into in zip(([ours], bare), spent, strict=True):
                into.append(measure([*command, option]).cpu)
        found[option] = StartUp(*map(statistics.median, spent))
        tell(f"start-up {option}: {found[option]}")
    return found


def tell(what: str) -> None:
    """Say how far it is; the table alone goes to standard output."""
    print(what, file=sys.stderr, flush=True)  # noqa: T201
