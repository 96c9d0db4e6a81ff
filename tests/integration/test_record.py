"""What a contact may look like, and what becomes of it: section The record of the catalogue."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from tap_cometly.contacts.schema import FIELDS
from tests.integration.conftest import NOW
from tests.sandbox import Fault, dated
from tests.support.foreign import FILES, PAGES, WAYS, Way
from tests.support.properties import check

if TYPE_CHECKING:
    from tests.integration.conftest import StartCometly
    from tests.sandbox import Sandbox
    from tests.support.clock import FakeClock
    from tests.support.running import Run

HOUR = timedelta(hours=1)
CREATED = "2024-06-01T10:00:00Z"
COLUMNS = {field.name for field in FIELDS if not field.option}

any_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
through_pages = pytest.mark.parametrize("way", PAGES.values(), ids=PAGES)
through_files = pytest.mark.parametrize("way", FILES.values(), ids=FILES)


class Cometly:
    """A Space with one contact, which it writes as a test likes."""

    def __init__(self, sandbox: Sandbox, clock: FakeClock) -> None:
        self.sandbox = sandbox
        self.clock = clock
        self.contact = sandbox.space.add(created_at=datetime.fromisoformat(CREATED[:-1] + "+00:00"))

    def read(self, way: Way, *lines: bytes, **config: Any) -> Run:
        return way.read(self.sandbox, self.clock, *lines, **config)


@pytest.fixture
def one(cometly: StartCometly) -> Cometly:
    return Cometly(*cometly(dated()))


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

    run = one.read(way, line(id=2), odd, line(id=3))

    assert [record["name"] for record in run.records] == [None, read, None]
    assert ["Repaired values" in told and str(warning) in told for told in run.warnings] == (
        [True] if warning else []
    )
    check(run, one.sandbox, canaries=["René"])


@any_way
@pytest.mark.parametrize("written", [b"{}", b'{"a":1}', b"[]", b'["a"]'])
def test_text_that_is_none_becomes_null_and_its_column_is_named_once(
    one: Cometly, way: Way, written: bytes
) -> None:
    odd = [line(id=n, without="phone", raw=b'"phone":' + written) for n in (1, 2)]

    run = one.read(way, *odd)

    assert [record["phone"] for record in run.records] == [None, None]
    assert len(run.warnings) == 1
    assert "`phone`" in run.warnings[0]
    check(run, one.sandbox)


@through_files
def test_a_byte_order_mark_is_skipped(one: Cometly, way: Way) -> None:
    run = one.read(way, b"\xef\xbb\xbf" + line(), b"\xef\xbb\xbf" + line(id=2), b"\xef\xbb\xbf")

    assert [record["id"] for record in run.records] == [1, 2]
    check(run, one.sandbox)


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
    run = one.read(way, line(raw=b'"profile_field_16":' + written), include_custom_fields=True)

    [exact] = [
        json.loads(told, parse_float=Decimal, parse_int=Decimal)["record"]["profile_field_16"]
        for told in run.raw.splitlines()
        if b'"RECORD"' in told
    ]
    assert exact == (None if read is None else Decimal(read))
    assert [str(warning) in told for told in run.warnings] == ([True] if warning else [])
    check(run, one.sandbox)


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
    run = one.read(way, line(id=2), odd)

    assert run.exit == 1
    assert "is no contact" in run.errors[0]
    assert run.states == []
    check(run, one.sandbox)


@any_way
@pytest.mark.parametrize("key", [2**63 - 1, 0, -5])
def test_any_integer_of_64_bits_is_a_key(one: Cometly, way: Way, key: int) -> None:
    run = one.read(way, line(id=key), line())

    assert run.ids == {key, 1}
    check(run, one.sandbox)


@any_way
def test_of_the_same_field_twice_the_last_one_counts(one: Cometly, way: Way) -> None:
    run = one.read(way, line(id=7, name="Ada", raw=b'"id":1,"name":"Grace"'))

    assert [(record["id"], record["name"]) for record in run.records] == [(1, "Grace")]
    check(run, one.sandbox)


# Lines that are no contact.

NO_CONTACTS = {
    "null": b"null",
    "a list": b"[1]",
    "text": b'"x"',
    "a number": b"12",
    "an empty object": b"{}",
    "an unclosed object": b'{"id": 5',
}


@through_files
@pytest.mark.parametrize(
    "odd",
    [
        *NO_CONTACTS.values(),
        line(id=4) + line(id=5),
        line(id=4) + b" " + line(id=5),
        line(id=4) + b"," + line(id=5),
        line(id=4) + b"}",
        b"[" + line(id=4) + b"]",
        b"<html>",
    ],
    ids=[*NO_CONTACTS, "two", "two apart", "two in a list", "a brace more", "in a list", "HTML"],
)
def test_a_line_that_is_no_contact_is_loud_after_one_fresh_download(
    one: Cometly, way: Way, odd: bytes
) -> None:
    run = one.read(way, line(), line(id=2), odd, line(id=3))

    assert run.exit == 1
    assert "Line 3 of an export file is no contact" in run.errors[0]
    assert run.states == []
    assert one.sandbox.log_calls()["file"] == 2
    check(run, one.sandbox)


@through_files
@pytest.mark.parametrize("threshold", [1, 50_000], ids=["large enough to halve", "too small"])
@pytest.mark.parametrize("status", ["gone", "failed"])
def test_a_window_whose_file_was_bad_and_then_cannot_be_had_again_is_not_lost(
    one: Cometly, way: Way, threshold: int, status: str
) -> None:
    one.sandbox.space.fill(30, NOW - 99 * HOUR, NOW - HOUR)
    one.sandbox.fault(Fault("file", "lines", edit=lambda lines: [*lines[:3], b"null", *lines]))
    if status == "gone":
        one.sandbox.fault(Fault("poll", call=2, times=2, status=404))
    else:
        failed = {"export_id": 1001, "status": "failed"}
        one.sandbox.fault(Fault("poll", "edit", call=2, times=2, edit=lambda _: failed))

    run = way.run(one.sandbox, one.clock, export_threshold=threshold)

    assert run.exit == 0
    assert len(run.ids) == 31
    check(run, one.sandbox)


@through_files
@pytest.mark.parametrize("lines", [[b""], [b"", b"\r", b" "], [b"\xef\xbb\xbf"]])
def test_a_file_of_blank_lines_is_not_taken_for_an_empty_window(
    one: Cometly, way: Way, lines: list[bytes]
) -> None:
    run = one.read(way, *lines)

    assert run.exit == 1
    assert "lacks contacts that the list shows" in run.errors[0]
    assert run.states == []
    check(run, one.sandbox)


@through_files
def test_a_contact_on_two_lines_is_loud(one: Cometly, way: Way) -> None:
    first, second = line(name="Ada").split(b',"name"')

    run = one.read(way, first, b',"name"' + second, line(id=4) + line(id=5))

    assert run.exit == 1
    assert run.states == []
    check(run, one.sandbox)


@through_pages
@pytest.mark.parametrize(
    "odd",
    [odd for name, odd in NO_CONTACTS.items() if name != "an unclosed object"],
)
def test_something_on_a_page_that_is_no_contact_is_loud(one: Cometly, way: Way, odd: bytes) -> None:
    run = one.read(way, line(), odd, line(id=2))

    assert run.exit == 1
    assert "page of the list is no contact" in run.errors[0]
    assert run.states == []
    check(run, one.sandbox)


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
}


@any_way
@pytest.mark.parametrize(("written", "read"), TIMES.values(), ids=TIMES)
def test_any_time_of_creation_comes_out_as_utc(
    one: Cometly, way: Way, written: bytes, read: str | None
) -> None:
    odd = line(without="created_at", raw=b'"created_at":' + written)

    run = one.read(way, odd, line(id=2))

    assert [record["created_at"] for record in run.records] == [read, CREATED]
    assert run.warnings == []
    check(run, one.sandbox)


@any_way
@pytest.mark.parametrize("written", NO_TIMES.values(), ids=NO_TIMES)
def test_a_time_of_creation_that_cannot_be_read_becomes_null_and_is_counted(
    one: Cometly, way: Way, written: bytes
) -> None:
    odd = line(without="created_at", raw=b'"created_at":' + written)

    run = one.read(way, odd, line(id=2))

    assert [record["created_at"] for record in run.records] == [None, CREATED]
    assert len(run.warnings) == 1
    assert "created_at" in run.warnings[0]
    check(run, one.sandbox)


# Fields.


@any_way
def test_unknown_fields_are_left_out_and_named_once(one: Cometly, way: Way) -> None:
    new = b'"score":{"x":[1]},"owner":"Zelda Quux"'

    run = one.read(way, line(raw=new), line(id=2, raw=new), line(id=3))

    assert [set(record) for record in run.records] == [COLUMNS] * 3
    assert sorted(told.split("`")[1] for told in run.warnings) == ["owner", "score"]
    check(run, one.sandbox, canaries=["Quux"])


@any_way
def test_missing_fields_come_out_as_null(one: Cometly, way: Way) -> None:
    run = one.read(way, b'{"id":1}')

    assert run.records
    assert all(record == {**dict.fromkeys(COLUMNS), "id": 1} for record in run.records)
    check(run, one.sandbox)
