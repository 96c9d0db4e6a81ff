"""A small version of the bench: ratios of CPU times, compared with those of a committed baseline.

`python -m tests.bench.cost.ratios` measures them and writes the baseline anew.
"""

from __future__ import annotations

import json
from pathlib import Path

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
from tests.bench.cost.figures import marginal
from tests.bench.cost.workshop import OwnWorkshop

BASELINE = Path(__file__).with_name("baseline.json")
ROUNDS = 2
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


def measured(cache: Path) -> dict[str, float]:
    """Each ratio: the less, the better for the tap."""
    cases = list(dict.fromkeys(case for pair in _PAIRS.values() for case in pair))
    with OwnWorkshop(_MANY, cache) as shop:
        seconds = marginal(shop, cases, _sizes, ROUNDS, min)
    return {
        name: round(seconds[ours.name] / seconds[other.name], 3)
        for name, (ours, other) in _PAIRS.items()
    }


def _sizes(case: Case) -> tuple[int, int]:
    return _FEW, _MANY_FOR_SLOW if case.slow else _MANY


def baseline() -> dict[str, float]:
    """What is committed."""
    ratios: dict[str, float] = json.loads(BASELINE.read_text())
    return ratios


if __name__ == "__main__":
    from tests.bench.cost.workshop import CACHE

    BASELINE.write_text(json.dumps(measured(CACHE / "small"), indent=2) + "\n")
