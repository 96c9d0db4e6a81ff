"""The block lane and the SDK's record loop write the same; and what only the latter can do."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from singer_sdk.helpers._flattening import flatten_record

from tap_cometly.contacts.schema import fields_asked
from tests.integration.conftest import NOW
from tests.sandbox import dated
from tests.support.foreign import RECORD_LANE
from tests.support.properties import check
from tests.support.running import config_for, sync, tap_with

if TYPE_CHECKING:
    from tests.integration.conftest import StartCometly
    from tests.sandbox import Sandbox
    from tests.support.clock import FakeClock
    from tests.support.running import Run

CONTACTS = 400
EVERYTHING = {"include_comet_tokens": True, "include_all_emails": True}
both_ways = pytest.mark.parametrize("mode", ["pagination", "export"])


@pytest.fixture
def cometly_with_contacts(cometly: StartCometly) -> tuple[Sandbox, FakeClock]:
    sandbox, clock = cometly(dated(created_at="microseconds", custom_numbers_as_strings=True))
    sandbox.space.fill(CONTACTS, NOW - timedelta(days=100), NOW - timedelta(hours=1))
    return sandbox, clock


def catalog(method: str = "INCREMENTAL", **selected: bool) -> dict[str, Any]:
    """A catalog as Meltano writes it; names that are given are selected or not."""
    names = [field.name for field in fields_asked(())]
    metadata: list[dict[str, Any]] = [
        {
            "breadcrumb": ["properties", name],
            "metadata": {"inclusion": "available", "selected": selected.get(name, True)},
        }
        for name in names
    ]
    root = {"selected": True, "replication-method": method, "replication-key": "created_at"}
    schema = {name: {"type": ["string", "null"]} for name in names} | {"id": {"type": ["integer"]}}
    stream = {
        "tap_stream_id": "contacts",
        "stream": "contacts",
        "schema": {"type": "object", "properties": schema},
        "metadata": [{"breadcrumb": [], "metadata": root}, *metadata],
        "key_properties": ["id"],
        "replication_method": method,
    }
    return {"streams": [stream]}


def messages(run: Run) -> list[dict[str, Any]]:
    """What a target reads, but for the time at which it was extracted and the table's version."""
    apart = {"time_extracted", "version"}
    return [{key: line[key] for key in line.keys() - apart} for line in run.lines]


# Both lanes give equal messages.


@both_ways
@pytest.mark.parametrize("columns", [{}, EVERYTHING], ids=["plain", "all columns"])
@pytest.mark.parametrize("method", ["INCREMENTAL", "FULL_TABLE"])
def test_both_encoders_write_equal_messages(
    cometly_with_contacts: tuple[Sandbox, FakeClock], mode: str, columns: Any, method: str
) -> None:
    sandbox, clock = cometly_with_contacts
    config = {"extraction_mode": mode, **columns}
    catalogs = None if method == "INCREMENTAL" else catalog(method)

    block = sync(sandbox, config, catalog=catalogs, clock=clock)
    clock.set(block.began + timedelta(microseconds=block.began.microsecond))
    record = sync(sandbox, {**config, **RECORD_LANE}, catalog=catalogs, clock=clock)

    assert len(block.records) == CONTACTS
    assert [m for m in messages(block) if m["type"] == "RECORD"] == [
        m for m in messages(record) if m["type"] == "RECORD"
    ]
    assert [m["type"] for m in messages(block)] == [m["type"] for m in messages(record)]
    check(block, sandbox)
    check(record, sandbox)


def test_both_encoders_write_equal_numbers_and_dates(
    cometly_with_contacts: tuple[Sandbox, FakeClock],
) -> None:
    sandbox, clock = cometly_with_contacts

    block = sync(sandbox, {"include_custom_fields": True}, clock=clock)
    record = sync(sandbox, {"include_custom_fields": True, **RECORD_LANE}, clock=clock)

    assert block.records == record.records
    assert {type(r["profile_field_16"]) for r in block.records} <= {int, float, type(None)}
    check(record, sandbox)


def test_both_encoders_write_time_extracted(
    cometly_with_contacts: tuple[Sandbox, FakeClock],
) -> None:
    sandbox, clock = cometly_with_contacts
    keys = []
    for encoder in ({}, RECORD_LANE):
        run = sync(sandbox, encoder, clock=clock)

        keys.append({tuple(sorted(line)) for line in run.lines if line["type"] == "RECORD"})
        assert all(line["time_extracted"] for line in run.lines if line["type"] == "RECORD")

    assert keys[0] == keys[1]


# What has each record looked at.


@both_ways
def test_a_stream_map_masks_e_mails(
    cometly_with_contacts: tuple[Sandbox, FakeClock], mode: str
) -> None:
    sandbox, clock = cometly_with_contacts
    maps = {"contacts": {"email": "md5(email) if email else None"}}

    run = sync(sandbox, {"extraction_mode": mode, "stream_maps": maps}, clock=clock)

    emails = {n: sandbox.space.contact(n).email for n in run.ids}
    assert {record["id"]: record["email"] for record in run.records} == {
        n: email and hashlib.md5(email.encode(), usedforsecurity=False).hexdigest()
        for n, email in emails.items()
    }
    assert b"@example.com" not in run.raw
    check(run, sandbox)


def test_a_stream_map_fakes_names(cometly_with_contacts: tuple[Sandbox, FakeClock]) -> None:
    sandbox, clock = cometly_with_contacts
    config = {
        "stream_maps": {"contacts": {"name": "fake.pystr(prefix='fake ')"}},
        "faker_config": {"seed": 1, "locale": "en_US"},
    }

    run = sync(sandbox, config, clock=clock)

    assert len(run.ids) == CONTACTS
    assert all(record["name"].startswith("fake ") for record in run.records)


def test_a_stream_map_drops_columns_and_rows_and_adds_others(
    cometly_with_contacts: tuple[Sandbox, FakeClock],
) -> None:
    sandbox, clock = cometly_with_contacts
    maps = {
        "contacts": {
            "__filter__": "email is not None",
            "phone": None,
            "domain": "email.split('@')[-1]",
        }
    }

    run = sync(sandbox, {"stream_maps": maps}, clock=clock)

    known = {n for n in sandbox.space.ids() if sandbox.space.contact(n).email}
    assert run.ids == known
    assert 0 < len(known) < CONTACTS
    assert {record["domain"] for record in run.records} == {"example.com"}
    assert not any("phone" in record for record in run.records)


def test_a_stream_map_that_renames_the_stream_is_followed(
    cometly_with_contacts: tuple[Sandbox, FakeClock],
) -> None:
    sandbox, clock = cometly_with_contacts

    run = sync(sandbox, {"stream_maps": {"contacts": {"__alias__": "people"}}}, clock=clock)

    names = {line["stream"] for line in run.lines if line["type"] in {"SCHEMA", "RECORD"}}
    assert names == {"people"}
    check(run, sandbox)


@pytest.mark.parametrize("maps", [{"contacts": None}, {"contacts": "__NULL__"}, {"__else__": None}])
def test_a_stream_map_that_drops_the_stream_leaves_no_record(
    cometly_with_contacts: tuple[Sandbox, FakeClock], maps: dict[str, Any]
) -> None:
    sandbox, clock = cometly_with_contacts

    run = sync(sandbox, {"stream_maps": maps}, clock=clock)

    assert run.records == []


@pytest.mark.parametrize("mapping", ["nonsense(", "1 / 0", "no_such_name", "md5(None)", "email.no"])
def test_a_stream_map_that_fails_is_loud_and_tells_nothing(
    cometly_with_contacts: tuple[Sandbox, FakeClock], mapping: str
) -> None:
    sandbox, clock = cometly_with_contacts

    run = sync(sandbox, {"stream_maps": {"contacts": {"name": mapping}}}, clock=clock)

    assert run.exit == 1
    assert "stream_maps" in run.errors[0]
    check(run, sandbox, mend={"stream_maps": {}})


@both_ways
def test_deselected_columns_are_not_written(
    cometly_with_contacts: tuple[Sandbox, FakeClock], mode: str
) -> None:
    sandbox, clock = cometly_with_contacts
    chosen = catalog(email=False, phone=False)

    run = sync(sandbox, {"extraction_mode": mode}, catalog=chosen, clock=clock)

    assert {tuple(record) for record in run.records} == {("id", "name", "location", "created_at")}
    assert b"@example.com" not in run.raw
    check(run, sandbox)


def test_the_keys_are_written_whatever_the_catalog_selects(
    cometly_with_contacts: tuple[Sandbox, FakeClock],
) -> None:
    sandbox, clock = cometly_with_contacts

    run = sync(sandbox, catalog=catalog(id=False, created_at=False), clock=clock)

    assert len(run.ids) == CONTACTS
    assert all(record["created_at"] for record in run.records)
    check(run, sandbox)


@pytest.mark.parametrize("depth", [0, 1])
def test_flattening_makes_text_of_lists(
    cometly_with_contacts: tuple[Sandbox, FakeClock], depth: int
) -> None:
    sandbox, clock = cometly_with_contacts
    config = {"flattening_enabled": True, "flattening_max_depth": depth, **EVERYTHING}

    run = sync(sandbox, config, clock=clock)

    plain = sync(sandbox, EVERYTHING, clock=clock)
    emails = [record["emails"] for record in run.records]
    assert [e if isinstance(e, list) else json.loads(e) for e in emails] == [
        record["emails"] for record in plain.records
    ]
    check(run, sandbox)


@pytest.mark.parametrize("longest_key", [255, 6], ids=["names as they are", "shortened names"])
def test_flattening_gives_what_the_sdk_gives(
    cometly_with_contacts: tuple[Sandbox, FakeClock], longest_key: int
) -> None:
    sandbox, clock = cometly_with_contacts
    config = {
        "flattening_enabled": True,
        "flattening_max_depth": 1,
        "flattening_max_key_length": longest_key,
        **EVERYTHING,
    }

    run = sync(sandbox, config, clock=clock)

    plain = sync(sandbox, EVERYTHING, clock=clock)
    assert run.records == [
        flatten_record(record, {"properties": {}}, 1, max_key_length=longest_key)
        for record in plain.records
    ]


# Dry runs.


@pytest.mark.parametrize("encoder", [{}, RECORD_LANE], ids=["block lane", "record lane"])
@pytest.mark.parametrize("most", [1, 20, CONTACTS + 1])
def test_a_dry_run_reads_no_more_than_it_was_told_and_writes_where_it_is_redirected(
    cometly_with_contacts: tuple[Sandbox, FakeClock],
    capfd: pytest.CaptureFixture[str],
    encoder: dict[str, Any],
    most: int,
) -> None:
    sandbox, clock = cometly_with_contacts
    tap = tap_with(clock)(config=config_for(sandbox, encoder))

    with contextlib.redirect_stdout(io.StringIO()) as out:
        assert tap.run_sync_dry_run(dry_run_record_limit=most)

    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert sum(line["type"] == "RECORD" for line in lines) == min(most, CONTACTS)
    assert capfd.readouterr().out == ""
    assert sum(request.rows for request in sandbox.requests) <= most + 10


def test_a_connection_test_reads_one_contact(
    cometly_with_contacts: tuple[Sandbox, FakeClock],
) -> None:
    sandbox, clock = cometly_with_contacts

    with contextlib.redirect_stdout(io.StringIO()) as out:
        assert tap_with(clock)(config=config_for(sandbox)).run_connection_test()

    assert out.getvalue().count('"RECORD"') == 1
    assert sum(request.rows for request in sandbox.requests) <= 5
