"""What the tap is given besides its settings: section State and catalog of the catalogue."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.conftest import DAY, MINUTE, NOW, UTC
from tests.sandbox import Options
from tests.support.catalogs import catalog

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.integration.conftest import StartSpace
    from tests.support.running import Run

FIRST = datetime(2024, 5, 1, tzinfo=UTC)
MIDDLE = datetime(2024, 5, 16, tzinfo=UTC)
AT_MIDDLE = "2024-05-16T00:00:00Z"
SETTLED = "2024-06-01T11:59:00Z"


def state_at(value: str | None = AT_MIDDLE, **more: Any) -> dict[str, Any]:
    mark = {} if value is None else {"replication_key_value": value}
    return {"bookmarks": {"contacts": {"replication_key": "created_at", **mark, **more}}}


def mark_of(run: Run) -> dict[str, Any]:
    """The contacts' bookmark that the run left."""
    mark: dict[str, Any] = (run.state or {})["bookmarks"]["contacts"]
    return mark


def telling(run: Run, text: str) -> list[str]:
    """The warnings that have this text."""
    return [warning for warning in run.warnings if text in warning]


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
        state_at(partitions=[{}, {"context": {"space": 1}}]),
    ],
    ids=[
        *("offset", "naive", "date", "fraction", "wrapped", "no key", "markers", "starting value"),
        "partitions",
    ],
)
def test_a_bookmark_is_understood_and_nothing_before_it_read_again(
    start_space: StartSpace, given: dict[str, Any]
) -> None:
    space = start_space(20, FIRST, MIDDLE)
    old = space.space.ids()
    new = space.space.fill(20, MIDDLE, NOW - DAY)

    run = space.sync(given)

    assert (run.ids, run.bookmark) == (set(new), SETTLED)
    space.is_complete(run, excused=old)


def test_a_bookmark_ahead_of_now_stays_and_nothing_is_read_again(start_space: StartSpace) -> None:
    space = start_space(20, FIRST, NOW)

    run = space.sync(state_at("2024-07-01T00:00:00Z"))

    assert (run.exit, run.records, run.bookmark) == (0, [], "2024-07-01T00:00:00Z")
    assert len(run.requests) == 1  # what time it is there


def test_unknown_keys_of_a_bookmark_and_other_streams_survive(start_space: StartSpace) -> None:
    space = start_space(5, MIDDLE, NOW - DAY)
    given = state_at(AT_MIDDLE, note={"mine": [1, 2]})
    given["bookmarks"]["orders"] = {"replication_key_value": 7}

    run = space.sync(given)

    assert mark_of(run)["note"] == {"mine": [1, 2]}
    assert (run.state or {})["bookmarks"]["orders"] == {"replication_key_value": 7}
    space.is_complete(run)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("null", "is not a JSON object"),
        ("[]", "is not a JSON object"),
        ("", "is not one JSON object"),
        (f"{json.dumps(state_at())}\n{json.dumps(state_at())}\n", "is not one JSON object"),
        ('{"contacts": {}}', "holds no bookmarks"),
        ('{"bookmarks": {"contacts": 5}}', "holds no bookmarks"),
        (json.dumps(state_at("yesterday")), "not a date-time"),
        (json.dumps(state_at(replication_key="updated_at")), "'updated_at', not 'created_at'"),
    ],
)
def test_a_state_that_is_none_is_loud_and_no_state_goes_out(
    start_space: StartSpace, given: str, why: str
) -> None:
    space = start_space()

    run = space.sync(given)

    assert (run.records, run.requests) == ([], ())
    space.is_loud(run, why, "Pass the last STATE", cuts=0)


def test_five_runs_without_new_contacts_never_move_the_bookmark_back(
    start_space: StartSpace,
) -> None:
    space = start_space(5, FIRST, MIDDLE)

    for minutes in (0, 15, 0, -30, 3 * 24 * 60):
        space.clock.advance(max(minutes, 0) * MINUTE)
        run = space.go_on(clock=space.clock.ahead(min(minutes, 0) * MINUTE))
        assert run.exit == 0

    marks = [run.bookmark or "" for run in space.runs]
    assert marks == sorted(marks)
    assert marks[-1] > marks[0]


def test_a_start_later_than_the_bookmark_counts_and_the_gap_is_named(
    start_space: StartSpace,
) -> None:
    space = start_space(5, MIDDLE - DAY, MIDDLE)
    read = space.space.fill(5, MIDDLE, NOW - DAY)

    run = space.sync(state_at("2024-05-15T00:00:00Z"), start_date=AT_MIDDLE)

    assert run.ids == set(read)
    [warning] = telling(run, "`start_date`")
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
    start_space: StartSpace, start: str, gap: str | None
) -> None:
    space = start_space(5, MIDDLE, NOW - DAY)
    space.go_on(start_date=AT_MIDDLE)

    for _ in range(2):  # it stays a gap
        space.clock.advance(DAY)
        run = space.go_on(start_date=start)

        assert run.exit == 0
        told = telling(run, "`start_date`")
        assert all("--full-refresh" in text and str(gap) in text for text in told)
        assert len(told) == bool(gap)


def test_a_bookmark_behind_the_start_of_its_own_run_is_no_gap(start_space: StartSpace) -> None:
    # Given a Space whose clock nobody has seen, so that the bookmark stays a day behind
    start = (NOW - DAY / 2).isoformat()
    space = start_space(kind=Options, config={"start_date": start})

    before, run = space.go_on(), space.go_on()

    assert (before.exit, run.exit) == (0, 0)
    assert (run.bookmark or start) < start
    assert run.warnings == []


@pytest.mark.parametrize(
    "mark", [{"orders_bookmark": "2024-05-16"}, {"replication_key": "created_at", "note": 1}]
)
def test_a_bookmark_of_foreign_keys_alone_is_told_to_be_of_no_use(
    start_space: StartSpace, mark: dict[str, Any]
) -> None:
    space = start_space(5)

    run = space.sync({"bookmarks": {"contacts": mark}})

    [warning] = run.warnings
    assert "all is read again" in warning
    space.is_complete(run)


# Columns.


def test_columns_that_an_old_catalog_lacks_are_named_and_not_claimed(
    start_space: StartSpace,
) -> None:
    # Given a catalog that was cached before a setting was switched on
    space = start_space(5)
    space.config = {"include_all_emails": True, "include_comet_tokens": True}

    stale = space.sync(catalog=catalog())

    assert sorted(text.split("`")[1] for text in stale.warnings) == sorted(space.config)
    assert all("--refresh-catalog" in text for text in stale.warnings)
    assert not {"emails", "comet_tokens"} & {name for record in stale.records for name in record}
    assert not {"emails", "comet_tokens"} & set(mark_of(stale)["columns"])
    space.is_complete(stale)

    # When the catalog is made anew
    space.clock.advance(DAY)
    run = space.go_on()

    # Then the columns are new
    [warning] = run.warnings
    assert "comet_tokens, emails" in warning
    assert "--full-refresh" in warning
    assert {"emails", "comet_tokens"} <= set(mark_of(run)["columns"])


def test_columns_that_only_an_old_catalog_has_are_not_announced(start_space: StartSpace) -> None:
    # Given a catalog that was made before a setting was switched off
    space = start_space(5)

    run = space.sync(catalog=catalog(include_all_emails=True))

    [warning] = run.warnings
    assert "no setting asks for: emails" in warning
    [schema] = [line["schema"] for line in run.lines if line["type"] == "SCHEMA"]
    assert {name for record in run.records for name in record} == set(schema["properties"])
    space.is_complete(run)


def mapped(**streams: Any) -> dict[str, Any]:
    return {"stream_maps": streams}


EMAILS = {"include_all_emails": True}
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
        ({}, EMAILS, ["emails"]),
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
        *((same, same, []) for same in (RENAMED, A_COPY, ALIASED, NOTHING, SHORT_NAMES)),
    ],
)
def test_columns_that_settings_add_later_are_named_once_and_others_never(
    start_space: StartSpace, first: dict[str, Any], then: dict[str, Any], new: list[str]
) -> None:
    space = start_space(5, FIRST, MIDDLE)
    told = []

    for config in (first, then, then):
        space.clock.advance(DAY)
        run = space.go_on(**config)
        assert run.exit == 0
        told.append(telling(run, "--full-refresh"))

    assert told[::2] == [[], []]
    assert [text.split("(")[1].split(")")[0].split(", ") for text in told[1]] == [new] * bool(new)


def test_the_bookmark_lists_the_columns_that_were_written(start_space: StartSpace) -> None:
    space = start_space(5)
    maps = {**RENAMED["stream_maps"], **A_COPY["stream_maps"]}

    run = space.sync(catalog=catalog(without=("name",)), stream_maps=maps)

    written = {
        column if line["stream"] == "contacts" else f"{line['stream']}.{column}"
        for line in run.lines
        if line["type"] == "RECORD"
        for column in line["record"]
    }
    assert sorted(mark_of(run)["columns"]) == sorted(written)
    assert {"mail", "copy.phone"} <= written
    assert not {"email", "name", "copy.email"} & written


# Catalogs.


def test_key_and_replication_key_are_delivered_though_deselected(start_space: StartSpace) -> None:
    space = start_space(5)

    run = space.sync(catalog=catalog(without=("id", "created_at", "email", "phone")))

    assert all(record["created_at"] for record in run.records)
    assert all({"email", "phone"}.isdisjoint(record) for record in run.records)
    space.is_complete(run)


def test_a_deselected_stream_is_not_read(start_space: StartSpace) -> None:
    space, made = start_space(5), catalog()
    made["streams"][0]["metadata"][-1]["metadata"]["selected"] = False

    run = space.sync(catalog=made)

    assert (run.exit, run.records, run.requests) == (0, [], ())
    assert telling(run, "deselects") == run.warnings


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


def _with(**changes: Any) -> Callable[[dict[str, Any]], None]:
    return lambda made: made["streams"][0].update(changes)


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (_without, "has no stream 'contacts'"),
        (_misspelt, "has no stream 'contacts'"),
        (_in_the_old_style, '"metadata": {"selected": true}'),
        (_half_in_the_old_style, '"metadata": {"selected": true}'),
        (_with(replication_key="email"), "replication key email"),
        (_with(key_properties=["email"]), "key ['email']"),
        (_with(replication_method="LOG_BASED"), "replication method LOG_BASED"),
    ],
)
def test_a_catalog_that_selects_nothing_or_asks_for_another_key_is_refused(
    start_space: StartSpace, spoil: Callable[[dict[str, Any]], None], why: str
) -> None:
    space, made = start_space(), catalog()
    spoil(made)

    run = space.sync(catalog=made)

    assert (run.raw, run.requests) == (b"", ())
    space.is_loud(run, why, cuts=0)


def test_a_catalog_without_a_replication_key_is_still_incremental(start_space: StartSpace) -> None:
    space, made = start_space(5, FIRST, MIDDLE - DAY), catalog()
    old = space.space.ids()
    new = space.space.fill(5, MIDDLE, NOW - DAY)
    del made["streams"][0]["replication_key"]

    run = space.sync(state_at(), made)

    assert (run.ids, run.bookmark) == (set(new), SETTLED)
    space.is_complete(run, excused=old)


@pytest.mark.parametrize("text", ["", "[]", "null", "{}", '{"streams": [3]}', "garbage"])
def test_a_catalog_that_is_none_is_loud(start_space: StartSpace, text: str) -> None:
    run = start_space().sync(catalog=text)

    assert (run.exit, run.raw) == (1, b"")
    assert "holds no Singer catalog" in run.errors[0]


# Versions of the table.

FULL = {"emit_activate_version_messages": True}
FULL_TABLE = catalog(method="FULL_TABLE")


def versions(run: Run) -> list[int]:
    """Places of ACTIVATE_VERSION among the messages."""
    return [n for n, line in enumerate(run.lines) if line["type"] == "ACTIVATE_VERSION"]


def test_a_full_table_run_activates_its_version_last_and_leaves_the_bookmark_alone(
    start_space: StartSpace,
) -> None:
    space = start_space(25, FIRST, NOW)

    run = space.sync(state_at(), FULL_TABLE, **FULL, page_size=10)

    assert run.ids == space.space.ids()
    assert run.bookmark == AT_MIDDLE
    [place] = versions(run)
    assert place > max(n for n, line in enumerate(run.lines) if line["type"] == "RECORD")
    told = {line["version"] for line in run.lines if line["type"] == "RECORD"}
    assert told == {run.lines[place]["version"]}
    space.is_complete(run)


def test_a_full_table_run_without_the_setting_sends_no_version(start_space: StartSpace) -> None:
    space = start_space(5)

    run = space.sync(catalog=FULL_TABLE)

    assert versions(run) == []
    space.is_complete(run)


def test_a_full_table_run_that_fails_half_way_sends_no_version(start_space: StartSpace) -> None:
    space = start_space(25, FIRST, NOW)
    space.fault("list", call=3, times=None, status=403)

    run = space.sync(catalog=FULL_TABLE, **FULL, page_size=10)

    assert versions(run) == []
    space.is_loud(run, cuts=0)


@pytest.mark.parametrize(
    ("contacts", "config", "why"),
    [
        (0, {}, "no record was written"),
        (5, {"end_date": "2024-05-20"}, "`end_date` is set"),
        (5, mapped(contacts={"__filter__": "False"}), "no record was written"),
    ],
    ids=["no contacts", "an end", "a filter that lets nothing through"],
)
@pytest.mark.parametrize("batch", [False, True], ids=["records", "batch"])
def test_a_full_table_run_that_may_not_hold_all_sends_no_version_and_says_so(
    start_space: StartSpace,
    tmp_path: Path,
    contacts: int,
    config: dict[str, Any],
    why: str,
    *,
    batch: bool,
) -> None:
    space = start_space(contacts, FIRST, MIDDLE)
    storage = {"root": tmp_path.as_uri(), "prefix": "x-"}
    batches = {"encoding": {"format": "jsonl", "compression": "gzip"}, "storage": storage}

    run = space.sync(catalog=FULL_TABLE, **FULL, **config, batch_config=batches if batch else None)

    assert (run.exit, versions(run)) == (0, [])
    assert telling(run, why)


@pytest.mark.parametrize("zone", ["America/Los_Angeles", "UTC", "Asia/Tokyo"])
@pytest.mark.parametrize("contacts", [4, 3_000])
@pytest.mark.parametrize("refuses", [False, True], ids=["future served", "future refused"])
def test_a_version_is_sent_only_with_every_contact_whatever_the_zone(
    start_space: StartSpace, zone: str, contacts: int, *, refuses: bool
) -> None:
    future = frozenset({"list", "create"} if refuses else set[str]())
    space = start_space(
        contacts, NOW - 2 * DAY, NOW, kind=Options, timezone=zone, refuses_future=future
    )

    run = space.sync(catalog=FULL_TABLE, **FULL, start_date="2024-05-20T00:00:00Z")

    if run.exit == 0 and versions(run):
        assert run.ids == space.space.ids()
    elif run.exit == 0:
        assert refuses
        assert telling(run, "the newest contacts may be missing")
    else:
        assert zone != "UTC"


def test_an_incremental_run_sends_no_version_and_says_so(start_space: StartSpace) -> None:
    space = start_space(5)

    run = space.sync(**FULL)

    assert versions(run) == []
    [warning] = run.warnings
    assert "`emit_activate_version_messages`" in warning
    assert "FULL_TABLE" in warning
    space.is_complete(run)
