"""Export jobs that fail, hang, answer oddly or finish in any order: section Export jobs."""

from __future__ import annotations

import itertools
import math
import time
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.conftest import HOUR, NOW, UTC, Cometly
from tests.integration.reporter import heard
from tests.sandbox import dated
from tests.support.properties import PLENTY, check, instant
from tests.support.running import sync

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.conftest import StartSpace
    from tests.sandbox.fixture import StartSandbox
    from tests.support.running import Run

FIRST = datetime(2024, 1, 2, tzinfo=UTC)
LAST = NOW - HOUR
WINDOW = 300  # contacts
EXPORT = {"extraction_mode": "export", "export_target_size": WINDOW, "export_threshold": WINDOW}


@pytest.fixture
def one_window(start_space: StartSpace) -> Cometly:
    return start_space(WINDOW, FIRST, config=EXPORT)


@pytest.fixture
def six_windows(start_space: StartSpace) -> Cometly:
    return start_space(6 * WINDOW, FIRST, config=EXPORT)


def without(name: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda answer: {key: value for key, value in answer.items() if key != name}


def saying(status: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda answer: {"export_id": answer["export_id"], "status": status}


def by_pages(run: Run) -> list[str]:
    """What was told of windows that no export could read."""
    return [line for line in run.warnings if line.endswith("by pages")]


def is_exported(space: Cometly, run: Run, **how: Any) -> None:
    """All contacts came, and all of them by exports."""
    assert by_pages(run) == []
    space.is_complete(run, **how)


# Jobs that come to nothing: the fault, and how many exports are made once more.

NOTHING: dict[str, tuple[dict[str, Any], int]] = {
    "failed once": ({"endpoint": "poll", "kind": "edit", "edit": saying("failed")}, 1),
    "202 without id": ({"endpoint": "create", "kind": "edit", "edit": without("export_id")}, 1),
    "completed without URL for long": (
        {"endpoint": "poll", "kind": "edit", "edit": saying("completed"), "times": 8, "export": 1},
        1,
    ),
    "404 at the store": ({"endpoint": "file", "status": 404}, 1),
    "a web page for an answer to the POST": ({"endpoint": "create", "kind": "garbage"}, 1),
    "answer to the POST lost": ({"endpoint": "create", "kind": "lost"}, 1),
    "connection closed on the POST": ({"endpoint": "create", "kind": "hangup"}, 1),
    "four answers lost": ({"endpoint": "create", "kind": "lost", "times": 4}, 4),
    "four connections closed": ({"endpoint": "create", "kind": "hangup", "times": 4}, 4),
    **{
        f"{status} once the job exists": (
            {"endpoint": "create", "status": status, "message": "No.", "after_work": True},
            1,
        )
        for status in (500, 504, 507, 525)
    },
    **{
        f"{status} on its polls": (
            {"endpoint": "poll", "export": 2, "status": status, "times": None},
            1,
        )
        for status in (400, 404, 410, 500, 503)
    },
}


@pytest.mark.parametrize(
    ("name", "mode"), list(zip(NOTHING, itertools.cycle(["auto", "export"]), strict=False))
)
def test_a_job_that_comes_to_nothing_is_created_again(
    six_windows: Cometly, name: str, mode: str
) -> None:
    fault, again = NOTHING[name]
    six_windows.fault(**fault)

    run = six_windows.sync(extraction_mode=mode)

    assert len(six_windows.windows) - len(set(six_windows.windows)) == again
    assert six_windows.seconds <= 8 * 60
    is_exported(six_windows, run)


@pytest.mark.slow
def test_half_a_second_without_network_is_no_reason_to_give_exports_up(
    sandbox: StartSandbox,
) -> None:
    cometly = sandbox(dated(limits=PLENTY))
    cometly.space.fill(6 * WINDOW, FIRST, datetime.now(UTC) - HOUR)

    def blackout(endpoint: str, call: int) -> None:
        if (endpoint, call) == ("create", 1):
            spans = [(time.time(), time.time() + 0.5)]
            cometly.options = dated(limits=PLENTY, blackouts=spans, blackout_after_work=True)

    cometly.before_answer = blackout

    run = sync(cometly, EXPORT)

    assert [request for request in run.requests if request.status is None]
    assert run.exit == 0, run.errors
    check(run, cometly, cuts=0)


# Answers that make no sense, and jobs that take their time.


def test_200_instead_of_202_is_accepted(one_window: Cometly) -> None:
    one_window.change(create_status=200)

    run = one_window.sync()

    assert len(one_window.windows) == 1
    is_exported(one_window, run)


@pytest.mark.parametrize("first", ["paused", "completed"])
def test_a_status_that_makes_no_sense_counts_as_running(one_window: Cometly, first: str) -> None:
    one_window.change(job_seconds=20.0)
    one_window.fault("poll", "edit", edit=saying(first), times=2)

    run = one_window.sync()

    assert len(one_window.windows) == 1
    assert len([line for line in run.warnings if "status" in line]) == 1
    is_exported(one_window, run)


@pytest.mark.parametrize("stuck", ["queued_seconds", "job_seconds", "of unknown status"])
def test_a_stuck_job_is_waited_for_until_its_timeout_and_no_longer(
    one_window: Cometly, stuck: str
) -> None:
    if stuck == "of unknown status":
        one_window.fault("poll", "edit", edit=saying("paused"), times=None)
    else:
        one_window.change(**{stuck: 1e9})

    run = one_window.sync(export_timeout=600)

    assert len(one_window.windows) == 2
    assert 2 * 600 <= one_window.seconds <= 3 * 600
    one_window.is_complete(run)


def test_polling_for_three_hours_is_never_silent_for_long(one_window: Cometly) -> None:
    three_hours = 3 * 3_600.0
    one_window.change(job_seconds=three_hours)

    with heard(one_window.clock) as listener:
        run = one_window.sync(export_timeout=86_400, rate_limit_share=0.2)  # polls it less often

    assert one_window.seconds > three_hours
    assert listener.longest_silence <= 30
    is_exported(one_window, run, cuts=0)


BUSY: dict[str, dict[str, Any]] = {
    **{str(status): {"status": status} for status in (409, 423, 425)},
    "422 in words": {"status": 422, "message": "Another export is already in progress."},
    "400 in words": {"status": 400, "message": "An export is being processed. Try later."},
}


@pytest.mark.parametrize(
    ("busy", "mode"), list(zip(BUSY, itertools.cycle(["auto", "export"]), strict=False))
)
def test_an_api_busy_with_another_export_is_waited_for(
    six_windows: Cometly, busy: str, mode: str
) -> None:
    six_windows.fault("create", lasts=150.0, **BUSY[busy])

    run = six_windows.sync(extraction_mode=mode)

    assert 150 <= six_windows.seconds <= 400
    is_exported(six_windows, run, extra_posts=5)


@pytest.mark.parametrize("busy", BUSY.values(), ids=BUSY)
def test_an_api_that_stays_busy_is_waited_for_until_the_timeout(
    one_window: Cometly, busy: dict[str, Any]
) -> None:
    one_window.fault("create", times=None, **busy)

    run = one_window.sync(export_timeout=300)

    assert len(by_pages(run)) == 1
    assert 300 <= one_window.seconds <= 3 * 300
    one_window.is_complete(run, extra_posts=20)


def test_one_export_at_a_time_is_enough(six_windows: Cometly) -> None:
    six_windows.change(max_running_exports=1, job_seconds=20.0)

    is_exported(six_windows, six_windows.sync(), extra_posts=20)


# Exports that never come: what is changed, which POSTs fail, how many are made, what is told.

MESSAGE = "Exports are no part of this plan; ask ada@example.com about ck_sandbox."
SCRUBBED = "Exports are no part of this plan; ask *** about ***."
THREE = "Three exports in a row failed"
NO_EXPORTS: dict[str, tuple[dict[str, Any], dict[str, Any], int, str]] = {
    "jobs fail": ({"job_fails": lambda _first, _last: True}, {}, 3, THREE),
    "403 on create": ({"forbidden": frozenset({"create"})}, {}, 1, "403"),
    "403 on poll": ({"forbidden": frozenset({"poll"})}, {}, 1, "403"),
    "500 on create": ({}, {"status": 500, "after_work": True}, 6, THREE),
    **{
        f"{status} on create": ({}, {"status": status, "message": MESSAGE}, 1, SCRUBBED)
        for status in (400, 402, 404, 405, 415, 451)
    },
}


@pytest.mark.parametrize(("options", "fault", "posts", "told"), NO_EXPORTS.values(), ids=NO_EXPORTS)
@pytest.mark.parametrize("mode", ["auto", "export"])
def test_exports_that_never_come_leave_pages_in_auto_and_are_an_error_in_export_mode(
    six_windows: Cometly,
    mode: str,
    options: dict[str, Any],
    fault: dict[str, Any],
    posts: int,
    told: str,
) -> None:
    six_windows.change(**options)
    if fault:
        six_windows.fault("create", times=None, **fault)

    run = six_windows.sync(extraction_mode=mode, page_size=1_000, max_parallel_exports=1)

    assert len(six_windows.windows) <= posts
    if mode == "export":
        six_windows.is_loud(run, told, nothing_committed=False)
    else:
        [line] = [line for line in run.warnings if line.endswith("Going on by pages")]
        assert told in line
        six_windows.is_complete(run)


def test_a_post_that_is_always_answered_with_422_is_an_error_in_export_mode(
    six_windows: Cometly,
) -> None:
    six_windows.fault("create", status=422, times=None, message=MESSAGE)

    six_windows.is_loud(six_windows.sync(), SCRUBBED, nothing_committed=False)


# Windows that no export can read whole.


@pytest.mark.parametrize("refusal", ["422", "failed"])
def test_windows_that_are_too_large_for_the_server_are_halved(
    six_windows: Cometly, refusal: str
) -> None:
    six_windows.change(max_export_contacts=4 * WINDOW, export_refusal=refusal)

    run = six_windows.sync(export_target_size=6 * WINDOW)

    whole, *_, older, newer = dict.fromkeys(six_windows.windows)
    assert (older[0], newer[1]) == whole
    assert older[1] == newer[0]
    is_exported(six_windows, run)


def test_windows_are_not_halved_below_the_threshold(six_windows: Cometly) -> None:
    six_windows.change(max_export_contacts=10)

    run = six_windows.sync(export_target_size=6 * WINDOW, export_threshold=4 * WINDOW)

    assert len(six_windows.windows) == 1 + 2
    assert len(by_pages(run)) == 2
    six_windows.is_complete(run)


def test_one_window_that_always_fails_is_read_by_pages(six_windows: Cometly) -> None:
    bad = FIRST + (LAST - FIRST) / 2
    six_windows.change(job_fails=lambda first, last: first <= bad <= last)

    run = six_windows.sync(export_threshold=5 * WINDOW)

    assert len(by_pages(run)) == 1
    six_windows.is_complete(run, cuts=6)


@pytest.mark.parametrize(
    "options",
    [
        {"job_fails": lambda first, _last: first < FIRST + timedelta(days=1)},
        {"export_keeps": lambda ids: ids[:1] if 1 in ids else ids},
    ],
    ids=["fails", "lacks contacts"],
)
def test_other_exports_go_on_while_a_window_is_read_by_pages(
    start_space: StartSpace, options: dict[str, Any]
) -> None:
    space = start_space(2_000, FIRST, job_seconds_of=lambda n: 20.0 * (n == 2), **options)

    run = space.sync(export_target_size=1_000, export_threshold=1_000, page_size=40)

    assert len(by_pages(run)) == 1
    *_, last_page = (request.at for request in run.requests if request.endpoint == "list")
    *_, last_file = (request.at for request in run.requests if request.endpoint == "file")
    assert last_file < last_page
    space.is_complete(run, cuts=0)


def test_the_bookmark_stays_before_a_window_that_cannot_be_read(six_windows: Cometly) -> None:
    bad = FIRST + (LAST - FIRST) / 4

    def fails(first: datetime, last: datetime) -> bool:
        if first <= bad <= last:  # and pages no longer help, either
            six_windows.change(forbidden=frozenset({"list"}))
            return True
        return False

    six_windows.change(job_fails=fails)

    run = six_windows.sync(export_threshold=5 * WINDOW)

    assert run.exit == 1
    assert instant(run.bookmark or "") <= bad
    assert six_windows.calls["file"] > len(run.states) > 0  # others behind it were here already
    check(run, six_windows.sandbox)


# Many jobs.


def test_jobs_finish_in_any_order_but_are_emitted_oldest_first(six_windows: Cometly) -> None:
    six_windows.change(
        limits=PLENTY, queued_seconds=0.0, job_seconds_of=lambda number: 100.0 - 15 * number
    )

    run = six_windows.sync(max_parallel_exports=6)

    fetched = [r.path for r in run.requests if r.endpoint == "file"]
    marks = [state["bookmarks"]["contacts"]["replication_key_value"] for state in run.states]
    assert len(fetched) == len(marks) >= 6
    assert fetched != sorted(fetched)
    assert marks == sorted(marks)
    mark = ""
    for line in run.lines:  # each contact belongs to a window behind the last STATE
        if line["type"] == "STATE":
            mark = line["value"]["bookmarks"]["contacts"]["replication_key_value"]
        elif line["type"] == "RECORD":
            assert line["record"]["created_at"] >= mark
    is_exported(six_windows, run, cuts=6)


def test_windows_take_as_long_as_their_jobs_where_no_limit_is_in_the_way(
    six_windows: Cometly,
) -> None:
    six_windows.change(limits=PLENTY, queued_seconds=0.0, job_seconds=60.0)

    run = six_windows.sync(max_parallel_exports=3)

    assert six_windows.seconds <= 1.3 * 60 * math.ceil(len(six_windows.windows) / 3)
    is_exported(six_windows, run, cuts=0)


def test_many_exports_at_once_are_no_strain_on_the_connections(sandbox: StartSandbox) -> None:
    cometly = sandbox(dated(limits=PLENTY, queued_seconds=0.0))
    cometly.space.fill(30 * WINDOW, FIRST, datetime.now(UTC) - HOUR)

    run = sync(cometly, {**EXPORT, "max_parallel_exports": 20})

    assert len(run.ids) == 30 * WINDOW
    assert "pool" not in run.log
    assert run.warnings == []
    check(run, cometly, cuts=0)
