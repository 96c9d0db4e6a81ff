"""METRIC lines, as the SDK words them for REST streams."""

from __future__ import annotations

import json
import logging
import os

import pytest

from tap_cometly.runtime import metrics

WINDOW = "2024-05-22T00:00:00Z to 2024-05-23T00:00:00Z"


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG, "singer_sdk.metrics")
    return caplog


def points(log: pytest.LogCaptureFixture) -> list[object]:
    assert all(message.startswith("METRIC: {") for message in log.messages)
    return [json.loads(message.removeprefix("METRIC: ")) for message in log.messages]


def test_the_time_of_an_answer_is_told_at_debug(log: pytest.LogCaptureFixture) -> None:
    metrics.request_answered("poll", 429, 0.25)

    assert [record.levelno for record in log.records] == [logging.DEBUG]
    assert points(log) == [
        {
            "type": "timer",
            "metric": "http_request_duration",
            "value": 0.25,
            "tags": {
                "stream": "contacts",
                "endpoint": "/contacts/exports/{export_id}",
                "http_status_code": 429,
                "status": "failed",
            },
        }
    ]


def test_requests_are_counted_at_info(log: pytest.LogCaptureFixture) -> None:
    metrics.requests_made("list", 15)

    tags = {"stream": "contacts", "endpoint": "/contacts", "pid": os.getpid()}
    assert [record.levelno for record in log.records] == [logging.INFO]
    assert points(log) == [
        {"type": "counter", "metric": "http_request_count", "value": 15, "tags": tags}
    ]


@pytest.mark.parametrize(("completed", "status"), [(True, "succeeded"), (False, "failed")])
def test_an_export_job_is_timed(
    log: pytest.LogCaptureFixture, *, completed: bool, status: str
) -> None:
    metrics.export_ended(WINDOW, 42.0, completed=completed)

    tags = {"stream": "contacts", "job_type": "export", "status": status, "window": WINDOW}
    assert points(log) == [{"type": "timer", "metric": "job_duration", "value": 42.0, "tags": tags}]


@pytest.mark.parametrize(
    ("size", "tags"),
    [(10, {"status": "succeeded", "bytes": 10}), (None, {"status": "failed"})],
)
def test_a_download_is_timed_and_its_size_told(
    log: pytest.LogCaptureFixture, size: int | None, tags: dict[str, object]
) -> None:
    metrics.download_ended(WINDOW, 1.5, size)

    common = {"stream": "contacts", "job_type": "download", "window": WINDOW}
    assert points(log) == [
        {"type": "timer", "metric": "job_duration", "value": 1.5, "tags": {**common, **tags}}
    ]
