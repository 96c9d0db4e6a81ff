"""Reading the list page by page, whatever the pages hold: section Pages of the catalogue."""

from __future__ import annotations

import base64
import itertools
import json
import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.conftest import DAY, MINUTE, NOW, UTC, Cometly

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.conftest import StartSpace
    from tests.sandbox.space import Space

FIRST = datetime(2024, 5, 1, tzinfo=UTC)
CONTACTS = 50
PAGES = {"extraction_mode": "pagination", "page_size": 10}
BY_PAGES = pytest.mark.parametrize("mode", ["pagination", "auto"])


@pytest.fixture
def fifty(start_space: StartSpace) -> Cometly:
    """Fifty contacts, newest first on five pages."""
    return start_space(CONTACTS, FIRST, config=PAGES)


def call_of(fifty: Cometly, page: int, **config: Any) -> int:
    """Find out as which of its calls a run asks for a page; from the second page on."""
    calls = fifty.sync(**config).requests
    fifty.clock.advance(MINUTE)
    return [n for n, call in enumerate(calls, 1) if "cursor" in call.query][page - 2]


def spoil(fifty: Cometly, edit: Callable[[Any], Any]) -> None:
    """Change answers that are pages of many contacts, and leave the zone check alone."""

    def edited(page: Any) -> Any:
        return edit(page) if len(page["data"]) > 1 else None

    fifty.fault("list", "edit", edit=edited, times=None)


def cursor_behind(contact_id: int, salt: int = 0) -> str:
    """Where the contacts below an id begin; the salt makes another cursor of it."""
    text = json.dumps({"id": contact_id, "_pointsToNextItems": True, "salt": salt})
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


# An empty or short page with a cursor: go on.


@pytest.mark.parametrize("rows", [0, 1, 9])
def test_short_pages_with_a_cursor_are_not_the_end(fifty: Cometly, rows: int) -> None:
    seen = set()

    def shortened(answer: Any) -> None:
        ids = [contact["id"] for contact in answer["data"]]
        if ids[0] not in seen:
            seen.add(ids[0])
            last = [ids[0] + 1, *ids][: rows + 1][-1]
            answer.update(data=answer["data"][:rows], next_cursor=cursor_behind(last, len(seen)))

    spoil(fifty, shortened)

    fifty.is_complete(fifty.sync(page_size=20))


@BY_PAGES
@pytest.mark.parametrize("cap", [1, 7, 10])
def test_pages_smaller_than_asked_for_are_fine(fifty: Cometly, cap: int, mode: str) -> None:
    fifty.change(page_cap=cap)

    fifty.is_complete(fifty.sync(page_size=5_000, extraction_mode=mode, export_threshold=30))


@pytest.mark.parametrize("elsewhere", [None, "http://127.0.0.2:9/public-api/v1/contacts?cursor=x"])
def test_only_the_cursor_leads_to_the_next_page(fifty: Cometly, elsewhere: str | None) -> None:
    links = {"next_page_url": elsewhere, "path": elsewhere, "prev_cursor": None}
    spoil(fifty, lambda answer: answer.update(links))

    fifty.is_complete(fifty.sync())  # which asked nobody else


# Cursors that do not move on.


@pytest.mark.parametrize(
    ("turns", "update"),
    [
        (itertools.repeat(cursor_behind(30)), {}),
        (itertools.cycle([cursor_behind(30), cursor_behind(10)]), {}),
        ((cursor_behind(CONTACTS, salt) for salt in itertools.count()), {"data": []}),
        (itertools.repeat(""), {}),
    ],
    ids=["same again", "A, B, A", "a hundred empty pages", "an empty cursor"],
)
def test_cursors_that_do_not_move_on_are_loud(
    fifty: Cometly, turns: Any, update: dict[str, Any]
) -> None:
    spoil(fifty, lambda answer: answer.update(next_cursor=next(turns), **update))

    run = fifty.sync()

    fifty.is_loud(run, "does not move on", nothing_committed="data" not in update)


# Answers that are none.

NO_PAGES: dict[str, dict[str, Any]] = {
    "a web page": {"kind": "garbage"},
    "nothing": {"kind": "empty"},
    "cut off": {"kind": "cut"},
    "cut off in good manners": {"kind": "cut", "reset": False},
    "half of it": {"kind": "truncate"},
    "half of it, length unsaid": {"kind": "truncate", "content_length": False},
    "null": {"kind": "replace", "body": b"null"},
    "a list": {"kind": "replace", "body": b"[]"},
    "no JSON": {"kind": "replace", "body": b'{"data": [}'},
    "no data": {"kind": "replace", "body": b'{"next_cursor": null}'},
    "data null": {"kind": "replace", "body": b'{"data": null, "next_cursor": null}'},
    "data an object": {"kind": "replace", "body": b'{"data": {}, "next_cursor": null}'},
    "no next_cursor": {"kind": "edit", "edit": lambda answer: answer.pop("next_cursor") and answer},
    "a number as next_cursor": {
        "kind": "edit",
        "edit": lambda answer: {**answer, "next_cursor": 7},
    },
}


@pytest.mark.parametrize("call", [1, 2, 4], ids=["first page", "zone check", "page in between"])
@pytest.mark.parametrize("fault", NO_PAGES.values(), ids=NO_PAGES)
def test_an_answer_that_is_no_page_is_asked_for_again(
    fifty: Cometly, fault: dict[str, Any], call: int
) -> None:
    fifty.fault("list", call=call, times=2, **fault)

    run = fifty.sync()

    assert len(run.warnings) == 2
    fifty.is_complete(run)


@pytest.mark.parametrize("fault", NO_PAGES.values(), ids=NO_PAGES)
def test_an_answer_that_stays_no_page_is_loud(fifty: Cometly, fault: dict[str, Any]) -> None:
    fifty.fault("list", call=call_of(fifty, page=3), times=None, **fault)
    before = fifty.clock.now()

    run = fifty.sync()

    given_up = r"has not answered usably for 5|gave 6 unreadable answers in a row"
    assert re.search(given_up, run.errors[0])
    assert fifty.clock.now() - before <= 8 * MINUTE
    fifty.is_loud(run)


# What the list refuses.


@BY_PAGES
def test_a_cursor_refused_once_has_the_window_read_from_its_start(
    fifty: Cometly, mode: str
) -> None:
    third = call_of(fifty, page=3, extraction_mode=mode)
    fifty.fault("list", status=422, call=third)

    run = fifty.sync(extraction_mode=mode)

    assert "The cursor was refused" in run.warnings[0]
    fifty.is_complete(run)


def test_cursors_refused_for_good_are_loud(fifty: Cometly) -> None:
    message = "The cursor of ada.7@example.com is ck_sandbox."
    third = call_of(fifty, page=3)
    for call in (third, third + 2):
        fifty.fault("list", status=422, call=call, message=message)

    fifty.is_loud(fifty.sync(), "status 422: The cursor of *** is ***.")


@BY_PAGES
@pytest.mark.parametrize("call", [2, 3, 4])
def test_a_list_that_refuses_everything_from_a_call_on_is_loud(
    fifty: Cometly, mode: str, call: int
) -> None:
    fifty.fault("list", status=422, call=call, times=None, message="The list is closed.")

    fifty.is_loud(fifty.sync(extraction_mode=mode), "status 422: The list is closed.")


@pytest.mark.parametrize(
    ("contacts", "mode"),
    [(CONTACTS, "pagination"), (0, "pagination"), (0, "auto"), (0, "export")],
)
def test_a_list_that_refuses_long_ranges_is_read_in_shorter_ones(
    start_space: StartSpace, contacts: int, mode: str
) -> None:
    space = start_space(contacts, NOW - 150 * DAY, max_list_days=40)

    run = space.sync(extraction_mode=mode)

    assert len(run.ids) == contacts
    space.is_complete(run)


@pytest.mark.parametrize("day", [3, 10, 20, 31])
def test_an_api_that_ignores_the_dates_is_a_zone_error(fifty: Cometly, day: int) -> None:
    fifty.change(ignore_dates=True)

    run = fifty.sync(start_date=f"2024-05-{day:02}T00:00:00Z", page_size=5_000)

    fifty.is_loud(run, "time zone")


# A Space that changes while it is read.


def somebody_comes(space: Space, _: list[int]) -> None:
    space.add(created_at=NOW)
    space.add(created_at=NOW - 20 * DAY)


def somebody_marries(space: Space, ids: list[int]) -> None:
    for contact in ids:
        space.change(contact % CONTACTS + 1, name="Ada Lindqvist")


def two_become_one(space: Space, ids: list[int]) -> None:
    pairs = {50: (21, 22), 40: (30, 31), 30: (1, 2), 20: (41, 40)}
    if ids[0] in pairs:
        loser, winner = pairs[ids[0]]
        space.merge(loser, into=winner)


def the_cursors_contact_goes(space: Space, ids: list[int]) -> None:
    if len(ids) == PAGES["page_size"]:
        space.merge(ids[-1], into=1)


@pytest.mark.parametrize(
    "change",
    [somebody_comes, somebody_marries, two_become_one, the_cursors_contact_goes],
    ids=lambda change: change.__name__,
)
def test_contacts_added_changed_or_merged_between_pages_lose_none_of_the_others(
    fifty: Cometly, change: Callable[[Space, list[int]], None]
) -> None:
    space = fifty.space
    there = space.ids()
    spoil(fifty, lambda page: change(space, [contact["id"] for contact in page["data"]]))

    run = fifty.sync()

    assert there & space.ids() <= run.ids
    fifty.is_complete(run, excused=space.ids() - there)
