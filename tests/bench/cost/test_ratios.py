"""The tap has not become slower beside what runs on the same machine at the same time."""

from __future__ import annotations

import os

import pytest

from tests.bench.cost.bench import BATCH, EXPORT, FILE, GZIP, MAPPED, PAGES, STOCK, Bench, Case
from tests.bench.cost.measuring import Rounds

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

# CPU seconds of one case by those of another, as they were measured; the less, the better.
USUAL: dict[tuple[Case, Case], float] = {
    (FILE, GZIP): 1.5,
    (EXPORT, GZIP): 2.3,
    (PAGES, GZIP): 3.1,
    (BATCH, GZIP): 2.4,
    (MAPPED, STOCK): 0.2,
}
WORSE = 4 / 3
ROUNDS = 5
FEW, MANY = 5_000, 400_000
MANY_FOR_SLOW = {MAPPED: 100_000, STOCK: 30_000}


@pytest.mark.skipif("PYTEST_XDIST_WORKER" in os.environ, reason="needs the machine for itself")
def test_no_ratio_is_a_third_worse_than_usual() -> None:
    """What else the machine does only adds to a time, so of some rounds the least counts."""
    cases = dict.fromkeys(case for pair in USUAL for case in pair)
    with Bench(MANY) as bench:
        rounds = Rounds(bench, {case: (FEW, MANY_FOR_SLOW.get(case, MANY)) for case in cases})
        for _ in range(ROUNDS):
            rounds.once_more()
            seconds = rounds.marginal(min)
            worse = {
                f"{ours.name} / {other.name}": ratio
                for (ours, other), usual in USUAL.items()
                if (ratio := seconds[ours.name] / seconds[other.name]) > usual * WORSE
            }
            if not worse:
                break
    assert worse == {}
