"""Export jobs that fail, hang, answer oddly or finish in any order: section Export jobs."""

from __future__ import annotations

import itertools
import json
import math
import subprocess
import tempfile
import time
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.conftest import NOW, Cometly
from tests.sandbox import dated
from tests.support.properties import PLENTY, check
from tests.support.running import SCRIPT, arguments, config_for, environment, sync
from tests.support.silence import listening

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.conftest import StartCometly
    from tests.sandbox import Sandbox
    from tests.sandbox.fixture import StartSandbox
    from tests.support.running import Run

FIRST = datetime(2024, 1, 2, tzinfo=timezone.utc)
LAST = NOW - timedelta(hours=1)
WINDOW = 300  # contacts
EXPORT = {"extraction_mode": "export", "export_target_size": WINDOW, "export_threshold": WINDOW}
AUTO = {**EXPORT, "extraction_mode": "auto"}


@pytest.fixture
def one_window(cometly: StartCometly) -> Cometly:
    sandbox, clock = cometly(dated())
    sandbox.space.fill(300, FIRST, LAST)
    return Cometly(sandbox, clock, EXPORT)


@pytest.fixture
def six_windows(cometly: StartCometly) -> Cometly:
    sandbox, clock = cometly(dated())
    sandbox.space.fill(6 * WINDOW, FIRST, LAST)
    return Cometly(sandbox, clock, EXPORT)


def without(name: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda answer: {key: value for key, value in answer.items() if key != name}


def by_pages(run: Run) -> list[str]:
    """What was told of windows that no export could read."""
    return [line for line in run.warnings if line.endswith("by pages")]


def saying(status: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda answer: {"export_id": answer["export_id"], "status": status}


@pytest.mark.parametrize(
    "fault",
    [
        {"endpoint": "poll", "kind": "edit", "edit": saying("failed")},
        {"endpoint": "poll", "status": 404},
        {"endpoint": "create", "kind": "edit", "edit": without("export_id")},
        {"endpoint": "poll", "kind": "edit", "edit": saying("completed"), "times": 8},
        {"endpoint": "create", "kind": "lost"},
        {"endpoint": "create", "kind": "hangup"},
        {"endpoint": "create", "kind": "garbage"},
        {"endpoint": "file", "status": 404},
    ],
    ids=[
        "failed once",
        "404 on poll",
        "202 without id",
        "completed without URL for long",
        "answer to the POST lost",
        "connection closed on the POST",
        "a web page for an answer to the POST",
        "404 at the store",
    ],
)
def test_a_job_that_comes_to_nothing_is_created_again(
    one_window: Cometly, fault: dict[str, Any]
) -> None:
    one_window.fault(**fault)

    run = one_window.sync()

    assert run.exit == 0
    assert len(run.ids) == 300
    assert len(one_window.windows) == 2
    assert len(set(one_window.windows)) == 1
    check(run, one_window.sandbox)


def test_200_instead_of_202_is_accepted(one_window: Cometly) -> None:
    one_window.change(create_status=200)

    run = one_window.sync()

    assert len(run.ids) == 300
    assert len(one_window.windows) == 1
    check(run, one_window.sandbox)


# Exports that never come: what is changed, which POSTs fail, how many are made, what is told.

MESSAGE = "Exports are no part of this plan; ask ada@example.com about ck_sandbox."
SCRUBBED = "Exports are no part of this plan; ask *** about ***."
THREE = "Three exports in a row failed"
NO_EXPORTS: dict[str, tuple[dict[str, Any], dict[str, Any], int, str]] = {
    "jobs fail": ({"job_fails": lambda _first, _last: True}, {}, 3, THREE),
    "403 on create": ({"forbidden": frozenset({"create"})}, {}, 1, "403"),
    "403 on poll": ({"forbidden": frozenset({"poll"})}, {}, 1, "403"),
    "500 on create": ({}, {"status": 500, "after_work": True}, 6, THREE),
    "504 on create": ({}, {"status": 504, "after_work": True}, 6, THREE),
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

    if mode == "export":
        assert run.exit == 1
        [line] = run.errors
    else:
        assert (run.exit, len(run.ids)) == (0, 6 * WINDOW)
        [line] = [line for line in run.warnings if line.endswith("Going on by pages")]
    assert told in line
    assert len(six_windows.windows) <= posts
    check(run, six_windows.sandbox)


def test_a_post_that_is_always_answered_with_422_is_an_error_in_export_mode(
    six_windows: Cometly,
) -> None:
    six_windows.fault("create", status=422, times=None, message=MESSAGE)

    run = six_windows.sync()

    assert run.exit == 1
    assert SCRUBBED in run.errors[0]
    check(run, six_windows.sandbox)


@pytest.mark.parametrize("stuck", [{"queued_seconds": 1e9}, {"job_seconds": 1e9}])
def test_a_stuck_job_is_waited_for_until_its_timeout_and_no_longer(
    one_window: Cometly, stuck: dict[str, Any]
) -> None:
    timeout = 600.0
    one_window.change(**stuck)

    run = one_window.sync(export_timeout=timeout)

    assert run.exit == 0
    assert len(run.ids) == 300
    assert len(one_window.windows) == 2
    assert 2 * timeout <= one_window.seconds <= 3 * timeout
    check(run, one_window.sandbox)


def test_polling_for_three_hours_is_never_silent_for_long(one_window: Cometly) -> None:
    three_hours = 3 * 3_600.0
    one_window.change(job_seconds=three_hours)

    with listening(one_window.clock) as listener:
        run = one_window.sync(export_timeout=86_400)

    assert run.exit == 0
    assert one_window.seconds > three_hours
    assert listener.longest_silence <= 30
    check(run, one_window.sandbox, cuts=0)


@pytest.mark.parametrize("first", ["paused", "completed"])
def test_a_status_that_makes_no_sense_counts_as_running(one_window: Cometly, first: str) -> None:
    one_window.change(job_seconds=20.0)
    one_window.fault("poll", "edit", edit=saying(first), times=2)

    run = one_window.sync()

    assert run.exit == 0
    assert len(one_window.windows) == 1
    assert len([line for line in run.warnings if "status" in line]) == 1
    check(run, one_window.sandbox)


def test_an_unknown_status_that_stays_is_waited_for_until_the_timeout(one_window: Cometly) -> None:
    one_window.fault("poll", "edit", edit=saying("paused"), times=None)

    run = one_window.sync(export_timeout=100)

    assert run.exit == 0
    assert len(run.ids) == 300
    assert 200 <= one_window.seconds <= 300
    check(run, one_window.sandbox)


@pytest.mark.parametrize("refusal", ["422", "failed"])
def test_windows_that_are_too_large_for_the_server_are_halved(
    six_windows: Cometly, refusal: Any
) -> None:
    six_windows.change(max_export_contacts=4 * WINDOW, export_refusal=refusal)

    run = six_windows.sync(export_target_size=6 * WINDOW)

    assert run.exit == 0
    assert len(run.ids) == 6 * WINDOW
    whole, *_, older, newer = dict.fromkeys(six_windows.windows)
    assert (older[0], newer[1]) == whole
    assert older[1] == newer[0]
    assert by_pages(run) == []
    check(run, six_windows.sandbox)


def test_windows_are_not_halved_below_the_threshold(six_windows: Cometly) -> None:
    six_windows.change(max_export_contacts=10)

    run = six_windows.sync(export_target_size=6 * WINDOW, export_threshold=4 * WINDOW)

    assert run.exit == 0
    assert len(run.ids) == 6 * WINDOW
    assert len(six_windows.windows) == 1 + 2
    assert len(by_pages(run)) == 2
    check(run, six_windows.sandbox)


def test_one_window_that_always_fails_is_read_by_pages(six_windows: Cometly) -> None:
    bad = FIRST + (LAST - FIRST) / 2
    six_windows.change(job_fails=lambda first, last: first <= bad <= last)

    run = six_windows.sync(export_threshold=5 * WINDOW)

    assert run.exit == 0
    assert len(run.ids) == 6 * WINDOW
    assert len(by_pages(run)) == 1
    check(run, six_windows.sandbox, cuts=6)


def test_the_bookmark_stays_before_a_window_that_cannot_be_read(six_windows: Cometly) -> None:
    bad, sandbox = FIRST + (LAST - FIRST) / 4, six_windows.sandbox

    def fails(first: datetime, last: datetime) -> bool:
        if first <= bad <= last:  # and pages no longer help, either
            sandbox.options = replace(sandbox.options, forbidden=frozenset({"list"}))
            return True
        return False

    sandbox.options = replace(sandbox.options, job_fails=fails)

    run = six_windows.sync(export_threshold=5 * WINDOW)

    assert run.exit == 1
    assert run.bookmark is not None
    assert datetime.fromisoformat(run.bookmark.replace("Z", "+00:00")) <= bad
    [*fetched] = (request for request in sandbox.requests if request.endpoint == "file")
    assert len(fetched) > len(run.states) > 0  # others behind it were here already
    check(run, sandbox)


def test_jobs_finish_in_any_order_but_are_emitted_oldest_first(six_windows: Cometly) -> None:
    six_windows.sandbox.options = replace(
        six_windows.sandbox.options,
        limits=PLENTY,
        queued_seconds=0.0,
        job_seconds_of=lambda number: 100.0 - 15 * number,
    )

    run = six_windows.sync(max_parallel_exports=6)

    fetched = [r.path for r in six_windows.sandbox.requests if r.endpoint == "file"]
    created = [line["value"]["bookmarks"]["contacts"] for line in run.lines if "value" in line]
    marks = [state["replication_key_value"] for state in created]
    assert len(fetched) == len(marks) >= 6
    assert fetched != sorted(fetched)
    assert marks == sorted(marks)
    assert _is_in_order(run)
    check(run, six_windows.sandbox, cuts=6)


def _is_in_order(run: Run) -> bool:
    """Whether each contact comes after the window of the STATE before it began."""
    mark = ""
    for line in run.lines:
        if line["type"] == "STATE":
            mark = line["value"]["bookmarks"]["contacts"]["replication_key_value"]
        elif line["type"] == "RECORD" and line["record"]["created_at"] < mark:
            return False
    return True


# One cause counts once.


@pytest.mark.parametrize("kind", ["hangup", "lost"])
@pytest.mark.parametrize("mode", [AUTO, EXPORT], ids=["auto", "export"])
def test_four_creations_that_lose_their_answers_at_once_are_one_failure(
    six_windows: Cometly, mode: dict[str, Any], kind: str
) -> None:
    six_windows.change(limits=PLENTY)
    six_windows.fault("create", kind=kind, times=4)

    run = six_windows.sync(**mode)

    assert run.exit == 0, run.errors
    assert len(run.ids) == 6 * WINDOW
    assert by_pages(run) == []
    assert len(six_windows.windows) - len(set(six_windows.windows)) == 4
    check(run, six_windows.sandbox)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mode", "after_work"), [(AUTO, False), (EXPORT, True)], ids=["auto, before", "export, after"]
)
def test_half_a_second_without_network_is_no_reason_to_give_exports_up(
    sandbox: StartSandbox, mode: dict[str, Any], *, after_work: bool
) -> None:
    cometly = sandbox(dated(limits=PLENTY))
    cometly.space.fill(6 * WINDOW, FIRST, datetime.now(timezone.utc) - timedelta(hours=1))

    def blackout(endpoint: str, call: int) -> None:
        if (endpoint, call) == ("create", 1):
            now = time.time()
            cometly.options = replace(
                cometly.options, blackouts=[(now, now + 0.5)], blackout_after_work=after_work
            )

    cometly.before_answer = blackout

    run = sync(cometly, {**EXPORT, **mode})

    assert [r for r in run.requests if r.status is None]
    assert run.exit == 0, run.errors
    assert len(run.ids) == 6 * WINDOW
    assert by_pages(run) == []
    check(run, cometly, cuts=0)


@pytest.mark.parametrize(
    ("status", "mode"),
    [(400, "auto"), (404, "export"), (410, "auto"), (500, "export"), (503, "auto")],
)
def test_polls_that_fail_for_good_are_the_failure_of_that_job_alone(
    six_windows: Cometly, status: int, mode: str
) -> None:
    six_windows.fault("poll", export=2, times=None, status=status)

    run = six_windows.sync(extraction_mode=mode)

    assert run.exit == 0, run.errors
    assert len(run.ids) == 6 * WINDOW
    assert by_pages(run) == []
    assert len(six_windows.windows) - len(set(six_windows.windows)) == 1
    assert len(run.warnings) - run.log.count("trying again in") == 1
    assert six_windows.seconds <= 8 * 60
    check(run, six_windows.sandbox)


# What a POST may answer.


@pytest.mark.parametrize(
    ("status", "mode"), [(500, "auto"), (502, "export"), (503, "auto"), (504, "export")]
)
def test_a_post_that_fails_once_the_job_exists_is_made_once_more(
    six_windows: Cometly, status: int, mode: str
) -> None:
    six_windows.fault("create", status=status, after_work=True)

    run = six_windows.sync(extraction_mode=mode)

    assert len(run.ids) == 6 * WINDOW
    assert by_pages(run) == []
    assert len(six_windows.windows) - len(set(six_windows.windows)) == 1
    check(run, six_windows.sandbox)


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

    assert run.exit == 0, run.errors
    assert len(run.ids) == 6 * WINDOW
    assert by_pages(run) == []
    assert 150 <= six_windows.seconds <= 400
    check(run, six_windows.sandbox, extra_posts=5)


def test_one_export_at_a_time_is_enough(six_windows: Cometly) -> None:
    six_windows.change(max_running_exports=1, job_seconds=20.0)

    run = six_windows.sync()

    assert run.exit == 0, run.errors
    assert len(run.ids) == 6 * WINDOW
    check(run, six_windows.sandbox, extra_posts=20)


@pytest.mark.parametrize("busy", BUSY.values(), ids=BUSY)
def test_an_api_that_stays_busy_is_waited_for_until_the_timeout(
    one_window: Cometly, busy: dict[str, Any]
) -> None:
    one_window.fault("create", times=None, **busy)

    run = one_window.sync(export_timeout=300)

    assert run.exit == 0, run.errors
    assert len(run.ids) == 300
    assert len(by_pages(run)) == 1
    assert 300 <= one_window.seconds <= 3 * 300
    check(run, one_window.sandbox, extra_posts=20)


def test_many_exports_at_once_are_no_strain_on_the_connections(sandbox: StartSandbox) -> None:
    cometly = sandbox(dated(limits=PLENTY, queued_seconds=0.0))
    cometly.space.fill(30 * WINDOW, FIRST, datetime.now(timezone.utc) - timedelta(hours=1))

    run = sync(cometly, {**EXPORT, "max_parallel_exports": 20})

    assert len(run.ids) == 30 * WINDOW
    assert "pool" not in run.log
    assert run.warnings == []
    check(run, cometly, cuts=0)


def test_windows_take_as_long_as_their_jobs_where_no_limit_is_in_the_way(
    six_windows: Cometly,
) -> None:
    six_windows.change(limits=PLENTY, queued_seconds=0.0, job_seconds=60.0)

    run = six_windows.sync(max_parallel_exports=3)

    assert len(run.ids) == 6 * WINDOW
    assert six_windows.seconds <= 1.3 * 60 * math.ceil(len(six_windows.windows) / 3)
    check(run, six_windows.sandbox, cuts=0)


@pytest.mark.slow
def test_a_backfill_finishes_though_it_is_killed_every_few_windows(sandbox: StartSandbox) -> None:
    cometly = sandbox(dated(limits=PLENTY, queued_seconds=0.0))
    ids = cometly.space.fill(8 * WINDOW, FIRST, NOW)
    state: dict[str, Any] | None = None
    got: set[int] = set()

    runs = 0
    finished = False
    while not finished:
        state, seen, finished = _until_killed(cometly, state, windows=2)
        got |= seen
        runs += 1
        assert runs < 12

    assert runs > 2
    assert got == set(ids)


def _until_killed(
    cometly: Sandbox, state: dict[str, Any] | None, windows: int
) -> tuple[dict[str, Any] | None, set[int], bool]:
    """Run the console script until it has committed some windows, then kill it."""
    seen: set[int] = set()
    states = 0
    config = config_for(cometly, {**EXPORT, "end_date": NOW.isoformat()})
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        process = subprocess.Popen(  # noqa: S603, our own script
            [str(SCRIPT), *arguments(folder, config, state)],
            env=environment(folder),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        with process:
            for line in process.stdout or ():
                message = json.loads(line)
                if message["type"] == "RECORD":
                    seen.add(message["record"]["id"])
                elif message["type"] == "STATE" and message["value"] != state:
                    state, states = message["value"], states + 1
                if states == windows:
                    process.kill()
                    break
        assert list((folder / "spool").iterdir()) == []
    return state, seen, process.returncode == 0
