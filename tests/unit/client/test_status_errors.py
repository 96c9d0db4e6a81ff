"""What a refusal or a broken exchange means to the user, told without quoting what is secret."""

from __future__ import annotations

import pytest
import requests
import urllib3

from tap_cometly.client.responses import answer_lost, never_sent, problem_with, refusal, scrub
from tap_cometly.exceptions import (
    AccessError,
    ApiError,
    ForbiddenError,
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
            "Cometly's API does not accept the key (status 401). Check the setting `api_key`.",
        ),
        (
            403,
            "/exports",
            ForbiddenError,
            (
                "The key may not do this: GET /exports (status 403). "
                "Check the key's rights and the Space's subscription with Cometly."
            ),
        ),
        (
            404,
            "/exports/7",
            NotFoundError,
            (
                "Cometly's API answered GET /exports/7 with status 404. "
                "The export is gone; run again."
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
            301,
            "/contacts",
            ApiError,
            (
                "Cometly's API answered GET /contacts with status 301, a redirect. "
                "Check the setting `api_url`."
            ),
        ),
        (
            418,
            "/contacts",
            ApiError,
            (
                "Cometly's API answered GET /contacts with status 418. "
                "Check the setting `api_url`; if it is right, ask Cometly."
            ),
        ),
    ],
)
def test_a_status_says_what_happened_and_what_to_do(
    status: int, path: str, error: type[TapError], line: str
) -> None:
    told = refusal("GET", path, status, b'{"message": "too long"}', KEY)

    assert type(told) is error
    assert str(told) == line


@pytest.mark.parametrize(("status", "redirect"), [(299, 0), (300, 1), (399, 1), (400, 0)])
def test_all_redirects_are_called_so(status: int, *, redirect: bool) -> None:
    assert ("a redirect" in str(refusal("GET", "/", status, b"", KEY))) == redirect


def test_only_an_export_can_be_gone() -> None:
    assert not isinstance(refusal("GET", "/contacts", 404, b"", KEY), NotFoundError)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b"7", b"\xff", b"[" * 100_000])
def test_a_refusal_without_a_message_says_so(body: bytes) -> None:
    assert "422: no message" in str(refusal("GET", "/contacts", 422, body, KEY))


def test_the_key_is_not_quoted_from_a_refusal() -> None:
    body = b'{"message": "bad ck_secret"}'

    assert "422: bad ***." in str(refusal("GET", "/contacts", 422, body, KEY))


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
        (requests.exceptions.ReadTimeout(), "no answer in time", False),
        (requests.exceptions.ConnectTimeout(), "no answer in time", True),
        (requests.exceptions.ConnectionError("reset"), "the connection broke", False),
        (requests.exceptions.ConnectionError(), "the connection broke", False),
        (REFUSED, "no connection", True),
    ],
)
def test_a_broken_exchange_is_named_and_known_as_sent_or_not(
    failure: Exception, problem: str, *, unsent: bool
) -> None:
    assert problem_with(failure) == problem
    assert never_sent(failure) is unsent


@pytest.mark.parametrize(
    "failure", [requests.exceptions.SSLError("secret"), urllib3.exceptions.SSLError("secret")]
)
def test_what_is_wrong_with_tls_is_told_at_once(failure: Exception) -> None:
    with pytest.raises(ApiError, match=r"\bCometly's API\b") as error:
        problem_with(failure)

    assert "secret" not in str(error.value)


def test_what_cannot_be_sent_is_a_matter_of_settings() -> None:
    with pytest.raises(ApiError) as error:
        problem_with(requests.exceptions.InvalidURL("https://ck_secret@"))

    assert str(error.value) == (
        "The request could not be made. Check the settings `api_url` and `api_key`."
    )


def test_a_lost_answer_says_why_and_that_the_bookmark_is_kept() -> None:
    assert str(answer_lost("no answer in time")) == (
        "The answer to creating an export was lost (no answer in time). "
        "Run again; the bookmark is kept."
    )
