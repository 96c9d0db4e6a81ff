"""Large Spaces are read at the pace the limits allow, shown in virtual time (see `simulation`)."""

from __future__ import annotations

from itertools import product
from math import ceil

import pytest

from tap_cometly.client.client import DOCUMENTED_LIMITS
from tests.bench.model import CONTACT
from tests.bench.simulation import Outcome, simulate
from tests.bench.spaces import BURSTY, FLAT, GROWING, STEADY, Shape, Space

MILLION = 1_000_000
TARGET = 250_000

GOALS = [
    *(pytest.param(MILLION, shape, 1.6) for shape in STEADY),
    *(pytest.param(10 * MILLION, shape, 1.15) for shape in STEADY),
    *(pytest.param(100 * MILLION, shape, 1.15, marks=pytest.mark.slow) for shape in STEADY),
    pytest.param(MILLION, BURSTY, 2.0),
    pytest.param(10 * MILLION, BURSTY, 2.0),
    pytest.param(100 * MILLION, BURSTY, 2.0, marks=pytest.mark.slow),
]


def is_within_bounds(outcome: Outcome, *, parallel: int = 4) -> None:
    for endpoint, limit in DOCUMENTED_LIMITS.items():
        assert outcome.most_in_a_minute[endpoint] <= limit
    assert outcome.largest <= 2
    assert outcome.spool_files <= parallel
    assert outcome.spool <= parallel * CONTACT * max(outcome.windows)


@pytest.mark.parametrize(
    ("contacts", "shape", "goal"), GOALS, ids=lambda value: getattr(value, "name", str(value))
)
def test_a_sync_takes_hardly_longer_than_one_that_knows_everything(
    contacts: int, shape: Shape, goal: float
) -> None:
    outcome = simulate(Space(contacts, shape))

    assert outcome.contacts == contacts
    assert outcome.ratio <= goal
    assert outcome.posts == len(outcome.windows) <= 1.05 * ceil(contacts / TARGET)
    is_within_bounds(outcome)


@pytest.mark.parametrize(
    ("shape", "parallel", "target"),
    list(product((FLAT, GROWING, BURSTY), (1, 20), (50_000, 1_000_000))),
)
def test_limits_and_bounds_hold_with_other_settings(
    shape: Shape, parallel: int, target: int
) -> None:
    outcome = simulate(
        Space(3 * MILLION, shape), max_parallel_exports=parallel, export_target_size=target
    )

    assert outcome.contacts == 3 * MILLION
    is_within_bounds(outcome, parallel=parallel)


@pytest.mark.parametrize("contacts", [0, 1, 4_999, 5_000, 9_000])
def test_a_small_space_costs_no_export(contacts: int) -> None:
    outcome = simulate(Space(contacts, GROWING))

    assert (outcome.contacts, outcome.posts) == (contacts, 0)


def test_a_space_just_above_the_threshold_is_exported() -> None:
    outcome = simulate(Space(10_500, FLAT))

    assert (outcome.contacts, outcome.posts) == (10_500, 1)
