"""Under Meltano, the tap's log arrives line by line with its level, and its metrics as such."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.conftest import END, QUICK, START, read_from
from tests.support.meltano import MeltanoError

if TYPE_CHECKING:
    from tests.sandbox.fixture import StartSandbox
    from tests.support.meltano import MeltanoProject

pytestmark = pytest.mark.slow

JSON = {"MELTANO_CLI_LOG_FORMAT": "json"}


def lines_of(log: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    return [line for line in lines if line.get("name") == "tap-cometly"]


def test_lines_and_metrics_are_structured(sandbox: StartSandbox, meltano: MeltanoProject) -> None:
    cometly = sandbox(replace(QUICK))
    cometly.space.fill(100, START, END)

    log = meltano.run("tap-cometly", "target-jsonl", settings={**read_from(cometly), **JSON})

    lines = lines_of(log)
    [done] = [line for line in lines if str(line["event"]).startswith("Done: ")]
    assert done["level"] == "info"
    assert " | " not in done["event"]
    metrics = [line["metric_info"] for line in lines if "metric_info" in line]
    assert sum(m["value"] for m in metrics if m["metric"] == "record_count") == 100
    assert "%|" not in log


def test_the_one_error_arrives_as_an_error(sandbox: StartSandbox, meltano: MeltanoProject) -> None:
    cometly = sandbox(replace(QUICK))
    settings = {**read_from(cometly), **JSON, "TAP_COMETLY_API_KEY": "wrong"}

    with pytest.raises(MeltanoError) as failed:
        meltano.run("tap-cometly", "target-jsonl", settings=settings)

    [error] = [line for line in lines_of(str(failed.value)) if line["level"] == "error"]
    assert "`api_key`" in error["event"]
