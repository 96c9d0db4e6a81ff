"""The bookmark: read in whatever form it comes, moved on and never back."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_cometly.exceptions import StateError
from tap_cometly.state import Bookmark, checked_state, read_state
from tap_cometly.timeranges import Reached

if TYPE_CHECKING:
    from collections.abc import Callable

NOON = datetime(2024, 5, 6, 12, tzinfo=timezone.utc)
NEW_YEAR = datetime(2024, 1, 1, tzinfo=timezone.utc)
STATE = {"bookmarks": {"contacts": {"replication_key_value": "2024-05-06T12:00:00Z"}}}

instants = st.datetimes(
    datetime(1990, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
    datetime(2100, 1, 1),  # noqa: DTZ001
    timezones=st.just(timezone.utc),
).map(lambda instant: instant.replace(microsecond=0))


@pytest.mark.parametrize(
    "text",
    [json.dumps(STATE), json.dumps({"type": "STATE", "value": STATE}), json.dumps(STATE, indent=2)],
)
def test_a_state_is_read_bare_or_wrapped_in_its_message(text: str) -> None:
    assert read_state(text) == STATE


@pytest.mark.parametrize("text", ["{}", '{"bookmarks": {}}', '{"type": "STATE", "value": {}}'])
def test_a_state_may_be_empty(text: str) -> None:
    assert not read_state(text).get("bookmarks")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "3",
        '"x"',
        "{",
        "garbage",
        "{}\n{}",
        "[" * 100_000,
        '{"type": "STATE"}',
        '{"type": "STATE", "value": null}',
        '{"bookmarks": null}',
        '{"bookmarks": []}',
        '{"bookmarks": {"contacts": "2024-01-01"}}',
        '{"contacts": {}}',
    ],
    ids=lambda text: text[:40] or "empty",
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(StateError):
        read_state(text)


def test_a_state_of_other_streams_is_let_through() -> None:
    others: dict[str, Any] = {"bookmarks": {"orders": {"x": 1}}, "currently_syncing": None}

    assert checked_state(others) == others


@pytest.mark.parametrize(
    "value",
    [
        "2024-05-06T12:00:00Z",
        "2024-05-06T12:00:00",
        "2024-05-06 12:00:00",
        "2024-05-06T12:00:00.987654Z",
        "2024-05-06T14:00:00+02:00",
        "2024-05-06T04:00:00.5-0800",
        "20240506T120000Z",
    ],
)
def test_a_bookmark_is_an_instant_in_any_iso_form_and_without_a_zone_in_utc(value: str) -> None:
    assert Bookmark({"replication_key_value": value}).instant == NOON


@pytest.mark.parametrize(
    "value", ["", "yesterday", "P1D", 1714996800, True, ["2024-05-06"], {}, "2024-13-01"]
)
def test_a_bookmark_that_is_no_instant_is_refused(value: object) -> None:
    with pytest.raises(StateError, match="no date-time"):
        Bookmark({"replication_key_value": value})


def test_a_bookmark_of_another_replication_key_is_refused() -> None:
    with pytest.raises(StateError, match="'updated_at'"):
        Bookmark({"replication_key": "updated_at", "replication_key_value": "2024-05-06T12:00:00Z"})


def test_no_bookmark_is_none() -> None:
    assert Bookmark({}).instant is None
    assert Bookmark({"replication_key_value": None}).instant is None


@pytest.mark.parametrize(
    "left",
    [
        {"progress_markers": {"replication_key_value": "2024-05-06T12:00:00Z", "Note": "…"}},
        {"starting_replication_value": "2024-05-06T12:00:00+00:00"},
        {
            "starting_replication_value": "2024-05-06T12:00:00+00:00",
            "progress_markers": {"replication_key_value": "2024-06-06T12:00:00Z"},
        },
    ],
)
def test_what_another_version_left_is_understood(left: dict[str, Any]) -> None:
    assert Bookmark({**left}).instant == NOON


def test_what_another_version_left_is_kept_where_the_sdk_does_not_clear_it() -> None:
    left: dict[str, Any] = {"starting_replication_value": "2024-05-06T14:00:00+02:00"}
    kept: dict[str, Any] = {"replication_key_value": "2024-05-06T14:00:00+02:00"}

    Bookmark(left)
    Bookmark(kept)

    assert left["replication_key_value"] == "2024-05-06T12:00:00Z"
    assert kept["replication_key_value"] == "2024-05-06T14:00:00+02:00"


@pytest.mark.parametrize(
    ("read", "what"),
    [
        (lambda: checked_state([]), "The state is not a JSON object. Pass the last STATE"),
        (lambda: checked_state({"x": 1}), "The state holds no bookmarks. Pass the last STATE"),
        (lambda: Bookmark({"replication_key": "x"}), "'created_at'. Pass the last STATE"),
        (
            lambda: Bookmark({"replication_key_value": "x"}),
            "The bookmark is no date-time. Pass the last STATE",
        ),
    ],
)
def test_a_refusal_says_what_is_wrong_and_what_to_pass(
    read: Callable[[], object], what: str
) -> None:
    with pytest.raises(StateError) as refused:
        read()

    assert what in str(refused.value)


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


def test_a_bookmark_far_ahead_stays_where_it_is() -> None:
    ahead = {"replication_key_value": "2999-01-01T00:00:00Z"}

    commit(Bookmark(ahead), NOON + timedelta(days=1))

    assert ahead["replication_key_value"] == "2999-01-01T00:00:00Z"


@pytest.mark.parametrize("columns", [None, "id", 3, {}])
def test_columns_that_are_no_list_are_unknown(columns: object) -> None:
    assert Bookmark({"columns": columns}).columns is None


@pytest.mark.parametrize("name", [None, 3, ["UTC"]])
def test_a_time_zone_that_is_no_name_is_unknown(name: object) -> None:
    assert Bookmark({"timezone": name}).timezone is None


@pytest.mark.parametrize("newest", [None, "3", 1.5, [1]])
def test_a_newest_id_that_is_no_integer_is_unknown(newest: object) -> None:
    assert Bookmark({"newest_id": newest}).newest_id is None


@pytest.mark.parametrize("start", [None, 3, "once"])
def test_a_first_start_date_that_is_no_date_is_unknown(start: object) -> None:
    assert Bookmark({"start_date": start}).first_start is None


def test_a_bookmark_that_says_nothing_of_the_clock_relies_on_it() -> None:
    assert Bookmark({}).relies_on_clock
    assert not Bookmark({"relies_on_clock": False}).relies_on_clock


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


def test_the_start_date_of_the_first_run_is_kept() -> None:
    stored: dict[str, Any] = {}
    commit(Bookmark(stored), NOON)

    commit(Bookmark(stored), NOON + timedelta(days=1), start=NOON)

    assert Bookmark(stored).first_start == NEW_YEAR


def test_a_bookmark_of_a_version_that_noted_no_start_date_gets_none() -> None:
    stored: dict[str, Any] = {"replication_key_value": "2024-05-06T12:00:00Z"}

    commit(Bookmark(stored), NOON + timedelta(days=1))

    assert Bookmark(stored).first_start is None


@pytest.mark.parametrize(
    ("stored", "foreign"),
    [({}, False), ({"since": 7}, True), ({"replication_key_value": "2024-05-06"}, False)],
)
def test_a_bookmark_of_nothing_but_foreign_keys_is_told(
    caplog: pytest.LogCaptureFixture, stored: dict[str, Any], *, foreign: bool
) -> None:
    Bookmark(stored).compare(NEW_YEAR, "UTC", [])

    assert ("does not say how far" in caplog.text) == foreign
