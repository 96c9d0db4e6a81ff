"""Large Spaces are read at the pace the limits allow, shown in virtual time (see `simulation`)."""

from __future__ import annotations

import pytest

from tap_cometly.client.client import DOCUMENTED_LIMITS
from tests.bench.model import CONTACT
from tests.bench.simulation import Outcome, simulate
from tests.bench.spaces import BURSTY, FLAT, GROWING, SHAPES, Shape, Space

MILLION = 1_000_000
GOALS = {MILLION: 2.0, 10 * MILLION: 1.25, 100 * MILLION: 1.05}


def is_within_bounds(outcome: Outcome, *, parallel: int = 4) -> None:
    for endpoint, limit in DOCUMENTED_LIMITS.items():
        assert outcome.most_in_a_minute[endpoint] <= limit
    assert outcome.largest <= 2
    assert outcome.spool_files <= parallel
    assert outcome.spool <= parallel * CONTACT * max(outcome.exported)


def is_read_without_a_false_alarm(outcome: Outcome, contacts: int) -> None:
    assert outcome.warnings == []
    assert outcome.contacts == contacts
    assert outcome.posts == len(outcome.exported)
    assert outcome.by_pages == []


@pytest.mark.parametrize("contacts", GOALS, ids=lambda contacts: f"{contacts:,}")
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_a_sync_takes_hardly_longer_than_one_that_knows_everything(
    contacts: int, shape: Shape
) -> None:
    outcome = simulate(Space(contacts, shape))

    assert outcome.ratio <= GOALS[contacts]
    assert max(outcome.noticed_after) <= 10
    is_within_bounds(outcome)
    is_read_without_a_false_alarm(outcome, contacts)


@pytest.mark.parametrize("parallel", [1, 20])
@pytest.mark.parametrize("target", [50_000, MILLION])
def test_limits_and_bounds_hold_with_other_settings(parallel: int, target: int) -> None:
    outcome = simulate(
        Space(3 * MILLION, BURSTY), max_parallel_exports=parallel, export_target_size=target
    )

    is_within_bounds(outcome, parallel=parallel)
    is_read_without_a_false_alarm(outcome, 3 * MILLION)


@pytest.mark.parametrize("contacts", [0, 1, 4_999, 5_000, 9_000])
def test_a_small_space_costs_no_export(contacts: int) -> None:
    outcome = simulate(Space(contacts, GROWING))

    assert (outcome.contacts, outcome.posts) == (contacts, 0)


def test_a_space_just_above_the_threshold_is_exported() -> None:
    outcome = simulate(Space(10_500, FLAT))

    assert (outcome.contacts, outcome.posts) == (10_500, 1)
