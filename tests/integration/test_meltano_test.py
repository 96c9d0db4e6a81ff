"""`meltano config test`: a sync whose messages and log go through one pipe, up to a contact."""

from __future__ import annotations

import json
import subprocess
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tap_cometly import streams
from tests.integration.conftest import NOW
from tests.sandbox import Fault, Options, dated
from tests.support.properties import PLENTY, check
from tests.support.running import SCRIPT, arguments, config_for, environment, sync

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.integration.conftest import StartCometly
    from tests.sandbox.fixture import StartSandbox

MONTHS = timedelta(days=100)
SMALL_EXPORTS = {"export_threshold": 1_000, "export_target_size": 1_000, "page_size": 600}
JOB_SECONDS = 60.0
BATCH = {"encoding": {"format": "jsonl"}, "batch_size": 1_000_000}
META = {"SCHEMA", "STATE"}


@pytest.fixture
def _tested(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "is_tested_by_meltano", lambda: True)


@pytest.mark.usefixtures("_tested")
@pytest.mark.parametrize("mode", ["auto", "export", "pagination"])
@pytest.mark.parametrize("options", [dated, Options], ids=["dated", "undated"])
def test_a_contact_comes_before_any_export_and_the_sync_is_whole(
    cometly: StartCometly, options: type[Options], mode: str
) -> None:
    sandbox, clock = cometly(options(job_seconds=JOB_SECONDS))
    ids = sandbox.space.fill(3_000, NOW - MONTHS, NOW)

    # When nobody stops it
    run = sync(sandbox, {**SMALL_EXPORTS, "extraction_mode": mode}, clock=clock)

    # Then all contacts come once more, in their windows
    assert run.exit == 0
    assert run.ids == set(ids)
    early = [record["id"] for record in run.records[:100]]
    assert early == sorted(ids, reverse=True)[:100]
    assert len(run.records) == 3_000 + len(early)
    check(run, sandbox)


@pytest.mark.usefixtures("_tested")
def test_no_bookmark_claims_what_came_early(cometly: StartCometly) -> None:
    sandbox, clock = cometly(dated())
    sandbox.space.fill(3_000, NOW - MONTHS, NOW)
    sandbox.fault(Fault("create", times=None, status=403))

    run = sync(sandbox, {**SMALL_EXPORTS, "extraction_mode": "export"}, clock=clock)

    assert run.exit == 1
    assert len(run.records) == 100
    assert run.states == []
    check(run, sandbox, cuts=0)


@pytest.mark.usefixtures("_tested")
def test_a_run_that_goes_on_from_a_bookmark_is_no_test(cometly: StartCometly) -> None:
    sandbox, clock = cometly(dated())
    ids = sandbox.space.fill(30, NOW - MONTHS, NOW - timedelta(hours=1))
    first = sync(sandbox, clock=clock)
    clock.advance(timedelta(hours=1))

    run = sync(sandbox, state=first.state, clock=clock)

    assert first.ids == set(ids)
    assert (run.exit, run.records) == (0, [])


@pytest.mark.usefixtures("_tested")
def test_a_file_of_a_batch_comes_early_too(cometly: StartCometly, tmp_path: Path) -> None:
    sandbox, clock = cometly(dated(job_seconds=JOB_SECONDS))
    sandbox.space.fill(3_000, NOW - MONTHS, NOW)
    batch = {**BATCH, "storage": {"root": tmp_path.as_uri()}}

    run = sync(sandbox, {**SMALL_EXPORTS, "batch_config": batch}, clock=clock)

    assert run.exit == 0
    assert [line["type"] for line in run.lines][:2] == ["SCHEMA", "BATCH"]
    [early] = run.lines[1]["manifest"]
    assert len((tmp_path / early.rsplit("/", 1)[-1]).read_text("utf-8").splitlines()) == 100


@pytest.mark.usefixtures("_tested")
def test_a_column_that_only_exports_deliver_comes_with_the_first_export(
    cometly: StartCometly,
) -> None:
    sandbox, clock = cometly(Options(list_emails=False))
    ids = sandbox.space.fill(3_000, NOW - MONTHS, NOW)

    run = sync(sandbox, {**SMALL_EXPORTS, "include_all_emails": True}, clock=clock)

    assert (run.exit, run.ids) == (0, set(ids))
    assert len(run.records) == 3_000
    assert all("emails" in record for record in run.records)


@pytest.mark.usefixtures("_tested")
@pytest.mark.parametrize(
    "config",
    [
        {},
        {"start_date": "2042-01-01"},
        {"stream_maps": {"contacts": {"__filter__": "False"}}},
    ],
    ids=["no contacts", "not begun", "none let through"],
)
def test_without_a_contact_the_error_says_so_rather_than_meltano(
    cometly: StartCometly, config: dict[str, Any]
) -> None:
    sandbox, clock = cometly(dated())
    sandbox.space.fill(3 if "stream_maps" in config else 0, NOW - MONTHS, NOW)

    run = sync(sandbox, config, clock=clock)

    assert (run.exit, run.records) == (1, [])
    [error] = run.errors
    assert "no contact to write" in error
    assert "--test" in error


@pytest.mark.usefixtures("_tested")
@pytest.mark.parametrize(
    ("options", "fault", "config", "why"),
    [
        ({}, Fault("list", times=None, status=503), {}, "status 503"),
        (
            {},
            Fault("list", times=None, status=429, headers={"Retry-After": "60"}),
            {},
            "over its limit",
        ),
        ({}, Fault("list", "hangup", times=None), {}, "the connection broke"),
        ({}, None, {"api_url": "http://127.0.0.1:9"}, "cannot be reached"),
        ({}, None, {"api_key": "another"}, "does not accept the key"),
        ({"timezone": "America/Los_Angeles"}, None, {"timezone": "Asia/Tokyo"}, "time zone"),
    ],
    ids=["503", "429", "hang-up", "closed port", "key", "zone"],
)
def test_an_error_comes_within_half_a_minute(
    cometly: StartCometly,
    options: dict[str, Any],
    fault: Fault | None,
    config: dict[str, Any],
    why: str,
) -> None:
    sandbox, clock = cometly(dated(**options))
    sandbox.space.fill(300, NOW - MONTHS, NOW)
    if fault:
        sandbox.fault(fault)

    run = sync(sandbox, config, clock=clock)

    assert (run.exit, run.records) == (1, [])
    [error] = run.errors
    assert why in error
    assert clock.monotonic() <= 30


@pytest.mark.parametrize(
    ("variables", "one_pipe", "is_test"),
    [
        ({"MELTANO_EXTRACTOR_NAME": "tap-cometly"}, True, True),
        ({"MELTANO_EXTRACTOR_NAME": "tap-cometly"}, False, False),
        ({}, True, False),
    ],
    ids=["config test", "run", "without Meltano"],
)
def test_only_meltano_reading_messages_and_log_through_one_pipe_is_a_test(
    sandbox: StartSandbox,
    tmp_path: Path,
    variables: Mapping[str, str],
    *,
    one_pipe: bool,
    is_test: bool,
) -> None:
    cometly = sandbox(dated(limits=PLENTY))

    run = subprocess.run(  # noqa: S603, our own script
        [SCRIPT, *arguments(tmp_path, config_for(cometly))],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if one_pipe else subprocess.PIPE,
        env={**environment(tmp_path), **variables},
        text=True,
        check=False,
    )

    # Then a Space without contacts tells
    assert run.returncode == int(is_test)
    kinds = {json.loads(line)["type"] for line in run.stdout.splitlines() if line[0] == "{"}
    assert kinds == META
