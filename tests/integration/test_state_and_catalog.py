"""What the tap is given besides its settings: section State and catalog of the catalogue."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.conftest import NOW
from tests.sandbox import Fault, Options, dated
from tests.support.catalogs import catalog
from tests.support.properties import check
from tests.support.running import sync

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.integration.conftest import StartCometly

FIRST = datetime(2024, 5, 1, tzinfo=timezone.utc)
MIDDLE = datetime(2024, 5, 16, tzinfo=timezone.utc)
AT_MIDDLE = "2024-05-16T00:00:00Z"
SETTLED = "2024-06-01T11:59:00Z"
DAY = timedelta(days=1)


def state_at(value: str | None = AT_MIDDLE, **more: Any) -> dict[str, Any]:
    mark = {} if value is None else {"replication_key_value": value}
    return {"bookmarks": {"contacts": {"replication_key": "created_at", **mark, **more}}}


@pytest.mark.parametrize(
    "given",
    [
        state_at("2024-05-16T02:00:00+02:00"),
        state_at("2024-05-16T00:00:00"),
        state_at("2024-05-16"),
        state_at("2024-05-16 00:00:00.25Z"),
        {"type": "STATE", "value": state_at()},
        {"bookmarks": {"contacts": {"replication_key_value": AT_MIDDLE}}},
        state_at(None, progress_markers={"replication_key_value": AT_MIDDLE, "Note": "x"}),
        state_at(None, starting_replication_value="2024-05-16T00:00:00+00:00"),
    ],
    ids=["offset", "naive", "date", "fraction", "wrapped", "no key", "markers", "starting value"],
)
def test_a_bookmark_is_understood_and_nothing_before_it_read_again(
    cometly: StartCometly, given: dict[str, Any]
) -> None:
    sandbox, clock = cometly(dated())
    old = sandbox.space.fill(20, FIRST, MIDDLE)
    new = sandbox.space.fill(20, MIDDLE, NOW - DAY)

    run = sync(sandbox, state=given, clock=clock)

    assert run.ids == set(new)
    assert run.bookmark == SETTLED
    check(run, sandbox, excused=old)


def test_a_bookmark_ahead_of_now_stays_and_nothing_is_read_again(cometly: StartCometly) -> None:
    sandbox, clock = cometly(dated())
    sandbox.space.fill(20, FIRST, NOW)

    run = sync(sandbox, state=state_at("2024-07-01T00:00:00Z"), clock=clock)

    assert (run.exit, run.records) == (0, [])
    assert run.bookmark == "2024-07-01T00:00:00Z"
    assert len(sandbox.requests) == 1  # what time it is there


def test_unknown_keys_of_a_bookmark_and_other_streams_survive(cometly: StartCometly) -> None:
    sandbox, clock = cometly(dated())
    sandbox.space.fill(5, MIDDLE, NOW - DAY)
    given = state_at(AT_MIDDLE, note={"mine": [1, 2]})
    given["bookmarks"]["orders"] = {"replication_key_value": 7}

    run = sync(sandbox, state=given, clock=clock)

    assert run.state is not None
    assert run.state["bookmarks"]["contacts"]["note"] == {"mine": [1, 2]}
    assert run.state["bookmarks"]["orders"] == {"replication_key_value": 7}
    check(run, sandbox)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("null", "is not a JSON object"),
        ("[]", "is not a JSON object"),
        ("", "is not one JSON object"),
        (f"{json.dumps(state_at())}\n{json.dumps(state_at())}\n", "is not one JSON object"),
        ("garbage", "is not one JSON object"),
        ('{"contacts": {}}', "holds no bookmarks"),
        ('{"bookmarks": {"contacts": 5}}', "holds no bookmarks"),
        (json.dumps(state_at("yesterday")), "no date-time"),
        (json.dumps(state_at(replication_key="updated_at")), "'updated_at', not 'created_at'"),
    ],
)
def test_a_state_that_is_none_is_loud_and_no_state_goes_out(
    cometly: StartCometly, given: str, why: str
) -> None:
    sandbox, clock = cometly(dated())

    run = sync(sandbox, state=given, clock=clock)

    assert (run.exit, run.records) == (1, [])
    [error] = run.errors
    assert why in error
    assert "Pass the last STATE" in error
    assert run.states == []
    assert sandbox.requests == []
    check(run, sandbox, cuts=0)


def test_five_runs_without_new_contacts_never_move_the_bookmark_back(
    cometly: StartCometly,
) -> None:
    sandbox, clock = cometly(dated())
    sandbox.space.fill(5, FIRST, MIDDLE)
    marks, state = [], None

    for minutes in (0, 15, 0, -30, 3 * 24 * 60):
        clock.advance(timedelta(minutes=max(minutes, 0)))
        run = sync(sandbox, state=state, clock=clock.ahead(timedelta(minutes=min(minutes, 0))))
        assert run.exit == 0
        marks.append(run.bookmark or "")
        state = run.state

    assert marks == sorted(marks)
    assert marks[-1] > marks[0]


def test_a_start_later_than_the_bookmark_counts_and_the_gap_is_named(
    cometly: StartCometly,
) -> None:
    sandbox, clock = cometly(dated())
    skipped = sandbox.space.fill(5, MIDDLE - DAY, MIDDLE)
    read = sandbox.space.fill(5, MIDDLE, NOW - DAY)

    run = sync(sandbox, {"start_date": AT_MIDDLE}, state_at("2024-05-15T00:00:00Z"), clock=clock)

    assert run.ids == set(read)
    assert not run.ids & set(skipped)
    [warning] = [text for text in run.warnings if "`start_date`" in text]
    assert "2024-05-15T00:00:00Z to 2024-05-16T00:00:00Z" in warning


@pytest.mark.parametrize(
    ("start", "gap"),
    [
        (AT_MIDDLE, None),
        ("2024-05-20T00:00:00Z", None),
        ("2024-05-10T00:00:00Z", "2024-05-10T00:00:00Z to 2024-05-16T00:00:00Z"),
        ("2024-05-10", "2024-05-10T00:00:00Z to 2024-05-16T00:00:00Z"),
    ],
    ids=["unchanged", "later, before the bookmark", "earlier", "earlier, without a zone"],
)
def test_a_start_that_is_moved_back_names_the_gap_and_the_way_to_fill_it(
    cometly: StartCometly, start: str, gap: str | None
) -> None:
    sandbox, clock = cometly(dated())
    sandbox.space.fill(5, MIDDLE, NOW - DAY)
    state = sync(sandbox, {"start_date": AT_MIDDLE}, clock=clock).state

    for _ in range(2):  # it stays a gap
        clock.advance(DAY)
        run = sync(sandbox, {"start_date": start}, state, clock=clock)
        state = run.state

        assert run.exit == 0
        told = [text for text in run.warnings if "`start_date`" in text]
        assert [gap in text and "--full-refresh" in text for text in told if gap] == (
            [True] if gap else []
        )
        assert bool(told) == bool(gap)


def test_a_bookmark_behind_the_start_of_its_own_run_is_no_gap(cometly: StartCometly) -> None:
    # Given a Space whose clock nobody has seen, so that the bookmark stays a day behind
    sandbox, clock = cometly()
    start = {"start_date": (NOW - DAY / 2).isoformat()}

    before = sync(sandbox, start, clock=clock)
    run = sync(sandbox, start, before.state, clock=clock)

    assert (before.exit, run.exit) == (0, 0)
    assert run.bookmark
    assert run.bookmark < start["start_date"]
    assert run.warnings == []


@pytest.mark.parametrize(
    "mark",
    [
        {"orders_bookmark": "2024-05-16"},
        {"last_record": AT_MIDDLE, "offset": {"page": 3}},
        {"replication_key": "created_at", "note": 1},
    ],
)
def test_a_bookmark_of_foreign_keys_alone_is_told_to_be_of_no_use(
    cometly: StartCometly, mark: dict[str, Any]
) -> None:
    sandbox, clock = cometly(dated())
    ids = sandbox.space.fill(5, FIRST, NOW - DAY)

    run = sync(sandbox, state={"bookmarks": {"contacts": mark}}, clock=clock)

    assert run.ids == set(ids)
    [warning] = run.warnings
    assert "all is read again" in warning
    check(run, sandbox)


def test_columns_that_an_old_catalog_lacks_are_named_and_not_claimed(
    cometly: StartCometly,
) -> None:
    # Given a catalog that was cached before a setting was switched on
    sandbox, clock = cometly(dated())
    sandbox.space.fill(5, FIRST, NOW - DAY)
    config = {"include_all_emails": True, "include_comet_tokens": True}

    stale = sync(sandbox, config, catalog=catalog(), clock=clock)

    assert sorted(text.split("`")[1] for text in stale.warnings) == sorted(config)
    assert all("--refresh-catalog" in text for text in stale.warnings)
    assert not {"emails", "comet_tokens"} & {name for r in stale.records for name in r}
    assert stale.state is not None
    assert not {"emails", "comet_tokens"} & set(stale.state["bookmarks"]["contacts"]["columns"])
    check(stale, sandbox)

    # When the catalog is made anew
    clock.advance(DAY)
    run = sync(sandbox, config, stale.state, clock=clock)

    # Then the columns are new
    [warning] = run.warnings
    assert "comet_tokens, emails" in warning
    assert "--full-refresh" in warning
    assert run.state is not None
    assert {"emails", "comet_tokens"} <= set(run.state["bookmarks"]["contacts"]["columns"])


def test_columns_that_only_an_old_catalog_has_are_not_announced(cometly: StartCometly) -> None:
    # Given a catalog that was made before a setting was switched off
    sandbox, clock = cometly(dated())
    sandbox.space.fill(5, FIRST, NOW - DAY)

    run = sync(sandbox, catalog=catalog(include_all_emails=True), clock=clock)

    [warning] = run.warnings
    assert "no setting asks for: emails" in warning
    [schema] = [line["schema"] for line in run.lines if line["type"] == "SCHEMA"]
    assert {name for record in run.records for name in record} == set(schema["properties"])
    check(run, sandbox)


def test_columns_switched_on_later_are_named_with_the_way_to_fill_them(
    cometly: StartCometly,
) -> None:
    sandbox, clock = cometly(dated())
    sandbox.space.fill(5, FIRST, MIDDLE)
    before = sync(sandbox, clock=clock)
    clock.advance(DAY)

    run = sync(sandbox, {"include_all_emails": True}, before.state, clock=clock)
    after = sync(sandbox, {"include_all_emails": True}, run.state, clock=clock)

    [warning] = [text for text in run.warnings if "--full-refresh" in text]
    assert "emails" in warning
    assert not [text for text in before.warnings + after.warnings if "--full-refresh" in text]


def mapped(**streams: Any) -> dict[str, Any]:
    return {"stream_maps": streams}


NO_PHONE = mapped(contacts={"phone": None})
HASHED = mapped(contacts={"email": "sha256(email)"})
RENAMED = mapped(contacts={"mail": "email", "email": None})
ONLY_EMAIL = mapped(contacts={"id": "id", "email": "email", "__else__": None})
KEYED_BY_EMAIL = mapped(contacts={"__key_properties__": ["email"], "id": None})
NOTHING = mapped(contacts=None)
ALIASED = mapped(contacts={"__alias__": "people"})
WITHOUT_EMAIL = mapped(contacts={"__alias__": "people", "email": None})
A_COPY = mapped(copy={"__source__": "contacts", "id": "id", "phone": "phone", "__else__": None})
SHORT_NAMES: dict[str, Any] = {
    "flattening_enabled": True,
    "flattening_max_depth": 1,
    "flattening_max_key_length": 6,
}


@pytest.mark.parametrize(
    ("first", "then", "new"),
    [
        (NO_PHONE, {}, ["phone"]),
        (ONLY_EMAIL, {}, ["created_at", "location", "name", "phone"]),
        (KEYED_BY_EMAIL, {}, ["id"]),
        (NOTHING, ONLY_EMAIL, ["email", "id"]),
        (WITHOUT_EMAIL, ALIASED, ["people.email"]),
        ({}, RENAMED, ["mail"]),
        ({}, A_COPY, ["copy.id", "copy.phone"]),
        ({}, SHORT_NAMES, ["ca", "loc"]),
        ({}, NO_PHONE, []),
        ({}, HASHED, []),
        *((same, same, []) for same in (NO_PHONE, RENAMED, A_COPY, ALIASED, NOTHING, SHORT_NAMES)),
    ],
)
def test_columns_that_stream_maps_add_are_named_once_and_others_never(
    cometly: StartCometly, first: dict[str, Any], then: dict[str, Any], new: list[str]
) -> None:
    sandbox, clock = cometly(dated())
    sandbox.space.fill(5, FIRST, MIDDLE)
    state, told = None, []

    for config in (first, then, then):
        clock.advance(DAY)
        run = sync(sandbox, config, state, clock=clock)
        state = run.state
        told.append([text for text in run.warnings if "--full-refresh" in text])
        assert run.exit == 0

    assert told[::2] == [[], []]
    assert [text.split("(")[1].split(")")[0].split(", ") for text in told[1]] == [new] * bool(new)


def test_the_bookmark_lists_the_columns_that_were_written(cometly: StartCometly) -> None:
    sandbox, clock = cometly(dated())
    sandbox.space.fill(5, FIRST, MIDDLE)
    chosen = catalog(without=("name",))

    run = sync(
        sandbox,
        mapped(**RENAMED["stream_maps"], **A_COPY["stream_maps"]),
        catalog=chosen,
        clock=clock,
    )

    written = {
        column if line["stream"] == "contacts" else f"{line['stream']}.{column}"
        for line in run.lines
        if line["type"] == "RECORD"
        for column in line["record"]
    }
    assert run.state is not None
    columns = run.state["bookmarks"]["contacts"]["columns"]
    assert sorted(columns) == sorted(written)
    assert {"mail", "copy.phone"} <= written
    assert not {"email", "name", "copy.email"} & written


def test_key_and_replication_key_are_delivered_though_deselected(cometly: StartCometly) -> None:
    sandbox, clock = cometly(dated())
    ids = sandbox.space.fill(5, FIRST, MIDDLE)

    run = sync(
        sandbox, catalog=catalog(without=("id", "created_at", "email", "phone")), clock=clock
    )

    assert run.ids == set(ids)
    assert all(record["created_at"] for record in run.records)
    assert all({"email", "phone"}.isdisjoint(record) for record in run.records)
    check(run, sandbox)


def test_a_deselected_stream_is_not_read(cometly: StartCometly) -> None:
    sandbox, clock = cometly(dated())
    sandbox.space.fill(5, FIRST, MIDDLE)
    made = catalog()
    made["streams"][0]["metadata"][-1]["metadata"]["selected"] = False

    run = sync(sandbox, catalog=made, clock=clock)

    assert (run.exit, run.records, sandbox.requests) == (0, [], [])
    assert [text for text in run.warnings if "deselects" in text] == run.warnings


def _without(made: dict[str, Any]) -> None:
    made["streams"] = []


def _misspelt(made: dict[str, Any]) -> None:
    made["streams"][0]["tap_stream_id"] = made["streams"][0]["stream"] = "contact"


def _in_the_old_style(made: dict[str, Any]) -> None:
    [stream] = made["streams"]
    del stream["metadata"]
    stream["selected"] = stream["schema"]["selected"] = True


def _half_in_the_old_style(made: dict[str, Any]) -> None:
    [stream] = made["streams"]
    stream["selected"] = True
    for item in stream["metadata"]:
        item["metadata"].pop("selected", None)
        item["metadata"].pop("selected-by-default", None)


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (_without, "has no stream 'contacts'"),
        (_misspelt, "has no stream 'contacts'"),
        (_in_the_old_style, '"metadata": {"selected": true}'),
        (_half_in_the_old_style, '"metadata": {"selected": true}'),
    ],
)
def test_a_catalog_that_selects_nothing_by_mistake_is_loud(
    cometly: StartCometly, spoil: Callable[[dict[str, Any]], None], why: str
) -> None:
    sandbox, clock = cometly(dated())
    made = catalog()
    spoil(made)

    run = sync(sandbox, catalog=made, clock=clock)

    assert (run.exit, run.raw, sandbox.requests) == (1, b"", [])
    [error] = run.errors
    assert why in error
    check(run, sandbox, cuts=0)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"replication_key": "email"}, "replication key email"),
        ({"key_properties": ["email"]}, "key ['email']"),
        ({"replication_method": "LOG_BASED"}, "replication method LOG_BASED"),
    ],
)
def test_a_catalog_of_another_key_is_refused(
    cometly: StartCometly, changes: dict[str, Any], why: str
) -> None:
    sandbox, clock = cometly(dated())
    made = catalog()
    made["streams"][0].update(changes)

    run = sync(sandbox, catalog=made, clock=clock)

    assert (run.exit, run.raw) == (1, b"")
    assert why in run.errors[0]
    check(run, sandbox, cuts=0)


def test_a_catalog_without_a_replication_key_is_still_incremental(cometly: StartCometly) -> None:
    sandbox, clock = cometly(dated())
    old = sandbox.space.fill(5, FIRST, MIDDLE - DAY)
    new = sandbox.space.fill(5, MIDDLE, NOW - DAY)
    made = catalog()
    del made["streams"][0]["replication_key"]

    run = sync(sandbox, catalog=made, state=state_at(), clock=clock)

    assert (run.ids, run.bookmark) == (set(new), SETTLED)
    check(run, sandbox, excused=old)


@pytest.mark.parametrize("text", ["", "[]", "null", "{}", '{"streams": [3]}', "garbage"])
def test_a_catalog_that_is_none_is_loud(cometly: StartCometly, text: str) -> None:
    sandbox, clock = cometly(dated())

    run = sync(sandbox, catalog=text, clock=clock)

    assert (run.exit, run.raw) == (1, b"")
    assert "holds no Singer catalog" in run.errors[0]


FULL = {"emit_activate_version_messages": True}


def versions(lines: list[dict[str, Any]]) -> list[int]:
    """Places of ACTIVATE_VERSION among the messages."""
    return [n for n, line in enumerate(lines) if line["type"] == "ACTIVATE_VERSION"]


def test_a_full_table_run_activates_its_version_last_and_leaves_the_bookmark_alone(
    cometly: StartCometly,
) -> None:
    sandbox, clock = cometly(dated())
    ids = sandbox.space.fill(25, FIRST, NOW)
    config = {**FULL, "page_size": 10}

    run = sync(sandbox, config, state_at(), catalog(method="FULL_TABLE"), clock)

    assert run.exit == 0
    assert run.ids == set(ids)
    assert run.bookmark == AT_MIDDLE
    [place] = versions(run.lines)
    last = max(n for n, line in enumerate(run.lines) if line["type"] == "RECORD")
    assert place > last
    told = {line["version"] for line in run.lines if line["type"] == "RECORD"}
    assert told == {run.lines[place]["version"]}
    check(run, sandbox)


def test_a_full_table_run_without_the_setting_sends_no_version(cometly: StartCometly) -> None:
    sandbox, clock = cometly(dated())
    sandbox.space.fill(5, FIRST, NOW)

    run = sync(sandbox, catalog=catalog(method="FULL_TABLE"), clock=clock)

    assert run.exit == 0
    assert versions(run.lines) == []
    check(run, sandbox)


def test_a_full_table_run_that_fails_half_way_sends_no_version(cometly: StartCometly) -> None:
    sandbox, clock = cometly(dated())
    sandbox.space.fill(25, FIRST, NOW)
    sandbox.fault(Fault("list", call=3, times=None, status=403))
    config = {**FULL, "page_size": 10}

    run = sync(sandbox, config, catalog=catalog(method="FULL_TABLE"), clock=clock)

    assert run.exit == 1
    assert versions(run.lines) == []
    check(run, sandbox, cuts=0)


@pytest.mark.parametrize(
    ("contacts", "config", "why"),
    [(0, {}, "no record was written"), (5, {"end_date": "2024-05-20"}, "`end_date` is set")],
)
def test_a_full_table_run_without_contacts_or_with_an_end_sends_no_version_and_says_so(
    cometly: StartCometly, contacts: int, config: dict[str, Any], why: str
) -> None:
    sandbox, clock = cometly(dated())
    sandbox.space.fill(contacts, FIRST, MIDDLE)

    run = sync(sandbox, {**FULL, **config}, catalog=catalog(method="FULL_TABLE"), clock=clock)

    assert run.exit == 0
    assert versions(run.lines) == []
    assert [text for text in run.warnings if why in text]


@pytest.mark.parametrize("batch", [False, True], ids=["records", "batch"])
def test_a_full_table_run_whose_filter_lets_nothing_through_sends_no_version(
    cometly: StartCometly, tmp_path: Path, *, batch: bool
) -> None:
    sandbox, clock = cometly(dated())
    sandbox.space.fill(25, FIRST, NOW)
    maps = {"contacts": {"__filter__": "record['id'] > 10**9"}}
    storage = {"root": tmp_path.as_uri(), "prefix": "x-"}
    batches = {"encoding": {"format": "jsonl", "compression": "gzip"}, "storage": storage}
    config = {**FULL, "stream_maps": maps, "batch_config": batches if batch else None}

    run = sync(sandbox, config, catalog=catalog(method="FULL_TABLE"), clock=clock)

    assert (run.exit, run.records) == (0, [])
    assert versions(run.lines) == []
    assert [text for text in run.warnings if "no record was written" in text]


@pytest.mark.parametrize("zone", ["America/Los_Angeles", "UTC", "Asia/Tokyo"])
@pytest.mark.parametrize("contacts", [4, 3_000])
@pytest.mark.parametrize("refuses", [False, True], ids=["future served", "future refused"])
def test_a_version_is_sent_only_with_every_contact_whatever_the_zone(
    cometly: StartCometly, zone: str, contacts: int, *, refuses: bool
) -> None:
    future = frozenset({"list", "create"} if refuses else set[str]())
    sandbox, clock = cometly(Options(timezone=zone, refuses_future=future))
    ids = sandbox.space.fill(contacts, NOW - timedelta(days=2), NOW)
    config = {**FULL, "start_date": "2024-05-20T00:00:00Z"}

    run = sync(sandbox, config, catalog=catalog(method="FULL_TABLE"), clock=clock)

    if run.exit == 0 and versions(run.lines):
        assert run.ids == set(ids)
    elif run.exit == 0:
        assert refuses
        assert [text for text in run.warnings if "the newest contacts may be missing" in text]
    else:
        assert zone != "UTC"


def test_an_incremental_run_sends_no_version_and_says_so(cometly: StartCometly) -> None:
    sandbox, clock = cometly(dated())
    sandbox.space.fill(5, FIRST, NOW)

    run = sync(sandbox, FULL, clock=clock)

    assert versions(run.lines) == []
    [warning] = run.warnings
    assert "`emit_activate_version_messages`" in warning
    assert "FULL_TABLE" in warning
    check(run, sandbox)
