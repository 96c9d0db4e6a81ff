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

from tests.integration.conftest import NOW, Cometly
from tests.sandbox import dated
from tests.support.catalogs import catalog
from tests.support.foreign import RECORD_LANE
from tests.support.properties import check
from tests.support.running import config_for, sync, tap_with

if TYPE_CHECKING:
    from tests.integration.conftest import StartCometly
    from tests.support.running import Run

CONTACTS = 400
EVERYTHING = {"include_comet_tokens": True, "include_all_emails": True}
both_ways = pytest.mark.parametrize("mode", ["pagination", "export"])


@pytest.fixture
def many(cometly: StartCometly) -> Cometly:
    sandbox, clock = cometly(dated(created_at="microseconds", custom_numbers_as_strings=True))
    sandbox.space.fill(CONTACTS, NOW - timedelta(days=100), NOW - timedelta(hours=1))
    return Cometly(sandbox, clock)


def messages(run: Run) -> list[dict[str, Any]]:
    """What a target reads, but for the time at which it was extracted and the table's version."""
    apart = {"time_extracted", "version"}
    return [{key: line[key] for key in line.keys() - apart} for line in run.lines]


# Both lanes give equal messages.


@both_ways
@pytest.mark.parametrize("columns", [{}, EVERYTHING], ids=["plain", "all columns"])
@pytest.mark.parametrize("method", ["INCREMENTAL", "FULL_TABLE"])
def test_both_encoders_write_equal_messages(
    many: Cometly, mode: str, columns: Any, method: str
) -> None:
    config = {"extraction_mode": mode, **columns}
    chosen = catalog(method=method, **columns)

    block = sync(many.sandbox, config, catalog=chosen, clock=many.clock)
    many.clock.set(block.began + timedelta(microseconds=block.began.microsecond))
    record = sync(many.sandbox, {**config, **RECORD_LANE}, catalog=chosen, clock=many.clock)

    assert len(block.records) == CONTACTS
    assert [m for m in messages(block) if m["type"] == "RECORD"] == [
        m for m in messages(record) if m["type"] == "RECORD"
    ]
    assert [m["type"] for m in messages(block)] == [m["type"] for m in messages(record)]
    check(block, many.sandbox)
    check(record, many.sandbox)


def test_both_encoders_write_equal_numbers_and_dates(many: Cometly) -> None:

    block = many.sync(include_custom_fields=True)
    record = many.sync(include_custom_fields=True, **RECORD_LANE)

    assert block.records == record.records
    assert {type(r["profile_field_16"]) for r in block.records} <= {int, float, type(None)}
    check(record, many.sandbox)


def test_both_encoders_write_time_extracted(many: Cometly) -> None:
    keys = []
    for encoder in ({}, RECORD_LANE):
        run = many.sync(**encoder)

        keys.append({tuple(sorted(line)) for line in run.lines if line["type"] == "RECORD"})
        assert all(line["time_extracted"] for line in run.lines if line["type"] == "RECORD")

    assert keys[0] == keys[1]


# What has each record looked at.


@both_ways
def test_a_stream_map_masks_e_mails(many: Cometly, mode: str) -> None:
    maps = {"contacts": {"email": "md5(email) if email else None"}}

    run = many.sync(extraction_mode=mode, stream_maps=maps)

    emails = {n: many.sandbox.space.contact(n).email for n in run.ids}
    assert {record["id"]: record["email"] for record in run.records} == {
        n: email and hashlib.md5(email.encode(), usedforsecurity=False).hexdigest()
        for n, email in emails.items()
    }
    assert b"@example.com" not in run.raw
    check(run, many.sandbox)


def test_a_stream_map_fakes_names(many: Cometly) -> None:
    config = {
        "stream_maps": {"contacts": {"name": "fake.pystr(prefix='fake ')"}},
        "faker_config": {"seed": 1, "locale": "en_US"},
    }

    run = many.sync(**config)

    assert len(run.ids) == CONTACTS
    assert all(record["name"].startswith("fake ") for record in run.records)


def test_a_stream_map_drops_columns_and_rows_and_adds_others(many: Cometly) -> None:
    maps = {
        "contacts": {
            "__filter__": "email is not None",
            "phone": None,
            "domain": "email.split('@')[-1]",
        }
    }

    run = many.sync(stream_maps=maps)

    known = {n for n in many.sandbox.space.ids() if many.sandbox.space.contact(n).email}
    assert run.ids == known
    assert 0 < len(known) < CONTACTS
    assert {record["domain"] for record in run.records} == {"example.com"}
    assert not any("phone" in record for record in run.records)


def test_a_stream_map_that_renames_the_stream_is_followed(many: Cometly) -> None:

    run = many.sync(stream_maps={"contacts": {"__alias__": "people"}})

    names = {line["stream"] for line in run.lines if line["type"] in {"SCHEMA", "RECORD"}}
    assert names == {"people"}
    check(run, many.sandbox)


@pytest.mark.parametrize("maps", [{"contacts": None}, {"contacts": "__NULL__"}, {"__else__": None}])
def test_a_stream_map_that_drops_the_stream_leaves_no_record(
    many: Cometly, maps: dict[str, Any]
) -> None:

    run = many.sync(stream_maps=maps)

    assert run.records == []


@pytest.mark.parametrize("column", ["name", "__filter__"])
@pytest.mark.parametrize("mapping", ["nonsense(", "1 / 0", "no_such_name", "md5(None)", "email.no"])
def test_a_stream_map_that_fails_is_named_and_tells_nothing(
    many: Cometly, mapping: str, column: str
) -> None:
    run = many.sync(stream_maps={"contacts": {column: mapping}})

    assert run.exit == 1
    assert "`stream_maps`" in run.errors[0]
    assert f"{column}`" in run.errors[0]
    check(run, many.sandbox, mend={"stream_maps": {}})


@both_ways
def test_deselected_columns_are_not_written(many: Cometly, mode: str) -> None:
    chosen = catalog(without=("email", "phone"))

    run = sync(many.sandbox, {"extraction_mode": mode}, catalog=chosen, clock=many.clock)

    assert {tuple(record) for record in run.records} == {("id", "name", "location", "created_at")}
    assert b"@example.com" not in run.raw
    check(run, many.sandbox)


@pytest.mark.parametrize("depth", [0, 1])
def test_flattening_makes_text_of_lists(many: Cometly, depth: int) -> None:
    config = {"flattening_enabled": True, "flattening_max_depth": depth, **EVERYTHING}

    run = many.sync(**config)

    plain = many.sync(**EVERYTHING)
    emails = [record["emails"] for record in run.records]
    assert [e if isinstance(e, list) else json.loads(e) for e in emails] == [
        record["emails"] for record in plain.records
    ]
    check(run, many.sandbox)


@pytest.mark.parametrize("longest_key", [255, 6], ids=["names as they are", "shortened names"])
def test_flattening_gives_what_the_sdk_gives(many: Cometly, longest_key: int) -> None:
    config = {
        "flattening_enabled": True,
        "flattening_max_depth": 1,
        "flattening_max_key_length": longest_key,
        **EVERYTHING,
    }

    run = many.sync(**config)

    plain = many.sync(**EVERYTHING)
    assert run.records == [
        flatten_record(record, {"properties": {}}, 1, max_key_length=longest_key)
        for record in plain.records
    ]


# Dry runs.


@pytest.mark.parametrize("encoder", [{}, RECORD_LANE], ids=["block lane", "record lane"])
@pytest.mark.parametrize("most", [1, 20, CONTACTS + 1])
def test_a_dry_run_reads_no_more_than_it_was_told_and_writes_where_it_is_redirected(
    many: Cometly,
    capfd: pytest.CaptureFixture[str],
    encoder: dict[str, Any],
    most: int,
) -> None:
    tap = tap_with(many.clock)(config=config_for(many.sandbox, encoder))

    with contextlib.redirect_stdout(io.StringIO()) as out:
        assert tap.run_sync_dry_run(dry_run_record_limit=most)

    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert sum(line["type"] == "RECORD" for line in lines) == min(most, CONTACTS)
    assert capfd.readouterr().out == ""
    assert sum(request.rows for request in many.sandbox.requests) <= most + 10


def test_a_connection_test_reads_one_contact(many: Cometly) -> None:

    with contextlib.redirect_stdout(io.StringIO()) as out:
        assert tap_with(many.clock)(config=config_for(many.sandbox)).run_connection_test()

    assert out.getvalue().count('"RECORD"') == 1
    assert sum(request.rows for request in many.sandbox.requests) <= 5
