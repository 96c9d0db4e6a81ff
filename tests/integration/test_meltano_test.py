"""`meltano config test`: a sync whose messages and log go through one pipe, up to a contact."""

from __future__ import annotations

import json
import subprocess
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tap_cometly import streams
from tests.integration.conftest import HOUR, KINDS, NOW
from tests.sandbox import Options, dated
from tests.support.properties import PLENTY
from tests.support.running import SCRIPT, arguments, config_for, environment

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.integration.conftest import Kind, StartSpace
    from tests.sandbox.fixture import StartSandbox

MONTHS = timedelta(days=100)
SMALL_EXPORTS = {"export_threshold": 1_000, "export_target_size": 1_000, "page_size": 600}
BATCH = {"encoding": {"format": "jsonl"}, "batch_size": 1_000_000}


@pytest.fixture
def _tested(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "is_tested_by_meltano", lambda: True)


under_meltanos_test = pytest.mark.usefixtures("_tested")


@under_meltanos_test
@pytest.mark.parametrize("mode", ["auto", "export", "pagination"])
@KINDS
def test_a_contact_comes_before_any_export_and_the_sync_is_whole(
    start_space: StartSpace, kind: Kind, mode: str
) -> None:
    space = start_space(3_000, NOW - MONTHS, NOW, kind=kind, config=SMALL_EXPORTS, job_seconds=60.0)
    newest = sorted(space.space.ids(), reverse=True)[:100]

    # When nobody stops it
    run = space.sync(extraction_mode=mode)

    # Then all contacts come once more, in their windows
    assert [record["id"] for record in run.records[:100]] == newest
    assert len(run.records) == 3_000 + 100
    space.is_complete(run)


@under_meltanos_test
def test_what_comes_early_counts_towards_the_limit(start_space: StartSpace) -> None:
    space = start_space(30, NOW - MONTHS, NOW)

    run = space.sync(rate_limit_share=0.1)

    space.is_complete(run, cuts=0)


@under_meltanos_test
def test_no_bookmark_claims_what_came_early(start_space: StartSpace) -> None:
    space = start_space(3_000, NOW - MONTHS, NOW, config=SMALL_EXPORTS)
    space.fault("create", times=None, status=403)

    run = space.sync(extraction_mode="export")

    assert len(run.records) == 100
    space.is_loud(run, cuts=0)


@under_meltanos_test
def test_a_run_that_goes_on_from_a_bookmark_is_no_test(start_space: StartSpace) -> None:
    space = start_space(30)
    space.go_on()
    space.clock.advance(HOUR)

    run = space.go_on()

    assert (run.exit, run.records) == (0, [])


@under_meltanos_test
def test_a_file_of_a_batch_comes_early_too(start_space: StartSpace, tmp_path: Path) -> None:
    space = start_space(3_000, NOW - MONTHS, NOW, config=SMALL_EXPORTS)

    run = space.sync(batch_config={**BATCH, "storage": {"root": tmp_path.as_uri()}})

    assert run.exit == 0
    assert [line["type"] for line in run.lines][:2] == ["SCHEMA", "BATCH"]
    [early] = run.lines[1]["manifest"]
    assert len((tmp_path / early.rsplit("/", 1)[-1]).read_text("utf-8").splitlines()) == 100


@under_meltanos_test
def test_a_column_that_only_exports_deliver_comes_with_the_first_export(
    start_space: StartSpace,
) -> None:
    space = start_space(3_000, NOW - MONTHS, NOW, kind=Options, config=SMALL_EXPORTS)

    run = space.sync(include_all_emails=True)

    assert len(run.records) == 3_000
    assert all("emails" in record for record in run.records)
    space.is_complete(run, cuts=0)


@under_meltanos_test
@pytest.mark.parametrize(
    ("contacts", "config", "why"),
    [
        (0, {}, "no contact to write"),
        (0, {"start_date": "2042-01-01"}, "no contact to write"),
        (3, {"stream_maps": {"contacts": {"__filter__": "False"}}}, "no contact to write"),
        (300, {"api_url": "http://127.0.0.1:9"}, "cannot be reached"),
        (300, {"api_key": "another"}, "does not accept the key"),
        (300, {"timezone": "Asia/Tokyo"}, "time zone"),
    ],
    ids=["no contacts", "not begun", "none let through", "closed port", "key", "zone"],
)
def test_where_no_contact_comes_the_error_says_why_within_half_a_minute(
    start_space: StartSpace, contacts: int, config: dict[str, Any], why: str
) -> None:
    space = start_space(contacts, NOW - MONTHS, NOW)

    run = space.sync(**config)

    assert (run.exit, run.records) == (1, [])
    [error] = run.errors
    assert why in error
    assert space.seconds <= 30


@under_meltanos_test
@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ({"status": 503}, "status 503"),
        ({"status": 429, "headers": {"Retry-After": "60"}}, "over its limit"),
        ({"kind": "hangup"}, "the connection broke"),
    ],
    ids=["503", "429", "hang-up"],
)
def test_a_list_that_fails_is_told_within_half_a_minute(
    start_space: StartSpace, fault: dict[str, Any], why: str
) -> None:
    space = start_space(300, NOW - MONTHS, NOW)
    space.fault("list", times=None, **fault)

    run = space.sync()

    assert run.records == []
    assert space.seconds <= 30
    space.is_loud(run, why, cuts=0)


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
    assert kinds == {"SCHEMA", "STATE"}
