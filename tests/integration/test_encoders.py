"""The block and the mapped encoder write the same; and what only the latter can do."""

from __future__ import annotations

import contextlib
import hashlib
import io
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from singer_sdk.helpers._flattening import flatten_record

from tests.integration.conftest import DAY, MAPPED, NOW, Cometly
from tests.support.catalogs import catalog
from tests.support.running import config_for, tap_with

if TYPE_CHECKING:
    from tests.integration.conftest import StartSpace
    from tests.support.running import Run

CONTACTS = 400
EVERYTHING: dict[str, Any] = {"include_comet_tokens": True, "include_all_emails": True}
both_ways = pytest.mark.parametrize("mode", ["pagination", "export"])


@pytest.fixture
def many(start_space: StartSpace) -> Cometly:
    return start_space(
        CONTACTS, NOW - 100 * DAY, created_at="microseconds", custom_numbers_as_strings=True
    )


def records(run: Run) -> list[dict[str, Any]]:
    """What a target reads, but for the time at which it was extracted and the table's version."""
    apart = {"time_extracted", "version"}
    lines = [line for line in run.lines if line["type"] == "RECORD"]
    return [{key: line[key] for key in line.keys() - apart} for line in lines]


# Both encoders give equal messages.


@both_ways
@pytest.mark.parametrize("columns", [{}, EVERYTHING], ids=["plain", "all columns"])
@pytest.mark.parametrize("method", ["INCREMENTAL", "FULL_TABLE"])
def test_both_encoders_write_equal_messages(
    many: Cometly, mode: str, columns: dict[str, Any], method: str
) -> None:
    many.config = {"extraction_mode": mode, **columns}
    chosen = catalog(method=method, **columns)

    block = many.sync(catalog=chosen)
    many.clock.set(block.began + timedelta(microseconds=block.began.microsecond))
    mapped = many.sync(catalog=chosen, **MAPPED)

    assert records(block) == records(mapped)
    assert [m["type"] for m in block.lines] == [m["type"] for m in mapped.lines]
    times = [line["time_extracted"] for line in (*block.lines, *mapped.lines) if "record" in line]
    assert len([time for time in times if time]) == 2 * CONTACTS
    many.is_complete(block, mapped)


def test_both_encoders_write_equal_numbers_and_dates(many: Cometly) -> None:
    block = many.sync(include_custom_fields=True)
    mapped = many.sync(include_custom_fields=True, **MAPPED)

    assert block.records == mapped.records
    assert {type(r["profile_field_16"]) for r in block.records} <= {int, float, type(None)}
    many.is_complete(mapped)


# What has each record looked at.


@both_ways
def test_a_stream_map_masks_e_mails(many: Cometly, mode: str) -> None:
    maps = {"contacts": {"email": "md5(email) if email else None"}}

    run = many.sync(extraction_mode=mode, stream_maps=maps)

    emails = {n: many.space.contact(n).email for n in run.ids}
    assert {record["id"]: record["email"] for record in run.records} == {
        n: email and hashlib.md5(email.encode(), usedforsecurity=False).hexdigest()
        for n, email in emails.items()
    }
    assert b"@example.com" not in run.raw
    many.is_complete(run)


def test_a_stream_map_fakes_names(many: Cometly) -> None:
    maps = {"contacts": {"name": "fake.pystr(prefix='fake ')"}}

    run = many.sync(stream_maps=maps, faker_config={"seed": 1, "locale": "en_US"})

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

    known = {n for n in many.space.ids() if many.space.contact(n).email}
    assert run.ids == known
    assert 0 < len(known) < CONTACTS
    assert {record["domain"] for record in run.records} == {"example.com"}
    assert not any("phone" in record for record in run.records)


def test_a_stream_map_that_renames_the_stream_is_followed(many: Cometly) -> None:
    run = many.sync(stream_maps={"contacts": {"__alias__": "people"}})

    names = {line["stream"] for line in run.lines if line["type"] in {"SCHEMA", "RECORD"}}
    assert names == {"people"}
    many.is_complete(run)


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

    many.is_loud(run, "`stream_maps`", f"{column}`", mend={"stream_maps": {}})


@both_ways
def test_deselected_columns_are_not_written(many: Cometly, mode: str) -> None:
    run = many.sync(catalog=catalog(without=("email", "phone")), extraction_mode=mode)

    assert {tuple(record) for record in run.records} == {("id", "name", "location", "created_at")}
    assert b"@example.com" not in run.raw
    many.is_complete(run)


@pytest.mark.parametrize(("depth", "longest_key"), [(0, 255), (1, 255), (1, 6)])
def test_flattening_gives_what_the_sdk_gives(many: Cometly, depth: int, longest_key: int) -> None:
    flattening = {
        "flattening_enabled": True,
        "flattening_max_depth": depth,
        "flattening_max_key_length": longest_key,
    }

    run = many.sync(**EVERYTHING, **flattening)

    plain = many.sync(**EVERYTHING).records
    if depth:
        schema: dict[str, Any] = {"properties": {}}
        plain = [flatten_record(each, schema, depth, max_key_length=longest_key) for each in plain]
    assert run.records == plain
    assert len(run.records) == CONTACTS


# Dry runs.


@pytest.mark.parametrize("encoder", [{}, MAPPED], ids=["block encoder", "mapped encoder"])
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

    assert out.getvalue().count('"RECORD"') == min(most, CONTACTS)
    assert capfd.readouterr().out == ""
    assert sum(request.rows for request in many.sandbox.requests) <= most + 10


def test_a_connection_test_reads_one_contact(many: Cometly) -> None:
    with contextlib.redirect_stdout(io.StringIO()) as out:
        assert tap_with(many.clock)(config=config_for(many.sandbox)).run_connection_test()

    assert out.getvalue().count('"RECORD"') == 1
    assert sum(request.rows for request in many.sandbox.requests) <= 5
