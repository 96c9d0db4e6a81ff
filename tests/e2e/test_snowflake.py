"""Contacts in Snowflake, by the real, unmodified target-snowflake.

There is no Snowflake here: the target talks to fakesnow, which runs its SQL on DuckDB. So this
shows what the target makes of the tap's messages and which SQL it sends, not how Snowflake itself
takes it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tap_cometly.contacts.schema import fields_asked
from tests.e2e.conftest import END, START, Cometly
from tests.sandbox.contact import Columns
from tests.support.snowflake_target import FakeSnowflake

if TYPE_CHECKING:
    from tests.sandbox import Contact

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

CONTACTS = 120
BATCH_SIZE = 50

TYPES_BY_KIND = {
    "id": "NUMBER(38,0)",
    "text": "VARCHAR(16777216)",
    "time": "TIMESTAMP_NTZ(9)",
    "texts": "VARIANT",
}
TYPES = {
    field.name.upper(): TYPES_BY_KIND[field.kind] for field in fields_asked(["include_all_emails"])
}


@pytest.fixture(scope="module")
def snowflake(tmp_path_factory: pytest.TempPathFactory) -> FakeSnowflake:
    return FakeSnowflake(tmp_path_factory.mktemp("snowflake"))


@pytest.fixture
def schema(request: pytest.FixtureRequest) -> str:
    return "".join(c if c.isalnum() else "_" for c in request.node.name).upper()


def test_batch_files_are_put_as_they_are_and_a_full_sync_removes_who_was_merged_away(
    cometly: Cometly, snowflake: FakeSnowflake, schema: str
) -> None:
    # Given a Space whose BATCH files have been loaded, and two contacts who turn out to be one
    space = cometly.sandbox.space
    space.fill(CONTACTS, START, END)
    batches = cometly.batch_config(BATCH_SIZE)
    snowflake.load(cometly.full_sync(**batches).raw, schema)
    space.merge(7, into=8)

    # When all is read again
    run = cometly.full_sync(**batches)
    loaded = snowflake.load(run.raw, schema)

    # Then the tap's files themselves are staged and merged: none is written anew
    files = [url for line in run.lines if line["type"] == "BATCH" for url in line["manifest"]]
    puts, merges = loaded.sent("put"), loaded.sent("merge")
    assert len(files) == len(puts) == len(merges) == 3
    for url, put, merge in zip(files, puts, merges, strict=True):
        stage = put.removeprefix(f"put '{url}' ")
        assert f" from {stage}(file_format => " in merge
        assert " on d.id = s.id when matched then update set " in merge
    assert not list(cometly.batches.iterdir()), "the target deletes what it has loaded"

    # ... the table has every contact once, as it is now, and the one that is gone is marked
    assert _own(loaded.types) == TYPES
    gone = loaded.rows.pop(7)
    assert gone["_SDC_DELETED_AT"] is not None
    assert {row["_SDC_DELETED_AT"] for row in loaded.rows.values()} == {None}
    assert {key: _plain(row) for key, row in loaded.rows.items()} == {
        key: _as_row(space.contact(key)) for key in space.ids()
    }


def test_records_are_inserted_and_updated_and_no_version_marks_who_was_merged_away(
    cometly: Cometly, snowflake: FakeSnowflake, schema: str
) -> None:
    # Given a table of contacts, of whom one is completed and another one comes
    space = cometly.sandbox.space
    space.fill(CONTACTS, START, END)
    first = cometly.sync()
    snowflake.load(first.raw, schema)
    space.change(CONTACTS, name="Completed Later", phone="+15550100")
    space.add(created_at=END, name="New Comer")

    # When the last days are read again, then the table has every contact once, as it is now
    second = cometly.sync(first, lookback_days=3650)
    loaded = snowflake.load(second.raw, schema)
    assert {key: _plain(row) for key, row in loaded.rows.items()} == {
        key: _as_row(space.contact(key)) for key in space.ids()
    }
    assert json.loads(loaded.output.splitlines()[-1]) == second.state

    # When two contacts turn out to be one, and all is read again
    space.merge(7, into=8)
    loaded = snowflake.load(cometly.full_sync().raw, schema, hard_delete=True)

    # Then the target drops no row that an incremental run wrote; the one to drop has no version
    unversioned = {key for key, row in loaded.rows.items() if row["_SDC_TABLE_VERSION"] is None}
    assert unversioned == {7} == loaded.rows.keys() - space.ids()


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """A contact's own columns, the array read."""
    own = _own(row)
    return {**own, "EMAILS": json.loads(own["EMAILS"])}


def _own(columns: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in columns.items() if not name.startswith("_SDC")}


def _as_row(contact: Contact) -> dict[str, Any]:
    row = {name.upper(): value for name, value in Columns(emails=True).row(contact).items()}
    created = f"{contact.created_at:%Y-%m-%d %H:%M:%S}"
    return {**row, "CREATED_AT": created, "EMAILS": list(contact.emails)}
