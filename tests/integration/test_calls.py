"""No request that the job does not need: how many calls a run costs, zone check included."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta, timezone
from math import ceil
from typing import TYPE_CHECKING

import pytest

from tests.integration.conftest import NOW
from tests.sandbox import Options, dated
from tests.support.properties import check
from tests.support.running import sync

if TYPE_CHECKING:
    from tests.integration.conftest import StartCometly
    from tests.sandbox import Sandbox
    from tests.support.clock import FakeClock
    from tests.support.running import Run

FIRST = datetime(2024, 1, 1, tzinfo=timezone.utc)
LAST = NOW - timedelta(minutes=3)
CONTENT_CHECK = 2  # calls that checking an export's content may add

spaces = pytest.mark.parametrize("options", [Options(), dated()], ids=["undated", "dated"])


def calls(run: Run) -> Counter[str]:
    return Counter(request.endpoint for request in run.requests)


@pytest.mark.parametrize(
    ("contacts", "at_most"),
    [(0, 3), (1, 3), (500, 3), (4_999, 3), (7_300, 4), (9_999, 4)],
)
@spaces
def test_a_small_space_costs_a_page_or_two_and_the_zone_check(
    cometly: StartCometly, options: Options, contacts: int, at_most: int
) -> None:
    # given
    sandbox, clock = cometly(options)
    sandbox.space.fill(contacts, FIRST, LAST)

    # when
    run = sync(sandbox, clock=clock)

    # then
    assert len(run.ids) == contacts
    assert calls(run).keys() == {"list"}
    assert calls(run)["list"] <= at_most
    check(run, sandbox, cuts=0)


@pytest.mark.parametrize("contacts", [10_001, 60_000])
@spaces
def test_a_space_above_the_threshold_costs_one_export(
    cometly: StartCometly, options: Options, contacts: int
) -> None:
    # given
    sandbox, clock = cometly(options)
    sandbox.space.fill(contacts, FIRST, LAST)

    # when
    run = sync(sandbox, clock=clock)

    # then
    assert len(run.ids) == contacts
    assert calls(run)["create"] == 1
    assert calls(run)["list"] <= 6 + CONTENT_CHECK
    check(run, sandbox, cuts=0)


@pytest.mark.parametrize(
    ("new", "at_most", "mode"), [(20, 3, "auto"), (0, 2, "auto"), (0, 2, "export")]
)
@spaces
def test_an_hourly_run_costs_a_page_and_the_zone_check(
    cometly: StartCometly, options: Options, new: int, at_most: int, mode: str
) -> None:
    # given: a Space that has been read up to now, and an hour that has gone by since
    sandbox, clock = cometly(options)
    sandbox.space.fill(500, NOW - timedelta(days=1), LAST)
    state = an_hour_later(sandbox, clock)
    sandbox.space.fill(new, NOW, clock.now() - timedelta(minutes=2))

    # when
    run = sync(sandbox, {"extraction_mode": mode}, state, clock=clock)

    # then
    assert len(run.ids - set(range(501))) == new
    assert calls(run).keys() == {"list"}
    assert calls(run)["list"] <= at_most
    check(run, sandbox, cuts=0)


def an_hour_later(sandbox: Sandbox, clock: FakeClock) -> object:
    """The state that a run leaves, and the next hour."""
    run = sync(sandbox, clock=clock)
    clock.set(NOW + timedelta(hours=1))
    return run.state


@pytest.mark.parametrize(("contacts", "page_size"), [(20_000, 5_000), (3_000, 250)])
@spaces
def test_reading_by_pages_costs_hardly_more_than_the_pages(
    cometly: StartCometly, options: Options, contacts: int, page_size: int
) -> None:
    # given
    sandbox, clock = cometly(options)
    sandbox.space.fill(contacts, FIRST, LAST)

    # when
    config = {"extraction_mode": "pagination", "page_size": page_size}
    run = sync(sandbox, config, clock=clock)

    # then
    assert len(run.ids) == contacts
    assert calls(run).keys() == {"list"}
    assert calls(run)["list"] <= ceil(contacts / page_size) + 4
    check(run, sandbox, cuts=0)
