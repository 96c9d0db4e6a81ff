"""`--test`: what somebody who has just made the settings is told."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.conftest import DAY, HOUR, MINUTE, NOW, UTC
from tests.sandbox import Options, dated
from tests.support.properties import PLENTY
from tests.support.running import SCRIPT, config_for, tap_with

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.conftest import StartSpace
    from tests.sandbox.fixture import StartSandbox

MANY = 300  # contacts, whose page is decoded in more than one block
TEST = ["--test"]
UNDATED = {"kind": Options}


def test_it_tells_what_works_and_what_can_be_had(sandbox: StartSandbox, tmp_path: Path) -> None:
    cometly = sandbox(dated(limits=PLENTY))
    now = datetime.now(UTC)
    cometly.space.fill(3, now - DAY, now - HOUR)
    config = tmp_path / "config.json"
    config.write_text(json.dumps(config_for(cometly)), "utf-8")

    run = subprocess.run(  # noqa: S603, our own script
        [SCRIPT, "--config", config, *TEST], capture_output=True, text=True, check=False
    )

    assert run.returncode == 0, run.stderr
    assert "The key works" in run.stderr
    assert "The Space's time zone agrees with the setting `timezone`: UTC" in run.stderr
    assert "The newest contact was created: 2" in run.stderr
    assert "include_comet_tokens, include_all_emails, include_custom_fields" in run.stderr
    # ... and no metric tells of a failure
    [ended] = [line for line in run.stderr.splitlines() if '"sync_duration"' in line]
    assert '"status":"succeeded"' in ended
    assert '"status":"failed"' not in run.stderr


@pytest.mark.parametrize(
    ("contacts", "options", "told"),
    [
        (MANY, {}, ["contacts have `created_at`", "agrees with the setting"]),
        (0, {}, ["The key works", "No contact was created in "]),
        (MANY, {"max_list_days": 30}, ["The newest contact was created: 2"]),
        (
            3_000,
            UNDATED,
            ["do not have `created_at`", "that the Space's time zone is at UTC+00:00"],
        ),
        (
            3_000,
            {**UNDATED, "timezone": "America/Los_Angeles"},
            ["do not have `created_at`", "that the Space's time zone is at UTC-07:00", "could not"],
        ),
        (
            3_000,
            {**UNDATED, "timezone": "Asia/Kathmandu"},
            ["its clock showed at least UTC+05:45"],
        ),
    ],
    ids=["dated", "empty", "no long ranges", "undated", "undated, behind", "undated, ahead"],
)
def test_it_says_what_the_api_tells_and_what_the_newest_contact_suggests(
    start_space: StartSpace, contacts: int, options: dict[str, Any], told: list[str]
) -> None:
    space = start_space(contacts, NOW - 2 * DAY, NOW, **options)

    run = space.sync(more=TEST)

    for text in told:
        assert text in run.log
    assert run.exit == ("its clock showed" in run.log)
    assert len(run.requests) <= 15


def test_a_machine_whose_clock_is_ahead_is_told_so_where_the_api_refuses_the_future(
    start_space: StartSpace,
) -> None:
    space = start_space(MANY, last=NOW - 3 * MINUTE, refuses_future=frozenset({"list"}))

    run = space.sync(clock=space.clock.ahead(10 * MINUTE), more=TEST)

    assert run.exit == 0, run.errors
    assert "The machine's clock is 600 s ahead of the API's" in run.log
    assert "agrees with the setting `timezone`" in run.log


@pytest.mark.parametrize(
    ("zone", "config", "says"),
    [
        (
            "America/Los_Angeles",
            {"end_date": (NOW - 3 * DAY).isoformat()},
            "The Space's time zone is not UTC",
        ),
        ("UTC", {"api_key": "ck_mistyped"}, "does not accept the key"),
        ("UTC", {"api_url": "http://127.0.0.1:9"}, "cannot be reached: no connection for 30 s"),
    ],
    ids=["wrong zone, though the range ends in the past", "wrong key", "closed port"],
)
def test_what_does_not_work_is_one_line(
    start_space: StartSpace, zone: str, config: dict[str, Any], says: str
) -> None:
    space = start_space(MANY, timezone=zone)

    run = space.sync(**config, more=TEST)

    assert run.exit == 1
    [error] = run.errors
    assert says in error
    assert "mistyped" not in run.log
    assert space.seconds <= 45


@pytest.mark.parametrize(("mode", "code"), [("auto", 0), ("export", 0), ("pagination", 1)])
def test_a_column_that_only_exports_may_deliver_is_an_error_only_without_exports(
    start_space: StartSpace, mode: str, code: int
) -> None:
    space = start_space(3, kind=Options, list_emails=False)

    run = space.sync(include_all_emails=True, extraction_mode=mode, more=TEST)

    assert run.exit == code
    assert "does not deliver what `include_all_emails` asks for" in run.log


def test_a_sample_that_is_all_there_is_is_whole_before_it_is_committed(
    start_space: StartSpace,
) -> None:
    space = start_space(MANY)
    columns = {"include_comet_tokens": True, "include_custom_fields": True}
    tap = tap_with(space.clock)(config=config_for(space.sandbox, columns))
    tap.streams["contacts"].ABORT_AT_RECORD_COUNT = MANY

    with contextlib.redirect_stdout(io.StringIO()) as out:
        tap.sync_all()

    kinds = [json.loads(line)["type"] for line in out.getvalue().splitlines()]
    assert kinds.count("RECORD") == MANY
    assert kinds[-1] == "STATE"
