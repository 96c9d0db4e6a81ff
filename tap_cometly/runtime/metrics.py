"""What things took, as the SDK's metrics: lines that whoever reads a Meltano tap's log knows."""

from __future__ import annotations

import os
import typing as t

from singer_sdk.metrics import Metric, Point, Status, Tag, get_metrics_logger, log

if t.TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_cometly.client.client import Endpoint
    from tap_cometly.client.rate_limit import RateLimiter
    from tap_cometly.exports.download import SpoolFile
    from tap_cometly.exports.job import Job
    from tap_cometly.timeranges import Window

_STREAM = "contacts"
_PATHS: dict[Endpoint, str] = {
    "list": "/contacts",
    "create": "/contacts/exports",
    "poll": "/contacts/exports/{export_id}",
}
_WRONG = 400  # and above: the HTTP status of a request that failed


def answered(endpoint: Endpoint, status: int, seconds: float) -> None:
    """Tell how long an answer took to begin.

    Args:
        endpoint: What was asked.
        status: The HTTP status.
        seconds: From sending the request to the answer's headers.
    """
    tags: dict[str, t.Any] = {
        Tag.ENDPOINT: _PATHS[endpoint],
        Tag.HTTP_STATUS_CODE: status,
        Tag.STATUS: _status(succeeded=status < _WRONG),
    }
    _tell("timer", Metric.HTTP_REQUEST_DURATION, seconds, tags)


def asked(limiters: Mapping[Endpoint, RateLimiter]) -> None:
    """Tell how many requests were made in all."""
    for endpoint, limiter in limiters.items():
        if limiter.requests:
            tags: dict[str, t.Any] = {Tag.ENDPOINT: _PATHS[endpoint], Tag.PID: os.getpid()}
            _tell("counter", Metric.HTTP_REQUEST_COUNT, limiter.requests, tags)


def export_ended(job: Job, now: float, *, completed: bool) -> None:
    """Tell how long an export job took from its creation to its end; once of each job.

    Args:
        job: It has ended, as far as its polls show.
        now: Monotonic seconds.
        completed: Whether there is a file.
    """
    if not job.timed:
        job.timed = True
        _job("export", now - job.created, {"window": str(job.window)}, succeeded=completed)


def download_ended(window: Window, seconds: float, spool: SpoolFile | None) -> None:
    """Tell how long a download took, its verification included.

    Args:
        window: Of the export.
        seconds: From asking for the file to its last byte.
        spool: The file, or None when it did not come whole.
    """
    size = {} if spool is None else {"bytes": spool.size}
    _job("download", seconds, {"window": str(window), **size}, succeeded=spool is not None)


def _job(kind: str, seconds: float, tags: Mapping[str, t.Any], *, succeeded: bool) -> None:
    status = _status(succeeded=succeeded)
    _tell("timer", Metric.JOB_DURATION, seconds, {Tag.JOB_TYPE: kind, Tag.STATUS: status, **tags})


def _tell(kind: str, metric: Metric, value: float, tags: Mapping[str, t.Any]) -> None:
    log(get_metrics_logger(), Point(kind, metric, value, {Tag.STREAM: _STREAM, **tags}))


def _status(*, succeeded: bool) -> Status:
    return Status.SUCCEEDED if succeeded else Status.FAILED
