"""Whatever goes wrong at once: a run is complete and ends with 0, or it says what happened."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

import hypothesis
import pytest
from hypothesis import HealthCheck, given, note

from tap_cometly.tap import TapCometly
from tests.fuzz.scripts import CANARY, NOW, Script, scripts
from tests.sandbox import Sandbox
from tests.support.clock import FakeClock
from tests.support.properties import check
from tests.support.running import sync

LAST = NOW - timedelta(hours=1)
LONGEST = timedelta(hours=12)

# CHAOS_SEED replays what a failing test printed, or goes where nobody has been.
_SEEDS = [int(os.environ["CHAOS_SEED"])] if "CHAOS_SEED" in os.environ else [1, 2]
_SCRIPTS = int(os.environ.get("CHAOS_SCRIPTS", "50"))


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", _SEEDS)
def test_a_run_with_random_faults_is_complete_or_fails_with_one_error(seed: int) -> None:
    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=_SCRIPTS,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(scripts())
    def runs(script: Script) -> None:
        note(f"again: CHAOS_SEED={seed} CHAOS_SCRIPTS={_SCRIPTS} pytest {__file__}")
        play(script)

    runs()


def play(script: Script) -> None:
    clock = FakeClock(NOW)
    with Sandbox(script.options, now=clock.epoch, monotonic=clock.monotonic) as sandbox:
        first = LAST - timedelta(days=script.days)
        sandbox.space.fill(script.contacts, first, LAST, shape=script.shape)
        for fault in script.faults:
            sandbox.fault(fault)
        for endpoint, calls in zip(("list", "create", "poll"), script.others, strict=True):
            sandbox.take(endpoint, calls)  # type: ignore[arg-type]

        run = sync(sandbox, script.config, catalog=_catalog(script), clock=clock)

        assert run.exit == 0 or not script.passes, run.log
        assert clock.now() - NOW < LONGEST
        assert not [line for line in run.errors if "please report" in line], run.log
        check(
            run,
            sandbox,
            cuts=1,
            canaries=[CANARY],
            extra_posts=1 + _refused_posts(script),
            mend={"include_all_emails": False},
        )


def _refused_posts(script: Script) -> int:
    """Calls that surely made no job, and so may be repeated."""
    refusing = [f for f in script.faults if f.endpoint == "create" and f.kind == "status"]
    return sum(fault.times or 1000 for fault in refusing)


def _catalog(script: Script) -> dict[str, Any] | None:
    if not script.full_table:
        return None
    tap = TapCometly(config={"api_key": "ck_none", "start_date": "2024-01-01", **script.config})
    catalog = tap.catalog_dict
    catalog["streams"][0]["replication_method"] = "FULL_TABLE"
    return catalog
