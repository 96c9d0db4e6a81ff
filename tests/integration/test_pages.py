"""Reading the list page by page, whatever the pages hold: section Pages of the catalogue."""

from __future__ import annotations

import base64
import json
import re
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.conftest import NOW, Cometly
from tests.sandbox import dated
from tests.support.properties import check
from tests.support.running import sync

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.conftest import StartCometly
    from tests.sandbox.space import Space

FIRST = datetime(2024, 5, 1, tzinfo=timezone.utc)
CONTACTS = 50
PAGES = {"extraction_mode": "pagination", "page_size": 10}


def call_of(fifty: Cometly, page: int, **config: Any) -> int:
    """Find out as which of its calls a run asks for a page; from the second page on."""
    calls = [request for request in fifty.sync(**config).requests if request.endpoint == "list"]
    with_cursor = [number for number, call in enumerate(calls, 1) if "cursor" in call.query]
    fifty.clock.advance(timedelta(minutes=1))
    return with_cursor[page - 2]


def spoil(fifty: Cometly, edit: Callable[[Any], Any]) -> None:
    """Change answers that are pages of many contacts, and leave the zone check alone."""

    def edited(page: Any) -> Any:
        return edit(page) if len(page["data"]) > 1 else None

    fifty.fault("list", "edit", edit=edited, times=None)


@pytest.fixture
def fifty(cometly: StartCometly) -> Cometly:
    """Fifty contacts, newest first on five pages."""
    sandbox, clock = cometly(dated())
    sandbox.space.fill(CONTACTS, FIRST, NOW - timedelta(hours=1))
    return Cometly(sandbox, clock, PAGES)


def cursor_behind(contact_id: int, salt: int = 0) -> str:
    """Where the contacts below an id begin; the salt makes another cursor of it."""
    text = json.dumps({"id": contact_id, "_pointsToNextItems": True, "salt": salt})
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


# An empty or short page with a cursor: go on.


def test_an_empty_first_page_with_a_cursor_is_not_the_end(fifty: Cometly) -> None:
    def emptied(answer: Any) -> None:
        if answer["data"][0]["id"] == CONTACTS and answer["prev_cursor"] is None:
            answer.update(data=[], next_cursor=cursor_behind(CONTACTS + 1))

    spoil(fifty, emptied)

    run = fifty.sync()

    assert len(run.ids) == CONTACTS
    check(run, fifty.sandbox)


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

    run = fifty.sync(page_size=20)

    assert len(run.ids) == CONTACTS
    check(run, fifty.sandbox)


def test_a_hundred_empty_pages_are_the_end_of_patience_but_not_of_the_list(fifty: Cometly) -> None:
    salts = iter(range(10_000))

    def never_anything(answer: Any) -> None:
        answer.update(data=[], next_cursor=cursor_behind(CONTACTS, next(salts)))

    spoil(fifty, never_anything)

    run = fifty.sync()

    assert run.exit == 1
    assert "does not move on" in run.errors[0]
    check(run, fifty.sandbox)


def test_the_other_links_of_a_page_are_of_no_account(fifty: Cometly) -> None:
    spoil(fifty, lambda answer: answer.update(next_page_url=None, prev_cursor=None))

    run = fifty.sync()

    assert len(run.ids) == CONTACTS
    check(run, fifty.sandbox)


# Cursors that do not move on.


@pytest.mark.parametrize("ring", [[30], [30, 10]], ids=["same again", "A, B, A"])
def test_a_cursor_that_comes_again_is_loud(fifty: Cometly, ring: list[int]) -> None:
    turns = iter(ring * 1000)
    spoil(fifty, lambda answer: answer.update(next_cursor=cursor_behind(next(turns))))

    run = fifty.sync()

    assert run.exit == 1
    assert "does not move on" in run.errors[0]
    assert run.states == []
    check(run, fifty.sandbox)


def test_an_empty_cursor_is_not_the_end(fifty: Cometly) -> None:
    spoil(fifty, lambda answer: answer.update(next_cursor=""))

    run = fifty.sync()

    assert run.exit == 1
    assert run.states == []
    check(run, fifty.sandbox)


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

    assert len(run.ids) == CONTACTS
    assert len(run.warnings) == 2
    check(run, fifty.sandbox)


@pytest.mark.parametrize("fault", NO_PAGES.values(), ids=NO_PAGES)
def test_an_answer_that_stays_no_page_is_loud(fifty: Cometly, fault: dict[str, Any]) -> None:
    third = call_of(fifty, page=3)
    fifty.fault("list", call=third, times=None, **fault)
    before = fifty.clock.now()

    run = fifty.sync()

    assert run.exit == 1
    assert re.search(
        r"has not answered usably for 5|gave 6 unreadable answers in a row", run.errors[0]
    )
    assert fifty.clock.now() - before <= timedelta(minutes=8)
    assert run.states == []
    check(run, fifty.sandbox)


# A refused cursor.


@pytest.mark.parametrize("mode", ["pagination", "auto"])
def test_a_cursor_refused_once_has_the_window_read_from_its_start(
    fifty: Cometly, mode: str
) -> None:
    third = call_of(fifty, page=3, extraction_mode=mode)
    fifty.fault("list", status=422, call=third)

    run = fifty.sync(extraction_mode=mode)

    assert len(run.ids) == CONTACTS
    assert "The cursor was refused" in run.warnings[0]
    check(run, fifty.sandbox)


def test_cursors_refused_for_good_are_loud(fifty: Cometly) -> None:
    message = json.dumps({"message": "The cursor of ada.7@example.com is ck_sandbox."}).encode()
    third = call_of(fifty, page=3)
    fifty.fault("list", status=422, call=third, body=message)
    fifty.fault("list", status=422, call=third + 2, body=message)

    run = fifty.sync()

    assert run.exit == 1
    assert "status 422: The cursor of *** is ***." in run.errors[0]
    assert run.states == []
    check(run, fifty.sandbox)


@pytest.mark.parametrize("mode", ["pagination", "auto"])
@pytest.mark.parametrize("call", [2, 3, 4])
def test_a_list_that_refuses_everything_from_a_call_on_is_loud(
    fifty: Cometly, mode: str, call: int
) -> None:
    message = json.dumps({"message": "The list is closed."}).encode()
    fifty.fault("list", status=422, call=call, times=None, body=message)

    run = fifty.sync(extraction_mode=mode)

    assert run.exit == 1
    assert "status 422: The list is closed." in run.errors[0]
    assert run.states == []
    check(run, fifty.sandbox)


def test_a_list_that_refuses_long_ranges_is_read_in_shorter_ones(cometly: StartCometly) -> None:
    sandbox, clock = cometly(dated(max_list_days=40))
    sandbox.space.fill(CONTACTS, NOW - timedelta(days=150), NOW - timedelta(hours=1))

    run = sync(sandbox, {"extraction_mode": "pagination"}, clock=clock)

    assert len(run.ids) == CONTACTS
    check(run, sandbox)


@pytest.mark.parametrize("mode", ["pagination", "auto", "export"])
def test_an_empty_space_is_read_by_a_list_that_refuses_long_ranges(
    cometly: StartCometly, mode: str
) -> None:
    sandbox, clock = cometly(dated(max_list_days=40))

    run = sync(sandbox, {"extraction_mode": mode}, clock=clock)

    assert run.exit == 0
    assert run.records == []
    check(run, sandbox)


# A Space that changes while it is read.


def test_contacts_added_between_pages_lose_none_that_were_there(fifty: Cometly) -> None:
    there = fifty.sandbox.space.ids()

    def somebody_comes(_: Any) -> None:
        fifty.sandbox.space.add(created_at=fifty.clock.now())
        fifty.sandbox.space.add(created_at=NOW - timedelta(days=20))

    spoil(fifty, somebody_comes)

    run = fifty.sync()

    assert run.exit == 0
    assert there <= run.ids
    check(run, fifty.sandbox, excused=fifty.sandbox.space.ids() - there)


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
    "change", [somebody_marries, two_become_one, the_cursors_contact_goes], ids=lambda f: f.__name__
)
def test_contacts_changed_or_merged_between_pages_lose_none_of_the_others(
    fifty: Cometly, change: Callable[[Space, list[int]], None]
) -> None:
    space = fifty.sandbox.space
    spoil(fifty, lambda page: change(space, [contact["id"] for contact in page["data"]]))

    run = fifty.sync()

    assert run.exit == 0
    assert space.ids() <= run.ids
    check(run, fifty.sandbox)


# Answers that would lead astray.


def test_a_next_page_on_another_host_is_never_followed(fifty: Cometly) -> None:
    elsewhere = "http://127.0.0.2:9/public-api/v1/contacts?cursor=x"
    spoil(fifty, lambda answer: answer.update(next_page_url=elsewhere, path=elsewhere))

    run = fifty.sync()

    assert len(run.ids) == CONTACTS
    check(run, fifty.sandbox)


@pytest.mark.parametrize("day", [3, 10, 20, 31])
def test_an_api_that_ignores_the_dates_is_a_zone_error(fifty: Cometly, day: int) -> None:
    fifty.sandbox.options = dated(ignore_dates=True)

    run = fifty.sync(start_date=f"2024-05-{day:02}T00:00:00Z", page_size=5_000)

    assert run.exit == 1
    assert "time zone" in run.errors[0]
    assert run.states == []
    check(run, fifty.sandbox)


@pytest.mark.parametrize("mode", ["pagination", "auto"])
@pytest.mark.parametrize("cap", [1, 7, 10])
def test_pages_smaller_than_asked_for_are_fine(cometly: StartCometly, cap: int, mode: str) -> None:
    sandbox, clock = cometly(dated(page_cap=cap))
    sandbox.space.fill(CONTACTS, FIRST, NOW - timedelta(hours=1))

    run = sync(sandbox, {"extraction_mode": mode, "export_threshold": 30}, clock=clock)

    assert len(run.ids) == CONTACTS
    check(run, sandbox)
