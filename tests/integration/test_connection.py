"""`--test`: what somebody who has just made the settings is told."""

from __future__ import annotations

import json
import subprocess
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest

from tap_cometly.tap import TapCometly
from tests.integration.conftest import NOW
from tests.sandbox import Options, dated
from tests.support.clock import FakeClock
from tests.support.properties import PLENTY
from tests.support.running import SCRIPT, config_for, sync

if TYPE_CHECKING:
    from pathlib import Path

    from tests.sandbox import Sandbox
    from tests.sandbox.fixture import StartSandbox

MANY = 300  # contacts, whose page is decoded in more than one block
ALL_COLUMNS = {"include_comet_tokens": True, "include_custom_fields": True}
TEST = ["--test"]


@pytest.fixture
def cometly(sandbox: StartSandbox) -> Sandbox:
    return sandbox(dated(limits=PLENTY))


def fill(sandbox: Sandbox, contacts: int) -> None:
    now = datetime.now(timezone.utc)
    sandbox.space.fill(contacts, now - timedelta(days=9), now - timedelta(hours=1))


def test_it_tells_what_works_and_what_can_be_had(cometly: Sandbox, tmp_path: Path) -> None:
    fill(cometly, 3)
    config = tmp_path / "config.json"
    config.write_text(json.dumps(config_for(cometly)), "utf-8")

    run = subprocess.run(  # noqa: S603, our own script
        [SCRIPT, "--config", config, *TEST], capture_output=True, text=True, check=False
    )

    assert run.returncode == 0, run.stderr
    assert "The key works" in run.stderr
    assert "The Space's clock agrees with the setting `timezone`: UTC" in run.stderr
    assert "The newest contact was created: 2" in run.stderr
    assert "include_comet_tokens, include_all_emails, include_custom_fields" in run.stderr
    # ... and no metric tells of a failure
    [ended] = [line for line in run.stderr.splitlines() if '"sync_duration"' in line]
    assert '"status":"succeeded"' in ended
    assert '"status":"failed"' not in run.stderr


def test_a_space_without_contacts_is_no_error(cometly: Sandbox) -> None:
    run = sync(cometly, more=TEST)

    assert run.exit == 0, run.log
    assert "The key works" in run.log
    assert "No contact was created in " in run.log


def test_a_wrong_zone_is_told_where_the_range_ends_in_the_past_too(sandbox: StartSandbox) -> None:
    cometly = sandbox(dated(limits=PLENTY, timezone="America/Los_Angeles"))
    fill(cometly, MANY)
    end = datetime.now(timezone.utc) - timedelta(days=3)

    run = sync(cometly, {"end_date": end.isoformat()}, more=TEST)

    assert run.exit == 1
    [error] = run.errors
    assert "The Space's time zone is not UTC" in error


def test_a_machine_whose_clock_is_ahead_is_told_so_where_the_api_refuses_the_future(
    sandbox: StartSandbox,
) -> None:
    clock = FakeClock(NOW)
    options = dated(limits=PLENTY, refuses_future=frozenset({"list"}))
    cometly = sandbox(options, now=clock.epoch, monotonic=clock.monotonic)
    cometly.space.fill(MANY, NOW - timedelta(days=9), NOW - timedelta(minutes=3))

    run = sync(cometly, clock=clock.ahead(timedelta(minutes=10)), more=TEST)

    assert run.exit == 0, run.errors
    assert "The machine's clock is 600 s ahead of the API's" in run.log
    assert "agrees with the setting `timezone`" in run.log


def test_a_wrong_key_is_one_line(cometly: Sandbox) -> None:
    run = sync(cometly, {"api_key": "another"}, more=TEST)

    assert run.exit == 1
    [error] = run.errors
    assert "does not accept the key" in error


def test_a_port_that_is_closed_is_told_after_half_a_minute(cometly: Sandbox) -> None:
    clock = FakeClock(NOW)

    run = sync(cometly, {"api_url": "http://127.0.0.1:9"}, clock=clock, more=TEST)

    assert run.exit == 1
    [error] = run.errors
    assert "cannot be reached: no connection for 30 s" in error
    assert clock.monotonic() <= 45


def test_a_sample_that_is_all_there_is_is_whole_before_it_is_committed(
    cometly: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    # given
    fill(cometly, MANY)
    tap = TapCometly(config=config_for(cometly, ALL_COLUMNS))
    tap.streams["contacts"].ABORT_AT_RECORD_COUNT = MANY
    # when
    tap.sync_all()
    # then
    kinds = [json.loads(line)["type"] for line in capsys.readouterr().out.splitlines()]
    assert kinds.count("RECORD") == MANY
    assert kinds[-1] == "STATE"


def test_a_list_that_refuses_long_ranges_can_be_tested(sandbox: StartSandbox) -> None:
    cometly = sandbox(dated(limits=PLENTY, max_list_days=30))
    fill(cometly, MANY)

    run = sync(cometly, more=TEST)

    assert run.exit == 0, run.log
    assert "The newest contact was created: 2" in run.log


@pytest.mark.parametrize(("mode", "code"), [("auto", 0), ("export", 0), ("pagination", 1)])
def test_a_column_that_only_exports_may_deliver_is_an_error_only_without_exports(
    sandbox: StartSandbox, mode: str, code: int
) -> None:
    cometly = sandbox(Options(limits=PLENTY, list_emails=False))
    fill(cometly, 3)

    run = sync(cometly, {"include_all_emails": True, "extraction_mode": mode}, more=TEST)

    assert run.exit == code
    assert "does not deliver what `include_all_emails` asks for" in run.log
