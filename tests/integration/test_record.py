"""What a contact may look like, and what becomes of it: section The record of the catalogue.

Contacts are written as somebody else's API might write them, byte for byte.
"""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from tap_cometly.contacts.schema import FIELDS
from tests.integration.conftest import HOUR, NOW, UTC, WAYS, Cometly, Way

if TYPE_CHECKING:
    from tests.integration.conftest import StartSpace
    from tests.support.running import Run

CREATED = "2024-06-01T10:00:00Z"
COLUMNS = {field.name for field in FIELDS if not field.option}
PAGES = {name: way for name, way in WAYS.items() if name.startswith("pagination")}
FILES = {name: way for name, way in WAYS.items() if name.startswith("export")}

any_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
through_pages = pytest.mark.parametrize("way", PAGES.values(), ids=PAGES)
through_files = pytest.mark.parametrize("way", FILES.values(), ids=FILES)


@pytest.fixture
def one(start_space: StartSpace) -> Cometly:
    """A Space with one contact, which it writes as a test likes."""
    space = start_space()
    space.space.add(created_at=datetime(2024, 6, 1, 10, tzinfo=UTC))
    return space


def run_of(space: Cometly, way: Way, *lines: bytes, **config: Any) -> Run:
    """Run the tap while these lines are all that the API serves, page or file."""
    if way["extraction_mode"] == "export":
        space.fault("file", "lines", times=None, edit=lambda _: list(lines))
    else:
        page = b'{"data":[%s],"next_cursor":null}' % b",".join(lines)
        space.fault("list", "replace", times=None, body=page)
    return space.sync(**way, **config)


def line(*, raw: bytes = b"", without: str = "", **fields: Any) -> bytes:
    """A contact's JSON; `raw` is added to it as it is."""
    whole: dict[str, Any] = {"id": 1, "email": None, "name": None, "phone": None, "location": None}
    whole |= {"created_at": CREATED, **fields}
    whole.pop(without, None)
    text = json.dumps(whole, separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8", "surrogatepass")[:-1] + (b"," + raw if raw else b"") + b"}"


# Text.

TEXTS: dict[str, tuple[bytes, str, str | None]] = {  # as it is written, what comes out, a warning
    "escaped NUL": (rb'"a\u0000b"', "ab", "NUL"),
    "raw NUL": (b'"a\0b"', "ab", "NUL"),
    "NUL alone": (rb'"\u0000"', "", "NUL"),
    "not a NUL": (rb'"a\\u0000b"', r"a\u0000b", None),
    "escaped lone surrogate": (rb'"a\ud83db"', "a\ufffdb", "surrogate"),
    "raw lone surrogate": (b'"a\xed\xa0\xbdb"', "a\ufffd\ufffd\ufffdb", "UTF-8"),
    "surrogates the wrong way round": (rb'"\ude00\ud83d"', "\ufffd\ufffd", "surrogate"),
    "a pair of surrogates": (rb'"\ud83d\ude00"', "😀", None),
    "line separator": ('"a\u2028b\u2029c\x85d"'.encode(), "a\u2028b\u2029c\x85d", None),
    "escaped line separator": (rb'"a\u2028b"', "a\u2028b", None),
    "raw control character": (b'"a\tb"', "a\tb", None),
    "invalid UTF-8": (b'"a\xffb"', "a\ufffdb", "UTF-8"),
    "UTF-8 cut off": (b'"a\xc3"', "a\ufffd", "UTF-8"),
    "Latin-1": (b'"Ren\xe9"', "Ren\ufffd", "UTF-8"),
    "quotes and slashes": (rb'"\"\\\/\n"', '"\\/\n', None),
    "very long": (b'"%s"' % (b"x" * 100_000), "x" * 100_000, None),
    "a number": (b"12", "12", None),
    "a number with a fraction": (b"1.50", "1.50", None),
    "true": (b"true", "true", None),
}


@any_way
@pytest.mark.parametrize(("written", "read", "warning"), TEXTS.values(), ids=TEXTS)
def test_text_is_kept_as_far_as_a_warehouse_can_hold_it(
    one: Cometly, way: Way, written: bytes, read: str, warning: str | None
) -> None:
    odd = line(without="name", raw=b'"name":' + written)

    run = run_of(one, way, line(id=2), odd, line(id=3))

    assert [record["name"] for record in run.records] == [None, read, None]
    assert len(run.warnings) == bool(warning)
    assert all("Repaired values" in told and str(warning) in told for told in run.warnings)
    one.is_complete(run, canaries=["René"])


@any_way
@pytest.mark.parametrize("written", [b"{}", b'{"a":1}', b"[]", b'["a"]'])
def test_text_that_is_none_becomes_null_and_its_column_is_named_once(
    one: Cometly, way: Way, written: bytes
) -> None:
    odd = [line(id=n, without="phone", raw=b'"phone":' + written) for n in (1, 2)]

    run = run_of(one, way, *odd)

    assert [record["phone"] for record in run.records] == [None, None]
    assert len(run.warnings) == 1
    assert "`phone`" in run.warnings[0]
    one.is_complete(run)


@through_files
def test_a_byte_order_mark_is_skipped(one: Cometly, way: Way) -> None:
    run = run_of(one, way, b"\xef\xbb\xbf" + line(), b"\xef\xbb\xbf" + line(id=2), b"\xef\xbb\xbf")

    assert [record["id"] for record in run.records] == [1, 2]
    one.is_complete(run)


# Numbers.

NUMBERS: dict[str, tuple[bytes, str | None, str | None]] = {
    "NaN": (b"NaN", None, "beyond any range"),
    "Infinity": (b"Infinity", None, "beyond any range"),
    "-Infinity": (b"-Infinity", None, "beyond any range"),
    "1e400": (b"1e400", None, "beyond any range"),
    "1e400 as text": (b'"1e400"', None, "beyond any range"),
    "1e-400": (b"1e-400", None, "beyond any range"),
    "1e-400 as text": (b'"1e-400"', None, "beyond any range"),
    "NaN as text": (b'"NaN"', None, "beyond any range"),
    "1e308": (b"1e308", "1E+308", None),
    "an integer": (b"12", "12", None),
    "exact": (b"0.1", "0.1", None),
    "more digits than a double holds": (
        b"12345678901234567890.12",
        "12345678901234567890.12",
        None,
    ),
    "more digits, as text": (b'"12345678901234567890.12"', "12345678901234567890.12", None),
    "text": (b'"12.50"', "12.50", None),
    "text with blanks": (b'" 12.5 "', "12.5", None),
    "words": (b'"a dozen"', None, "`profile_field_16`"),
    "true": (b"true", None, "`profile_field_16`"),
    "a list": (b"[1]", None, "`profile_field_16`"),
}


@through_pages
@pytest.mark.parametrize(("written", "read", "warning"), NUMBERS.values(), ids=NUMBERS)
def test_numbers_are_exact_or_null(
    one: Cometly, way: Way, written: bytes, read: str | None, warning: str | None
) -> None:
    run = run_of(one, way, line(raw=b'"profile_field_16":' + written), include_custom_fields=True)

    [exact] = [
        json.loads(told, parse_float=Decimal, parse_int=Decimal)["record"]["profile_field_16"]
        for told in run.raw.splitlines()
        if b'"RECORD"' in told
    ]
    assert exact == (None if read is None else Decimal(read))
    assert len(run.warnings) == bool(warning)
    assert all(str(warning) in told for told in run.warnings)
    one.is_complete(run)


# Keys.

NO_KEYS = {
    "null": line(id=None),
    "missing": line(without="id"),
    "text": line(id="12"),
    "too large": line(id=2**64),
    "too large by one": line(id=2**63),
    "a fraction": line(id=1.5),
    "true": line(id=True),
    "a list": line(id=[1]),
    "null, the second time": line(raw=b'"id":null'),
}


@any_way
@pytest.mark.parametrize("odd", NO_KEYS.values(), ids=NO_KEYS)
def test_a_contact_without_a_usable_key_is_loud(one: Cometly, way: Way, odd: bytes) -> None:
    run = run_of(one, way, line(id=2), odd)

    one.is_loud(run, "is not a contact")


@any_way
@pytest.mark.parametrize("key", [2**63 - 1, 0, -5])
def test_any_integer_of_64_bits_is_a_key(one: Cometly, way: Way, key: int) -> None:
    run = run_of(one, way, line(id=key), line())

    assert run.ids == {key, 1}
    one.is_complete(run)


@any_way
def test_of_the_same_field_twice_the_last_one_counts(one: Cometly, way: Way) -> None:
    run = run_of(one, way, line(id=7, name="Ada", raw=b'"id":1,"name":"Grace"'))

    assert [(record["id"], record["name"]) for record in run.records] == [(1, "Grace")]
    one.is_complete(run)


# Lines that are not contacts.

NO_CONTACTS = {
    "null": b"null",
    "a list": b"[1]",
    "text": b'"x"',
    "a number": b"12",
    "an empty object": b"{}",
    "an unclosed object": b'{"id": 5',
    "two": line(id=4) + line(id=5),
    "two apart": line(id=4) + b" " + line(id=5),
    "two in a list": line(id=4) + b"," + line(id=5),
    "a brace more": line(id=4) + b"}",
    "in a list": b"[" + line(id=4) + b"]",
    "HTML": b"<html>",
}


@through_files
@pytest.mark.parametrize("odd", NO_CONTACTS.values(), ids=NO_CONTACTS)
def test_a_line_that_is_no_contact_is_loud_after_one_fresh_download(
    one: Cometly, way: Way, odd: bytes
) -> None:
    run = run_of(one, way, line(), line(id=2), odd, line(id=3))

    assert one.calls["file"] == 2
    one.is_loud(run, "Line 3 of an export file is not a contact")


@through_files
@pytest.mark.parametrize("threshold", [1, 50_000], ids=["large enough to halve", "too small"])
@pytest.mark.parametrize("status", ["gone", "failed"])
def test_a_window_whose_file_was_bad_and_then_cannot_be_had_again_is_not_lost(
    one: Cometly, way: Way, threshold: int, status: str
) -> None:
    one.space.fill(30, NOW - 99 * HOUR, NOW - HOUR)
    one.fault("file", "lines", edit=lambda lines: [*lines[:3], b"null", *lines])
    if status == "gone":
        one.fault("poll", call=2, times=2, status=404)
    else:
        failed = {"export_id": 1001, "status": "failed"}
        one.fault("poll", "edit", call=2, times=2, edit=lambda _: failed)

    run = one.sync(**way, export_threshold=threshold)

    assert len(run.ids) == 31
    one.is_complete(run)


@through_files
@pytest.mark.parametrize("lines", [[b""], [b"", b"\r", b" "], [b"\xef\xbb\xbf"]])
def test_a_file_of_blank_lines_is_not_taken_for_an_empty_window(
    one: Cometly, way: Way, lines: list[bytes]
) -> None:
    run = run_of(one, way, *lines)

    one.is_loud(run, "lacks contacts that the list shows")


@through_pages
@pytest.mark.parametrize("odd", [b"null", b"[1]", b'"x"', b"12", b"{}"], ids=bytes.decode)
def test_something_on_a_page_that_is_no_contact_is_loud(one: Cometly, way: Way, odd: bytes) -> None:
    run = run_of(one, way, line(), odd, line(id=2))

    one.is_loud(run, "page of the list is not a contact")


# The time of creation.

TIMES: dict[str, tuple[bytes, str | None]] = {
    "null": (b"null", None),
    "UTC": (b'"2024-06-01T10:00:00Z"', "2024-06-01T10:00:00Z"),
    "naive": (b'"2024-06-01T10:00:00"', "2024-06-01T10:00:00Z"),
    "naive, with a blank": (b'"2024-06-01 10:00:00"', "2024-06-01T10:00:00Z"),
    "a date": (b'"2024-06-01"', "2024-06-01T00:00:00Z"),
    "an offset": (b'"2024-06-01T03:00:00-07:00"', "2024-06-01T10:00:00Z"),
    "an offset without a colon": (b'"2024-06-01T15:45:00+0545"', "2024-06-01T10:00:00Z"),
    "microseconds": (b'"2024-06-01T10:00:00.123456Z"', "2024-06-01T10:00:00.123456Z"),
    "zero microseconds": (b'"2024-06-01T10:00:00.000000Z"', "2024-06-01T10:00:00Z"),
    "milliseconds": (b'"2024-06-01T10:00:00.5Z"', "2024-06-01T10:00:00.500000Z"),
    "basic format": (b'"20240601T100000Z"', "2024-06-01T10:00:00Z"),
}
NO_TIMES = {
    "seconds since 1970": b"1717236000",
    "seconds as text": b'"1717236000"',
    "words": b'"yesterday"',
    "empty": b'""',
    "zeros": b'"0000-00-00 00:00:00"',
    "a thirteenth month": b'"2024-13-01T10:00:00Z"',
    "an object": b'{"date":"2024-06-01 10:00:00"}',
    "true": b"true",
    "an interval": b'"2024-06-01/P1D"',
    "the first second": b'"0001-01-01T00:00:00Z"',
    "the last second": b'"9999-12-31T23:59:59Z"',
}


@any_way
@pytest.mark.parametrize(("written", "read"), TIMES.values(), ids=TIMES)
def test_any_time_of_creation_comes_out_as_utc(
    one: Cometly, way: Way, written: bytes, read: str | None
) -> None:
    odd = line(without="created_at", raw=b'"created_at":' + written)

    run = run_of(one, way, odd, line(id=2))

    assert [record["created_at"] for record in run.records] == [read, CREATED]
    assert run.warnings == []
    one.is_complete(run)


@any_way
@pytest.mark.parametrize("written", NO_TIMES.values(), ids=NO_TIMES)
def test_a_time_of_creation_that_cannot_be_read_becomes_null_and_is_counted(
    one: Cometly, way: Way, written: bytes
) -> None:
    odd = line(without="created_at", raw=b'"created_at":' + written)

    run = run_of(one, way, odd, line(id=2))

    assert [record["created_at"] for record in run.records] == [None, CREATED]
    assert len(run.warnings) == 1
    assert "created_at" in run.warnings[0]
    one.is_complete(run)


# Fields.


@any_way
def test_unknown_fields_are_left_out_and_named_once(one: Cometly, way: Way) -> None:
    new = b'"score":{"x":[1]},"owner":"Zelda Quux"'

    run = run_of(one, way, line(raw=new), line(id=2, raw=new), line(id=3))

    assert [set(record) for record in run.records] == [COLUMNS] * 3
    assert sorted(told.split("`")[1] for told in run.warnings) == ["owner", "score"]
    one.is_complete(run, canaries=["Quux"])


@any_way
def test_missing_fields_come_out_as_null(one: Cometly, way: Way) -> None:
    run = run_of(one, way, b'{"id":1}')

    assert run.records
    assert all(record == {**dict.fromkeys(COLUMNS), "id": 1} for record in run.records)
    one.is_complete(run)
