"""The sandbox itself: its log, its contacts, how it starts and stops."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
import requests

from tests.contract.conftest import UNLIMITED
from tests.sandbox import Options, Sandbox, dated, healthy, partial

if TYPE_CHECKING:
    from tests.contract.client import Client
    from tests.contract.conftest import Clock, StartCometly
    from tests.sandbox.faults import Endpoint
    from tests.sandbox.shapes import Shape

START = datetime(2022, 1, 1, tzinfo=timezone.utc)
END = datetime(2025, 1, 1, tzinfo=timezone.utc)
ALL = ("2022-01-01 00:00:00", "2025-01-01 00:00:00")


def test_the_log_tells_what_was_asked(client: Client) -> None:
    client.space.fill(5, START, END)
    before = time.monotonic()
    client.page(*ALL, per_page=3)
    client.exported(*ALL)

    log = client.sandbox.requests

    assert [(call.endpoint, call.method, call.status, call.rows) for call in log] == [
        ("list", "GET", 200, 3),
        ("create", "POST", 202, 0),
        ("poll", "GET", 200, 0),
        ("file", "GET", 200, 5),
    ]
    assert (log[0].path, log[0].query["per_page"]) == ("/public-api/v1/contacts", "3")
    assert (log[1].body or {})["end_date"] == ALL[1]
    assert log[0].headers["authorization"] == "Bearer ck_sandbox"
    assert "authorization" not in log[3].headers
    assert before <= log[0].at <= log[1].at <= log[3].at <= time.monotonic()
    assert client.sandbox.log_calls() == Counter(list=1, create=1, poll=1, file=1)

    client.sandbox.clear_requests()
    assert client.sandbox.requests == []


def test_the_space_and_the_time_may_change_between_two_calls(
    cometly: StartCometly, clock: Clock
) -> None:
    client = cometly(clock, slow_list_days=400)
    client.space.fill(6, START, END)
    happened = []

    def merge_the_newest(endpoint: Endpoint, call: int) -> None:
        happened.append((endpoint, call))
        clock.advance(60)
        if endpoint == "list" and call > 1:
            client.space.merge(max(client.space.ids()), into=1)

    client.page()
    client.sandbox.before_answer = merge_the_newest

    year = ("2024-01-01 00:00:00", "2025-01-01 00:00:00")
    newest = client.ids(*year)
    assert client.exported_ids(*year) == newest
    assert client.ids(*year) == newest[1:]
    assert client.page(*ALL).status_code == 504  # it is called for what is refused, too
    calls = [("list", 1), ("create", 1), ("poll", 1), ("file", 1), ("list", 2), ("list", 3)]
    assert happened == calls
    assert client.sandbox.requests[-1].at - client.sandbox.requests[-2].at == 60

    client.sandbox.clear_faults()
    assert client.ids(*year) == newest[2:]


# How it stops.


def test_nothing_is_left_behind() -> None:
    threads = threading.active_count()
    with Sandbox(Options(limits=UNLIMITED)) as sandbox, requests.Session() as http:
        http.get(sandbox.api_url, timeout=5)
        address = urlsplit(sandbox.api_url)

    assert threading.active_count() == threads
    with (
        pytest.raises(ConnectionRefusedError),
        socket.create_connection((address.hostname, address.port)),
    ):
        pass


# Its contacts.


@pytest.mark.parametrize(
    ("shape", "first_half", "fullest_hour"),
    [("flat", 0.5, 0.001), ("growing", 0.09, 0.003), ("bursty", 0.45, 0.1)],
)
def test_invented_contacts_have_their_shape_and_are_the_same_each_time(
    cometly: StartCometly, shape: Shape, first_half: float, fullest_hour: float
) -> None:
    answers = []
    for seed in (7, 7, 8):
        client = cometly(created_at="seconds")
        client.space.fill(20_000, START, END, seed, shape)
        answers.append(client.contacts(*ALL, per_page=500))

    assert answers[0] == answers[1] != answers[2]
    times = [contact["created_at"] for contact in answers[0]]
    assert times == sorted(times, reverse=True)
    middle = START + (END - START) / 2
    older = len(client.space.ids(START, middle))
    in_the_hour = len(client.space.ids(middle, middle + timedelta(hours=1)))
    assert older / 20_000 == pytest.approx(first_half, abs=0.02)
    assert in_the_hour / 20_000 == pytest.approx(fullest_hour, abs=0.005)


def test_ids_are_given_out_once(client: Client) -> None:
    space = client.space
    space.add(created_at=START, id=10)

    assert space.add(created_at=START) == 11
    assert space.add(created_at=START, id=5) == 5
    with pytest.raises(ValueError, match="a contact 10 already"):
        space.add(created_at=END, id=10)
    assert space.ids() == {5, 10, 11}


def test_people_start_it_from_the_command_line() -> None:
    command = [sys.executable, "-W", "error", "-m", "tests.sandbox", "--port", "0", "--dated"]
    options = ["--contacts", "50", "--timezone", "Asia/Tokyo", "--option", "page_cap=7"]
    with subprocess.Popen(  # noqa: S603 - ourselves
        [*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        shown = ""
        while "Ctrl-C" not in shown:
            shown += process.stdout.readline() or pytest.fail(shown)
        config = json.loads(re.search(r"\{.*\}", shown, re.DOTALL)[0])  # type: ignore[index]
        answer = requests.get(
            config["api_url"] + "/contacts",
            {"start_date": "2024-01-01 00:00:00", "end_date": "2025-01-01 00:00:00"},
            headers={"Authorization": f"Bearer {config['api_key']}"},
            timeout=5,
        )
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=10)

    assert config["timezone"] == "Asia/Tokyo"
    assert len(answer.json()["data"]) == 7
    assert "created_at" in answer.json()["data"][0]
    assert "Stopped after 1 call" in rest
    assert errors == ""
    assert process.returncode == 0


def test_a_healthy_api_is_the_same_reading_of_it() -> None:
    reading = {"timezone": "Asia/Tokyo", "end_inclusive": False, "max_list_days": 31.0}
    ill = dated(
        **reading,
        blackouts=[(0.0, 1e12)],
        export_keeps=partial.one_row,
        list_lag=20,
        slow_list_days=1,
        max_running_exports=1,
    )

    assert healthy(ill) == healthy(dated(**reading))
