"""Export jobs: create, poll, download."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.contract.client import rows, seconds
from tests.contract.conftest import reading

if TYPE_CHECKING:
    from tests.contract.client import Client
    from tests.contract.conftest import Clock, StartCometly

MARCH = datetime(2024, 3, 1, tzinfo=timezone.utc)
DAY = timedelta(days=1)
ISO_8601 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


@pytest.mark.parametrize("status", [202, 200])
def test_creating_an_export_is_accepted(cometly: StartCometly, status: int) -> None:
    client = cometly(create_status=status)

    answer = client.create()

    assert answer.status_code == status
    assert set(answer.json()) == {"export_id", "status", "message"}
    assert isinstance(answer.json()["export_id"], int)
    assert answer.json()["status"] == "queued"
    assert client.export() != answer.json()["export_id"]


def test_a_job_is_queued_then_processed_then_completed(cometly: StartCometly, clock: Clock) -> None:
    client = cometly(clock, queued_seconds=5, job_seconds=20)
    export_id, began = client.export(), clock.time

    polls = []
    for moment in (0, 5, 24.9, 25.1):
        clock.time = began + moment
        polls.append(client.poll(export_id).json())

    assert [poll["status"] for poll in polls] == ["queued", *["processing"] * 2, "completed"]
    always, completed = {"export_id", "status", "created_at"}, polls[-1]
    assert [set(poll) for poll in polls[:-1]] == [always | {"message"}] * 3
    assert set(completed) == always | {"completed_at", "download_url", "expires_at"}
    assert {poll["export_id"] for poll in polls} == {export_id}
    assert ISO_8601.fullmatch(completed["created_at"])
    assert seconds(completed["completed_at"]) - seconds(completed["created_at"]) == 25


def test_jobs_may_finish_in_any_order(cometly: StartCometly, clock: Clock) -> None:
    client = cometly(clock, job_seconds_of=lambda number: 30 / number)
    jobs = [client.export() for _ in range(2)]

    clock.advance(16)

    statuses = [client.poll(job).json()["status"] for job in jobs]
    assert statuses == ["processing", "completed"]


@reading(job_fails=lambda start, _end: start >= MARCH)
def test_a_job_may_fail(client: Client) -> None:
    good = client.export("2024-02-01 00:00:00", "2024-03-01 00:00:00")
    bad = client.export("2024-03-01 00:00:00", "2024-04-01 00:00:00")

    assert client.finished(good)["status"] == "completed"
    assert client.finished(bad)["status"] == "failed"
    assert set(client.poll(bad).json()) == {"export_id", "status", "created_at", "message"}


@pytest.mark.parametrize("refusal", ["422", "failed"])
def test_large_windows_may_be_refused(cometly: StartCometly, refusal: str) -> None:
    client = cometly(max_export_contacts=10, export_refusal=refusal)
    client.space.fill(10, MARCH, MARCH + DAY)
    assert len(client.exported()) == 10
    client.space.add(created_at=MARCH)

    answer = client.create()

    if refusal == "422":
        assert answer.status_code == 422
    else:
        assert client.finished(answer.json()["export_id"])["status"] == "failed"


@pytest.mark.parametrize("status", [409, 422])
def test_another_export_may_be_refused_while_one_is_in_progress(
    cometly: StartCometly, clock: Clock, status: int
) -> None:
    client = cometly(clock, job_seconds=25, max_running_exports=2, busy_status=status)

    answers = [client.create() for _ in range(3)]
    clock.advance(25)
    answers.append(client.create())

    assert [answer.status_code for answer in answers] == [202, 202, status, 202]
    assert answers[2].json() == {"message": "An export is already in progress."}


def test_each_poll_gives_a_fresh_url_on_another_host(cometly: StartCometly, clock: Clock) -> None:
    client = cometly(clock)
    export_id = client.export()

    first = client.poll(export_id).json()
    clock.advance(100)
    second = client.poll(export_id).json()

    assert first["download_url"] != second["download_url"]
    assert urlsplit(first["download_url"]).netloc != urlsplit(client.sandbox.api_url).netloc
    assert "X-Amz-Signature=" in first["download_url"]
    assert seconds(first["expires_at"]) == clock() - 100 + 900
    assert seconds(second["expires_at"]) == clock() + 900
    assert all(client.fetch(answer["download_url"]).ok for answer in (first, second))
    assert len(client.sandbox.signatures) == 2


def test_exports_may_be_forgotten(cometly: StartCometly, clock: Clock) -> None:
    client = cometly(clock, keep_exports=3600)
    export_id = client.export()
    clock.advance(3599)
    url = client.url(export_id)
    clock.advance(1)

    assert client.poll(export_id).status_code == 404
    assert client.fetch(url).status_code == 404


# What its file shows.


def test_a_file_shows_the_space_as_it_was_when_the_job_left_the_queue(
    cometly: StartCometly, clock: Clock
) -> None:
    client = cometly(clock, queued_seconds=10, job_seconds=10, visible_after=30)
    client.space.add(created_at=MARCH, name="Ada")
    client.space.add(created_at=clock.now, name="not visible before")
    export_id = client.export()
    client.space.add(created_at=MARCH, name="while it is queued")
    clock.advance(15)
    client.space.add(created_at=MARCH, name="while it is processed")
    client.space.change(1, name="Ada Okafor")
    clock.advance(60)  # the first poll comes late

    names = [row["name"] for row in rows(client.content(export_id))]

    assert names == ["while it is queued", "Ada"]
    assert client.ids() == [4, 3, 2, 1]


def test_a_large_file_is_written_in_the_time_of_the_test_and_not_disturbed_by_changes(
    cometly: StartCometly, clock: Clock
) -> None:
    client = cometly(clock, job_seconds=5)
    client.space.fill(10_000, MARCH, MARCH + DAY)
    client.space.change(1, name="Ada")
    export_id = client.export()

    assert client.poll(export_id).json()["status"] == "processing"  # contact 1 is written last
    client.space.change(1, name="Ada Okafor")
    client.space.merge(2, into=3)
    clock.advance(5)

    assert client.poll(export_id).json()["status"] == "completed"
    *others, second, first = rows(client.content(export_id))
    assert len(others) == 9_998
    assert (second["id"], first["id"], first["name"]) == (2, 1, "Ada")
