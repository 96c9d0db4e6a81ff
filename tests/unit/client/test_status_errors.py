"""What a status or a broken exchange means to the user, told without quoting what is secret."""

from __future__ import annotations

import errno

import pytest
import requests
import urllib3

from tap_cometly.client.responses import (
    busy_error,
    describe_failure,
    error_for_status,
    never_sent,
    scrub,
)
from tap_cometly.exceptions import (
    AccessError,
    ApiError,
    ForbiddenError,
    MachineError,
    RejectedError,
    TapError,
)

KEY = "ck_secret"


@pytest.mark.parametrize(
    ("status", "path", "error"),
    [
        (401, "/contacts", AccessError),
        (403, "/contacts/exports", ForbiddenError),
        (404, "/contacts/exports/7", ApiError),
        (422, "/contacts", RejectedError),
        (418, "/contacts", ApiError),
    ],
)
def test_a_status_is_an_error_of_its_kind(status: int, path: str, error: type[TapError]) -> None:
    told = error_for_status("GET", path, status, b'{"message": "too long, ck_secret"}', KEY)

    assert type(told) is error
    assert f"status {status}: too long, ***" in told.what


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b"7", b"\xff", b"[" * 100_000])
def test_an_answer_without_a_message_says_so(body: bytes) -> None:
    assert "422: no message" in str(error_for_status("GET", "/contacts", 422, body, KEY))


@pytest.mark.parametrize(
    ("status", "message"),
    [(422, "The range is too large"), (400, "no"), (404, "in progress"), (403, "in progress")],
)
def test_other_refusals_are_not_taken_for_an_export_in_progress(status: int, message: str) -> None:
    assert busy_error(status, b'{"message": "%s"}' % message.encode(), KEY, seconds=30.0) is None


@pytest.mark.parametrize(
    ("foreign", "fit"),
    [
        ("key ck_secret and ck_secret", "key *** and ***"),
        ("on\n two\tlines ", "on two lines"),
        ("ask <ada@example.com>, or 'bob@example.com'", "ask <***>, or '***'"),
        ("see https://example.com/a?signature=1&x=2 now", "see https://example.com/a now"),
        ("see http://example.com?signature=1", "see http://example.com"),
        ("call +1 (833) 766-0574, not 2024-01-15 10:00", "call ***, not 2024-01-15 10:00"),
        ("token abcdefghijkl-NOPQRSTUVWXY.", "token ***."),
        ("token abcdefghijklmnopqrstuvwx.", "token abcdefghijklmnopqrstuvwx."),
        ("bell\x07", "bell?"),
        ("so " * 100, ("so " * 100)[:200]),
    ],
)
def test_a_message_from_outside_is_scrubbed_for_the_log(foreign: str, fit: str) -> None:
    assert scrub(foreign, KEY) == fit


REFUSED = requests.exceptions.ConnectionError(
    urllib3.exceptions.MaxRetryError(
        urllib3.HTTPConnectionPool("localhost"),
        "/",
        urllib3.exceptions.NewConnectionError(urllib3.connection.HTTPConnection("localhost"), ""),
    )
)


@pytest.mark.parametrize(
    ("failure", "problem", "unsent"),
    [
        (requests.exceptions.ProxyError(), "the proxy could not be used", False),
        (requests.exceptions.ProxyError("?cursor=407"), "the proxy could not be used", False),
        (requests.exceptions.ReadTimeout(), "no answer in time", False),
        (requests.exceptions.ConnectTimeout(), "no answer in time", True),
        (requests.exceptions.ContentDecodingError(), "an answer that cannot be unzipped", False),
        (OSError("reset"), "the connection broke", False),
        (requests.exceptions.ConnectionError("reset"), "the connection broke", False),
        (requests.exceptions.ConnectionError(), "the connection broke", False),
        (REFUSED, "no connection", True),
    ],
)
def test_a_broken_exchange_is_named_and_known_as_sent_or_not(
    failure: Exception, problem: str, *, unsent: bool
) -> None:
    assert describe_failure(failure) == problem
    assert never_sent(failure) is unsent


@pytest.mark.parametrize(
    ("failure", "error", "says"),
    [
        (requests.exceptions.SSLError("secret"), ApiError, "Cometly's API"),
        (urllib3.exceptions.SSLError("secret"), ApiError, "Cometly's API"),
        (
            OSError("Could not find a suitable TLS CA certificate bundle, invalid path: secret"),
            ApiError,
            "Correct or unset REQUESTS_CA_BUNDLE (or CURL_CA_BUNDLE).",
        ),
        (
            requests.exceptions.InvalidSchema("Missing dependencies for SOCKS support."),
            ApiError,
            "Install `pysocks`, or unset HTTPS_PROXY and ALL_PROXY.",
        ),
        (
            requests.exceptions.ProxyError(
                "Tunnel connection failed: 407 Proxy Authentication Required secret"
            ),
            ApiError,
            "Put them into HTTPS_PROXY: http://USER:PASSWORD@HOST:PORT.",
        ),
        (
            requests.exceptions.InvalidURL("https://secret@"),
            ApiError,
            "The request could not be made. Check the settings `api_url` and `api_key`.",
        ),
        (OSError(errno.EMFILE, "Too many open files"), MachineError, "may open no more files"),
    ],
    ids=["TLS", "urllib3's TLS", "CA bundle", "SOCKS", "407", "URL", "files"],
)
def test_a_failure_that_another_try_would_not_cure_is_an_error_at_once(
    failure: Exception, error: type[TapError], says: str
) -> None:
    with pytest.raises(error) as told:
        describe_failure(failure)

    assert says in str(told.value)
    assert "secret" not in str(told.value)
