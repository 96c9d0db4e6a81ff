"""List contacts: `GET /contacts`."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest

from tests.contract.conftest import UNLIMITED
from tests.sandbox import Fault, Options, dated

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


def test_an_answer_has_laravels_seven_parts(cometly: StartCometly) -> None:
    client = cometly()
    client.sandbox.space.fill(5, JANUARY, DECEMBER)

    answer = client.page(per_page=2).json()

    assert set(answer) == {
        "data",
        "path",
        "per_page",
        "next_cursor",
        "next_page_url",
        "prev_cursor",
        "prev_page_url",
    }
    assert answer["path"] == client.sandbox.api_url + "/contacts"
    assert answer["per_page"] == 2
    assert isinstance(answer["next_cursor"], str)
    assert answer["prev_cursor"] is None
    assert answer["prev_page_url"] is None


def test_a_page_holds_200_unless_told_otherwise(cometly: StartCometly) -> None:
    client = cometly()
    client.sandbox.space.fill(201, JANUARY, DECEMBER)

    answer = client.page().json()

    assert answer["per_page"] == 200
    assert len(answer["data"]) == 200


@pytest.mark.parametrize("per_page", [1, 5000])
def test_a_page_may_hold_1_to_5000(cometly: StartCometly, per_page: int) -> None:
    client = cometly()
    client.sandbox.space.fill(5001, JANUARY, DECEMBER)

    assert len(client.contacts(per_page=per_page)) == per_page


def test_contacts_come_by_id_newest_first(cometly: StartCometly) -> None:
    client = cometly()
    client.sandbox.space.fill(10, JANUARY, DECEMBER)

    assert client.ids() == list(range(10, 0, -1))


def test_an_imported_contact_can_be_older_than_its_neighbours(cometly: StartCometly) -> None:
    client = cometly()
    client.sandbox.space.fill(3, DECEMBER, DECEMBER + timedelta(days=1))
    imported = client.sandbox.space.add(created_at=JANUARY)
    client.sandbox.space.add(created_at=DECEMBER + timedelta(days=2))

    assert client.ids() == [5, imported, 3, 2, 1]
    assert client.ids(end="2024-02-01 00:00:00") == [imported]


def test_the_cursor_leads_through_every_contact_once(cometly: StartCometly) -> None:
    client = cometly()
    client.sandbox.space.fill(10, JANUARY, DECEMBER)
    client.sandbox.space.fill(4, JANUARY, DECEMBER)  # interleaved in time with the first ten

    assert all_pages(client, per_page=6) == [[14, 13, 12, 11, 10, 9], [8, 7, 6, 5, 4, 3], [2, 1]]


def test_the_last_page_has_no_next_cursor_even_when_it_is_full(cometly: StartCometly) -> None:
    client = cometly()
    client.sandbox.space.fill(4, JANUARY, DECEMBER)

    assert all_pages(client, per_page=2) == [[4, 3], [2, 1]]
    assert client.page(per_page=4).json()["next_page_url"] is None


def test_an_empty_range_is_a_page_without_contacts(cometly: StartCometly) -> None:
    answer = cometly().page()

    assert answer.status_code == 200
    assert answer.json()["data"] == []
    assert answer.json()["next_cursor"] is None


def test_the_next_page_url_leads_to_the_next_page(cometly: StartCometly) -> None:
    client = cometly()
    client.sandbox.space.fill(4, JANUARY, DECEMBER)
    url = client.page(per_page=3).json()["next_page_url"]

    answer = client.http.get(url, headers=client.headers, timeout=10).json()

    assert [contact["id"] for contact in answer["data"]] == [1]


def test_the_previous_cursor_leads_back(cometly: StartCometly) -> None:
    client = cometly()
    client.sandbox.space.fill(7, JANUARY, DECEMBER)
    second = client.page(per_page=2, cursor=client.page(per_page=2).json()["next_cursor"]).json()
    third = client.page(per_page=2, cursor=second["next_cursor"]).json()

    back = client.page(per_page=2, cursor=third["prev_cursor"]).json()

    assert [contact["id"] for contact in back["data"]] == [5, 4]
    first = client.page(per_page=2, cursor=back["prev_cursor"]).json()
    assert [contact["id"] for contact in first["data"]] == [7, 6]
    assert first["prev_cursor"] is None
    assert first["next_cursor"] is not None


def test_a_garbled_cursor_is_ignored_as_laravel_does(cometly: StartCometly) -> None:
    client = cometly()
    client.sandbox.space.fill(3, JANUARY, DECEMBER)

    assert client.ids(cursor="no cursor", per_page=2) == [3, 2]


def test_reading_on_is_not_disturbed_by_new_contacts(cometly: StartCometly) -> None:
    client = cometly()
    client.sandbox.space.fill(4, JANUARY, DECEMBER)
    cursor = client.page(per_page=2).json()["next_cursor"]
    client.sandbox.space.add(created_at=JANUARY)

    assert client.ids(per_page=2, cursor=cursor) == [2, 1]


def test_comet_tokens_come_when_asked_for(cometly: StartCometly) -> None:
    client = cometly()
    tokens = [f"ct_{number}" for number in range(7, 0, -1)]
    client.sandbox.space.add(created_at=JANUARY, comet_tokens=tokens)

    assert client.contacts(include_comet_tokens=1)[0]["comet_tokens"] == tokens[:5]
    assert "comet_tokens" not in client.contacts()[0]
    assert "comet_tokens" not in client.contacts(include_comet_tokens=0)[0]


def test_all_emails_come_when_asked_for(cometly: StartCometly) -> None:
    client = cometly(dated())
    client.sandbox.space.add(created_at=JANUARY, email="ada@example.com")
    client.sandbox.space.add(created_at=JANUARY)

    answers = client.contacts(include_all_emails=1)

    assert [contact["emails"] for contact in answers] == [[], ["ada@example.com"]]
    assert "emails" not in client.contacts()[0]


def test_the_list_ignores_the_question_for_emails(cometly: StartCometly) -> None:
    client = cometly()
    client.sandbox.space.add(created_at=JANUARY, email="ada@example.com")

    assert "emails" not in client.contacts(include_all_emails=1)[0]


def test_thirty_custom_fields_come_when_asked_for(cometly: StartCometly) -> None:
    client = cometly()
    values = {1: "blue", 16: 2.5, 26: "2024-02-29"}
    client.sandbox.space.add(created_at=JANUARY, profile_fields=values)

    contact = client.contacts(include_custom_fields=1)[0]

    given = {name: value for name, value in contact.items() if name.startswith("profile_field_")}
    assert list(given) == [f"profile_field_{number}" for number in range(1, 31)]
    assert {name: value for name, value in given.items() if value is not None} == {
        "profile_field_1": "blue",
        "profile_field_16": 2.5,
        "profile_field_26": "2024-02-29",
    }
    assert not any(name.startswith("profile_field_") for name in client.contacts()[0])


def test_numbers_may_come_as_strings(cometly: StartCometly) -> None:
    client = cometly(Options(custom_numbers_as_strings=True))
    client.sandbox.space.add(created_at=JANUARY, profile_fields={1: "blue", 16: 2.5, 25: 7})

    contact = client.contacts(include_custom_fields=1)[0]

    assert contact["profile_field_1"] == "blue"
    assert (contact["profile_field_16"], contact["profile_field_25"]) == ("2.5", "7")
    assert contact["profile_field_17"] is None


def test_an_older_list_ignores_the_question_for_custom_fields(cometly: StartCometly) -> None:
    client = cometly(Options(list_custom_fields=False))
    client.sandbox.space.add(created_at=JANUARY, profile_fields={1: "blue"})

    assert "profile_field_1" not in client.contacts(include_custom_fields=1)[0]


def test_labels_take_the_place_of_names_when_asked_for(cometly: StartCometly) -> None:
    client = cometly(Options(custom_field_labels={2: "Favourite colour"}))
    client.sandbox.space.add(created_at=JANUARY, profile_fields={1: "x", 2: "blue"})

    contact = client.contacts(include_custom_fields=1, use_custom_field_labels=1)[0]

    assert contact["Favourite colour"] == "blue"
    assert contact["profile_field_1"] == "x"
    assert "profile_field_2" not in contact


def test_a_server_may_cap_the_page_without_saying_so(cometly: StartCometly) -> None:
    client = cometly(Options(page_cap=3))
    client.sandbox.space.fill(7, JANUARY, DECEMBER)

    assert all_pages(client, per_page=5000) == [[7, 6, 5], [4, 3, 2], [1]]


def test_a_server_may_refuse_a_long_range(cometly: StartCometly) -> None:
    client = cometly(Options(max_list_days=31))

    refused = client.page("2024-01-01 00:00:00", "2024-02-01 00:00:01")

    assert refused.status_code == 422
    assert "31 days" in refused.json()["message"]
    assert client.page("2024-01-01 00:00:00", "2024-02-01 00:00:00").status_code == 200


def test_a_server_may_ignore_the_dates(cometly: StartCometly) -> None:
    client = cometly(Options(ignore_dates=True))
    client.sandbox.space.fill(3, JANUARY, DECEMBER)

    assert client.ids("2030-01-01 00:00:00", "2030-01-02 00:00:00") == [3, 2, 1]


def test_a_gateway_may_give_up_on_a_long_range(cometly: StartCometly) -> None:
    client = cometly(Options(slow_list_days=31))

    late = client.page("2024-01-01 00:00:00", "2024-02-01 00:00:01")

    assert late.status_code == 504
    assert late.headers["Content-Type"].startswith("text/html")
    assert client.page("2024-01-01 00:00:00", "2024-02-01 00:00:00").status_code == 200
    assert client.create().status_code == 202


@pytest.mark.parametrize(
    ("zone", "now"), [("UTC", "2024-06-01 12:00:00"), ("Asia/Tokyo", "2024-06-01 21:00:00")]
)
def test_an_endpoint_may_refuse_ranges_that_end_in_the_future(
    cometly: StartCometly, clock: Clock, zone: str, now: str
) -> None:
    client = cometly(Options(timezone=zone, refuses_future=frozenset({"list"})), now=clock)
    later = f"{now[:-2]}01"

    refused = client.page(end=later)

    assert refused.status_code == 422
    assert refused.json()["errors"] == {
        "end_date": ["The end date field must be a date before or equal to now."]
    }
    assert client.page(end=now).status_code == 200
    assert client.create(end=later).status_code == 202

    client.sandbox.options = replace(client.sandbox.options, refuses_future=frozenset({"create"}))
    assert client.page(end=later).status_code == 200
    assert client.create(end=later).status_code == 422


def test_a_replica_that_lags_shows_contacts_later_than_exports_do(
    cometly: StartCometly, clock: Clock
) -> None:
    client = cometly(Options(list_lag=20, queued_seconds=0), now=clock)
    now = datetime.fromtimestamp(clock(), timezone.utc)
    space = client.sandbox.space
    space.add(created_at=now - timedelta(seconds=20))
    space.add(created_at=now - timedelta(seconds=19))
    space.add(created_at=JANUARY, visible_at=now - timedelta(seconds=19))

    assert client.ids() == [1]
    assert [row["id"] for row in client.exported()] == [3, 2, 1]
    assert space.ids() == {1, 2, 3}

    clock.advance(1)
    assert client.ids() == [3, 2, 1]


def test_exports_may_lag_behind_the_list(cometly: StartCometly, clock: Clock) -> None:
    client = cometly(Options(export_lag=20, queued_seconds=0), now=clock)
    now = datetime.fromtimestamp(clock(), timezone.utc)
    client.sandbox.space.add(created_at=now - timedelta(seconds=20))
    client.sandbox.space.add(created_at=now - timedelta(seconds=19))

    assert client.ids() == [2, 1]
    assert [row["id"] for row in client.exported()] == [1]


def test_a_replicas_lag_adds_to_that_of_the_space(cometly: StartCometly, clock: Clock) -> None:
    options = Options(visible_after=30, list_lag=20, queued_seconds=0, limits=UNLIMITED)
    client = cometly(options, now=clock)
    client.sandbox.space.add(created_at=datetime.fromtimestamp(clock(), timezone.utc))

    seen = []
    for _ in range(6):
        seen.append((client.ids(), [row["id"] for row in client.exported()]))
        clock.advance(10)

    assert seen == [([], [])] * 3 + [([], [1])] * 2 + [([1], [1])]


def test_a_page_may_hold_a_stray_row(cometly: StartCometly) -> None:
    client = cometly()
    client.sandbox.space.fill(3, JANUARY, JANUARY + timedelta(days=1))
    client.sandbox.space.fill(1, DECEMBER, DECEMBER + timedelta(days=1))

    row = client.contacts("2024-12-01 00:00:00")[0]
    client.sandbox.fault(Fault("list", "edit", edit=lambda page: page["data"].insert(1, row)))
    assert client.ids(end="2024-02-01 00:00:00") == [3, 4, 2, 1]
    assert client.ids(end="2024-02-01 00:00:00") == [3, 2, 1]
