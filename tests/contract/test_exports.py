"""Export jobs: create, poll, download."""

from __future__ import annotations

import gzip
import re
import time
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
import requests

from tests.contract.client import rows
from tests.contract.conftest import UNLIMITED
from tests.sandbox import Options

if TYPE_CHECKING:
    from tests.contract.client import Client
    from tests.contract.conftest import Clock, StartCometly

MARCH = datetime(2024, 3, 1, tzinfo=timezone.utc)
ISO_8601 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def seconds(text: str) -> float:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def status(client: Client, export_id: int) -> str:
    answer: str = client.poll(export_id).json()["status"]
    return answer


def test_creating_an_export_is_accepted(cometly: StartCometly) -> None:
    answer = cometly().create()

    assert answer.status_code == 202
    assert set(answer.json()) == {"export_id", "status", "message"}
    assert isinstance(answer.json()["export_id"], int)
    assert answer.json()["status"] == "queued"


def test_creating_an_export_may_answer_200(cometly: StartCometly) -> None:
    assert cometly(Options(create_status=200)).create().status_code == 200


def test_every_export_has_its_own_id(cometly: StartCometly) -> None:
    client = cometly()

    assert client.create().json()["export_id"] != client.create().json()["export_id"]


def test_a_job_is_queued_then_processed_then_completed(cometly: StartCometly, clock: Clock) -> None:
    client = cometly(Options(queued_seconds=5, job_seconds=20), now=clock)
    export_id = client.create().json()["export_id"]

    assert status(client, export_id) == "queued"
    clock.advance(5)
    assert status(client, export_id) == "processing"
    clock.advance(19.9)
    assert status(client, export_id) == "processing"
    clock.advance(0.2)
    assert status(client, export_id) == "completed"


def test_large_exports_may_take_longer(cometly: StartCometly, clock: Clock) -> None:
    options = Options(queued_seconds=0, job_seconds=1, job_seconds_per_contact=0.1)
    client = cometly(options, now=clock)
    client.sandbox.space.fill(100, MARCH, MARCH + timedelta(days=1))
    export_id = client.create().json()["export_id"]

    assert status(client, export_id) == "processing"
    clock.advance(10.9)
    assert status(client, export_id) == "processing"
    clock.advance(0.2)
    assert status(client, export_id) == "completed"


def test_jobs_may_finish_in_any_order(cometly: StartCometly, clock: Clock) -> None:
    options = Options(queued_seconds=0, job_seconds_of=lambda number: 30 / number)
    client = cometly(options, now=clock)
    first, second = (client.create().json()["export_id"] for _ in range(2))

    assert (status(client, first), status(client, second)) == ("processing", "processing")
    clock.advance(16)
    assert (status(client, first), status(client, second)) == ("processing", "completed")


def test_a_poll_tells_the_times_and_a_message(cometly: StartCometly, clock: Clock) -> None:
    client = cometly(Options(queued_seconds=5, job_seconds=20), now=clock)
    export_id = client.create().json()["export_id"]

    queued = client.poll(export_id).json()
    clock.advance(10)
    processing = client.poll(export_id).json()
    clock.advance(50)
    completed = client.poll(export_id).json()

    assert set(queued) == set(processing) == {"export_id", "status", "created_at", "message"}
    assert queued["export_id"] == completed["export_id"] == export_id
    assert set(completed) == {
        "export_id",
        "status",
        "created_at",
        "completed_at",
        "download_url",
        "expires_at",
    }
    assert ISO_8601.fullmatch(queued["created_at"])
    assert seconds(completed["completed_at"]) - seconds(completed["created_at"]) == 25


def test_a_job_may_fail(cometly: StartCometly) -> None:
    client = cometly(Options(queued_seconds=0, job_fails=lambda start, _end: start >= MARCH))

    good = client.create("2024-02-01 00:00:00", "2024-03-01 00:00:00").json()["export_id"]
    bad = client.create("2024-03-01 00:00:00", "2024-04-01 00:00:00").json()["export_id"]

    assert client.finished(good)["status"] == "completed"
    assert client.finished(bad)["status"] == "failed"
    assert set(client.poll(bad).json()) == {"export_id", "status", "created_at", "message"}


@pytest.mark.parametrize("refusal", ["422", "failed"])
def test_large_windows_may_be_refused(cometly: StartCometly, refusal: str) -> None:
    client = cometly(
        Options(max_export_contacts=10, export_refusal=refusal, queued_seconds=0)  # type: ignore[arg-type]
    )
    client.sandbox.space.fill(10, MARCH, MARCH + timedelta(days=1))
    assert len(client.exported()) == 10
    client.sandbox.space.add(created_at=MARCH)

    answer = client.create()

    if refusal == "422":
        assert answer.status_code == 422
    else:
        assert client.finished(answer.json()["export_id"])["status"] == "failed"


def test_each_poll_gives_a_fresh_url_on_another_host(cometly: StartCometly, clock: Clock) -> None:
    client = cometly(now=clock)
    export_id = client.create().json()["export_id"]

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
    client = cometly(Options(queued_seconds=0, keep_exports=3600), now=clock)
    export_id = client.create().json()["export_id"]
    clock.advance(3599)
    url = client.poll(export_id).json()["download_url"]
    clock.advance(1)

    assert client.poll(export_id).status_code == 404
    assert client.fetch(url).status_code == 404


def test_a_file_shows_the_space_as_it_was_when_the_job_left_the_queue(
    cometly: StartCometly, clock: Clock
) -> None:
    client = cometly(Options(queued_seconds=10, job_seconds=10), now=clock)
    client.sandbox.space.add(created_at=MARCH, name="Ada")
    export_id = client.create().json()["export_id"]
    client.sandbox.space.add(created_at=MARCH, name="while it is queued")
    clock.advance(15)
    client.sandbox.space.add(created_at=MARCH, name="while it is processed")
    client.sandbox.space.change(1, name="Ada Okafor")
    clock.advance(15)

    content = client.fetch(client.poll(export_id).json()["download_url"]).content

    assert [row["name"] for row in rows(gzip.decompress(content))] == [
        "while it is queued",
        "Ada",
    ]


def test_what_becomes_visible_after_the_queue_is_not_in_the_file(
    cometly: StartCometly, clock: Clock
) -> None:
    client = cometly(Options(queued_seconds=10, visible_after=30), now=clock)
    client.sandbox.space.add(created_at=datetime.fromtimestamp(clock(), timezone.utc))
    export_id = client.create().json()["export_id"]
    clock.advance(60)  # the first poll comes late

    content = client.fetch(client.poll(export_id).json()["download_url"]).content

    assert gzip.decompress(content) == b""
    assert client.ids() == [1]


def test_a_large_file_is_not_disturbed_by_changes_while_it_is_written(
    cometly: StartCometly,
) -> None:
    client = cometly()
    client.sandbox.space.fill(20_000, MARCH, MARCH + timedelta(days=1))
    client.sandbox.space.change(1, name="Ada")
    export_id = client.create().json()["export_id"]
    client.poll(export_id)  # now it is being written, contact 1 last
    client.sandbox.space.change(1, name="Ada Okafor")
    client.sandbox.space.merge(2, into=3)

    content = client.fetch(client.finished(export_id)["download_url"]).content

    last = rows(gzip.decompress(content))[-2:]
    assert [(row["id"], row["name"]) for row in last][1:] == [(1, "Ada")]
    assert last[0]["id"] == 2


def test_tokens_and_emails_come_when_asked_for(cometly: StartCometly) -> None:
    client = cometly()
    tokens = ["ct_3", "ct_2", "ct_1"]
    client.sandbox.space.add(created_at=MARCH, email="ada@example.com", comet_tokens=tokens)

    plain = client.exported()[0]
    full = client.exported(include_comet_tokens=1, include_all_emails=1)[0]

    assert full == {**plain, "comet_tokens": tokens, "emails": ["ada@example.com"]}
    assert {"comet_tokens", "emails"}.isdisjoint(plain)


def test_an_endpoint_may_not_know_emails(cometly: StartCometly) -> None:
    client = cometly(Options(export_emails=False, queued_seconds=0))
    client.sandbox.space.add(created_at=MARCH, email="ada@example.com")

    assert "emails" not in client.exported(include_all_emails=1)[0]


def test_custom_fields_are_for_the_list_only(cometly: StartCometly) -> None:
    client = cometly()
    client.sandbox.space.add(created_at=MARCH, profile_fields={1: "blue"})

    assert "profile_field_1" not in client.exported(include_custom_fields=1)[0]


def test_a_job_keeps_the_options_of_its_creation(cometly: StartCometly) -> None:
    client = cometly(Options(queued_seconds=0.05, created_at="absent"))
    client.sandbox.space.add(created_at=MARCH)
    export_id = client.create().json()["export_id"]
    client.sandbox.options = replace(client.sandbox.options, created_at="seconds")

    content = client.fetch(client.finished(export_id)["download_url"]).content

    assert "created_at" not in rows(gzip.decompress(content))[0]


@pytest.mark.parametrize("status", [409, 423, 425, 422, 400])
def test_another_export_may_be_refused_while_one_is_in_progress(
    cometly: StartCometly, clock: Clock, status: int
) -> None:
    options = Options(
        queued_seconds=5,
        job_seconds=20,
        max_running_exports=2,
        busy_status=status,
        limits=UNLIMITED,
    )
    client = cometly(options, now=clock)
    assert [client.create().status_code for _ in range(2)] == [202, 202]

    refused = [client.create()]
    clock.advance(24)
    refused.append(client.create())

    assert [answer.status_code for answer in refused] == [status] * 2
    assert refused[0].json() == {"message": "An export is already in progress."}

    clock.advance(1)
    assert client.create().json()["export_id"] == 1003


def test_a_large_export_is_in_time_by_the_clock_of_the_test(
    cometly: StartCometly, clock: Clock
) -> None:
    client = cometly(Options(queued_seconds=0, job_seconds=5), now=clock)
    client.sandbox.space.fill(50_000, MARCH, MARCH + timedelta(days=1))
    export_id = client.create().json()["export_id"]

    early = client.poll(export_id).json()["status"]
    clock.advance(5)
    answer = client.poll(export_id).json()

    assert (early, answer["status"]) == ("processing", "completed")
    content = client.fetch(answer["download_url"]).content
    assert gzip.decompress(content).count(b"\n") == 50_000


def test_a_sandbox_stops_while_a_large_export_is_written(
    cometly: StartCometly, clock: Clock
) -> None:
    client = cometly(Options(queued_seconds=0), now=clock)
    client.sandbox.space.fill(1_000_000, MARCH, MARCH + timedelta(days=1))
    export_id = client.create().json()["export_id"]
    url = f"{client.sandbox.api_url}/contacts/exports/{export_id}"
    with pytest.raises(requests.ReadTimeout):
        client.http.get(url, headers=client.headers, timeout=0.2)

    started = time.monotonic()
    client.sandbox.close()

    assert time.monotonic() - started < 2
