"""No request that the job does not need: how many calls a run costs, zone check included."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from math import ceil
from typing import TYPE_CHECKING

import pytest

from tests.integration.conftest import DAY, HOUR, KINDS, MINUTE, NOW, UTC

if TYPE_CHECKING:
    from tests.integration.conftest import Cometly, Kind, StartSpace
    from tests.support.running import Run

FIRST = datetime(2024, 1, 1, tzinfo=UTC)
LAST = NOW - 3 * MINUTE
CONTENT_CHECK = 2  # calls that checking an export's content may add


def costs(space: Cometly, run: Run, *, pages: int, exports: int = 0) -> None:
    """The run read all with so many calls of the list at most, and so many exports."""
    calls = Counter(request.endpoint for request in run.requests)
    assert calls["list"] <= pages
    assert calls["create"] == exports
    space.is_complete(run, cuts=0)


@pytest.mark.parametrize(
    ("contacts", "pages"), [(0, 3), (1, 3), (500, 3), (4_999, 3), (7_300, 4), (9_999, 4)]
)
@KINDS
def test_a_small_space_costs_a_page_or_two_and_the_zone_check(
    start_space: StartSpace, kind: Kind, contacts: int, pages: int
) -> None:
    space = start_space(contacts, FIRST, LAST, kind=kind)

    costs(space, space.sync(), pages=pages)


@pytest.mark.parametrize("contacts", [10_001, 40_000])
@KINDS
def test_a_space_above_the_threshold_costs_one_export(
    start_space: StartSpace, kind: Kind, contacts: int
) -> None:
    space = start_space(contacts, FIRST, LAST, kind=kind)

    costs(space, space.sync(), pages=6 + CONTENT_CHECK, exports=1)


@pytest.mark.parametrize(
    ("new", "pages", "mode"), [(20, 3, "auto"), (0, 2, "auto"), (0, 2, "export")]
)
@KINDS
def test_an_hourly_run_costs_a_page_and_the_zone_check(
    start_space: StartSpace, kind: Kind, new: int, pages: int, mode: str
) -> None:
    # given: a Space that has been read up to now, and an hour that has gone by since
    space = start_space(500, NOW - DAY, LAST, kind=kind)
    space.go_on()
    space.clock.advance(HOUR)
    space.space.fill(new, NOW, space.clock.now() - 2 * MINUTE)

    run = space.go_on(extraction_mode=mode)

    assert len(run.ids - set(range(501))) == new
    costs(space, run, pages=pages)


@KINDS
@pytest.mark.parametrize("quiet", [HOUR, 20 * HOUR, 40 * HOUR])
def test_an_hourly_run_of_a_quiet_space_costs_two_calls(
    start_space: StartSpace, kind: Kind, quiet: timedelta
) -> None:
    # given: a Space whose clock no recent contact shows, read by a run an hour ago
    space = start_space(500, NOW - 10 * DAY, NOW - quiet, kind=kind)
    space.go_on()
    space.clock.advance(HOUR)

    costs(space, space.go_on(), pages=2)


@pytest.mark.parametrize(("contacts", "page_size"), [(20_000, 5_000), (3_000, 250)])
@KINDS
def test_reading_by_pages_costs_hardly_more_than_the_pages(
    start_space: StartSpace, kind: Kind, contacts: int, page_size: int
) -> None:
    space = start_space(contacts, FIRST, LAST, kind=kind)

    run = space.sync(extraction_mode="pagination", page_size=page_size)

    costs(space, run, pages=ceil(contacts / page_size) + 4)
