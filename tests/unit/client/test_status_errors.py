"""What a status or a broken exchange means to the user, told without quoting what is secret."""

from __future__ import annotations

import errno

import pytest
import requests
import urllib3

from tap_cometly.client.responses import (
    answer_lost,
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
    NotFoundError,
    RejectedError,
    TapError,
)

KEY = "ck_secret"


CHECK_URL = "Check the setting `api_url`; if it is right, ask Cometly."
PROXY = (
    "The proxy wants a user and a password (407). "
    "Put them into HTTPS_PROXY: http://USER:PASSWORD@HOST:PORT."
)


@pytest.mark.parametrize(
    ("status", "path", "error", "line"),
    [
        (
            401,
            "/contacts",
            AccessError,
            (
                "Cometly's API does not accept the key (status 401: too long)."
                " Check the setting `api_key`."
            ),
        ),
        (
            403,
            "/contacts/exports",
            ForbiddenError,
            (
                "The key may not do this: GET /contacts/exports (status 403: too long)."
                " Check the key's rights and the Space's subscription with Cometly."
            ),
        ),
        (404, "/contacts/exports/7", NotFoundError, "{} The export is gone; run again."),
        (404, "/contacts", ApiError, f"{{}} {CHECK_URL}"),
        (422, "/contacts", RejectedError, "{} Check the settings it speaks of."),
        (418, "/contacts", ApiError, f"{{}} {CHECK_URL}"),
    ],
)
def test_a_status_says_what_happened_and_what_to_do(
    status: int, path: str, error: type[TapError], line: str
) -> None:
    told = error_for_status("GET", path, status, b'{"message": "too long"}', KEY)

    assert type(told) is error
    answered = f"Cometly's API answered GET {path} with status {status}: too long."
    assert str(told) == line.format(answered)


@pytest.mark.parametrize("status", [300, 301, 399])
def test_a_redirect_is_named_as_one(status: int) -> None:
    told = error_for_status("GET", "/contacts", status, b"", KEY).what

    assert told == f"Cometly's API answered GET /contacts with a redirect (status {status})"


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b"7", b"\xff", b"[" * 100_000])
def test_an_answer_without_a_message_says_so(body: bytes) -> None:
    assert "422: no message" in str(error_for_status("GET", "/contacts", 422, body, KEY))


@pytest.mark.parametrize("status", [401, 403, 404, 422, 418])
def test_a_message_is_quoted_without_the_key_and_trimmed(status: int) -> None:
    body = b'{"message": "bad ck_secret, ' + 99 * b"so " + b'"}'

    told = error_for_status("GET", "/contacts/exports/7", status, body, KEY).what

    assert "bad ***, so so" in told
    assert len(told) < 280


@pytest.mark.parametrize(
    ("status", "message", "in_progress"),
    [
        (409, "", True),
        (423, "", True),
        (425, "", True),
        (400, "An export is already in progress", True),
        (422, "An export is already running for this Space", True),
        (422, "The last one is being processed", True),
        (422, "The range is too large", False),
        (400, "no", False),
        (404, "in progress", False),
        (403, "in progress", False),
    ],
)
def test_an_export_in_progress_is_recognized_among_other_refusals(
    status: int, message: str, *, in_progress: bool
) -> None:
    body = f'{{"message": "{message} ck_secret"}}'.encode()

    busy = busy_error(status, body, KEY, seconds=30.0)

    said = (
        f"Cometly's API is busy with another export (status {status}: {f'{message} ***'.strip()})"
    )
    assert (busy and (busy.what, busy.seconds)) == ((said, 30.0) if in_progress else None)


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
            PROXY,
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


def test_a_lost_answer_says_why_and_that_the_bookmark_is_kept() -> None:
    assert str(answer_lost("no answer in time")) == (
        "The answer to creating an export was lost (no answer in time). "
        "Run again; the bookmark is kept."
    )
