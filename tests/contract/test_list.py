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
    following = client.http.get(answer["next_page_url"], headers=client.headers, timeout=10).json()
    assert [contact["id"] for contact in following["data"]] == [1]


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
    assert all_pages(client, per_page=6) == [[]]
    client.space.fill(10, JANUARY, DECEMBER)
    client.space.fill(4, JANUARY, DECEMBER)  # interleaved in time with the first ten

    assert all_pages(client, per_page=6) == [[14, 13, 12, 11, 10, 9], [8, 7, 6, 5, 4, 3], [2, 1]]
    assert [len(page) for page in all_pages(client, per_page=7)] == [7, 7]  # the last one is full
    assert client.page(per_page=14).json()["next_page_url"] is None


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
    ("visible_after", "seen"),
    [(0, [(0, 1), (1, 1), (1, 1)]), (10, [(0, 0), (0, 1), (1, 1)])],
    ids=["a replica", "the replica of a Space that lags, too"],
)
def test_the_list_may_lag(
    cometly: StartCometly, clock: Clock, visible_after: float, seen: list[tuple[int, int]]
) -> None:
    client = cometly(clock, visible_after=visible_after, list_lag=10)
    client.space.add(created_at=clock.now)

    found = []
    for _ in seen:
        found.append((len(client.ids()), len(client.exported())))
        clock.advance(10)

    assert found == seen
