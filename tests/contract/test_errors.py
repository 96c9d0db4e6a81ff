"""Keys, permissions, and parameters that are wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.contract.client import YEAR
from tests.sandbox import Options, dated

if TYPE_CHECKING:
    import requests

    from tests.contract.client import Client
    from tests.contract.conftest import StartCometly

START, END = YEAR


@pytest.mark.parametrize(
    "authorization", [None, "Bearer ck_other", "ck_sandbox", "Basic ck_sandbox"]
)
def test_a_missing_or_wrong_key_is_401(cometly: StartCometly, authorization: str | None) -> None:
    client = cometly()
    client.headers.pop("Authorization")
    if authorization:
        client.headers["Authorization"] = authorization

    for answer in (client.page(), client.create(), client.poll(1)):
        assert answer.status_code == 401
        assert answer.json() == {"message": "Unauthenticated."}


def test_the_key_may_be_another(cometly: StartCometly) -> None:
    assert cometly(Options(api_key="ck_canary")).page().status_code == 200


def test_what_the_key_may_not_do_is_403(cometly: StartCometly) -> None:
    client = cometly(Options(forbidden=frozenset({"create"})))

    assert client.page().status_code == 200
    assert client.create().status_code == 403
    assert client.create().json()["message"] == "This action is unauthorized."


def test_no_such_export_is_404(cometly: StartCometly) -> None:
    answer = cometly().poll(999_999)

    assert answer.status_code == 404
    assert isinstance(answer.json()["message"], str)


@pytest.mark.parametrize("path", ["/contacts/exports/abc", "/contact", "/contacts/exports/1/file"])
def test_other_paths_are_404(cometly: StartCometly, path: str) -> None:
    assert cometly().get(path).status_code == 404


def test_errors_are_json_only_for_those_who_accept_it(cometly: StartCometly) -> None:
    client = cometly()
    client.headers["Accept"] = "text/html"

    answer = client.page(per_page=0)

    assert answer.status_code == 422
    assert answer.headers["Content-Type"].startswith("text/html")


def test_a_body_that_is_not_announced_as_json_is_not_read_as_json(cometly: StartCometly) -> None:
    client = cometly()
    client.headers["Content-Type"] = "text/plain"

    assert client.create().status_code == 422


@pytest.mark.parametrize("endpoint", ["list", "create"])
@pytest.mark.parametrize(
    ("dates", "errors"),
    [
        (
            {},
            {
                "start_date": ["The start date field is required."],
                "end_date": ["The end date field is required."],
            },
        ),
        ({"start_date": START}, {"end_date": ["The end date field is required."]}),
        (
            {"start_date": "2024-01-01", "end_date": END},
            {"start_date": ["The start date field must match the format Y-m-d H:i:s."]},
        ),
        (
            {"start_date": START, "end_date": "2024-02-30 00:00:00"},
            {"end_date": ["The end date field must match the format Y-m-d H:i:s."]},
        ),
        (
            {"start_date": START, "end_date": "2024-12-31T00:00:00Z"},
            {"end_date": ["The end date field must match the format Y-m-d H:i:s."]},
        ),
        (
            {"start_date": START, "end_date": START},
            {"end_date": ["The end date field must be a date after start date."]},
        ),
        (
            {"start_date": END, "end_date": START},
            {"end_date": ["The end date field must be a date after start date."]},
        ),
    ],
)
def test_wrong_dates_are_422(
    cometly: StartCometly, endpoint: str, dates: dict[str, str], errors: dict[str, list[str]]
) -> None:
    client = cometly()

    answer = client.get("/contacts", dates) if endpoint == "list" else client.post(dates)

    assert answer.status_code == 422
    assert answer.json()["errors"] == errors


@pytest.mark.parametrize(
    ("per_page", "complaint"),
    [
        ("0", "The per page field must be at least 1."),
        ("-5", "The per page field must be at least 1."),
        ("5001", "The per page field must not be greater than 5000."),
        ("many", "The per page field must be an integer."),
        ("1.5", "The per page field must be an integer."),
    ],
)
def test_a_wrong_page_size_is_422(cometly: StartCometly, per_page: str, complaint: str) -> None:
    answer = cometly().page(per_page=per_page)

    assert answer.status_code == 422
    assert answer.json() == {"message": complaint, "errors": {"per_page": [complaint]}}


@pytest.mark.parametrize(
    "name", ["include_comet_tokens", "include_all_emails", "include_custom_fields"]
)
def test_a_flag_is_1_or_0(cometly: StartCometly, name: str) -> None:
    client = cometly(dated())

    def page_with(value: str) -> requests.Response:
        return client.get("/contacts", {"start_date": START, "end_date": END, name: value})

    answer = page_with("yes")

    assert answer.status_code == 422
    assert answer.json()["message"] == f"The {name.replace('_', ' ')} field must be true or false."
    assert page_with("true").status_code == 422
    assert page_with("0").status_code == 200


@pytest.mark.parametrize(("value", "status"), [(1, 202), (True, 202), ("0", 202), ("yes", 422)])
def test_a_flag_in_a_body_may_be_a_boolean(
    cometly: StartCometly, value: object, status: int
) -> None:
    assert cometly().create(include_all_emails=value).status_code == status


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"end_date": END}, "The start date field is required."),
        ({}, "The start date field is required. (and 1 more error)"),
        ({"per_page": "0"}, "The start date field is required. (and 2 more errors)"),
    ],
)
def test_the_message_tells_the_first_error_and_counts_the_rest(
    cometly: StartCometly, parameters: dict[str, Any], message: str
) -> None:
    assert cometly().get("/contacts", parameters).json()["message"] == message


def test_unknown_parameters_are_ignored(cometly: StartCometly) -> None:
    client = cometly()

    assert client.page(color="blue").status_code == 200
    assert client.create(color="blue").status_code == 202


@pytest.mark.parametrize("content", [b"", b"{", b"[1]"])
def test_a_body_that_is_no_json_object_has_no_dates(cometly: StartCometly, content: bytes) -> None:
    client = cometly()

    assert _post_raw(client, content) == 422


def _post_raw(client: Client, content: bytes) -> int:
    url = client.sandbox.api_url + "/contacts/exports"
    return client.http.post(url, data=content, headers=client.headers, timeout=10).status_code
