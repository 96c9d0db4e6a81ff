"""What a run tells machines: the SDK's metrics, and logs in JSON."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from singer_sdk.metrics import Metric, Point

from tests.integration.reporter import EXPORTS, FIRST, LAST, PAGES, WAYS, WINDOW, slowly, told
from tests.sandbox import Fault, dated
from tests.support.properties import PLENTY, check
from tests.support.running import launch, sync

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.conftest import StartCometly
    from tests.sandbox.fixture import StartSandbox
    from tests.support.running import Run


def metrics(run: Run) -> list[dict[str, Any]]:
    lines = told(run, "singer_sdk.metrics")
    return [json.loads(line.removeprefix("METRIC: ")) for line in lines]


def test_requests_and_jobs_are_metrics_in_the_sdks_form(cometly: StartCometly) -> None:
    sandbox, clock = cometly(dated(limits=PLENTY))
    sandbox.space.fill(2_000, FIRST, LAST)
    sandbox.fault(Fault("poll", status=503))

    run = sync(sandbox, EXPORTS, clock=clock)

    # Then each line is what the SDK's own point would be
    for line, point in zip(told(run, "singer_sdk.metrics"), metrics(run), strict=True):
        again = Point(point["type"], Metric(point["metric"]), point["value"], point["tags"])
        assert line == f"METRIC: {again}"
        assert point["tags"]["stream"] == "contacts"
    # ... and they add up
    calls = Counter(request.endpoint for request in run.requests)
    paths = {
        "/contacts": calls["list"],
        "/contacts/exports": calls["create"],
        "/contacts/exports/{export_id}": calls["poll"],
    }
    counted: Counter[str] = Counter()
    for point in of(run, Metric.HTTP_REQUEST_COUNT):
        counted[point["tags"]["endpoint"]] += point["value"]
    answers = [point for point in at_debug(run) if point["metric"] == "http_request_duration"]
    timed = Counter(point["tags"]["endpoint"] for point in answers)
    assert timed == counted == paths
    assert not of(run, Metric.HTTP_REQUEST_DURATION)
    [failed] = [point for point in answers if point["tags"]["status"] == "failed"]
    assert failed["tags"]["http_status_code"] == 503
    assert sum(point["value"] for point in of(run, Metric.RECORD_COUNT)) == len(run.records)
    assert [point["tags"]["status"] for point in of(run, Metric.SYNC_DURATION)] == ["succeeded"]
    check(run, sandbox, cuts=0)


@WAYS
def test_requests_are_summed_up_once_a_window(
    cometly: StartCometly, config: dict[str, Any]
) -> None:
    sandbox, clock = cometly(dated(limits=PLENTY))
    sandbox.space.fill(2_000, FIRST, LAST)

    with mock.patch("tap_cometly.extract.extractor.PAGE_WINDOW", 500):
        run = sync(sandbox, config, clock=clock)

    since_a_window = Counter[str]()
    windows = 0
    for line in run.log.splitlines():
        _, level, _, message = line.split(" | ", 3)
        if WINDOW.fullmatch(message):
            windows += 1
            since_a_window.clear()
        elif level.strip() == "INFO" and '"http_request_count"' in message:
            point = json.loads(message.removeprefix("METRIC: "))
            since_a_window[point["tags"]["endpoint"]] += 1
            assert max(since_a_window.values()) == 1
    assert windows > 2
    assert len(at_debug(run)) == len([r for r in run.requests if r.endpoint != "file"])


def at_debug(run: Run) -> list[dict[str, Any]]:
    lines = [line.split(" | ", 3) for line in run.log.splitlines()]
    return [
        json.loads(line[3].removeprefix("METRIC: "))
        for line in lines
        if line[1].strip() == "DEBUG" and line[2].strip() == "singer_sdk.metrics"
    ]


def of(run: Run, metric: Metric) -> list[dict[str, Any]]:
    return [point for point in metrics(run) if point["metric"] == metric.value]


def test_each_export_and_each_download_is_timed(cometly: StartCometly) -> None:
    sandbox, clock = cometly(dated(limits=PLENTY, job_seconds=30))
    sandbox.space.fill(2_000, FIRST, LAST)
    sandbox.fault(Fault("file", "truncate", call=2))

    run = sync(sandbox, EXPORTS, clock=clock)

    jobs = [point["tags"] | {"seconds": point["value"]} for point in of(run, Metric.JOB_DURATION)]
    exports = [job for job in jobs if job["job_type"] == "export"]
    downloads = [job for job in jobs if job["job_type"] == "download"]
    windows = [line.split(": ", 1)[0] for line in told(run) if WINDOW.fullmatch(line)]
    assert sorted(job["window"] for job in exports) == windows
    assert all(30 <= job["seconds"] < 40 and job["status"] == "succeeded" for job in exports)
    statuses = Counter(job["status"] for job in downloads)
    assert statuses == {"succeeded": len(windows), "failed": 1}
    assert all(("bytes" in job) == (job["status"] == "succeeded") for job in downloads)
    check(run, sandbox, cuts=0)


def test_a_job_that_fails_is_a_metric_too(cometly: StartCometly) -> None:
    sandbox, clock = cometly(dated(limits=PLENTY))
    sandbox.space.fill(300, FIRST, LAST)
    sandbox.fault(Fault("poll", "edit", edit=lambda answer: {**answer, "status": "failed"}))

    run = sync(sandbox, EXPORTS, clock=clock)

    jobs = [point["tags"] for point in of(run, Metric.JOB_DURATION)]
    assert [job["status"] for job in jobs if job["job_type"] == "export"] == [
        "failed",
        "succeeded",
    ]
    check(run, sandbox, cuts=0)


def test_a_run_that_fails_is_timed_as_failed(cometly: StartCometly) -> None:
    sandbox, clock = cometly(dated())

    run = sync(sandbox, {**PAGES, "api_key": "wrong"}, clock=clock)

    assert run.exit == 1
    assert [point["tags"]["status"] for point in of(run, Metric.SYNC_DURATION)] == ["failed"]


def test_long_runs_count_records_as_they_go(cometly: StartCometly) -> None:
    sandbox, clock = cometly(dated(limits=PLENTY))
    sandbox.space.fill(900, FIRST, LAST)

    with mock.patch("singer_sdk.metrics.time", clock.epoch), slowly(clock, 30):
        run = sync(sandbox, PAGES, clock=clock)

    counts = [point["value"] for point in of(run, Metric.RECORD_COUNT)]
    assert len(counts) > 3
    assert sum(counts) == 900


def test_batches_are_counted(cometly: StartCometly, tmp_path: Path) -> None:
    sandbox, clock = cometly(dated(limits=PLENTY))
    sandbox.space.fill(900, FIRST, LAST)
    batches = {
        "encoding": {"format": "jsonl", "compression": "none"},
        "storage": {"root": tmp_path.as_uri()},
        "batch_size": 250,
    }

    run = sync(sandbox, {**PAGES, "page_size": 5000, "batch_config": batches}, clock=clock)

    sent = [line for line in run.lines if line["type"] == "BATCH"]
    assert [point["value"] for point in of(run, Metric.BATCH_COUNT)] == [len(sent)] == [4]


# Structured logs, as Meltano asks for them.


@pytest.fixture
def structured(tmp_path: Path) -> dict[str, str]:
    """The environment in which Meltano starts a tap that can log JSON."""
    config = {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": "singer_sdk.logging.StructuredFormatter"}},
        "handlers": {
            "console": {
                "class": "logging.StreamHandler",
                "formatter": "json",
                "stream": "ext://sys.stderr",
            }
        },
        "root": {"handlers": ["console"], "level": "INFO"},
    }
    path = tmp_path / "tap-cometly.singer_sdk_logging.json"
    path.write_text(json.dumps(config), "utf-8")
    return {"SINGER_SDK_LOG_CONFIG": str(path), "TAP_COMETLY_LOGLEVEL": "INFO"}


@WAYS
def test_every_line_can_be_json(
    sandbox: StartSandbox, structured: dict[str, str], config: dict[str, Any]
) -> None:
    cometly = sandbox(dated(limits=PLENTY))
    cometly.space.fill(900, FIRST, LAST)

    run = launch(cometly, config, env=structured)

    lines = [json.loads(line) for line in run.log.splitlines()]
    assert run.exit == 0
    assert {line["level"] for line in lines} == {"info"}
    assert [line for line in lines if WINDOW.fullmatch(line["message"])]
    assert lines[-1]["message"].startswith("Done: 900 contacts. ")
    measured = {
        line["metric_info"]["metric"] for line in lines if line["logger_name"].endswith("metrics")
    }
    assert {"http_request_count", "sync_duration"} <= measured
    assert "http_request_duration" not in measured
    assert ("job_duration" in measured) == (config is EXPORTS)


def test_the_one_error_is_json_too(sandbox: StartSandbox, structured: dict[str, str]) -> None:
    cometly = sandbox(dated())

    run = launch(cometly, {**PAGES, "api_key": "wrong"}, env=structured)

    lines = [json.loads(line) for line in run.log.splitlines()]
    [error] = [line for line in lines if line["level"] == "error"]
    assert run.exit == 1
    assert "`api_key`" in error["message"]
    assert error == lines[-1]
    assert "exception" not in error
