"""Limits, failures and the network: section Limits and requests of the catalogue."""

from __future__ import annotations

import http.server
import socket
import ssl
import subprocess
import threading
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest

from tests.integration.conftest import NOW, Cometly
from tests.sandbox import Fault, Limits, dated
from tests.support.properties import check
from tests.support.running import launch, sync
from tests.support.silence import listening as heard

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.conftest import StartCometly
    from tests.sandbox.fixture import StartSandbox
    from tests.support.running import Run

FIRST = datetime(2024, 5, 10, tzinfo=timezone.utc)
START = "2024-05-10"
PAGES = {"start_date": START, "extraction_mode": "pagination", "page_size": 10}
TOO_MANY = 429
MINUTE = 60.0


@pytest.fixture
def forty(cometly: StartCometly) -> Cometly:
    """Four pages of contacts."""
    return space(cometly, 40)


def space(cometly: StartCometly, contacts: int, **options: Any) -> Cometly:
    sandbox, clock = cometly(dated(**options))
    sandbox.space.fill(contacts, FIRST, NOW - timedelta(hours=1))
    return Cometly(sandbox, clock, PAGES)


def error_of(run: Run) -> str:
    """The one line that a run failed with."""
    assert run.exit == 1, run.log
    [error] = run.errors
    return error


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [
        ("7", 7.0),
        ("2.5", 2.5),
        ("0", 1.0),
        (None, 60.0),
        ("soon", 60.0),
        ("Sat, 01 Jun 2024 12:00:20 GMT", 20.0),
    ],
)
def test_a_429_is_waited_out_as_told(
    forty: Cometly, retry_after: str | None, seconds: float
) -> None:
    forty.fault("list", status=TOO_MANY, headers={"Retry-After": retry_after})

    run = forty.sync()

    assert len(run.ids) == 40
    assert forty.seconds == pytest.approx(seconds, abs=0.5)
    check(run, forty.sandbox)


@pytest.mark.parametrize("times", [1, 10])
def test_429_for_one_minute_or_ten_heals(forty: Cometly, times: int) -> None:
    headers = {"Retry-After": "60"}
    forty.fault("list", call=2, times=times, status=TOO_MANY, headers=headers)

    run = forty.sync()

    assert len(run.ids) == 40
    assert forty.seconds >= times * MINUTE
    assert len(forty.sandbox.requests) < 20 + times
    check(run, forty.sandbox)


def test_429_for_more_than_15_minutes_is_loud(forty: Cometly) -> None:
    forty.fault("list", call=2, times=None, status=TOO_MANY)

    run = forty.sync()

    assert "over its limit for 15 minutes in a row" in error_of(run)
    assert "rate_limit_share" in error_of(run)
    assert forty.seconds <= 18 * MINUTE  # the zone check has been told to wait before
    check(run, forty.sandbox)


def test_a_retry_after_of_a_day_is_loud_at_once_and_says_when(forty: Cometly) -> None:
    forty.fault("list", times=None, status=TOO_MANY, headers={"Retry-After": "86400"})

    run = forty.sync()

    assert "until 2024-06-02T12:00:00Z" in error_of(run)
    assert forty.seconds < 1
    check(run, forty.sandbox)


def test_another_client_takes_14_of_15(cometly: StartCometly) -> None:
    busy = space(cometly, 200)
    busy.sandbox.take("list", 14)

    run = busy.sync()

    assert len(run.ids) == 200
    assert busy.seconds <= 3 * MINUTE
    assert sum(request.status == TOO_MANY for request in busy.sandbox.requests) <= 2
    check(run, busy.sandbox)


@pytest.mark.parametrize(("limit", "minutes"), [(60, 1), (15, 3), (5, 9)])
def test_limits_raised_or_lowered_in_the_headers_are_used_and_kept(
    cometly: StartCometly, limit: int, minutes: int
) -> None:
    busy = space(cometly, 400, limits=Limits(list=limit))

    run = busy.sync()

    assert len(run.ids) == 400
    assert busy.seconds <= minutes * MINUTE + 2
    assert sum(request.status == TOO_MANY for request in busy.sandbox.requests) <= 1
    check(run, busy.sandbox, cuts=0)


def test_a_share_leaves_the_rest_to_others(cometly: StartCometly) -> None:
    busy = space(cometly, 200)

    run = busy.sync(rate_limit_share=0.5)

    assert len(run.ids) == 200
    check(run, busy.sandbox)


@pytest.mark.parametrize(
    "fault",
    [
        Fault("list", call=2, times=6, status=500),
        Fault("list", call=2, times=6, status=502),
        Fault("list", call=2, times=6, status=503, headers={"Retry-After": "5"}),
        Fault("list", call=2, times=4, kind="hangup"),
        Fault("list", call=2, times=4, kind="cut"),
    ],
    ids=lambda fault: f"{fault.kind} {fault.status}",
)
def test_an_outage_of_about_a_minute_heals(forty: Cometly, fault: Fault) -> None:
    forty.sandbox.fault(fault)

    run = forty.sync()

    assert len(run.ids) == 40
    assert forty.seconds <= 3 * MINUTE
    check(run, forty.sandbox)


@pytest.mark.parametrize(
    ("hang_up", "seconds"), [(1, 20.0), (3, MINUTE)], ids=["at the start", "later"]
)
def test_a_name_that_cannot_be_resolved_for_a_while_heals(
    forty: Cometly, hang_up: int, seconds: float
) -> None:
    forty.fault("list", "hangup", call=hang_up)
    resolve = socket.getaddrinfo

    def resolved(*args: Any, **kwargs: Any) -> Any:
        if forty.seconds < seconds and len(forty.sandbox.requests) >= hang_up - 1:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return resolve(*args, **kwargs)

    with mock.patch.object(socket, "getaddrinfo", resolved):
        run = forty.sync()

    assert len(run.ids) == 40
    assert seconds <= forty.seconds <= 3 * MINUTE
    check(run, forty.sandbox)


@pytest.mark.parametrize("start", [START, "2021-01-01"], ids=["weeks", "years"])
@pytest.mark.parametrize("fault", [{"status": 503}, {"kind": "hangup"}], ids=["503", "hang-up"])
def test_an_outage_of_more_than_five_minutes_is_loud(
    forty: Cometly, start: str, fault: dict[str, Any]
) -> None:
    forty.fault("list", times=None, **fault)

    run = forty.sync(start_date=start)

    assert "has not answered usably for 5 minutes" in error_of(run)
    assert "Run again later" in error_of(run)
    assert 5 * MINUTE <= forty.seconds <= 6 * MINUTE
    check(run, forty.sandbox)


def test_pauses_after_failures_are_jittered(cometly: StartCometly) -> None:
    def seconds() -> float:
        failing = space(cometly, 0)
        failing.fault("list", times=5, status=502)
        failing.sync()
        return failing.seconds

    assert len({seconds() for _ in range(3)}) == 3


def test_an_answer_that_does_not_come_in_time_is_asked_for_again(forty: Cometly) -> None:
    forty.fault("list", call=2, times=3, kind="slow", seconds=5)

    run = forty.sync(request_timeout=0.5)

    assert len(run.ids) == 40
    assert run.log.count("no answer in time") >= 3  # a busy machine may be late once more
    check(run, forty.sandbox)


def test_an_answer_that_trickles_is_not_waited_for_to_its_end(sandbox: StartSandbox) -> None:
    # given
    slow, now = sandbox(dated()), datetime.now(timezone.utc)
    slow.space.fill(60, now - timedelta(days=5), now - timedelta(hours=2))
    slow.fault(Fault("list", "trickle", bytes_per_second=100))  # 100 seconds for all of it
    # when
    run = sync(slow, {"extraction_mode": "pagination", "request_timeout": 0.6})
    # then
    assert len(run.ids) == 60
    assert run.log.count("no answer in time") >= 1
    assert datetime.now(timezone.utc) - run.began < timedelta(seconds=60)


@pytest.mark.parametrize(
    "url", ["https://api.cometly.invalid/public-api/v1", "http://127.0.0.1:9/public-api/v1"]
)
@pytest.mark.parametrize("mode", ["pagination", "auto", "export"])
@pytest.mark.parametrize("start", [START, "2021-01-01"], ids=["weeks", "years"])
def test_a_host_that_is_not_there_is_loud_after_half_a_minute(
    forty: Cometly, url: str, mode: str, start: str
) -> None:
    run = forty.sync(extraction_mode=mode, start_date=start, api_url=url)

    assert "cannot be reached: no connection for 30 s" in error_of(run)
    assert "`api_url`" in error_of(run)
    assert 20 <= forty.seconds <= 45
    assert "public-api" not in run.log


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

    run = sync(forty.sandbox, PAGES, before, clock=forty.clock)

    assert says in error_of(run)
    assert advice in error_of(run)
    assert run.bookmark == "2024-05-20T00:00:00Z"
    assert forty.seconds < 1
    check(run, forty.sandbox)


def test_a_wrong_key_is_told_without_showing_it(forty: Cometly) -> None:

    run = forty.sync(api_key="ck_mistyped")

    assert "does not accept the key" in error_of(run)
    assert "mistyped" not in run.log


def test_a_422_is_loud_with_the_apis_message_trimmed_and_scrubbed(forty: Cometly) -> None:
    body = (
        '{"message": "The end date is odd.\\nSee https://x.example/?token=canary_token, '
        'ada@example.com or ck_sandbox%s"}' % (" and on" * 100)
    )
    forty.fault("list", times=None, status=422, body=body.encode())

    run = forty.sync()

    assert "status 422: The end date is odd. See https://x.example/" in error_of(run)
    assert len(error_of(run)) < 500
    check(run, forty.sandbox, canaries=["canary_token"])


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_from_the_api_is_not_followed(forty: Cometly, status: int) -> None:
    elsewhere = {"Location": "http://127.0.0.1:9/canary_place"}
    forty.fault("list", times=None, status=status, headers=elsewhere)

    run = forty.sync()

    assert "a redirect" in error_of(run)
    assert "`api_url`" in error_of(run)
    check(run, forty.sandbox, canaries=["canary_place"])


@pytest.mark.parametrize("status", [400, 402, 404, 405, 406, 410, 413, 414, 451])
@pytest.mark.parametrize("mode", ["pagination", "auto"])
def test_every_refusal_quotes_the_apis_message_scrubbed(
    forty: Cometly, mode: str, status: int
) -> None:
    message = "No such thing, said ada@example.com to +49 170 1234567 about ck_sandbox."
    forty.fault("list", times=None, status=status, message=message)

    run = forty.sync(extraction_mode=mode)

    assert f"status {status}: No such thing, said *** to *** about ***." in error_of(run)
    assert forty.seconds < 1
    check(run, forty.sandbox)


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

    assert run.exit == 0, run.errors
    assert len(run.ids) == 40
    assert forty.seconds <= MINUTE + 10
    check(run, forty.sandbox)


USED_UP = "The list limit of 15 a minute is used up, by this run, an earlier one or another client"


def test_a_run_right_after_another_tells_what_it_waits_for_and_waits_no_longer(
    cometly: StartCometly,
) -> None:
    busy = space(cometly, 120)
    busy.sync()  # twelve pages and more
    used = sum(request.at > busy.seconds - MINUTE for request in busy.sandbox.requests)
    assert used > 12
    busy.clock.advance(timedelta(seconds=20))
    began = busy.seconds

    run = busy.sync()

    assert len(run.ids) == 120
    assert USED_UP in run.log
    assert busy.seconds - began <= MINUTE - 20 + 1
    check(run, busy.sandbox, cuts=0)


def test_a_run_whose_first_call_is_over_the_limit_waits_as_it_is_told(
    forty: Cometly,
) -> None:
    forty.sandbox.take("list", 15)
    forty.clock.advance(timedelta(seconds=26))

    run = forty.sync()

    assert len(run.ids) == 40
    assert f"{USED_UP}; going on in 34 s" in run.log
    assert forty.seconds == pytest.approx(MINUTE, abs=1.5)
    check(run, forty.sandbox)


def test_a_wrong_zone_is_found_also_when_the_limit_is_used_up(cometly: StartCometly) -> None:
    berlin = space(cometly, 40, timezone="Europe/Berlin")
    berlin.sandbox.take("list", 13)

    run = berlin.sync(timezone="America/Los_Angeles")

    assert "The Space's time zone is not America/Los_Angeles" in error_of(run)
    check(run, berlin.sandbox, cuts=0)


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
def listening(context: ssl.SSLContext | None = None) -> Iterator[tuple[int, type[_Quiet]]]:
    """A server of our own, over TLS when there is a context."""
    handler = type("Handler", (_Quiet,), {"seen": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        if context:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_address[1], handler
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


def test_a_certificate_that_nobody_vouches_for_is_loud_at_once(
    forty: Cometly, self_signed: ssl.SSLContext
) -> None:

    with listening(self_signed) as (port, handler):
        run = forty.sync(api_url=f"https://localhost:{port}")

    assert "TLS certificate of Cometly's API could not be verified" in error_of(run)
    assert "REQUESTS_CA_BUNDLE" in error_of(run)
    assert forty.seconds < 1
    assert handler.seen == []


def test_a_store_that_nobody_vouches_for_is_loud_at_once_too(
    forty: Cometly, self_signed: ssl.SSLContext
) -> None:

    with listening(self_signed) as (port, handler):

        def elsewhere(answer: dict[str, Any]) -> None:
            if "download_url" in answer:
                answer["download_url"] = f"https://localhost:{port}/f?X-Amz-Signature=canary_sign"

        forty.fault("poll", "edit", times=None, edit=elsewhere)
        run = forty.sync(extraction_mode="export")

    assert "TLS certificate of the file store could not be verified" in error_of(run)
    assert "canary_sign" not in run.log
    assert forty.seconds < MINUTE
    assert handler.seen == []


def test_requests_ca_bundle_is_honoured(
    forty: Cometly, self_signed: ssl.SSLContext, tmp_path: Path
) -> None:
    env = {"REQUESTS_CA_BUNDLE": str(tmp_path / "certificate.pem")}

    with listening(self_signed) as (port, handler):
        run = launch(forty.sandbox, {**PAGES, "api_url": f"https://localhost:{port}"}, env=env)

    assert "status 204" in error_of(run)
    assert handler.seen


def test_https_proxy_is_honoured(forty: Cometly) -> None:
    with listening() as (port, handler), pytest.MonkeyPatch.context() as patch:
        patch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
        patch.setenv("NO_PROXY", "")
        patch.setenv("no_proxy", "")
        run = forty.sync(api_url="https://api.cometly.invalid")

    assert "the proxy could not be used" in error_of(run)
    assert run.hosts == {("127.0.0.1", port)}
    assert handler.seen
    assert not [headers for headers in handler.seen if "Authorization" in headers]


def test_netrc_does_not_replace_the_key(sandbox: StartSandbox, tmp_path: Path) -> None:
    cometly = sandbox(dated(queued_seconds=0.0))
    cometly.space.fill(40, FIRST, NOW)
    netrc = tmp_path / "netrc"
    netrc.write_text("default login ada password canary_netrc\n", "utf-8")
    netrc.chmod(0o600)
    env = {"NETRC": str(netrc), "HOME": str(tmp_path)}

    run = launch(cometly, {**PAGES, "page_size": 5000}, env=env)
    exported = launch(cometly, {"start_date": START, "extraction_mode": "export"}, env=env)

    assert len(run.ids) == len(exported.ids) == 40
    sent = {request.headers.get("authorization") for request in cometly.requests}
    assert sent == {"Bearer ck_sandbox", None}  # None is the store's
    check(run, cometly)
    check(exported, cometly, cuts=0)


def test_waiting_is_told_at_least_every_30_seconds(cometly: StartCometly) -> None:
    busy = space(cometly, 60, limits=Limits(list=2))

    with heard(busy.clock) as listener:
        run = busy.sync()

    assert len(run.ids) == 60
    assert busy.seconds > 2 * MINUTE
    assert listener.longest_silence <= 30
    check(run, busy.sandbox, cuts=0)
