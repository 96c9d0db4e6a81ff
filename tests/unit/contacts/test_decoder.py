"""Pages and lines become contacts, and a value is repaired, made null or refused alike in both.

What most values become is shown over HTTP, in `tests/integration/test_record.py`.
"""

from __future__ import annotations

import json
import sys
from datetime import date, datetime, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_cometly.contacts.decoder import ContactDecoder
from tap_cometly.contacts.repair import RepairLog
from tap_cometly.contacts.schema import FIELDS
from tap_cometly.exceptions import GarbledError, RecordError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SECRET = b"canary@example.com"
NEEDS_REPAIR = b'{"id":9,"phone":5}'  # which has the contacts beside it read value by value, too
NOON = datetime(2024, 1, 15, 12, tzinfo=timezone.utc)


def body(contacts: bytes, cursor: object = None) -> bytes:
    return b'{"data":[%s],"next_cursor":%s,"path":"x"}' % (contacts, json.dumps(cursor).encode())


def from_lines(decoder: ContactDecoder, *contacts: bytes) -> list[Any]:
    return decoder.lines(b"\n".join(contacts) + b"\n", 1)


def from_page(decoder: ContactDecoder, *contacts: bytes) -> list[Any]:
    return [*decoder.page(body(b",".join(contacts))).contacts]


WAYS: dict[str, Callable[..., list[Any]]] = {
    "lines": from_lines,
    "page": from_page,
    "lines, value by value": lambda *given: from_lines(*given, NEEDS_REPAIR)[:-1],
    "page, value by value": lambda *given: from_page(*given, NEEDS_REPAIR)[:-1],
}


class Decoding:
    """A decoder, asked in one of the ways, and what it logs in a sync."""

    def __init__(self, way: str, logged: list[str]) -> None:
        self._decode = WAYS[way]
        self._logged = logged
        self._repairs = RepairLog()
        self._decoder = ContactDecoder(FIELDS, self._repairs)

    def contacts(self, *written: bytes) -> list[Any]:
        return self._decode(self._decoder, *written)

    def value(self, column: str, written: bytes) -> Any:
        """Give the value that a column gets from JSON."""
        [contact] = self.contacts(b'{"id":1,"%s":%s}' % (column.encode(), written))
        return getattr(contact, column)

    @property
    def warnings(self) -> list[str]:
        """Those of a sync, the summary at its end included."""
        self._repairs.summarize()
        return self._logged


@pytest.fixture(params=WAYS)
def decoding(request: pytest.FixtureRequest, logged: list[str]) -> Decoding:
    return Decoding(request.param, logged)


@pytest.fixture
def decoder() -> ContactDecoder:
    return ContactDecoder(FIELDS, RepairLog())


def ids(contacts: Sequence[Any]) -> list[int]:
    return [contact.id for contact in contacts]


# Values.


@pytest.mark.parametrize(
    ("written", "text"),
    [(rb'"\ud7ff\ue000"', "\ud7ff\ue000"), (b'"\x1f"', "\x1f"), (b"NaN", "nan"), (b"null", None)],
)
def test_text_that_needs_no_repair_is_kept(
    decoding: Decoding, written: bytes, text: str | None
) -> None:
    assert decoding.value("name", written) == text
    assert decoding.warnings == []


def test_lists_keep_what_is_text(decoding: Decoding) -> None:
    assert decoding.value("emails", rb'["a",null,5,{"x":1},"b\u0000"]') == ["a", "5", "b"]


@pytest.mark.parametrize(
    ("column", "written"),
    [
        ("emails", b'"%s"' % SECRET),
        ("profile_field_16", b"true"),
        ("profile_field_26", b'"%s"' % SECRET),
        ("profile_field_26", b"3"),
    ],
)
def test_a_misfit_becomes_null_and_its_column_is_named_once(
    decoding: Decoding, column: str, written: bytes
) -> None:
    assert [decoding.value(column, written) for _ in range(3)] == [None] * 3
    assert decoding.warnings == [
        f"Column `{column}`: a value does not fit its type; such values become null"
    ]


@pytest.mark.parametrize(
    ("written", "number"),
    [
        *((text, text) for text in ("-1.7e308", "4.9e-324", "-0.0", "0e-400")),
        (str(int(sys.float_info.max)), str(int(sys.float_info.max))),
        ('"3.10"', "3.10"),
    ],
)
def test_numbers_are_exact(decoding: Decoding, written: str, number: str) -> None:
    assert decoding.value("profile_field_20", written.encode()) == Decimal(number)
    assert decoding.warnings == []


@pytest.mark.parametrize(
    "written",
    [
        *("NaN", '"NaN"', "1e309", "1.8e308", "-1.8e308", "1e-400", "2.4e-324", "1e999999"),
        *("1e99999999999999999999", "-1e99999999999999999999", "9" * 5000),
    ],
)
def test_numbers_beyond_any_double_become_null_and_are_counted(
    decoding: Decoding, written: str
) -> None:
    assert decoding.value("profile_field_20", written.encode()) is None
    assert decoding.warnings == ["Repaired values: 1 numbers beyond any range"]


def test_a_contact_without_a_time_may_stand_beside_one_of_another_zone(
    decoding: Decoding,
) -> None:
    dated, undated = decoding.contacts(
        b'{"id":2,"created_at":"2024-01-15T17:45:00+05:45"}', b'{"id":1,"created_at":null}'
    )

    assert (dated.created_at, undated.created_at) == (NOON, None)


@pytest.mark.parametrize(
    "written",
    [
        '"P1D"',
        *('"0001-01-01T00:00:00+05:00"', '"9999-12-31T23:00:00-05:00"'),  # beyond the calendar
    ],
)
def test_created_at_that_is_no_time_becomes_null_and_is_counted(
    decoding: Decoding, written: str
) -> None:
    assert decoding.value("created_at", written.encode()) is None
    assert decoding.warnings == ["Repaired values: 1 unreadable values of created_at"]


@pytest.mark.parametrize(
    ("written", "day"),
    [
        (b'"2024-02-29"', date(2024, 2, 29)),
        (b'"2024-02-29T23:30:00Z"', date(2024, 2, 29)),
        (b"null", None),
    ],
)
def test_a_date_is_a_day(decoding: Decoding, written: bytes, day: date | None) -> None:
    assert decoding.value("profile_field_30", written) == day


# Contacts.


def test_unknown_fields_are_left_out_and_named_once_printable_and_short(
    decoding: Decoding,
) -> None:
    decoding.value("name", rb'"\u0000"')
    for _ in range(2):
        decoding.contacts(
            b'{"id":1,"score":"%s","caf\xc3\xa9\\u001b[31m%s":1}' % (SECRET, b"x" * 99)
        )

    *named, counted = decoding.warnings
    assert sorted(named) == [
        f"Field `{name}` is not in this stream's schema; it is left out"
        for name in (r"caf\xe9\x1b[31m" + "x" * 51, "score")
    ]
    assert counted == "Repaired values: 1 values with NUL"


def test_what_was_repaired_is_summed_up_in_one_warning(decoding: Decoding) -> None:
    for _ in range(2):
        decoding.contacts(b'{"id":1,"name":"a\xff","created_at":""}')

    assert decoding.warnings == [
        "Repaired values: 2 places with invalid UTF-8, 2 unreadable values of created_at"
    ]


def test_nesting_of_any_depth_is_read_or_refused(decoding: Decoding) -> None:
    decoding.contacts(b'{"id":1,"new":2}')
    depth = 100_000  # how much is too much differs from Python to Python

    try:
        contacts = decoding.contacts(b'{"id":1,"new":%s}' % (b"[" * depth + b"]" * depth))
    except (RecordError, GarbledError):
        return

    assert ids(contacts) == [1]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
names = st.sampled_from(['"},{"', "]},{[", "\\", "Ada", "\u2028", "\0", "\ud800", "x\r\ny"])
columns = st.sampled_from([field.name for field in FIELDS if field.name != "id"])
raw_contacts = st.dictionaries(columns, json_values | names)


@given(st.lists(raw_contacts, max_size=3))
def test_any_json_objects_with_an_id_become_the_same_contacts_in_each_way(
    raws: list[dict[str, Any]],
) -> None:
    written = [json.dumps({"id": key, **raw}).encode() for key, raw in enumerate(raws)]

    read = [decode(ContactDecoder(FIELDS, RepairLog()), *written) for decode in WAYS.values()]

    exact = (Decimal, datetime, date)
    first, *others = ([msgspec.to_builtins(c, builtin_types=exact) for c in each] for each in read)
    assert others == [first] * 3
    assert [record["id"] for record in first] == list(range(len(raws)))
    assert b"\\u0000" not in msgspec.json.encode(read[0])


# Lines.


@pytest.mark.parametrize(
    "block",
    [
        b'{"id":1,"name":"Ada {Countess}"}\n{"id":2}\n',
        b'{"id":1}\r\n{"id":2}\r\n',
        b'{"id":1,"name":"{}"}\n{"id":2}\n',
        rb'{"id":1,"name":"Ren\u00e9 \"\u0001\n\""}' + b'\n{"id":2}\n',
        '{"id":1,"name":"\u2028"}\n{"id":2}\n'.encode(),
        b'{"id":1}\n\n{"id":2}',
        b'\xef\xbb\xbf{"id":1}\r\n\r\n{"id":2}\r\n\n',
        *(
            blank + b'\n{"id":1,"new":2}\n' + blank + b'\n{"id":2}\n'
            for blank in (b" ", b"\t", b"\r", b" \t \r", b"\xef\xbb\xbf", b"\xef\xbb\xbf\r")
        ),
    ],
)
def test_a_line_holds_a_contact_or_nothing(decoder: ContactDecoder, block: bytes) -> None:
    assert ids(decoder.lines(block, 1)) == [1, 2]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"[]", "it is not a JSON object"),
        (b'X{"id":1}', "it is not a JSON object"),
        (b'{"name":"x"}', "it has no id"),
        (b'{"id":1.0}', "its id is not an integer"),
        (b'{"id":%d}' % (-(2**63) - 1), "its id does not fit into 64 bits"),
    ],
)
def test_a_line_that_is_no_contact_is_named_by_its_number_never_by_its_content(
    decoder: ContactDecoder, line: bytes, why: str
) -> None:
    block = b'{"id":1,"name":"%s"}\n\n%s\n' % (SECRET, line)

    with pytest.raises(RecordError) as failure:
        decoder.lines(block, 41)

    assert failure.value.what == f"Line 43 of an export file is not a contact: {why}"


# Pages.


@pytest.mark.parametrize(
    ("answer", "page", "cursor"),
    [
        (body(b'{"id":2,"name":"Ada"},{"id":1}', "x"), [2, 1], "x"),
        (body(b""), [], None),
        (b'{"data":[{"id":1,"name":"a\x1f\xff"}],"next_cursor":"x"}', [1], "x"),
        (b'\xef\xbb\xbf{"next_cursor":null,"data":[{"id":1}]}', [1], None),
        (b'{"data":[{"id":1}],"next_cursor":"x\xff"}', [1], "x\ufffd"),
    ],
)
def test_a_page_is_its_contacts_and_the_cursor_of_the_next_one(
    decoder: ContactDecoder, answer: bytes, page: list[int], cursor: str | None
) -> None:
    found = decoder.page(answer)

    assert (ids(found.contacts), found.next_cursor) == (page, cursor)
