"""Export jobs: create, poll, download."""

from __future__ import annotations

import re
import time
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import requests

from tests.contract.client import rows, seconds
from tests.contract.conftest import reading

if TYPE_CHECKING:
    from tests.contract.client import Client
    from tests.contract.conftest import Clock, StartCometly

MARCH = datetime(2024, 3, 1, tzinfo=timezone.utc)
DAY = timedelta(days=1)
ISO_8601 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def statuses(client: Client, *export_ids: int) -> list[str]:
    return [client.poll(export_id).json()["status"] for export_id in export_ids]


@pytest.mark.parametrize("status", [202, 200])
def test_creating_an_export_is_accepted(cometly: StartCometly, status: int) -> None:
    client = cometly(create_status=status)

    answer = client.create()

    assert answer.status_code == status
    assert set(answer.json()) == {"export_id", "status", "message"}
    assert isinstance(answer.json()["export_id"], int)
    assert answer.json()["status"] == "queued"
    assert client.export() != answer.json()["export_id"]


@pytest.mark.parametrize(
    ("options", "at"),
    [
        (
            {"queued_seconds": 5, "job_seconds": 20},
            [(0, "queued"), (5, "processing"), (24.9, "processing"), (25.1, "completed")],
        ),
        (  # large exports may take longer
            {"job_seconds": 1, "job_seconds_per_contact": 0.1},
            [(0, "processing"), (10.9, "processing"), (11.1, "completed")],
        ),
    ],
)
def test_a_job_is_queued_then_processed_then_completed(
    cometly: StartCometly, clock: Clock, options: dict[str, Any], at: list[tuple[float, str]]
) -> None:
    client = cometly(clock, **options)
    client.space.fill(100, MARCH, MARCH + DAY)
    export_id, began = client.export(), clock.time

    for moment, status in at:
        clock.time = began + moment
        assert statuses(client, export_id) == [status]


def test_jobs_may_finish_in_any_order(cometly: StartCometly, clock: Clock) -> None:
    client = cometly(clock, job_seconds_of=lambda number: 30 / number)
    jobs = [client.export() for _ in range(2)]

    assert statuses(client, *jobs) == ["processing", "processing"]
    clock.advance(16)
    assert statuses(client, *jobs) == ["processing", "completed"]


def test_a_poll_tells_the_times_and_a_message(cometly: StartCometly, clock: Clock) -> None:
    client = cometly(clock, queued_seconds=5, job_seconds=20)
    export_id = client.export()

    queued = client.poll(export_id).json()
    clock.advance(10)
    processing = client.poll(export_id).json()
    clock.advance(50)
    completed = client.poll(export_id).json()

    always = {"export_id", "status", "created_at"}
    assert set(queued) == set(processing) == always | {"message"}
    assert set(completed) == always | {"completed_at", "download_url", "expires_at"}
    assert queued["export_id"] == completed["export_id"] == export_id
    assert ISO_8601.fullmatch(queued["created_at"])
    assert seconds(completed["completed_at"]) - seconds(completed["created_at"]) == 25


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


def test_a_file_shows_the_space_as_it_was_when_the_job_left_the_queue(
    cometly: StartCometly, clock: Clock
) -> None:
    client = cometly(clock, queued_seconds=10, job_seconds=10)
    client.space.add(created_at=MARCH, name="Ada")
    export_id = client.export()
    client.space.add(created_at=MARCH, name="while it is queued")
    clock.advance(15)
    client.space.add(created_at=MARCH, name="while it is processed")
    client.space.change(1, name="Ada Okafor")
    clock.advance(15)

    names = [row["name"] for row in rows(client.content(export_id))]

    assert names == ["while it is queued", "Ada"]


def test_what_becomes_visible_after_the_queue_is_not_in_the_file(
    cometly: StartCometly, clock: Clock
) -> None:
    client = cometly(clock, queued_seconds=10, visible_after=30)
    client.space.add(created_at=clock.now)
    export_id = client.export()
    clock.advance(60)  # the first poll comes late

    assert client.content(export_id) == b""
    assert client.ids() == [1]


def test_a_large_file_is_not_disturbed_by_changes_while_it_is_written(client: Client) -> None:
    client.space.fill(20_000, MARCH, MARCH + DAY)
    client.space.change(1, name="Ada")
    export_id = client.export()
    client.poll(export_id)  # now it is being written, contact 1 last
    client.space.change(1, name="Ada Okafor")
    client.space.merge(2, into=3)

    *_, second, first = rows(client.content(export_id))

    assert (second["id"], first["id"], first["name"]) == (2, 1, "Ada")


def test_tokens_and_emails_come_when_asked_for(client: Client) -> None:
    tokens = ["ct_3", "ct_2", "ct_1"]
    client.space.add(created_at=MARCH, email="ada@example.com", comet_tokens=tokens)

    [plain] = client.exported()
    [full] = client.exported(include_comet_tokens=1, include_all_emails=1)

    assert full == {**plain, "comet_tokens": tokens, "emails": ["ada@example.com"]}
    assert {"comet_tokens", "emails"}.isdisjoint(plain)


def test_exports_may_not_know_emails_and_never_know_custom_fields(cometly: StartCometly) -> None:
    client = cometly(export_emails=False)
    client.space.add(created_at=MARCH, email="ada@example.com", profile_fields={1: "blue"})

    [row] = client.exported(include_all_emails=1, include_custom_fields=1)

    assert {"emails", "profile_field_1"}.isdisjoint(row)


@reading(queued_seconds=0.05)
def test_a_job_keeps_the_options_of_its_creation(client: Client) -> None:
    client.space.add(created_at=MARCH)
    export_id = client.export()
    client.change_options(created_at="seconds")

    assert "created_at" not in rows(client.content(export_id))[0]


@pytest.mark.parametrize("status", [409, 423, 425, 422, 400])
def test_another_export_may_be_refused_while_one_is_in_progress(
    cometly: StartCometly, clock: Clock, status: int
) -> None:
    client = cometly(
        clock, queued_seconds=5, job_seconds=20, max_running_exports=2, busy_status=status
    )
    assert [client.create().status_code for _ in range(2)] == [202, 202]

    refused = [client.create()]
    clock.advance(24)
    refused.append(client.create())

    assert [answer.status_code for answer in refused] == [status] * 2
    assert refused[0].json() == {"message": "An export is already in progress."}
    clock.advance(1)
    assert client.export() == 1003


def test_a_large_export_is_in_time_by_the_clock_of_the_test(
    cometly: StartCometly, clock: Clock
) -> None:
    client = cometly(clock, job_seconds=5)
    client.space.fill(50_000, MARCH, MARCH + DAY)
    export_id = client.export()

    assert statuses(client, export_id) == ["processing"]
    clock.advance(5)
    assert statuses(client, export_id) == ["completed"]
    assert client.content(export_id).count(b"\n") == 50_000


def test_a_sandbox_stops_while_a_large_export_is_written(
    cometly: StartCometly, clock: Clock
) -> None:
    client = cometly(clock)
    client.space.fill(1_000_000, MARCH, MARCH + DAY)
    url = f"{client.sandbox.api_url}/contacts/exports/{client.export()}"
    with pytest.raises(requests.ReadTimeout):
        client.http.get(url, headers=client.headers, timeout=0.2)

    started = time.monotonic()
    client.sandbox.close()

    assert time.monotonic() - started < 2
