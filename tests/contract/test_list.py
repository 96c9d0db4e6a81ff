"""List contacts: `GET /contacts`."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

from tests.contract.conftest import reading

if TYPE_CHECKING:
    from tests.contract.client import Client
    from tests.contract.conftest import Clock, StartCometly

JANUARY = datetime(2024, 1, 10, tzinfo=timezone.utc)
DECEMBER = datetime(2024, 12, 10, tzinfo=timezone.utc)


def all_pages(client: Client, per_page: int) -> list[list[int]]:
    """Ids, page by page, through the cursor."""
    pages = []
    answer = client.page(per_page=per_page).json()
    while True:
        pages.append([contact["id"] for contact in answer["data"]])
        if answer["next_cursor"] is None:
            return pages
        answer = client.page(per_page=per_page, cursor=answer["next_cursor"]).json()


def test_an_answer_has_laravels_seven_parts(client: Client) -> None:
    client.space.fill(201, JANUARY, DECEMBER)

    answer = client.page().json()

    assert set(answer) == {
        *("data", "path", "per_page"),
        *("next_cursor", "next_page_url", "prev_cursor", "prev_page_url"),
    }
    assert answer["path"] == client.sandbox.api_url + "/contacts"
    assert answer["per_page"] == len(answer["data"]) == 200  # unless told otherwise
    assert isinstance(answer["next_cursor"], str)
    assert answer["prev_cursor"] is None
    assert answer["prev_page_url"] is None


@pytest.mark.parametrize("per_page", [1, 5000])
def test_a_page_may_hold_1_to_5000(client: Client, per_page: int) -> None:
    client.space.fill(5001, JANUARY, DECEMBER)

    assert len(client.contacts(per_page=per_page)) == per_page


def test_contacts_come_by_id_newest_first_though_an_imported_one_can_be_older(
    client: Client,
) -> None:
    client.space.fill(3, DECEMBER, DECEMBER + timedelta(days=1))
    imported = client.space.add(created_at=JANUARY)
    client.space.add(created_at=DECEMBER + timedelta(days=2))

    assert client.ids() == [5, imported, 3, 2, 1]
    assert client.ids(end="2024-02-01 00:00:00") == [imported]


def test_the_cursor_leads_through_every_contact_once(client: Client) -> None:
    client.space.fill(10, JANUARY, DECEMBER)
    client.space.fill(4, JANUARY, DECEMBER)  # interleaved in time with the first ten

    assert all_pages(client, per_page=6) == [[14, 13, 12, 11, 10, 9], [8, 7, 6, 5, 4, 3], [2, 1]]
    assert [len(page) for page in all_pages(client, per_page=7)] == [7, 7]  # the last one is full
    assert client.page(per_page=14).json()["next_page_url"] is None


def test_an_empty_range_is_a_page_without_contacts(client: Client) -> None:
    answer = client.page()

    assert answer.status_code == 200
    assert answer.json()["data"] == []
    assert answer.json()["next_cursor"] is None


def test_the_next_page_url_leads_to_the_next_page(client: Client) -> None:
    client.space.fill(4, JANUARY, DECEMBER)
    url = client.page(per_page=3).json()["next_page_url"]

    answer = client.http.get(url, headers=client.headers, timeout=10).json()

    assert [contact["id"] for contact in answer["data"]] == [1]


def test_the_previous_cursor_leads_back(client: Client) -> None:
    client.space.fill(7, JANUARY, DECEMBER)
    pages, cursor = [], None
    for direction in ("next_cursor", "next_cursor", "prev_cursor", "prev_cursor", None):
        page = client.page(per_page=2, cursor=cursor).json()
        pages.append([contact["id"] for contact in page["data"]])
        cursor = page[direction] if direction else None

    assert pages == [[7, 6], [5, 4], [3, 2], [5, 4], [7, 6]]
    assert page["prev_cursor"] is None
    assert page["next_cursor"] is not None


def test_a_garbled_cursor_is_ignored_as_laravel_does(client: Client) -> None:
    client.space.fill(3, JANUARY, DECEMBER)

    assert client.ids(cursor="no cursor", per_page=2) == [3, 2]


def test_reading_on_is_not_disturbed_by_new_contacts(client: Client) -> None:
    client.space.fill(4, JANUARY, DECEMBER)
    cursor = client.page(per_page=2).json()["next_cursor"]
    client.space.add(created_at=JANUARY)

    assert client.ids(per_page=2, cursor=cursor) == [2, 1]


# Columns.


def test_comet_tokens_come_when_asked_for(client: Client) -> None:
    tokens = [f"ct_{number}" for number in range(7, 0, -1)]
    client.space.add(created_at=JANUARY, comet_tokens=tokens)

    assert client.contacts(include_comet_tokens=1)[0]["comet_tokens"] == tokens[:5]
    assert "comet_tokens" not in client.contacts()[0]
    assert "comet_tokens" not in client.contacts(include_comet_tokens=0)[0]


@pytest.mark.parametrize("known", [True, False])
def test_all_emails_come_when_asked_for_where_the_list_knows_them(
    cometly: StartCometly, *, known: bool
) -> None:
    client = cometly(list_emails=known)
    client.space.add(created_at=JANUARY, email="ada@example.com")
    client.space.add(created_at=JANUARY)

    answers = client.contacts(include_all_emails=1)

    emails = [[], ["ada@example.com"]] if known else [None, None]
    assert [contact.get("emails") for contact in answers] == emails
    assert "emails" not in client.contacts()[0]


@pytest.mark.parametrize(
    ("options", "fields"),
    [
        (
            {},
            {"profile_field_1": "blue", "profile_field_16": 2.5, "profile_field_26": "2024-02-29"},
        ),
        (
            {"custom_numbers_as_strings": True},
            {
                "profile_field_1": "blue",
                "profile_field_16": "2.5",
                "profile_field_26": "2024-02-29",
            },
        ),
        ({"list_custom_fields": False}, None),
    ],
    ids=["as they are", "numbers as strings", "unknown to an older list"],
)
def test_thirty_custom_fields_come_when_asked_for(
    cometly: StartCometly, options: dict[str, Any], fields: dict[str, object] | None
) -> None:
    client = cometly(**options)
    values = {1: "blue", 16: 2.5, 26: "2024-02-29"}
    client.space.add(created_at=JANUARY, profile_fields=values)

    [contact] = client.contacts(include_custom_fields=1)

    given = {name: value for name, value in contact.items() if name.startswith("profile_field_")}
    names = [f"profile_field_{number}" for number in range(1, 31)]
    assert given == (dict.fromkeys(names) | fields if fields else {})
    assert list(given) == (names if fields else [])
    assert not any(name.startswith("profile_field_") for name in client.contacts()[0])


@reading(custom_field_labels={2: "Favourite colour"})
def test_labels_take_the_place_of_names_when_asked_for(client: Client) -> None:
    client.space.add(created_at=JANUARY, profile_fields={1: "x", 2: "blue"})

    [contact] = client.contacts(include_custom_fields=1, use_custom_field_labels=1)

    assert contact["Favourite colour"] == "blue"
    assert contact["profile_field_1"] == "x"
    assert "profile_field_2" not in contact


# Other readings.


@reading(page_cap=3)
def test_a_server_may_cap_the_page_without_saying_so(client: Client) -> None:
    client.space.fill(7, JANUARY, DECEMBER)

    assert all_pages(client, per_page=5000) == [[7, 6, 5], [4, 3, 2], [1]]


@pytest.mark.parametrize(("option", "status"), [("max_list_days", 422), ("slow_list_days", 504)])
def test_a_server_may_refuse_a_long_range_or_its_gateway_give_up_on_it(
    cometly: StartCometly, option: str, status: int
) -> None:
    options: dict[str, Any] = {option: 31}
    client = cometly(**options)

    refused = client.page("2024-01-01 00:00:00", "2024-02-01 00:00:01")

    assert refused.status_code == status
    if status == 422:
        assert "31 days" in refused.json()["message"]
    else:
        assert refused.headers["Content-Type"].startswith("text/html")
    assert client.page("2024-01-01 00:00:00", "2024-02-01 00:00:00").status_code == 200
    assert client.create().status_code == 202


@reading(ignore_dates=True)
def test_a_server_may_ignore_the_dates(client: Client) -> None:
    client.space.fill(3, JANUARY, DECEMBER)

    assert client.ids("2030-01-01 00:00:00", "2030-01-02 00:00:00") == [3, 2, 1]


@pytest.mark.parametrize(
    ("zone", "now"), [("UTC", "2024-06-01 12:00:00"), ("Asia/Tokyo", "2024-06-01 21:00:00")]
)
@pytest.mark.parametrize(("endpoint", "statuses"), [("list", (422, 202)), ("create", (200, 422))])
def test_an_endpoint_may_refuse_ranges_that_end_in_the_future(
    cometly: StartCometly,
    clock: Clock,
    zone: str,
    now: str,
    endpoint: str,
    statuses: tuple[int, int],
) -> None:
    client = cometly(clock, timezone=zone, refuses_future=frozenset({endpoint}))
    later = f"{now[:-2]}01"

    answers = client.page(end=later), client.create(end=later)

    assert (answers[0].status_code, answers[1].status_code) == statuses
    [refused] = (answer for answer in answers if answer.status_code == 422)
    assert refused.json()["errors"] == {
        "end_date": ["The end date field must be a date before or equal to now."]
    }
    assert client.page(end=now).status_code == 200
    assert client.create(end=now).status_code == 202


@pytest.mark.parametrize(
    ("options", "seen"),
    [
        ({"list_lag": 20}, [(0, 1), (0, 1), (1, 1)]),
        ({"export_lag": 20}, [(1, 0), (1, 0), (1, 1)]),
        ({"visible_after": 10, "list_lag": 10}, [(0, 0), (0, 1), (1, 1)]),
    ],
    ids=["the list", "exports", "the list of a Space that lags, too"],
)
def test_a_replica_may_lag(
    cometly: StartCometly, clock: Clock, options: dict[str, Any], seen: list[tuple[int, int]]
) -> None:
    client = cometly(clock, **options)
    if "visible_after" in options:
        client.space.add(created_at=clock.now)
    else:
        client.space.add(created_at=JANUARY, visible_at=clock.now)

    found = []
    for _ in seen:
        found.append((len(client.ids()), len(client.exported())))
        clock.advance(10)

    assert found == seen
    assert client.space.ids() == {1}


def test_a_page_may_hold_a_stray_row(client: Client) -> None:
    client.space.fill(3, JANUARY, JANUARY + timedelta(days=1))
    client.space.fill(1, DECEMBER, DECEMBER + timedelta(days=1))
    [row] = client.contacts("2024-12-01 00:00:00")

    client.fault("list", "edit", edit=lambda page: page["data"].insert(1, row))

    assert client.ids(end="2024-02-01 00:00:00") == [3, 4, 2, 1]
    assert client.ids(end="2024-02-01 00:00:00") == [3, 2, 1]
