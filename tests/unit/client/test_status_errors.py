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


@pytest.mark.parametrize(
    ("status", "path", "error", "line"),
    [
        (
            401,
            "/contacts",
            AccessError,
            (
                "Cometly's API does not accept the key (status 401: too long). "
                "Check the setting `api_key`."
            ),
        ),
        (
            403,
            "/contacts/exports",
            ForbiddenError,
            (
                "The key may not do this: GET /contacts/exports (status 403: too long). "
                "Check the key's rights and the Space's subscription with Cometly."
            ),
        ),
        (
            404,
            "/contacts/exports/7",
            NotFoundError,
            (
                "Cometly's API answered GET /contacts/exports/7 with status 404: too long. "
                "The export is gone; run again."
            ),
        ),
        (
            404,
            "/contacts",
            ApiError,
            (
                "Cometly's API answered GET /contacts with status 404: too long. "
                "Check the setting `api_url`; if it is right, ask Cometly."
            ),
        ),
        (
            422,
            "/contacts",
            RejectedError,
            (
                "Cometly's API answered GET /contacts with status 422: too long. "
                "Check the settings it speaks of."
            ),
        ),
        (
            418,
            "/contacts",
            ApiError,
            (
                "Cometly's API answered GET /contacts with status 418: too long. "
                "Check the setting `api_url`; if it is right, ask Cometly."
            ),
        ),
    ],
)
def test_a_status_says_what_happened_and_what_to_do(
    status: int, path: str, error: type[TapError], line: str
) -> None:
    told = error_for_status("GET", path, status, b'{"message": "too long"}', KEY)

    assert type(told) is error
    assert str(told) == line


@pytest.mark.parametrize("status", [300, 301, 399])
def test_a_redirect_is_called_so(status: int) -> None:
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


# Another export in progress.


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (409, ""),
        (423, ""),
        (425, ""),
        (400, "An export is already in progress"),
        (422, "An export is already running for this Space"),
        (422, "The last one is being processed"),
    ],
)
def test_an_export_in_progress_is_waited_for(status: int, message: str) -> None:
    body = f'{{"message": "{message} ck_secret"}}'.encode()

    busy = busy_error(status, body, KEY, seconds=30.0)

    assert busy is not None
    assert busy.seconds == 30.0
    said = f"{message} ***".strip()
    assert busy.what == f"Cometly's API is busy with another export (status {status}: {said})"


@pytest.mark.parametrize(
    ("status", "message"),
    [(422, "The range is too large"), (400, "no"), (404, "in progress"), (403, "in progress")],
)
def test_other_refusals_do_not_speak_of_an_export_in_progress(status: int, message: str) -> None:
    assert busy_error(status, f'{{"message": "{message}"}}'.encode(), KEY, 30.0) is None


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
def test_a_foreign_text_is_made_fit_for_a_log(foreign: str, fit: str) -> None:
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
    "failure", [requests.exceptions.SSLError("secret"), urllib3.exceptions.SSLError("secret")]
)
def test_what_is_wrong_with_tls_is_told_at_once(failure: Exception) -> None:
    with pytest.raises(ApiError, match=r"\bCometly's API\b") as error:
        describe_failure(failure)

    assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    ("failure", "line"),
    [
        (
            OSError("Could not find a suitable TLS CA certificate bundle, invalid path: /secret"),
            (
                "The file of certificates that the environment names cannot be read. "
                "Correct or unset REQUESTS_CA_BUNDLE (or CURL_CA_BUNDLE)."
            ),
        ),
        (
            requests.exceptions.InvalidSchema("Missing dependencies for SOCKS support."),
            (
                "The environment names a SOCKS proxy, and the package for it is not installed. "
                "Install `pysocks`, or unset HTTPS_PROXY and ALL_PROXY."
            ),
        ),
        (
            requests.exceptions.ProxyError(
                "Tunnel connection failed: 407 Proxy Authentication Required secret"
            ),
            (
                "The proxy wants a user and a password (407). "
                "Put them into HTTPS_PROXY: http://USER:PASSWORD@HOST:PORT."
            ),
        ),
        (
            requests.exceptions.InvalidURL("https://secret@"),
            "The request could not be made. Check the settings `api_url` and `api_key`.",
        ),
    ],
    ids=["CA bundle", "SOCKS", "407", "URL"],
)
def test_what_trying_again_would_not_help_is_told_at_once(failure: Exception, line: str) -> None:
    with pytest.raises(ApiError) as error:
        describe_failure(failure)

    assert str(error.value) == line


def test_what_the_machine_refuses_is_told_as_that() -> None:
    with pytest.raises(MachineError, match="may open no more files"):
        describe_failure(OSError(errno.EMFILE, "Too many open files"))


def test_a_lost_answer_says_why_and_that_the_bookmark_is_kept() -> None:
    assert str(answer_lost("no answer in time")) == (
        "The answer to creating an export was lost (no answer in time). "
        "Run again; the bookmark is kept."
    )
