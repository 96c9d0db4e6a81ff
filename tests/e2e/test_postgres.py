"""Contacts in PostgreSQL: what Meltano and its target-postgres make of the tap's messages and log.

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
JSON = {"MELTANO_CLI_LOG_FORMAT": "json"}


# Four runs as schedules would start them, and what the table was like after each.


@dataclass(frozen=True)
class Story:
    """A pipeline's life."""

    table: Table
    log: str
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

        log = meltano.run("tap-cometly", "target-postgres", settings={**settings, **JSON})
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
            log,
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


# What Meltano shows of the tap.


def lines_of(log: str, extractor: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    return [line for line in lines if line.get("name") == extractor]


def test_log_lines_and_metrics_are_structured(story: Story) -> None:
    lines = lines_of(story.log, "tap-cometly")

    [done] = [line for line in lines if str(line["event"]).startswith("Done: ")]
    assert done["level"] == "info"
    assert " | " not in done["event"]
    metrics = [line["metric_info"] for line in lines if "metric_info" in line]
    assert sum(m["value"] for m in metrics if m["metric"] == "record_count") == CONTACTS + 1
    assert "%|" not in story.log


def test_a_space_whose_key_is_missing_is_one_error_and_not_read_with_that_of_the_parent(
    sandbox: StartSandbox, meltano: MeltanoProject
) -> None:
    cometly = sandbox(replace(QUICK))  # its key is in TAP_COMETLY_API_KEY
    settings = {"TAP_COMETLY__US_API_URL": cometly.api_url, "COMETLY_SU_API_KEY": "misspelt"}

    with pytest.raises(MeltanoError) as failed:
        meltano.run("tap-cometly--us", "target-postgres--us", settings={**settings, **JSON})

    lines = lines_of(str(failed.value), "tap-cometly--us")
    [error] = [line for line in lines if line["level"] == "error"]
    assert "`api_key`" in error["event"]
    assert cometly.requests == []


def test_a_space_that_takes_exports_is_valid_after_one_page(
    sandbox: StartSandbox, meltano: MeltanoProject
) -> None:
    cometly = sandbox(replace(QUICK, job_seconds=600.0, list_emails=True))
    cometly.space.fill(12_000, START, END)

    told = meltano.script("meltano config test tap-cometly", settings=read_from(cometly))

    assert "Plugin configuration is valid" in told
    assert not [call for call in cometly.requests if call.endpoint == "poll"]


# The documented recipes.


def test_a_full_sync_removes_who_was_merged_away(
    sandbox: StartSandbox, meltano: MeltanoProject, postgres: Postgres
) -> None:
    # Given a table of contacts, of which two turn out to be one
    cometly = sandbox(replace(QUICK))
    cometly.space.fill(CONTACTS, START, END)
    settings = {
        **read_from(cometly),
        "TARGET_POSTGRES_DEFAULT_TARGET_SCHEMA": "full",
        "TARGET_POSTGRES_HARD_DELETE": "true",
    }
    meltano.run("tap-cometly--full", "target-postgres", settings=settings)
    cometly.space.merge(7, into=8)

    # When all is read again
    meltano.run("tap-cometly--full", "target-postgres", settings=settings)

    # Then one of them is gone, nobody else is, and the other has the e-mails of both
    rows = contacts_in(Table(postgres, "full").rows())
    assert rows.keys() == cometly.space.ids()
    assert rows == contacts_of(cometly)


def test_times_stay_utc_by_insert_too_as_documented(
    sandbox: StartSandbox, meltano: MeltanoProject, postgres: Postgres
) -> None:
    # By INSERT the target would shift `created_at` by the zone of its session.
    cometly = sandbox(replace(QUICK))
    cometly.space.fill(CONTACTS, START, END)
    settings = {
        **read_from(cometly),
        "TARGET_POSTGRES_DEFAULT_TARGET_SCHEMA": "by_insert",
        "TARGET_POSTGRES_USE_COPY": "false",
        "PGTZ": "UTC",
    }

    apart = "--state-id-suffix=by-insert"  # from other runs of this pipeline
    meltano.run(apart, "tap-cometly", "target-postgres", settings=settings)

    assert contacts_in(Table(postgres, "by_insert").rows()) == contacts_of(cometly)


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
    # Given a table of contacts that came through an export
    cometly = sandbox(replace(QUICK))
    cometly.space.fill(CONTACTS, START, END)
    blocks = ("tap-cometly--batch", "target-postgres--fast")
    settings = {
        **read_from(cometly),
        "TAP_COMETLY_EXPORT_THRESHOLD": "100",
        "TAP_COMETLY__BATCH_BATCH_CONFIG_STORAGE_ROOT": tmp_path.as_uri(),
        "TARGET_POSTGRES__FAST_DEFAULT_TARGET_SCHEMA": "batches",
    }
    log = meltano.run(*blocks, settings=settings)
    assert cometly.log_calls()["create"] == 1
    assert len(list(tmp_path.iterdir())) == 1
    assert "COPY " in log

    # When some are completed and one comes, and all are read again
    cometly.space.change(5, name="Completed Later")
    newcomer(cometly)
    meltano.run(*blocks, settings={**settings, "TAP_COMETLY_LOOKBACK_DAYS": "3650"})

    # Then the table has each once, as it is now
    assert contacts_in(Table(postgres, "batches").rows()) == contacts_of(cometly)


def _written(rows: Rows, *, since: Rows) -> set[int]:
    """Who was loaded by the later of two runs."""
    return {key for key, row in rows.items() if since.get(key) != row}


def _hashed(email: str | None) -> str | None:
    return None if email is None else hashlib.sha256((SALT + email.lower()).encode()).hexdigest()
