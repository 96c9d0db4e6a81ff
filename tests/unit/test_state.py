"""The bookmark: read in whatever form it comes, moved on and never back."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_cometly.exceptions import StateError
from tap_cometly.state import Bookmark, read_state
from tap_cometly.timeranges import Reached

NOON = datetime(2024, 5, 6, 12, tzinfo=timezone.utc)
NEW_YEAR = datetime(2024, 1, 1, tzinfo=timezone.utc)
STATE = {"bookmarks": {"contacts": {"replication_key_value": "2024-05-06T12:00:00Z"}}}

instants = st.datetimes(
    datetime(1990, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
    datetime(2100, 1, 1),  # noqa: DTZ001
    timezones=st.just(timezone.utc),
).map(lambda instant: instant.replace(microsecond=0))


# Read.

NO_TIMES: list[Any] = ["", "yesterday", "P1D", "2024-13-01", 1714996800, True, ["2024-05-06"], {}]
OTHERS = {"bookmarks": {"orders": {"x": 1}}, "currently_syncing": None}


@pytest.mark.parametrize(
    ("text", "state"),
    [
        (json.dumps(STATE), STATE),
        (json.dumps({"type": "STATE", "value": STATE}), STATE),
        (json.dumps(STATE, indent=2), STATE),
        (json.dumps(OTHERS), OTHERS),
        *((text, {}) for text in ("{}", '{"type": "STATE", "value": {}}')),
    ],
)
def test_a_state_is_read_bare_or_wrapped_in_its_message(text: str, state: dict[str, Any]) -> None:
    assert read_state(text) == state


@pytest.mark.parametrize(
    ("text", "why"),
    [
        *((text, "not one JSON object") for text in ("", "{", "garbage", "{}\n{}", "[" * 100_000)),
        *((text, "not a JSON object") for text in ("null", "[]", "3", '"x"', '{"type": "STATE"}')),
        ('{"type": "STATE", "value": null}', "not a JSON object"),
        ('{"bookmarks": null}', "holds no bookmarks"),
        ('{"bookmarks": []}', "holds no bookmarks"),
        ('{"bookmarks": {"contacts": "2024-01-01"}}', "holds no bookmarks"),
        ('{"contacts": {}}', "holds no bookmarks"),
    ],
    ids=lambda text: text[:40] or "empty",
)
def test_what_is_no_state_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(StateError, match=f"{why}.* Pass the last STATE"):
        read_state(text)


@pytest.mark.parametrize(
    ("stored", "instant"),
    [
        *(
            ({"replication_key_value": value}, NOON)
            for value in (
                *("2024-05-06T12:00:00Z", "2024-05-06T12:00:00", "2024-05-06 12:00:00"),
                *("2024-05-06T12:00:00.987654Z", "2024-05-06T14:00:00+02:00"),
                *("2024-05-06T04:00:00.5-0800", "20240506T120000Z"),
            )
        ),
        # Left by another version of the SDK.
        ({"progress_markers": {"replication_key_value": "2024-05-06T12:00:00Z"}}, NOON),
        ({"starting_replication_value": "2024-05-06T14:00:00+02:00"}, NOON),
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


@pytest.mark.parametrize(
    ("stored", "why"),
    [
        *(({"replication_key_value": value}, "The bookmark is no date-time") for value in NO_TIMES),
        ({"replication_key": "updated_at"}, "'updated_at', not 'created_at'"),
    ],
)
def test_a_bookmark_that_cannot_be_understood_is_refused(stored: dict[str, Any], why: str) -> None:
    with pytest.raises(StateError, match=f"{why}. Pass the last STATE"):
        Bookmark(stored)


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


def test_a_bookmark_relies_on_the_clock_unless_it_says_otherwise() -> None:
    assert Bookmark({}).relies_on_clock
    assert not Bookmark({"relies_on_clock": False}).relies_on_clock


@pytest.mark.parametrize(
    ("stored", "foreign"),
    [({}, False), ({"since": 7}, True), ({"replication_key_value": "2024-05-06"}, False)],
)
def test_a_bookmark_of_nothing_but_foreign_keys_is_a_warning(
    caplog: pytest.LogCaptureFixture, stored: dict[str, Any], *, foreign: bool
) -> None:
    Bookmark(stored).compare(NEW_YEAR, "UTC", [])

    assert ("does not say how far" in caplog.text) == foreign


# Moved on.


def commit(bookmark: Bookmark, reached: Reached | datetime, **others: Any) -> None:
    """Move a bookmark on, the way that most runs do."""
    reached = reached if isinstance(reached, Reached) else Reached(reached)
    bookmark.commit(reached, **{"columns": ["id"], "timezone": "UTC", "start": NEW_YEAR, **others})


@given(st.lists(instants, min_size=1))
def test_commits_move_the_bookmark_on_and_never_back(ends: list[datetime]) -> None:
    bookmark, seen = Bookmark({"replication_key_value": "2024-05-06T12:00:00Z"}), [NOON]

    for end in ends:
        commit(bookmark, end)
        assert bookmark.instant is not None
        seen.append(bookmark.instant)

    assert seen == sorted(seen)
    assert seen[-1] == max(NOON, *ends)


@given(
    end=instants,
    unknown=st.dictionaries(st.text(), st.integers()),
    relies_on_clock=st.booleans(),
    newest_id=st.integers(1),
)
def test_a_commit_is_read_back_and_unknown_keys_survive(
    *, end: datetime, unknown: dict[str, int], relies_on_clock: bool, newest_id: int
) -> None:
    stored: dict[str, Any] = {f"x_{key}": value for key, value in unknown.items()}
    before = dict(stored)

    commit(
        Bookmark(stored),
        Reached(end, relies_on_clock=relies_on_clock, newest_id=newest_id),
        columns=["id", "email"],
        timezone="Asia/Tokyo",
    )
    again = Bookmark(json.loads(json.dumps(stored)))

    assert again.instant == end
    assert again.columns == frozenset({"id", "email"})
    assert (again.timezone, again.relies_on_clock) == ("Asia/Tokyo", relies_on_clock)
    assert again.first_start == NEW_YEAR
    assert again.newest_id == newest_id
    assert before.items() <= stored.items()
    assert stored["replication_key"] == "created_at"


def test_whether_it_relies_on_the_clock_is_noted_only_when_the_bookmark_moves() -> None:
    bookmark = Bookmark({})
    commit(bookmark, NOON)

    commit(bookmark, Reached(NOON - timedelta(hours=1), relies_on_clock=False))
    assert bookmark.relies_on_clock
    commit(bookmark, Reached(NOON + timedelta(hours=1), relies_on_clock=False))
    assert not bookmark.relies_on_clock


@pytest.mark.parametrize(("hours", "zone"), [(-1, "UTC"), (0, "Asia/Tokyo"), (1, "Asia/Tokyo")])
def test_another_time_zone_is_noted_once_all_up_to_the_bookmark_has_been_read_under_it(
    hours: int, zone: str
) -> None:
    bookmark = Bookmark({})
    commit(bookmark, NOON, timezone="UTC")

    commit(bookmark, NOON + timedelta(hours=hours), timezone="Asia/Tokyo")

    assert bookmark.timezone == zone


@pytest.mark.parametrize(
    ("stored", "first_start"), [({}, NEW_YEAR), ({"replication_key_value": "2024-05-06"}, None)]
)
def test_the_start_date_of_the_first_run_is_kept_where_it_was_noted(
    stored: dict[str, Any], first_start: datetime | None
) -> None:
    for day in range(2):
        commit(Bookmark(stored), NOON + timedelta(days=day), start=NEW_YEAR + timedelta(days=day))

    assert Bookmark(stored).first_start == first_start
