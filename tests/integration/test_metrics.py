"""What a run tells machines: the SDK's metrics, and logs in JSON."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from singer_sdk.metrics import Metric, Point

from tests.integration.reporter import EXPORTS, PAGES, START, WINDOW, slowly, told
from tests.sandbox import dated
from tests.support.properties import PLENTY
from tests.support.running import launch

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.conftest import StartSpace
    from tests.sandbox.fixture import StartSandbox
    from tests.support.running import Run


def points(run: Run, metric: Metric, level: str = "INFO") -> list[dict[str, Any]]:
    """Those of a metric that are logged at a level."""
    lines = [line.split(" | ", 3) for line in run.log.splitlines()]
    logged = [
        json.loads(line[3].removeprefix("METRIC: "))
        for line in lines
        if (line[1].strip(), line[2].strip()) == (level, "singer_sdk.metrics")
    ]
    return [point for point in logged if point["metric"] == metric.value]


def test_requests_and_jobs_are_metrics_in_the_sdks_form(start_space: StartSpace) -> None:
    space = start_space(2_000, limits=PLENTY)
    space.fault("poll", status=503)

    run = space.sync(**EXPORTS)

    # Then each line is what the SDK's own point would be
    lines = [line.split("METRIC: ")[1] for line in run.log.splitlines() if "| METRIC: " in line]
    for line in lines:
        point = json.loads(line)
        again = Point(point["type"], Metric(point["metric"]), point["value"], point["tags"])
        assert line == str(again)
        assert point["tags"]["stream"] == "contacts"
    # ... and they add up
    calls = Counter(request.endpoint for request in run.requests)
    paths = {
        "/contacts": calls["list"],
        "/contacts/exports": calls["create"],
        "/contacts/exports/{export_id}": calls["poll"],
    }
    counted: Counter[str] = Counter()
    for point in points(run, Metric.HTTP_REQUEST_COUNT):
        counted[point["tags"]["endpoint"]] += point["value"]
    answers = points(run, Metric.HTTP_REQUEST_DURATION, "DEBUG")
    assert Counter(point["tags"]["endpoint"] for point in answers) == counted == paths
    assert not points(run, Metric.HTTP_REQUEST_DURATION)
    [failed] = [point for point in answers if point["tags"]["status"] == "failed"]
    assert failed["tags"]["http_status_code"] == 503
    assert sum(point["value"] for point in points(run, Metric.RECORD_COUNT)) == len(run.records)
    assert [each["tags"]["status"] for each in points(run, Metric.SYNC_DURATION)] == ["succeeded"]
    space.is_complete(run, cuts=0)


def test_each_export_and_each_download_is_timed(start_space: StartSpace) -> None:
    space = start_space(2_000, limits=PLENTY, job_seconds=30)
    space.fault("file", "truncate", call=2)
    space.fault("poll", "edit", edit=lambda answer: {**answer, "status": "failed"})

    run = space.sync(**EXPORTS)

    ended = [
        point["tags"] | {"seconds": point["value"]} for point in points(run, Metric.JOB_DURATION)
    ]
    exports = [job for job in ended if job["job_type"] == "export" and job["status"] != "failed"]
    statuses = Counter((job["job_type"], job["status"]) for job in ended)
    windows = [line.split(": ", 1)[0] for line in told(run) if WINDOW.fullmatch(line)]
    assert sorted(job["window"] for job in exports) == windows
    assert all(30 <= job["seconds"] < 40 for job in exports)
    assert statuses == {
        ("export", "failed"): 1,
        ("export", "succeeded"): len(windows),
        ("download", "failed"): 1,
        ("download", "succeeded"): len(windows),
    }
    downloads = [job for job in ended if job["job_type"] == "download"]
    assert all(("bytes" in job) == (job["status"] == "succeeded") for job in downloads)
    space.is_complete(run, cuts=0)


def test_a_run_that_fails_is_timed_as_failed(start_space: StartSpace) -> None:
    run = start_space().sync(**PAGES, api_key="wrong")

    assert [each["tags"]["status"] for each in points(run, Metric.SYNC_DURATION)] == ["failed"]


def test_long_runs_count_records_as_they_go(start_space: StartSpace) -> None:
    space = start_space(900, limits=PLENTY)

    with mock.patch("singer_sdk.metrics.time", space.clock.epoch), slowly(space.clock, 30):
        run = space.sync(**PAGES)

    counts = [point["value"] for point in points(run, Metric.RECORD_COUNT)]
    assert len(counts) > 3
    assert sum(counts) == 900


def test_batches_are_counted(start_space: StartSpace, tmp_path: Path) -> None:
    space = start_space(900, limits=PLENTY)
    batches = {
        "encoding": {"format": "jsonl", "compression": "none"},
        "storage": {"root": tmp_path.as_uri()},
        "batch_size": 250,
    }

    run = space.sync(**START, batch_config=batches)

    sent = [line for line in run.lines if line["type"] == "BATCH"]
    assert [point["value"] for point in points(run, Metric.BATCH_COUNT)] == [len(sent)] == [4]


# Structured logs, as Meltano asks for them.


@pytest.fixture
def structured(tmp_path: Path) -> dict[str, str]:
    """The environment in which Meltano starts a tap that can log JSON."""
    handler = {
        "class": "logging.StreamHandler",
        "formatter": "json",
        "stream": "ext://sys.stderr",
    }
    config = {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": "singer_sdk.logging.StructuredFormatter"}},
        "handlers": {"console": handler},
        "root": {"handlers": ["console"], "level": "INFO"},
    }
    path = tmp_path / "tap-cometly.singer_sdk_logging.json"
    path.write_text(json.dumps(config), "utf-8")
    return {"SINGER_SDK_LOG_CONFIG": str(path), "TAP_COMETLY_LOGLEVEL": "INFO"}


def test_every_line_can_be_json(sandbox: StartSandbox, structured: dict[str, str]) -> None:
    run = launch(sandbox(dated(limits=PLENTY)), EXPORTS, env=structured)

    lines = [json.loads(line) for line in run.log.splitlines()]
    assert {line["level"] for line in lines} == {"info"}
    assert [line for line in lines if WINDOW.fullmatch(line["message"])]
    assert lines[-1]["message"].startswith("Done: 0 contacts. ")
    metrics = [line for line in lines if line["logger_name"].endswith("metrics")]
    measured = {line["metric_info"]["metric"] for line in metrics}
    assert {"http_request_count", "sync_duration"} <= measured
    assert "http_request_duration" not in measured


def test_the_one_error_is_json_too(sandbox: StartSandbox, structured: dict[str, str]) -> None:
    run = launch(sandbox(dated()), {**PAGES, "api_key": "wrong"}, env=structured)

    lines = [json.loads(line) for line in run.log.splitlines()]
    [error] = [line for line in lines if line["level"] == "error"]
    assert "`api_key`" in error["message"]
    assert error == lines[-1]
    assert "exception" not in error
