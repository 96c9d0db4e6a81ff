"""A small version of the bench: ratios of CPU times, compared with those of a committed baseline.

`python -m tests.bench.cost.ratios` measures them and writes the baseline anew.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.cost.bench import BenchOfOneEnvironment
from tests.bench.cost.cases import (
    BATCH,
    EXPORT,
    FILE,
    GZIP,
    MAPPED,
    PAGES,
    STOCK,
    STOCK_MAPPED,
    Case,
)
from tests.bench.cost.figures import Rounds

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

BASELINE = Path(__file__).with_name("baseline.json")
ROUNDS = 8
WORSE = 4 / 3

_FEW, _MANY, _MANY_FOR_SLOW = 5_000, 400_000, 60_000
_PAIRS: dict[str, tuple[Case, Case]] = {
    "file / gzip -dc": (FILE, GZIP),
    "HTTP, spool, verified / gzip -dc": (EXPORT, GZIP),
    "pages / gzip -dc": (PAGES, GZIP),
    "BATCH / gzip -dc": (BATCH, GZIP),
    "file / stock SDK": (FILE, STOCK),
    "stream map / stock SDK": (MAPPED, STOCK_MAPPED),
}


def measured(cache: Path, enough: Mapping[str, float] | None = None) -> dict[str, float]:
    """Each ratio, of the least CPU times of some rounds: the less, the better for the tap.

    What else the machine does only adds to a time, so each further round comes closer to the truth.
    Where it is told what is small enough, only what is not yet is measured again.
    """
    ratios: dict[str, float] = {}
    pending = set(_PAIRS)
    with BenchOfOneEnvironment(_MANY, cache) as bench:
        rounds = Rounds(bench, _cases(pending), _sizes)
        for _ in range(ROUNDS):
            rounds.once_more(_cases(pending))
            seconds = rounds.marginal(min)
            for name, (ours, other) in _PAIRS.items():
                ratios[name] = round(seconds[ours.name] / seconds[other.name], 3)
            if enough:
                pending = {name for name, ratio in ratios.items() if ratio > enough[name]}
    return ratios


def _cases(names: Collection[str]) -> list[Case]:
    return list(dict.fromkeys(case for name in _PAIRS if name in names for case in _PAIRS[name]))


def _sizes(case: Case) -> tuple[int, int]:
    return _FEW, _MANY_FOR_SLOW if case.slow else _MANY


def baseline() -> dict[str, float]:
    """What is committed."""
    ratios: dict[str, float] = json.loads(BASELINE.read_text())
    return ratios


if __name__ == "__main__":
    from tests.bench.cost.bench import CACHE

    BASELINE.write_text(json.dumps(measured(CACHE / "small"), indent=2) + "\n")
