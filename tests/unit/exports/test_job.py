"""An export job as data: each transition, and what it is said to be doing."""

from __future__ import annotations

from io import BytesIO

import pytest

from tap_cometly.exports.download import SpoolFile
from tap_cometly.exports.job import ExportJob, JobStatus
from tap_cometly.timeranges import Window
from tests.support.exports import DAY, SIZE


@pytest.fixture
def job() -> ExportJob:
    """A job that runs since second 100."""
    job = ExportJob(DAY)
    job.creating(95.0)
    job.created(7, 100.0)
    return job


def spool_of(contacts: int) -> SpoolFile:
    return SpoolFile(BytesIO(b"x"), lines=contacts, size=1)


def test_a_created_job_runs_from_then_on(job: ExportJob) -> None:
    assert (job.export_id, job.status, job.tries) == (7, JobStatus.RUNNING, 1)
    assert (job.asked_at, job.created_at, job.polled_at) == (95.0, 100.0, 100.0)


def test_a_retried_export_job_resets_its_failure_counters(job: ExportJob) -> None:
    job.polls_without_url, job.refused_urls, job.bad_files, job.completed = 1, 2, 3, True

    job.again(due_at=200.0)
    job.creating(200.0)

    assert (job.tries, job.status) == (2, JobStatus.CREATING)
    assert (job.polls_without_url, job.refused_urls, job.bad_files) == (0, 0, 0)
    assert not job.completed
    assert job.first_asked_at == 95.0


def test_a_creation_that_is_postponed_does_not_count_as_a_try() -> None:
    job = ExportJob(DAY)
    job.creating(95.0)

    job.not_created(due_at=155.0)

    assert (job.tries, job.status, job.due_at) == (0, JobStatus.TO_CREATE, 155.0)


def test_what_a_job_is_doing_is_told_with_how_long_the_api_has_said_so() -> None:
    job = ExportJob(DAY)
    told = [job.describe(90.0)]
    job.creating(95.0)
    told.append(job.describe(96.0))
    job.created(7, 100.0)
    told.append(job.describe(103.0))
    job.running("processing", 110.0)
    job.running("processing", 120.0)
    job.polling()
    told.append(job.describe(125.0))
    job.downloading()
    told.append(job.describe(126.0))
    job.ready(spool_of(3))
    told.append(job.describe(127.0))
    job.failed()
    told.append(job.describe(128.0))

    assert told == [
        "waiting to be created",
        "being created",
        "queued 3 s",
        "processing 15 s",
        "downloading",
        "downloaded",
        "left to pages",
    ]


def test_a_window_holds_what_is_expected_until_its_file_is_here(job: ExportJob) -> None:
    assert job.holds == SIZE

    job.ready(spool_of(3))

    assert job.holds == 3


def test_a_window_of_unknown_size_counts_as_a_small_one() -> None:
    unknown = ExportJob(Window(DAY.start, DAY.end))

    assert (unknown.expected, unknown.holds) == (1, None)


@pytest.mark.parametrize("leave", ["fresh_url", "again", "failed", "close"])
def test_the_file_is_let_go_when_it_is_not_wanted_any_more(job: ExportJob, leave: str) -> None:
    spool = spool_of(1)
    job.ready(spool)

    getattr(job, leave)(*([150.0] if leave in {"fresh_url", "again"} else []))
    job.close()

    assert spool.file.closed
    assert job.spool is None
