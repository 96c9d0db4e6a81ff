"""Limits, failures and the network: section Limits and requests of the catalogue."""

from __future__ import annotations

import http.server
import socket
import ssl
import subprocess
import threading
from contextlib import contextmanager
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest

from tests.integration.conftest import DAY, HOUR, NOW, UTC, Cometly
from tests.integration.reporter import heard
from tests.sandbox import Fault, Limits, dated
from tests.support.properties import check
from tests.support.running import launch, sync

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.conftest import StartSpace
    from tests.sandbox.fixture import StartSandbox

FIRST = datetime(2024, 5, 10, tzinfo=UTC)
START = "2024-05-10"
PAGES = {"start_date": START, "extraction_mode": "pagination", "page_size": 10}
TOO_MANY = 429
MINUTE = 60.0
IN_WEEKS_OR_YEARS = pytest.mark.parametrize("start", [START, "2021-01-01"], ids=["weeks", "years"])


@pytest.fixture
def forty(start_space: StartSpace) -> Cometly:
    """Four pages of contacts."""
    return start_space(40, FIRST, config=PAGES)


def refused(space: Cometly) -> int:
    """How many requests were over the limit."""
    return sum(request.status == TOO_MANY for request in space.sandbox.requests)


# Over the limit.


@pytest.mark.parametrize("seconds", [-900, 900])
def test_a_date_to_wait_for_is_one_of_the_clock_of_the_api(forty: Cometly, seconds: int) -> None:
    ahead = timedelta(seconds=seconds)
    date = format_datetime(NOW + timedelta(seconds=20), usegmt=True)
    forty.fault("list", call=2, status=TOO_MANY, headers={"Retry-After": date})

    run = forty.sync(clock=forty.clock.ahead(ahead))

    assert forty.seconds == pytest.approx(20, abs=0.5)
    forty.is_complete(run, now=min(NOW, NOW + ahead))


def test_another_client_takes_14_of_15(start_space: StartSpace) -> None:
    busy = start_space(200, FIRST, config=PAGES)
    busy.sandbox.take("list", 14)

    run = busy.sync()

    assert busy.seconds <= 3 * MINUTE
    assert refused(busy) <= 2
    busy.is_complete(run)


@pytest.mark.parametrize(
    ("limit", "share", "minutes"), [(60, 1.0, 1), (15, 1.0, 3), (5, 1.0, 9), (15, 0.5, 7)]
)
def test_limits_raised_or_lowered_in_the_headers_are_used_and_kept_or_a_share_of_them(
    start_space: StartSpace, limit: int, share: float, minutes: int
) -> None:
    busy = start_space(400, FIRST, config=PAGES, limits=Limits(list=limit))

    run = busy.sync(rate_limit_share=share)

    assert busy.seconds <= minutes * MINUTE + 2
    assert refused(busy) <= 1
    busy.is_complete(run, cuts=0)


NONSENSE = ["9" * 5_000, "-1", "15, 15", "[15]", "", "1e3", "15.0", "many", "\u0661\u0665"]


@pytest.mark.parametrize("value", NONSENSE, ids=range(len(NONSENSE)))
@pytest.mark.parametrize("mode", ["pagination", "export"])
def test_limits_in_headers_that_are_nonsense_are_ignored(
    forty: Cometly, mode: str, value: str
) -> None:
    raw = value.encode().decode("latin-1")
    headers = {"X-RateLimit-Limit": raw, "X-RateLimit-Remaining": raw}
    for endpoint in ("list", "create", "poll"):
        forty.fault(endpoint, "replace", times=None, headers=headers)

    run = forty.sync(extraction_mode=mode)

    assert forty.seconds <= MINUTE + 10
    forty.is_complete(run)


WAITS = " s for the list limit (15 requests a minute, shared with other clients of the Space)"


def test_a_run_right_after_another_tells_what_it_waits_for_and_waits_no_longer(
    start_space: StartSpace,
) -> None:
    busy = start_space(120, FIRST, config=PAGES)
    busy.sync()  # twelve pages and more
    assert sum(request.at > busy.seconds - MINUTE for request in busy.sandbox.requests) > 12
    busy.clock.advance(timedelta(seconds=20))
    began = busy.seconds

    run = busy.sync()

    assert WAITS in run.log
    assert busy.seconds - began <= MINUTE - 20 + 1
    busy.is_complete(run, cuts=0)


def test_a_run_whose_first_call_is_over_the_limit_waits_as_it_is_told(forty: Cometly) -> None:
    forty.sandbox.take("list", 15)
    forty.clock.advance(timedelta(seconds=26))

    run = forty.sync()

    assert f"Waiting 34{WAITS}" in run.log
    assert forty.seconds == pytest.approx(MINUTE, abs=1.5)
    forty.is_complete(run)


def test_a_wrong_zone_is_found_also_when_the_limit_is_used_up(start_space: StartSpace) -> None:
    berlin = start_space(40, FIRST, config=PAGES, timezone="Europe/Berlin")
    berlin.sandbox.take("list", 13)

    run = berlin.sync(timezone="America/Los_Angeles")

    berlin.is_loud(run, "The Space's time zone is not America/Los_Angeles", cuts=0)


def test_waiting_is_told_at_least_every_30_seconds(start_space: StartSpace) -> None:
    busy = start_space(60, FIRST, config=PAGES, limits=Limits(list=2))

    with heard(busy.clock) as listener:
        run = busy.sync()

    assert busy.seconds > 2 * MINUTE
    assert listener.longest_silence <= 30
    busy.is_complete(run, cuts=0)


# Failures.


def too_many(retry_after: str | None, **more: Any) -> dict[str, Any]:
    return {"status": TOO_MANY, "headers": {"Retry-After": retry_after}, **more}


@pytest.mark.parametrize(
    ("fault", "least", "most"),  # seconds
    [
        *((too_many(f"{seconds}"), seconds - 0.5, seconds + 0.5) for seconds in (2.5, 7)),
        (too_many("Sat, 01 Jun 2024 12:00:20 GMT"), 19.5, 20.5),
        (too_many("0"), 1, 1.5),
        *((too_many(nonsense), MINUTE, MINUTE + 0.5) for nonsense in (None, "soon")),
        (too_many("60", call=2, times=10), 10 * MINUTE, 13 * MINUTE),
        ({"call": 2, "times": 6, "status": 500}, 1, 3 * MINUTE),
        ({"call": 2, "times": 6, "status": 502}, 1, 3 * MINUTE),
        *(
            ({"call": 2, "times": 6, "status": status, "message": "No."}, 1, 3 * MINUTE)
            for status in (501, 525, 599)
        ),
        ({"call": 2, "times": 6, **too_many("5"), "status": 503}, 1, 3 * MINUTE),
        ({"call": 2, "times": 4, "kind": "hangup"}, 1, 3 * MINUTE),
        ({"call": 2, "times": 4, "kind": "cut"}, 1, 3 * MINUTE),
    ],
    ids=str,
)
def test_a_failure_that_passes_is_waited_out_as_told_or_for_about_a_minute(
    forty: Cometly, fault: dict[str, Any], least: float, most: float
) -> None:
    forty.fault("list", **fault)

    run = forty.sync()

    assert least <= forty.seconds <= most
    assert len(run.requests) < 30
    forty.is_complete(run)


ELSEWHERE = {"Location": "http://127.0.0.1:9/canary_place"}
MESSAGE = "No such thing, said ada@example.com to +49 170 1234567 about ck_sandbox."
SCRUBBED = "No such thing, said *** to *** about ***."
OVER = ["over its limit for 15 minutes in a row", "`rate_limit_share`"]
UNUSABLE = ["has not answered usably for 5 minutes", "Run again later"]


@IN_WEEKS_OR_YEARS
@pytest.mark.parametrize(
    ("fault", "minutes", "words"),
    [
        ({"call": 2, "status": TOO_MANY}, 15, OVER),
        (too_many("86400"), 0, ["until 2024-06-02T12:00:00Z"]),
        ({"status": 503}, 5, UNUSABLE),
        ({"kind": "hangup"}, 5, UNUSABLE),
        *(
            ({"status": status, "headers": ELSEWHERE}, 0, ["a redirect", "`api_url`"])
            for status in (301, 302, 307, 308)
        ),
        *(
            ({"status": status, "message": MESSAGE}, 0, [f"status {status}: {SCRUBBED}"])
            for status in (400, 402, 404, 405, 406, 410, 413, 414, 451)
        ),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_failure_that_lasts_is_loud_with_what_the_api_says(
    forty: Cometly, start: str, fault: dict[str, Any], minutes: int, words: list[str]
) -> None:
    forty.fault("list", times=None, **fault)

    run = forty.sync(start_date=start, extraction_mode="pagination" if start == START else "auto")

    assert minutes * MINUTE <= forty.seconds <= 1.2 * minutes * MINUTE + 1
    forty.is_loud(run, *words, canaries=["canary_place"])


@pytest.mark.parametrize(
    ("hang_up", "seconds", "headers"),
    [(1, 20.0, {}), (3, MINUTE, {}), (3, MINUTE, {"Date": None})],
    ids=["at the start", "later", "later, behind a proxy that takes `Date` away"],
)
def test_a_name_that_cannot_be_resolved_for_a_while_heals(
    forty: Cometly, hang_up: int, seconds: float, headers: dict[str, None]
) -> None:
    forty.fault("list", "replace", times=hang_up - 1, headers=headers)
    forty.fault("list", "hangup", call=hang_up)
    resolve = socket.getaddrinfo

    def resolved(*args: Any, **kwargs: Any) -> Any:
        if forty.seconds < seconds and len(forty.sandbox.requests) >= hang_up - 1:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return resolve(*args, **kwargs)

    with mock.patch.object(socket, "getaddrinfo", resolved):
        run = forty.sync()

    assert seconds <= forty.seconds <= 3 * MINUTE
    forty.is_complete(run)


def test_pauses_after_failures_are_jittered(start_space: StartSpace) -> None:
    def seconds() -> float:
        failing = start_space(config=PAGES)
        failing.fault("list", times=5, status=502)
        failing.sync()
        return failing.seconds

    assert len({seconds() for _ in range(3)}) == 3


def test_an_answer_that_does_not_come_in_time_is_asked_for_again(forty: Cometly) -> None:
    forty.fault("list", call=2, times=3, kind="slow", seconds=5)

    run = forty.sync(request_timeout=0.5)

    assert run.log.count("no answer in time") >= 3  # a busy machine may be late once more
    forty.is_complete(run)


def test_an_answer_that_trickles_is_not_waited_for_to_its_end(sandbox: StartSandbox) -> None:
    # given
    slow, now = sandbox(dated()), datetime.now(UTC)
    slow.space.fill(60, now - 5 * DAY, now - 2 * HOUR)
    slow.fault(Fault("list", "trickle", bytes_per_second=100))  # 100 seconds for all of it
    # when
    run = sync(slow, {"extraction_mode": "pagination", "request_timeout": 0.6})
    # then
    assert len(run.ids) == 60
    assert run.log.count("no answer in time") >= 1
    assert datetime.now(UTC) - run.began < timedelta(seconds=60)


@pytest.mark.parametrize(
    ("url", "mode"),
    [
        ("https://api.cometly.invalid/public-api/v1", "auto"),
        ("http://127.0.0.1:9/public-api/v1", "pagination"),
        ("http://127.0.0.1:9/public-api/v1", "export"),
    ],
)
@IN_WEEKS_OR_YEARS
def test_a_host_that_is_not_there_is_loud_after_half_a_minute(
    forty: Cometly, url: str, mode: str, start: str
) -> None:
    run = forty.sync(extraction_mode=mode, start_date=start, api_url=url)

    [error] = run.errors
    assert "cannot be reached: no connection for 30 s" in error
    assert "`api_url`" in error
    assert 20 <= forty.seconds <= 45
    assert "public-api" not in run.log


# Refusals.


@pytest.mark.parametrize(
    ("status", "says", "advice"),
    [(401, "does not accept the key", "`api_key`"), (403, "may not do this", "subscription")],
)
@pytest.mark.parametrize("call", [1, 3])
def test_401_and_403_are_loud_at_once_and_what_is_committed_stays(
    forty: Cometly, status: int, says: str, advice: str, call: int
) -> None:
    before = {"bookmarks": {"contacts": {"replication_key_value": "2024-05-20T00:00:00Z"}}}
    forty.fault("list", call=call, times=None, status=status)

    run = forty.sync(before)

    assert run.bookmark == "2024-05-20T00:00:00Z"
    assert forty.seconds < 1
    forty.is_loud(run, says, advice)


def test_a_422_is_loud_with_the_apis_message_trimmed_and_scrubbed(forty: Cometly) -> None:
    body = (
        '{"message": "The end date is odd.\\nSee https://x.example/?token=canary_token, '
        'ada@example.com or ck_sandbox%s"}' % (" and on" * 100)
    )
    forty.fault("list", times=None, status=422, body=body.encode())

    run = forty.sync()

    assert len(run.errors[0]) < 500
    says = "status 422: The end date is odd. See https://x.example/"
    forty.is_loud(run, says, canaries=["canary_token"])


# The network.


class _Quiet(http.server.BaseHTTPRequestHandler):
    """Answers everything with an empty page and keeps the headers it saw."""

    seen: list[dict[str, str]]

    def do_GET(self) -> None:
        self.seen.append(dict(self.headers))
        self.send_response(204)
        self.end_headers()

    do_POST = do_CONNECT = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def listening(context: ssl.SSLContext | None = None) -> Iterator[tuple[int, list[dict[str, str]]]]:
    """A server of our own, over TLS when there is a context: its port, and the headers it saw."""
    seen: list[dict[str, str]] = []
    handler = type("Handler", (_Quiet,), {"seen": seen})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        if context:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_address[1], seen
        server.shutdown()
        thread.join()


@pytest.fixture
def self_signed(tmp_path: Path) -> ssl.SSLContext:
    """A certificate that nobody vouches for."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(  # noqa: S603 - arguments of our own
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


@pytest.mark.parametrize("whose", ["Cometly's API", "the file store"])
def test_a_certificate_that_nobody_vouches_for_is_loud_at_once(
    forty: Cometly, self_signed: ssl.SSLContext, whose: str
) -> None:
    with listening(self_signed) as (port, seen):
        url = f"https://localhost:{port}"

        def elsewhere(answer: dict[str, Any]) -> None:
            if "download_url" in answer:
                answer["download_url"] = f"{url}/f?X-Amz-Signature=canary_sign"

        forty.fault("poll", "edit", times=None, edit=elsewhere)
        moved = {"api_url": url} if whose == "Cometly's API" else {}
        run = forty.sync(extraction_mode="export", **moved)

    [error] = run.errors
    assert f"TLS certificate of {whose} could not be verified" in error
    assert "REQUESTS_CA_BUNDLE" in error
    assert forty.seconds < MINUTE
    assert "canary_sign" not in run.log
    assert seen == []


def test_requests_ca_bundle_is_honoured(
    forty: Cometly, self_signed: ssl.SSLContext, tmp_path: Path
) -> None:
    env = {"REQUESTS_CA_BUNDLE": str(tmp_path / "certificate.pem")}

    with listening(self_signed) as (port, seen):
        run = launch(forty.sandbox, {**PAGES, "api_url": f"https://localhost:{port}"}, env=env)

    assert "status 204" in run.errors[0]
    assert seen


def test_https_proxy_is_honoured(forty: Cometly) -> None:
    with listening() as (port, seen), pytest.MonkeyPatch.context() as patch:
        patch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
        patch.setenv("NO_PROXY", "")
        patch.setenv("no_proxy", "")
        run = forty.sync(api_url="https://api.cometly.invalid")

    assert "the proxy could not be used" in run.errors[0]
    assert run.hosts == {("127.0.0.1", port)}
    assert seen
    assert not [headers for headers in seen if "Authorization" in headers]


@pytest.mark.parametrize("mode", ["pagination", "export"])
def test_netrc_does_not_replace_the_key(sandbox: StartSandbox, tmp_path: Path, mode: str) -> None:
    cometly = sandbox(dated(queued_seconds=0.0))
    cometly.space.fill(40, FIRST, NOW)
    netrc = tmp_path / "netrc"
    netrc.write_text("default login ada password canary_netrc\n", "utf-8")
    netrc.chmod(0o600)
    env = {"NETRC": str(netrc), "HOME": str(tmp_path)}

    run = launch(cometly, {"start_date": START, "extraction_mode": mode}, env=env)

    assert len(run.ids) == 40
    sent = {call.headers.get("authorization") for call in run.requests if call.endpoint != "file"}
    assert sent == {"Bearer ck_sandbox"}
    check(run, cometly)
