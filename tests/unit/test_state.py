"""The bookmark: what is read from a state, and what a commit writes into it."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from tap_cometly.exceptions import StateError
from tap_cometly.state import Bookmark, read_state
from tap_cometly.timeranges import Reached

NOON = datetime(2024, 5, 6, 12, tzinfo=timezone.utc)
NEW_YEAR = datetime(2024, 1, 1, tzinfo=timezone.utc)

# Read.


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[" * 100_000, "not one JSON object"),
        ('{"type": "STATE"}', "not a JSON object"),
        ('{"type": "STATE", "value": null}', "not a JSON object"),
        ('{"bookmarks": null}', "holds no bookmarks"),
        ('{"bookmarks": []}', "holds no bookmarks"),
        ('{"contacts": {}}', "holds no bookmarks"),
    ],
    ids=lambda text: text[:40],
)
def test_what_is_no_state_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(StateError, match=f"{why}.* Pass the last STATE"):
        read_state(text)


@pytest.mark.parametrize(
    ("stored", "instant"),
    [
        ({"replication_key_value": "2024-05-06T04:00:00.5-0800"}, NOON),
        ({"replication_key_value": "20240506T120000Z"}, NOON),
        # Left by another version of the SDK.
        (
            {
                "starting_replication_value": "2024-05-06T12:00:00+00:00",
                "progress_markers": {"replication_key_value": "2024-06-06T12:00:00Z"},
            },
            NOON,
        ),
        ({}, None),
        ({"replication_key_value": None}, None),
    ],
)
def test_a_bookmark_is_an_instant_in_any_iso_form(
    stored: dict[str, Any], instant: datetime | None
) -> None:
    given_value = stored.get("replication_key_value")

    assert Bookmark(stored).instant == instant
    kept = given_value or (instant and "2024-05-06T12:00:00Z")  # the SDK clears the others
    assert stored.get("replication_key_value") == kept


@pytest.mark.parametrize("value", ["", "P1D", 1714996800, True, ["2024-05-06"], {}])
def test_a_bookmark_that_is_no_time_is_refused(value: Any) -> None:
    with pytest.raises(StateError, match=r"The bookmark is not a date-time. Pass the last STATE"):
        Bookmark({"replication_key_value": value})


@pytest.mark.parametrize(
    ("note", "attribute", "values"),
    [
        ("columns", "columns", [None, "id", 3, {}]),
        ("timezone", "timezone", [None, 3, ["UTC"]]),
        ("start_date", "first_start", [None, 3, "once"]),
        ("newest_id", "newest_id", [None, "3", 1.5, [1]]),
    ],
)
def test_a_note_of_another_type_counts_as_absent(
    note: str, attribute: str, values: list[Any]
) -> None:
    assert {getattr(Bookmark({note: value}), attribute) for value in values} == {None}


# Moved on.


def commit(bookmark: Bookmark, reached: Reached, timezone: str = "UTC") -> None:
    bookmark.commit(reached, columns=["id", "email"], timezone=timezone, start=NEW_YEAR)


@pytest.mark.parametrize("relies_on_clock", [True, False])
def test_a_commit_is_read_back_and_unknown_keys_survive(*, relies_on_clock: bool) -> None:
    stored: dict[str, Any] = {"note": {"mine": 1}}

    reached = Reached(NOON, relies_on_clock=relies_on_clock, newest_id=7)
    commit(Bookmark(stored), reached, "Asia/Tokyo")
    again = Bookmark(json.loads(json.dumps(stored)))

    assert (again.instant, again.timezone) == (NOON, "Asia/Tokyo")
    assert (again.first_start, again.newest_id) == (NEW_YEAR, 7)
    assert again.columns == frozenset({"id", "email"})
    assert again.relies_on_clock is relies_on_clock
    assert (stored["note"], stored["replication_key"]) == ({"mine": 1}, "created_at")


def test_whether_it_relies_on_the_clock_is_noted_only_when_the_bookmark_moves() -> None:
    bookmark = Bookmark({})
    assert bookmark.relies_on_clock
    commit(bookmark, Reached(NOON))

    commit(bookmark, Reached(NOON - timedelta(hours=1), relies_on_clock=False))
    assert bookmark.relies_on_clock
    commit(bookmark, Reached(NOON + timedelta(hours=1), relies_on_clock=False))
    assert not bookmark.relies_on_clock
