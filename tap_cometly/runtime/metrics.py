"""The SDK's metrics: METRIC lines, as whoever reads a Meltano tap's log knows them.

Requests are counted per window at INFO. The time of each single one is logged at DEBUG only, where
it does not drown the rest of the log.
"""

from __future__ import annotations

import os
import typing as t

from singer_sdk.metrics import Metric, Point, Status, Tag, get_metrics_logger, log

if t.TYPE_CHECKING:
    from collections.abc import Mapping

_STREAM = "contacts"
_PATHS = {
    "list": "/contacts",
    "create": "/contacts/exports",
    "poll": "/contacts/exports/{export_id}",
}
_FIRST_ERROR = 400  # the lowest HTTP status of a request that failed


def request_answered(endpoint: str, status: int, seconds: float) -> None:
    """Log, at DEBUG, how long an answer took to begin.

    Args:
        endpoint: `list`, `create` or `poll`.
        status: The HTTP status.
        seconds: From sending the request to the answer's headers.
    """
    outcome = Status.SUCCEEDED if status < _FIRST_ERROR else Status.FAILED
    tags = {Tag.ENDPOINT: _PATHS[endpoint], Tag.HTTP_STATUS_CODE: status, Tag.STATUS: outcome}
    point = _point("timer", Metric.HTTP_REQUEST_DURATION, seconds, tags)
    get_metrics_logger().debug("METRIC: %s", point)


def requests_made(endpoint: str, count: int) -> None:
    """Log how many requests were made to an endpoint since the last call."""
    tags = {Tag.ENDPOINT: _PATHS[endpoint], Tag.PID: os.getpid()}
    log(get_metrics_logger(), _point("counter", Metric.HTTP_REQUEST_COUNT, count, tags))


def export_ended(window: str, seconds: float, *, completed: bool) -> None:
    """Log how long an export job took, as far as its polls show; once of each job."""
    _log_job("export", seconds, {"window": window}, succeeded=completed)


def download_ended(window: str, seconds: float, size: int | None) -> None:
    """Log how long a download took, its verification included.

    Args:
        window: What the file's export was of.
        seconds: From asking for the file to its last byte.
        size: The bytes of the file; None when it did not come whole.
    """
    whole = {} if size is None else {"bytes": size}
    _log_job("download", seconds, {"window": window, **whole}, succeeded=size is not None)


def _log_job(kind: str, seconds: float, tags: Mapping[str, t.Any], *, succeeded: bool) -> None:
    status = Status.SUCCEEDED if succeeded else Status.FAILED
    all_tags = {Tag.JOB_TYPE: kind, Tag.STATUS: status, **tags}
    log(get_metrics_logger(), _point("timer", Metric.JOB_DURATION, seconds, all_tags))


def _point(kind: str, metric: Metric, value: float, tags: Mapping[t.Any, t.Any]) -> Point[float]:
    return Point(kind, metric, value, {Tag.STREAM: _STREAM, **tags})
