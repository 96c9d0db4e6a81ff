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
from tests.e2e.conftest import END, START, Cometly, newcomer
from tests.sandbox.contact import Columns
from tests.support.snowflake_target import FakeSnowflake, Loaded

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


@pytest.fixture(params=["RECORD", "BATCH"])
def way(request: pytest.FixtureRequest, cometly: Cometly) -> dict[str, Any]:
    """Settings for the messages that contacts travel in."""
    return cometly.batch_config(BATCH_SIZE) if request.param == "BATCH" else {}


@pytest.fixture
def schema(request: pytest.FixtureRequest) -> str:
    return "".join(c if c.isalnum() else "_" for c in request.node.name).upper()


def test_two_runs_insert_and_update(
    cometly: Cometly, snowflake: FakeSnowflake, way: dict[str, Any], schema: str
) -> None:
    # Given a Space that has been loaded
    space = cometly.sandbox.space
    space.fill(CONTACTS, START, END)
    first = cometly.sync(**way)
    loaded = snowflake.load(first.raw, schema)
    assert loaded.rows.keys() == space.ids()
    assert _own(loaded.types) == TYPES

    # When one contact is completed and another one comes
    space.change(CONTACTS, name="Completed Later", phone="+15550100")
    newcomer(cometly.sandbox)
    second = cometly.sync(first, lookback_days=3650, **way)
    loaded = snowflake.load(second.raw, schema)

    # Then the table has every contact once, as it is now
    assert {key: _plain(row) for key, row in loaded.rows.items()} == {
        key: _as_row(space.contact(key)) for key in space.ids()
    }
    assert json.loads(loaded.output.splitlines()[-1]) == second.state


def test_batch_files_are_put_as_they_are_and_merged_by_id(
    cometly: Cometly, snowflake: FakeSnowflake, schema: str
) -> None:
    cometly.sandbox.space.fill(CONTACTS, START, END)
    run = cometly.sync(**cometly.batch_config(BATCH_SIZE))
    files = [url for line in run.lines if line["type"] == "BATCH" for url in line["manifest"]]

    loaded = snowflake.load(run.raw, schema)

    # Each of the tap's files is staged itself: nothing is read and written again in between.
    puts, merges = loaded.sent("put"), loaded.sent("merge")
    assert len(files) == len(puts) == len(merges) == 3
    for url, put, merge in zip(files, puts, merges, strict=True):
        stage = put.removeprefix(f"put '{url}' ")
        assert merge.startswith(f'merge into "WAREHOUSE"."{schema}"."CONTACTS" d using (select ')
        assert f" from {stage}(file_format => " in merge
        assert "$1:created_at::TIMESTAMP_NTZ as created_at, $1:emails::VARIANT as emails" in merge
        assert " on d.id = s.id when matched then update set " in merge
        assert f"remove {stage[:-1]}/'" in loaded.sql
    assert len(loaded.sent("drop file format")) == 1
    assert not list(cometly.batches.iterdir()), "the target deletes what it has loaded"


def test_an_append_only_table_is_copied_into(
    cometly: Cometly, snowflake: FakeSnowflake, schema: str
) -> None:
    cometly.sandbox.space.fill(CONTACTS, START, END)

    loaded = snowflake.load(cometly.sync().raw, schema, load_method="append-only")

    assert loaded.rows.keys() == cometly.sandbox.space.ids()
    assert loaded.sent("merge") == []
    assert loaded.sent(f'copy into "WAREHOUSE"."{schema}"."CONTACTS" (id, email, name, ')


def test_a_full_sync_removes_who_was_merged_away(
    cometly: Cometly, snowflake: FakeSnowflake, way: dict[str, Any], schema: str
) -> None:
    hard = bool(way)  # once rows are deleted, once they are marked

    # Given a table with two contacts who turn out to be one
    space = cometly.sandbox.space
    space.fill(CONTACTS, START, END)
    snowflake.load(cometly.full_sync(**way).raw, schema, hard_delete=hard)
    space.merge(7, into=8)

    # When all is read again
    loaded = snowflake.load(cometly.full_sync(**way).raw, schema, hard_delete=hard)

    # Then one of them is gone, and nobody else
    assert _alive(loaded) == space.ids()
    assert (7 in loaded.rows) is not hard
    assert json.loads(loaded.rows[8]["EMAILS"]) == list(space.contact(8).emails)
    statement = "DELETE FROM" if hard else "UPDATE"
    [sent] = [sql for sql in loaded.sql if sql.startswith(statement)]
    assert "_sdc_table_version" in sent


def _alive(loaded: Loaded) -> set[int]:
    return {key for key, row in loaded.rows.items() if row["_SDC_DELETED_AT"] is None}


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
