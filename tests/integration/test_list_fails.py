"""A list that fails, lags behind its limit or refuses long ranges: exports need it only for advice.

Pages are split where the list refuses their length, with a bounded number of calls.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from math import ceil, log2
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.conftest import NOW, Cometly, Kind
from tests.sandbox import Options, dated, partial

if TYPE_CHECKING:
    from tests.integration.conftest import StartSpace
    from tests.sandbox import Request
    from tests.sandbox.partial import Keeps
    from tests.support.running import Run

YEARS = timedelta(days=5 * 365)
START = {"start_date": (NOW - YEARS).isoformat()}
PAGES = {**START, "extraction_mode": "pagination"}
CONTACTS = 1_800
WINDOW = 300
EXPORTS = {"export_target_size": WINDOW, "export_threshold": WINDOW, "page_size": 180}
HOUR, MINUTE = 3_600.0, 60.0
IN_EACH_MODE = pytest.mark.parametrize(
    ("kind", "mode"),
    [(dated, "export"), (Options, "auto")],
    ids=["dated, export", "undated, auto"],
)
REFUSALS = pytest.mark.parametrize(
    "refusal", ["max_list_days", "slow_list_days"], ids=["422", "504"]
)


@pytest.fixture
def years(start_space: StartSpace, kind: Kind) -> Cometly:
    """Many contacts, to be exported."""
    return start_space(CONTACTS, NOW - YEARS, kind=kind, config={**START, **EXPORTS})


@pytest.fixture
def few(start_space: StartSpace) -> Cometly:
    """Few contacts, to be read by pages."""
    return start_space(500, NOW - YEARS, config=PAGES)


def calls(run: Run, endpoint: str) -> list[Request]:
    return [request for request in run.requests if request.endpoint == endpoint]


@pytest.mark.parametrize(
    "outage",
    [
        {"status": 429, "headers": {"Retry-After": "60"}},
        {"status": 429, "headers": {"Retry-After": "900"}},
        {"status": 503},
        {"status": 504},
        {"kind": "hangup"},
        {"kind": "garbage"},
    ],
    ids=["429", "429 for long", "503", "504", "hang-up", "a web page"],
)
@IN_EACH_MODE
def test_exports_go_on_while_the_list_fails_for_an_hour(
    years: Cometly, mode: str, outage: dict[str, Any]
) -> None:
    """In `auto` from the second call on: the first page has said that there are many."""
    years.fault("list", call=1 if mode == "export" else 2, lasts=HOUR, **outage)

    run = years.sync(extraction_mode=mode)

    created = calls(run, "create")
    assert created[0].at <= 2 * MINUTE  # one of them for the zone check, after a 429
    assert years.seconds <= 12 * MINUTE
    assert len(created) <= 40
    assert len(calls(run, "list")) <= 8 * years.seconds / MINUTE + 10
    years.is_complete(run, cuts=1)


@pytest.mark.parametrize("days", [31, 60])
@REFUSALS
@IN_EACH_MODE
def test_exports_go_on_where_the_list_refuses_long_ranges(
    years: Cometly, mode: str, refusal: str, days: int
) -> None:
    years.change(**{refusal: days})

    run = years.sync(extraction_mode=mode)

    created = calls(run, "create")
    assert created[0].at <= 10
    assert len(created) <= 12
    assert len(calls(run, "list")) <= 30
    assert years.seconds <= 3 * MINUTE
    years.is_complete(run, cuts=1)


@REFUSALS
@IN_EACH_MODE
@pytest.mark.parametrize(
    "keeps",
    [partial.newest(0.6), partial.oldest(0.6), partial.nothing],
    ids=["the oldest", "the newest", "all"],
)
def test_an_export_that_lacks_contacts_is_made_again_where_the_list_refuses_long_ranges(
    years: Cometly, keeps: Keeps, mode: str, refusal: str
) -> None:
    years.change(export_keeps=keeps, partial_exports=1, **{refusal: 31})

    run = years.sync(extraction_mode=mode)

    assert "lacks contacts" in run.log
    years.is_complete(run, cuts=0)


@REFUSALS
@pytest.mark.parametrize("kind", [dated])
def test_a_window_left_to_pages_is_split_where_the_list_refuses_its_length(
    years: Cometly, refusal: str
) -> None:
    years.change(job_fails=lambda _first, _last: True, **{refusal: 31})

    run = years.sync(page_size=5_000)

    years.is_complete(run, cuts=1)


@pytest.mark.parametrize("days", [31, 60])
@REFUSALS
def test_few_contacts_take_few_calls_in_auto(few: Cometly, refusal: str, days: int) -> None:
    few.change(**{refusal: days})

    run = few.sync(extraction_mode="auto")

    assert len(run.requests) <= 20
    assert few.seconds <= MINUTE
    few.is_complete(run)


@pytest.mark.parametrize("days", [31, 60, 1_000])
@REFUSALS
def test_pages_take_no_more_calls_than_the_list_makes_necessary(
    few: Cometly, refusal: str, days: int
) -> None:
    few.change(**{refusal: days})

    run = few.sync()

    longest = max(_length(call) for call in calls(run, "list") if call.status == 200)
    parts = ceil(_length(run.requests[0]) / longest)
    slow = refusal == "slow_list_days"  # has to be told from an outage, which takes one call more
    assert len(calls(run, "list")) <= parts + 3 + log2(parts) + slow
    few.is_complete(run, cuts=1)


def _length(call: Request) -> float:
    """Days that were asked for."""
    start, end = (datetime.fromisoformat(call.query[name]) for name in ("start_date", "end_date"))
    return (end - start).total_seconds() / 86_400


def test_pages_outlast_an_outage_that_begins_as_a_gateways_time_out(few: Cometly) -> None:
    few.fault("list", status=504, lasts=4 * MINUTE)

    run = few.sync()

    assert few.seconds <= 6 * MINUTE
    assert len([call for call in calls(run, "list") if call.status == 200]) <= 8
    few.is_complete(run)


def test_an_api_that_refuses_the_future_and_a_machine_that_is_ahead_get_on(few: Cometly) -> None:
    few.change(refuses_future=frozenset({"list", "create"}))

    run = few.sync(clock=few.clock.ahead(timedelta(minutes=10)))

    assert len([call for call in calls(run, "list") if call.status == 422]) <= 3
    few.is_complete(run, now=NOW, cuts=0)
