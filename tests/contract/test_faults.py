"""What an endpoint does when it is told to fail."""

from __future__ import annotations

import gzip
import time
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tests.contract.client import rows
from tests.sandbox import Fault, Limits

if TYPE_CHECKING:
    from tests.contract.client import Client
    from tests.contract.conftest import Clock, StartCometly

MARCH = datetime(2024, 3, 1, tzinfo=timezone.utc)
BROKEN = (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)


@pytest.fixture
def client(cometly: StartCometly, request: pytest.FixtureRequest) -> Client:
    client = cometly(**getattr(request, "param", {}))
    client.space.fill(1000, MARCH, MARCH + timedelta(days=1))
    return client


# When it strikes.


def test_a_fault_strikes_from_its_call_on_as_often_as_told(client: Client) -> None:
    client.fault("list", call=2, times=2)
    client.fault("poll", times=None, status=502)

    assert [client.page().status_code for _ in range(4)] == [200, 500, 500, 200]
    assert [client.poll(1).status_code for _ in range(3)] == [502, 502, 502]

    client.sandbox.clear_faults()
    assert client.poll(1).status_code == 404


def test_a_failed_call_counts_against_the_limit_but_a_429_uses_up_no_fault(
    cometly: StartCometly, clock: Clock
) -> None:
    client = cometly(clock, limits=Limits(list=2))
    client.fault("list", call=3, status=500)

    statuses = [client.page().status_code for _ in range(3)]
    clock.advance(60)

    assert [*statuses, client.page().status_code] == [200, 200, 429, 500]


def test_a_fault_may_last_for_a_time(cometly: StartCometly, clock: Clock) -> None:
    """Another client takes the whole list for an hour."""
    client = cometly(clock)
    client.fault("list", call=2, lasts=3600, status=429)
    clock.advance(86400)

    statuses = []
    for _ in range(5):
        statuses.append(client.page().status_code)
        clock.advance(1200)

    assert statuses == [200, 429, 429, 429, 200]


def test_a_fault_may_strike_at_calls_about_one_job_alone(client: Client) -> None:
    client.fault("poll", times=None, export=2, call=2, status=410)
    client.fault("file", times=None, export=3, status=404)
    for _ in range(3):
        client.create()

    polled = [client.poll(number).status_code for number in (1001, 1002, 1001, 1001, 1002, 1002)]
    urls = [client.url(number) for number in (1001, 1003)]

    assert polled == [200, 200, 200, 200, 410, 410]
    assert [client.fetch(url).status_code for url in urls] == [200, 404]
    assert client.poll(1).status_code == client.poll(1004).status_code == 404


@pytest.mark.parametrize(
    "fault",
    [
        {"endpoint": "lists"},
        {"endpoint": "list", "kind": "explode"},
        {"endpoint": "list", "kind": "lines", "edit": list},
        {"endpoint": "file", "kind": "edit", "edit": dict},
        {"endpoint": "list", "kind": "edit"},
        {"endpoint": "list", "kind": "status", "edit": dict},
        {"endpoint": "list", "export": 1},
        {"endpoint": "list", "kind": "lost", "message": "Oh"},
        {"endpoint": "list", "kind": "lost", "after_work": True},
    ],
)
def test_a_fault_that_can_never_strike_is_refused(fault: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="no such fault"):
        Fault(**fault)


# Statuses and headers.


def test_a_status_has_laravels_message_or_any_other_body_and_headers(client: Client) -> None:
    headers = {"Retry-After": "0.5", "X-RateLimit-Limit": None}
    client.fault("list", status=500)
    client.fault("list", call=2, status=409, message="An export is in progress.")
    client.fault("list", call=3, status=429, body=b"slow down", headers=headers)
    client.fault("list", "replace", call=4, headers=headers)

    plain, told, special, spoiled, whole = (client.page() for _ in range(5))

    assert (plain.status_code, plain.json()) == (500, {"message": "Server Error"})
    assert "X-RateLimit-Limit" in plain.headers
    assert told.json() == {"message": "An export is in progress."}
    assert special.content == b"slow down"
    assert spoiled.json() == whole.json()
    for answer in (special, spoiled):
        assert answer.headers["Retry-After"] == "0.5"
        assert "X-RateLimit-Limit" not in answer.headers


@pytest.mark.parametrize(("status", "code"), [(403, b"AccessDenied"), (500, b"InternalError")])
def test_the_stores_errors_are_xml(client: Client, status: int, code: bytes) -> None:
    client.fault("file", status=status, message="Request has expired")

    answer = client.fetch(client.completed())

    assert answer.status_code == status
    assert b"<Code>%s</Code><Message>Request has expired</Message>" % code in answer.content


@pytest.mark.parametrize("after_work", [False, True])
@pytest.mark.parametrize("fault", [{"status": 504}, {"kind": "garbage"}, {"kind": "hangup"}])
def test_an_error_may_come_before_or_after_the_work(
    client: Client, fault: dict[str, Any], *, after_work: bool
) -> None:
    if fault == {"kind": "hangup"}:
        client.fault("create", "lost" if after_work else "hangup")
        with pytest.raises(requests.ConnectionError):
            client.create()
        assert client.sandbox.requests[-1].status is None
    else:
        client.fault("create", after_work=after_work, **fault)
        answer = client.create()
        assert answer.status_code == fault.get("status", 200)
        assert "export_id" not in answer.text

    assert client.poll(1001).status_code == (200 if after_work else 404)
    assert client.export() == (1002 if after_work else 1001)


def test_a_slow_answer_does_not_outlive_the_sandbox(client: Client) -> None:
    client.fault("list", "slow", seconds=60)
    with pytest.raises(requests.ReadTimeout):
        client.http.get(client.sandbox.api_url + "/contacts", headers=client.headers, timeout=0.05)

    started = time.monotonic()
    client.sandbox.close()

    assert time.monotonic() - started < 10


# Bodies.


@pytest.mark.parametrize(("reset", "content_length"), [(True, False), (False, True)])
def test_a_connection_cut_within_the_body(
    client: Client, *, reset: bool, content_length: bool
) -> None:
    url = client.completed()
    client.fault("file", "cut", fraction=0.5, reset=reset, content_length=content_length)

    with pytest.raises(BROKEN) as broken:
        client.fetch(url)

    assert ("reset by peer" in str(broken.value)) is reset


@pytest.mark.parametrize(
    ("cut", "left"),
    [({"fraction": 0.1}, 0.1), ({"bytes": -8}, 1.0), ({"bytes": 99, "content_length": False}, 0.0)],
)
def test_a_truncated_body_looks_whole(client: Client, cut: dict[str, Any], left: float) -> None:
    url = client.completed()
    whole = client.fetch(url).content
    client.fault("file", "truncate", **cut)

    answer = client.fetch(url)

    assert answer.content == whole[: len(answer.content)]
    assert len(answer.content) == pytest.approx(len(whole) * left, abs=100)
    assert ("Content-Length" in answer.headers) is cut.get("content_length", True)


def test_a_body_may_be_spoilt(client: Client) -> None:
    url = client.completed()
    whole = client.fetch(url).content
    client.fault("file", "append", body=b"junk")
    client.fault("file", "empty", call=2)
    client.fault("file", "replace", call=3, body=b"other")
    client.fault("file", "flip", call=4)
    client.fault("file", "garbage", call=5)
    client.fault("file", "lines", call=6, edit=lambda lines: [*lines[:2], b"null"])

    *bodies, flipped, page, edited, healthy = (client.fetch(url).content for _ in range(7))

    assert bodies == [whole + b"junk", b"", b"other"]
    assert [a ^ b for a, b in zip(whole, flipped, strict=True) if a != b] == [1]
    assert page.startswith(b"<!DOCTYPE html>")
    assert [row and row["id"] for row in rows(gzip.decompress(edited))] == [1000, 999, None]
    assert healthy == whole


def test_a_json_answer_can_be_edited(client: Client) -> None:
    client.fault("list", "edit", edit=lambda answer: answer.pop("next_cursor") and None)
    client.fault("create", "edit", edit=lambda answer: {**answer, "export_id": "x"})
    client.fault("poll", "edit", edit=lambda _: {"status": "archived"})

    assert "next_cursor" not in client.page().json()
    assert client.create().json()["export_id"] == "x"
    assert client.poll(1001).json() == {"status": "archived"}
    assert client.poll(1001).json()["status"] == "completed"


# Blackouts.


@pytest.mark.parametrize("after_work", [False, True])
def test_nothing_gets_through_in_a_blackout(
    cometly: StartCometly, clock: Clock, *, after_work: bool
) -> None:
    spans = [(clock() + 10, clock() + 10.5)]
    client = cometly(
        clock, limits=Limits(create=2), blackouts=spans, blackout_after_work=after_work
    )
    client.fault("create", call=2 if after_work else 1, status=500)

    clock.advance(10)
    for call in (client.create, client.page):
        with pytest.raises(requests.ConnectionError):
            call()
    with pytest.raises(requests.ConnectionError):
        client.fetch(client.sandbox.store_url)
    assert [call.status for call in client.sandbox.requests] == [None] * 3

    clock.advance(0.5)
    assert client.poll(1001).status_code == (200 if after_work else 404)
    assert client.create().status_code == 500  # the fault has seen what was worked on
