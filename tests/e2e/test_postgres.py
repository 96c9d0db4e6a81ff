"""Contacts in PostgreSQL: what Meltano and its target-postgres make of the tap's messages.

Each start of Meltano costs seconds: all tests share a project, and tests that can share runs do.
The plugins for several Spaces, masking and BATCH are those of the documented recipes.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from tap_cometly.contacts.schema import fields_asked
from tests.e2e.conftest import END, QUICK, START, newcomer, read_from
from tests.e2e.table import Rows, Table, contacts_in, contacts_of
from tests.sandbox import Sandbox, dated
from tests.support.meltano import MeltanoError
from tests.support.recipes import recipe

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.sandbox.fixture import StartSandbox
    from tests.support.meltano import MeltanoProject
    from tests.support.postgres import Postgres

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

CONTACTS = 300
SALT = "a long and secret text"


# Four runs as schedules would start them, and what the table was like after each.


@dataclass(frozen=True)
class Story:
    """A pipeline's life."""

    table: Table
    newcomer: int
    completed: int
    """Somebody of last week, whose name is known later."""
    long_known: int
    """The same, of long ago."""
    backfilled: Rows
    backfilled_from: Rows
    hourly: Rows
    nightly: Rows
    refreshed: Rows
    served: Rows
    bookmark: str


@pytest.fixture(scope="module")
def story(meltano: MeltanoProject, postgres: Postgres) -> Iterator[Story]:
    table = Table(postgres, "story")
    last_week = datetime.now(timezone.utc) - timedelta(days=7)
    with Sandbox(QUICK) as cometly:
        space = cometly.space
        [long_known, *_] = space.fill(CONTACTS, START, END)
        completed = space.add(created_at=last_week, email="grace.hopper@example.com")
        settings = {**read_from(cometly), "TARGET_POSTGRES_DEFAULT_TARGET_SCHEMA": table.schema}

        meltano.run("tap-cometly", "target-postgres", settings=settings)
        backfilled, backfilled_from = table.rows(), contacts_of(cometly)

        came = newcomer(cometly)
        space.change(completed, name="Grace Hopper")
        space.change(long_known, name="Completed Later")
        meltano.script("meltano schedule run contacts-hourly", settings)
        hourly = table.rows()

        meltano.script("meltano schedule run contacts-nightly", settings)
        nightly = table.rows()
        bookmark = meltano.bookmark("tap-cometly-to-target-postgres")

        meltano.run("--full-refresh", "tap-cometly", "target-postgres", settings=settings)
        yield Story(
            table,
            came,
            completed,
            long_known,
            backfilled,
            backfilled_from,
            hourly,
            nightly,
            table.rows(),
            contacts_of(cometly),
            bookmark,
        )


def test_a_backfill_loads_every_contact_in_every_column(story: Story) -> None:
    assert len(story.backfilled) == CONTACTS + 1
    assert contacts_in(story.backfilled) == story.backfilled_from


def test_arrays_and_timestamps_have_types_of_postgresql(story: Story) -> None:
    types = {
        "id": "bigint",
        "text": "text",
        "time": "timestamp without time zone",
        "texts": "text[]",
    }
    fields = fields_asked(["include_all_emails"])
    assert story.table.types() == {field.name: types[field.kind] for field in fields}


def test_the_table_is_the_documented_one(story: Story, postgres: Postgres) -> None:
    ddl, row = recipe("The table").blocks["sql"]
    twin = row.replace("    49,", "    50,")
    script(postgres, "CREATE SCHEMA documented", ddl, row, twin)
    documented = Table(postgres, "documented")
    asked_for = ["comet_tokens"]  # here nobody does

    assert documented.types() == {**story.table.types(), **dict.fromkeys(asked_for, "text[]")}
    example = documented.rows()[49]
    loaded = next(iter(story.backfilled.values()))
    assert example.keys() == {*loaded, *asked_for}
    for query in recipe("First queries").blocks["sql"]:
        assert script(postgres, query)


def script(postgres: Postgres, *statements: str) -> list[tuple[Any, ...]]:
    """Run documented SQL in the schema `documented`; answers the last statement's rows."""
    with psycopg.connect(postgres.url) as connection:
        for statement in statements:
            ran = connection.execute(statement.replace("cometly.", "documented.").encode())
        return ran.fetchall() if ran.description else []


def test_the_next_run_loads_what_is_new_and_nothing_else(story: Story) -> None:
    assert story.hourly.keys() - story.backfilled.keys() == {story.newcomer}
    assert _written(story.hourly, since=story.backfilled) == {story.newcomer}


def test_a_nightly_run_updates_who_was_completed_within_its_days(story: Story) -> None:
    assert story.hourly[story.completed]["name"] is None
    assert story.nightly[story.completed]["name"] == "Grace Hopper"
    assert _written(story.nightly, since=story.hourly) == {story.newcomer, story.completed}


def test_meltano_keeps_how_far_all_has_been_read(story: Story) -> None:
    last = max(row["created_at"] for row in story.nightly.values())

    assert last <= datetime.strptime(story.bookmark, "%Y-%m-%dT%H:%M:%SZ")  # noqa: DTZ007, as rows


def test_a_full_refresh_updates_everybody(story: Story) -> None:
    assert story.nightly[story.long_known]["name"] != "Completed Later"
    assert contacts_in(story.refreshed) == story.served


# Full syncs, once as RECORDs and once as BATCHes.


def test_a_full_sync_removes_who_was_merged_away(
    sandbox: StartSandbox, meltano: MeltanoProject, postgres: Postgres, tmp_path: Path
) -> None:
    # Given two tables, one that marks rows and one that deletes them
    cometly = sandbox(replace(QUICK))
    cometly.space.fill(CONTACTS, START, END)
    blocks = ["tap-cometly--full", "target-postgres--marking"]
    blocks += ["tap-cometly--full-batch", "target-postgres--deleting"]
    batches = {"TAP_COMETLY__FULL_BATCH_BATCH_CONFIG": _batches_in(tmp_path, 100)}
    settings = {**read_from(cometly), **batches}
    meltano.run(*blocks, settings=settings)

    # When two contacts turn out to be one, and all is read again
    cometly.space.merge(7, into=8)
    meltano.run(*blocks, settings=settings)

    # Then one of them is gone, nobody else is, and the other has the e-mails of both
    marked, deleted = Table(postgres, "marking").rows(), Table(postgres, "deleting").rows()
    assert {key for key, row in marked.items() if row["_sdc_deleted_at"]} == {7}
    assert contacts_in(deleted) == contacts_of(cometly)
    del marked[7]
    assert contacts_in(marked) == contacts_of(cometly)


# A server that is not in UTC.


@pytest.fixture(scope="module")
def new_yorker(postgres: Postgres) -> dict[str, str]:
    """Somebody whose sessions the server has in another zone."""
    postgres.query(
        "CREATE ROLE new_yorker SUPERUSER LOGIN PASSWORD 'not a secret';"
        "ALTER ROLE new_yorker SET timezone TO 'America/New_York'"
    )
    return {"TARGET_POSTGRES_USER": "new_yorker", "TARGET_POSTGRES_PASSWORD": "not a secret"}


# By INSERT the target would shift `created_at` by the zone of its session.
@pytest.mark.parametrize(
    ("case", "loads"),
    [("by_copy", {}), ("by_insert", {"TARGET_POSTGRES_USE_COPY": "false", "PGTZ": "UTC"})],
)
def test_times_stay_utc_whatever_the_zone_of_the_server(
    sandbox: StartSandbox,
    meltano: MeltanoProject,
    postgres: Postgres,
    new_yorker: dict[str, str],
    case: str,
    loads: dict[str, str],
) -> None:
    cometly = sandbox(replace(QUICK))
    cometly.space.fill(CONTACTS, START, END)
    settings = {
        **read_from(cometly),
        **new_yorker,
        "TARGET_POSTGRES_DEFAULT_TARGET_SCHEMA": case,
        **loads,
    }

    apart = f"--state-id-suffix={case}"  # from other runs of this pipeline
    meltano.run(apart, "tap-cometly", "target-postgres", settings=settings)

    assert contacts_in(Table(postgres, case).rows()) == contacts_of(cometly)


# The documented recipes.


def test_two_spaces_fill_two_schemas(
    sandbox: StartSandbox, meltano: MeltanoProject, postgres: Postgres
) -> None:
    # Given two Spaces in different time zones, each with a key of its own
    us = sandbox(dated(limits=QUICK.limits, api_key="ck_us", timezone="America/Los_Angeles"))
    eu = sandbox(dated(limits=QUICK.limits, api_key="ck_eu", timezone="Europe/Berlin"))
    us.space.fill(20, START, END, seed=1)
    eu.space.fill(30, START, END, seed=2)
    settings = {
        "COMETLY_US_API_KEY": "ck_us",
        "TAP_COMETLY__US_API_URL": us.api_url,
        "COMETLY_EU_API_KEY": "ck_eu",
        "TAP_COMETLY__EU_API_URL": eu.api_url,
    }

    # When both are read in one go
    meltano.script(recipe("Many Spaces").only("bash"), settings)

    # Then each has its own table
    assert contacts_in(Table(postgres, "cometly_us").rows()) == contacts_of(us)
    assert contacts_in(Table(postgres, "cometly_eu").rows()) == contacts_of(eu)


def test_a_space_whose_key_is_missing_is_not_read_with_that_of_the_parent(
    sandbox: StartSandbox, meltano: MeltanoProject
) -> None:
    cometly = sandbox(replace(QUICK))  # its key is in TAP_COMETLY_API_KEY
    settings = {"TAP_COMETLY__US_API_URL": cometly.api_url, "COMETLY_SU_API_KEY": "misspelt"}

    with pytest.raises(MeltanoError, match="api_key"):
        meltano.run("tap-cometly--us", "target-postgres--us", settings=settings)

    assert cometly.requests == []


def test_masked_columns_are_hashed_and_deselected_ones_are_not_there(
    sandbox: StartSandbox, meltano: MeltanoProject, postgres: Postgres
) -> None:
    cometly = sandbox(replace(QUICK))
    cometly.space.fill(CONTACTS, START, END)
    settings = {
        **read_from(cometly),
        "TAP_COMETLY__MASKED_STREAM_MAP_CONFIG": json.dumps({"salt": SALT}),
        "TARGET_POSTGRES_DEFAULT_TARGET_SCHEMA": "masked",
    }

    meltano.run("tap-cometly--masked", "target-postgres", settings=settings)

    table = Table(postgres, "masked")
    assert {"name", "phone"}.isdisjoint(table.types())
    assert {key: row["email"] for key, row in table.rows().items()} == {
        key: _hashed(row["email"]) for key, row in contacts_of(cometly).items()
    }


def test_batches_are_copied_and_update_what_is_there(
    sandbox: StartSandbox, meltano: MeltanoProject, postgres: Postgres, tmp_path: Path
) -> None:
    # Given a table of so many contacts that they came through an export, in several files
    cometly = sandbox(replace(QUICK))
    cometly.space.fill(12_000, START, END)
    blocks = ("tap-cometly--batch", "target-postgres--fast")
    settings = {
        **read_from(cometly),
        "TAP_COMETLY__BATCH_BATCH_CONFIG_STORAGE_ROOT": tmp_path.as_uri(),
        "TARGET_POSTGRES__FAST_DEFAULT_TARGET_SCHEMA": "batches",
    }
    log = meltano.run(*blocks, settings=settings)
    assert cometly.log_calls()["create"] == 1
    assert len(list(tmp_path.iterdir())) == 2
    assert "COPY " in log

    # When some are completed and one comes, and all are read again
    cometly.space.change(5, name="Completed Later")
    newcomer(cometly)
    meltano.run(*blocks, settings={**settings, "TAP_COMETLY_LOOKBACK_DAYS": "3650"})

    # Then the table has each once, as it is now
    assert contacts_in(Table(postgres, "batches").rows()) == contacts_of(cometly)


def _batches_in(folder: Path, size: int) -> str:
    encoding = {"format": "jsonl", "compression": "gzip"}
    storage = {"root": folder.as_uri()}
    return json.dumps({"encoding": encoding, "storage": storage, "batch_size": size})


def _written(rows: Rows, *, since: Rows) -> set[int]:
    """Who was loaded by the later of two runs."""
    return {key for key, row in rows.items() if since.get(key) != row}


def _hashed(email: str | None) -> str | None:
    return None if email is None else hashlib.sha256((SALT + email.lower()).encode()).hexdigest()
