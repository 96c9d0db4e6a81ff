"""A list that fails, lags behind its limit or refuses long ranges: exports need it only for advice.

Pages are split where the list refuses their length, with a bounded number of calls.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from math import ceil, log2
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.conftest import NOW, Cometly
from tests.sandbox import Fault, Options, dated
from tests.support.properties import check
from tests.support.running import sync

if TYPE_CHECKING:
    from tests.integration.conftest import StartCometly
    from tests.sandbox import Request
    from tests.support.running import Run

YEARS = timedelta(days=5 * 365)
START = (NOW - YEARS).isoformat()
CONTACTS = 1_800
WINDOW = 300
EXPORT = {
    "start_date": START,
    "extraction_mode": "export",
    "export_target_size": WINDOW,
    "export_threshold": WINDOW,
}
AUTO = {**EXPORT, "extraction_mode": "auto", "page_size": 180}
MODES = {"export": EXPORT, "auto": AUTO}
HOUR, MINUTE = 3_600.0, 60.0
REFUSALS = pytest.mark.parametrize(
    "refusal", ["max_list_days", "slow_list_days"], ids=["422", "504"]
)

OUTAGES: dict[str, dict[str, Any]] = {
    "429": {"status": 429, "headers": {"Retry-After": "60"}},
    "429 for long": {"status": 429, "headers": {"Retry-After": "900"}},
    "503": {"status": 503},
    "504": {"status": 504},
    "hang-up": {"kind": "hangup"},
    "a web page": {"kind": "garbage"},
}


IN_EACH_MODE = pytest.mark.parametrize(
    ("years", "mode"),
    [(dated, "export"), (Options, "auto")],
    indirect=["years"],
    ids=["dated, export", "undated, auto"],
)


@pytest.fixture(params=[dated, Options], ids=["dated", "undated"])
def years(cometly: StartCometly, request: pytest.FixtureRequest) -> Cometly:
    sandbox, clock = cometly(request.param())
    sandbox.space.fill(CONTACTS, NOW - YEARS, NOW - timedelta(hours=1))
    return Cometly(sandbox, clock)


def calls(run: Run, endpoint: str) -> list[Request]:
    return [request for request in run.requests if request.endpoint == endpoint]


@pytest.mark.parametrize("outage", OUTAGES.values(), ids=OUTAGES)
@IN_EACH_MODE
def test_exports_go_on_while_the_list_fails_for_an_hour(
    years: Cometly, mode: str, outage: dict[str, Any]
) -> None:
    """In `auto` from the second call on: the first page has said that there are many."""
    first = 1 if mode == "export" else 2
    years.fault("list", call=first, lasts=HOUR, **outage)

    run = years.sync(**MODES[mode])

    assert run.exit == 0, run.errors
    assert len(run.ids) == CONTACTS
    created = calls(run, "create")
    assert created[0].at <= 2 * MINUTE  # one of them for the zone check, after a 429
    assert years.seconds <= 12 * MINUTE
    assert len(created) <= 40
    assert len(calls(run, "list")) <= 8 * years.seconds / MINUTE + 10
    check(run, years.sandbox, cuts=1)


@pytest.mark.parametrize("days", [31, 60])
@REFUSALS
@IN_EACH_MODE
def test_exports_go_on_where_the_list_refuses_long_ranges(
    years: Cometly, mode: str, refusal: str, days: int
) -> None:
    years.change(**{refusal: days})

    run = years.sync(**MODES[mode])

    assert run.exit == 0, run.errors
    assert len(run.ids) == CONTACTS
    assert calls(run, "create")[0].at <= 10
    assert len(calls(run, "create")) <= 12
    assert len(calls(run, "list")) <= 30
    assert years.seconds <= 3 * MINUTE
    check(run, years.sandbox, cuts=1)


@pytest.mark.parametrize("days", [31, 60])
@REFUSALS
def test_few_contacts_take_few_calls_in_auto(
    cometly: StartCometly, refusal: str, days: int
) -> None:
    sandbox, clock = cometly(dated(**{refusal: days}))
    sandbox.space.fill(500, NOW - YEARS, NOW - timedelta(hours=1))

    run = sync(sandbox, {"start_date": START}, clock=clock)

    assert len(run.ids) == 500
    assert len(run.requests) <= 20
    assert clock.monotonic() <= MINUTE
    check(run, sandbox)


@pytest.mark.parametrize("days", [31, 60, 1_000])
@REFUSALS
def test_pages_take_no_more_calls_than_the_list_makes_necessary(
    cometly: StartCometly, refusal: str, days: int
) -> None:
    sandbox, clock = cometly(dated(**{refusal: days}))
    sandbox.space.fill(500, NOW - YEARS, NOW - timedelta(hours=1))

    run = sync(sandbox, {"extraction_mode": "pagination", "start_date": START}, clock=clock)

    assert len(run.ids) == 500
    longest = max(_length(call) for call in calls(run, "list") if call.status == 200)
    parts = ceil(_length(run.requests[0]) / longest)
    slow = refusal == "slow_list_days"  # has to be told from an outage, which takes one call more
    assert len(calls(run, "list")) <= parts + 3 + log2(parts) + slow
    check(run, sandbox, cuts=1)


def _length(call: Request) -> float:
    """Days that were asked for."""
    start, end = (datetime.fromisoformat(call.query[name]) for name in ("start_date", "end_date"))
    return (end - start).total_seconds() / 86_400


@REFUSALS
def test_a_window_left_to_pages_is_split_where_the_list_refuses_its_length(
    years: Cometly, refusal: str
) -> None:
    years.change(job_fails=lambda _first, _last: True, **{refusal: 31})

    run = years.sync(**{**AUTO, "page_size": 5_000})

    assert run.exit == 0, run.errors
    assert len(run.ids) == CONTACTS
    check(run, years.sandbox, cuts=1)


def test_pages_outlast_an_outage_that_begins_as_a_gateways_time_out(
    cometly: StartCometly,
) -> None:
    sandbox, clock = cometly(dated())
    sandbox.space.fill(500, NOW - YEARS, NOW - timedelta(hours=1))
    sandbox.fault(Fault("list", status=504, lasts=4 * MINUTE))

    run = sync(sandbox, {"extraction_mode": "pagination", "start_date": START}, clock=clock)

    assert len(run.ids) == 500
    assert clock.monotonic() <= 6 * MINUTE
    assert len([call for call in calls(run, "list") if call.status == 200]) <= 8
    check(run, sandbox)


def test_an_api_that_refuses_the_future_and_a_machine_that_is_ahead_get_on(
    cometly: StartCometly,
) -> None:
    sandbox, clock = cometly(dated(refuses_future=frozenset({"list", "create"})))
    sandbox.space.fill(500, NOW - YEARS, NOW - timedelta(hours=1))

    run = sync(
        sandbox,
        {"extraction_mode": "pagination", "start_date": START},
        clock=clock.ahead(timedelta(minutes=10)),
    )

    assert len(run.ids) == 500
    assert len([call for call in calls(run, "list") if call.status == 422]) <= 3
    check(run, sandbox, now=NOW, cuts=0)
