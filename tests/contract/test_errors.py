"""Keys, permissions, and parameters that are wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.contract.client import YEAR
from tests.contract.conftest import reading

if TYPE_CHECKING:
    from tests.contract.client import Client
    from tests.contract.conftest import StartCometly

START, END = YEAR
DATES = {"start_date": START, "end_date": END}


@pytest.mark.parametrize("authorization", [None, "Bearer ck_other", "Basic ck_sandbox"])
def test_a_missing_or_wrong_key_is_401(client: Client, authorization: str | None) -> None:
    client.headers.pop("Authorization")
    if authorization:
        client.headers["Authorization"] = authorization

    for answer in (client.page(), client.create(), client.poll(1)):
        assert answer.status_code == 401
        assert answer.json() == {"message": "Unauthenticated."}


@reading(forbidden=frozenset({"create"}))
def test_what_the_key_may_not_do_is_403(client: Client) -> None:
    assert client.page().status_code == 200
    assert client.create().status_code == 403
    assert client.create().json()["message"] == "This action is unauthorized."


@pytest.mark.parametrize("path", ["/contacts/exports/999999", "/contacts/exports/abc", "/contact"])
def test_an_unknown_export_or_path_is_404(client: Client, path: str) -> None:
    answer = client.get(path)

    assert answer.status_code == 404
    assert isinstance(answer.json()["message"], str)


def test_errors_are_json_only_for_those_who_accept_it(client: Client) -> None:
    client.headers["Accept"] = "text/html"

    answer = client.page(per_page=0)

    assert answer.status_code == 422
    assert answer.headers["Content-Type"].startswith("text/html")


def complaint(name: str, text: str) -> dict[str, list[str]]:
    return {name: [f"The {name.replace('_', ' ')} field {text}"]}


NO_START = complaint("start_date", "is required.")
NO_END = complaint("end_date", "is required.")
FORMAT = "must match the format Y-m-d H:i:s."
NOT_AFTER = complaint("end_date", "must be a date after start date.")
FLAG = "must be true or false."


@pytest.mark.parametrize("endpoint", ["list", "create"])
@pytest.mark.parametrize(
    ("parameters", "errors"),
    [
        ({}, NO_START | NO_END),
        ({"start_date": "2024-01-01", "end_date": END}, complaint("start_date", FORMAT)),
        ({**DATES, "end_date": "2024-02-30 00:00:00"}, complaint("end_date", FORMAT)),
        ({**DATES, "end_date": START}, NOT_AFTER),
        ({"start_date": END, "end_date": START}, NOT_AFTER),
        *(
            ({**DATES, name: "yes"}, complaint(name, FLAG))
            for name in ("include_comet_tokens", "include_all_emails")
        ),
    ],
)
def test_a_wrong_parameter_is_422(
    cometly: StartCometly, endpoint: str, parameters: dict[str, str], errors: dict[str, list[str]]
) -> None:
    client = cometly(list_emails=True)

    answer = client.get("/contacts", parameters) if endpoint == "list" else client.post(parameters)

    assert answer.status_code == 422
    assert answer.json()["errors"] == errors
    [first, *others] = [text for texts in errors.values() for text in texts]
    assert answer.json()["message"] == first + " (and 1 more error)" * len(others)


@pytest.mark.parametrize(
    ("per_page", "text"),
    [
        ("0", "must be at least 1."),
        ("5001", "must not be greater than 5000."),
        ("many", "must be an integer."),
    ],
)
def test_a_wrong_page_size_is_422(client: Client, per_page: str, text: str) -> None:
    answer = client.page(per_page=per_page)

    assert answer.status_code == 422
    assert answer.json()["errors"] == complaint("per_page", text)


def test_a_flag_is_1_or_0_and_in_a_body_a_boolean_too(cometly: StartCometly) -> None:
    client = cometly(list_emails=True)

    for name in ("include_comet_tokens", "include_all_emails", "include_custom_fields"):
        listed = [client.page(**{name: value}).status_code for value in ("0", "1", "true")]
        assert listed == [200, 200, 422]
    created = [client.create(include_all_emails=value).status_code for value in (1, "0", True)]
    assert created == [202] * 3


def test_unknown_parameters_are_ignored(client: Client) -> None:
    assert client.page(color="blue").status_code == 200
    assert client.create(color="blue").status_code == 202


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        *((content, "application/json") for content in (b"", b"{", b"[1]")),
        (b'{"start_date": "2024-01-01 00:00:00", "end_date": "2024-12-31 00:00:00"}', "text/plain"),
    ],
)
def test_a_body_that_is_no_json_object_has_no_dates(
    client: Client, content: bytes, kind: str
) -> None:
    url = client.sandbox.api_url + "/contacts/exports"
    headers = {**client.headers, "Content-Type": kind}

    answer = client.http.post(url, data=content, headers=headers, timeout=10)

    assert answer.status_code == 422
    assert answer.json()["errors"] == NO_START | NO_END
