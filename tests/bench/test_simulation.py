"""Large Spaces are read at the pace the limits allow, shown in virtual time (see `simulation`)."""

from __future__ import annotations

from datetime import datetime, timezone
from itertools import product
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from tap_cometly.client.client import DOCUMENTED_LIMITS
from tests.bench.model import CONTACT
from tests.bench.simulation import Outcome, simulate
from tests.bench.spaces import (
    BURSTY,
    EPOCH,
    FLAT,
    GROWING,
    HOUR,
    SHAPES,
    YEAR,
    YEARS,
    Shape,
    Space,
    bursty,
)

if TYPE_CHECKING:
    from tests.bench.model import JobTime

MILLION = 1_000_000
TARGET = 250_000
GOALS = {MILLION: 2.0, 10 * MILLION: 1.25, 100 * MILLION: 1.05}

sizes = pytest.mark.parametrize(
    ("contacts", "dated"),
    [
        *product((MILLION, 10 * MILLION), (False, True)),
        pytest.param(100 * MILLION, False, marks=pytest.mark.slow),
    ],
)
shapes = pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)


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


@sizes
@shapes
def test_a_sync_takes_hardly_longer_than_one_that_knows_everything(
    contacts: int, shape: Shape, *, dated: bool
) -> None:
    outcome = simulate(Space(contacts, shape), dated=dated)

    assert outcome.ratio <= GOALS[contacts]
    is_within_bounds(outcome)
    is_read_without_a_false_alarm(outcome, contacts)


@pytest.mark.parametrize(
    ("shape", "parallel", "target"),
    list(product((FLAT, GROWING, BURSTY), (1, 20), (50_000, MILLION))),
)
def test_limits_and_bounds_hold_with_other_settings(
    shape: Shape, parallel: int, target: int
) -> None:
    outcome = simulate(
        Space(3 * MILLION, shape), max_parallel_exports=parallel, export_target_size=target
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


# Polls.

MIXED = (5, 25, 40, 120, 600)  # seconds


def lasting(*seconds: int) -> JobTime:
    return lambda number, _contacts: seconds[number % len(seconds)]


@pytest.mark.parametrize("contacts", [MILLION, 5 * MILLION], ids=["4 jobs", "20 jobs"])
@pytest.mark.parametrize(
    ("seconds", "goal"),
    [((5,), 1.3), *(((each,), 1.15) for each in MIXED[1:]), (MIXED, 1.15), (MIXED[::-1], 1.15)],
    ids=str,
)
def test_completed_exports_are_noticed_as_soon_as_the_limit_allows(
    contacts: int, seconds: tuple[int, ...], goal: float
) -> None:
    space = Space(contacts, FLAT)

    polled = simulate(space, job_time=lasting(*seconds))
    told = simulate(space, job_time=lasting(*seconds), told=True)

    assert max(told.noticed_after) == pytest.approx(0.0, abs=0.01)
    assert max(polled.noticed_after) <= 10
    assert polled.wall <= goal * told.wall
    is_within_bounds(polled)
    is_read_without_a_false_alarm(polled, contacts)


# An import within an hour that occurs twice.

BERLIN = ZoneInfo("Europe/Berlin")
REPEATED = datetime(2022, 10, 30, tzinfo=timezone.utc)  # until 02:00 UTC
IMPORTED, AROUND = 300_000, 10_000


def with_import() -> Space:
    """All but some contacts were created within half an hour of the one that occurs twice."""
    at = (REPEATED - EPOCH).total_seconds() + HOUR / 2
    share = IMPORTED / (IMPORTED + AROUND)
    curve = bursty({at / (YEARS * YEAR): share}, HOUR // 2)
    return Space(IMPORTED + AROUND, Shape("import", curve))


@pytest.mark.parametrize("target", [10_000, TARGET])
@pytest.mark.parametrize("mode", ["auto", "export", "pagination"])
def test_an_import_within_a_repeated_hour_is_read_three_times_at_most(
    mode: str, target: int
) -> None:
    outcome = simulate(
        with_import(),
        all_ids=True,
        timezone=BERLIN.key,
        extraction_mode=mode,
        export_target_size=target,
    )

    assert len(outcome.times_read) == IMPORTED + AROUND
    assert max(outcome.times_read.values()) <= 3


def test_an_import_within_a_repeated_hour_that_no_export_takes_is_read_once_by_pages() -> None:
    outcome = simulate(with_import(), all_ids=True, timezone=BERLIN.key, largest_job=100_000)

    assert len(outcome.times_read) == IMPORTED + AROUND
    assert max(outcome.times_read.values()) <= 3
    assert max(outcome.by_pages) >= IMPORTED
