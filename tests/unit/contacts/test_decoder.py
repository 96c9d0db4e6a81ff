"""Lines and pages become contacts at once where they can, and never at the cost of a value."""

from __future__ import annotations

import json
from datetime import date, datetime, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from unittest import mock

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_cometly.contacts.decoder import ContactDecoder, Page
from tap_cometly.contacts.repair import ContactRepairer, RepairLog
from tap_cometly.contacts.schema import FIELDS
from tap_cometly.exceptions import GarbledError, RecordError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tap_cometly.contacts.schema import Contact
    from tests.unit.contacts.conftest import Warnings

SECRET = b"canary@example.com"
ADVICE = "Run again; if it stays, ask Cometly's support about it. The bookmark is kept."


def body(contacts: bytes, cursor: object = None) -> bytes:
    return b'{"data":[%s],"next_cursor":%s,"path":"x"}' % (contacts, json.dumps(cursor).encode())


def from_lines(decoder: ContactDecoder, *contacts: bytes) -> list[Any]:
    return decoder.lines(b"\n".join(contacts) + b"\n", 1)


def from_page(decoder: ContactDecoder, *contacts: bytes) -> list[Any]:
    return [*decoder.page(body(b",".join(contacts))).contacts]


either_way = pytest.mark.parametrize("decode", [from_lines, from_page])


def ids(contacts: Sequence[Contact]) -> list[int]:
    return [contact.id for contact in contacts]


@pytest.fixture
def repaired() -> Iterator[mock.Mock]:
    """Watches which contacts are made one value at a time."""
    with mock.patch.object(
        ContactRepairer, "contact", autospec=True, side_effect=ContactRepairer.contact
    ) as watched:
        yield watched


# Lines and pages.


@either_way
def test_unknown_fields_are_named_once_whatever_was_repaired_before(
    decoder: ContactDecoder, decode: Callable[..., Any], repaired: mock.Mock, warnings: Warnings
) -> None:
    decode(decoder, rb'{"id":1,"name":"\u0000"}')
    decode(decoder, b'{"id":1,"new":2}')
    decode(decoder, b'{"id":1,"new":2}')

    assert repaired.call_count == 2
    assert warnings() == [
        "Field `new` is not in this stream's schema; it is left out",
        "Repaired values: 1 values with NUL",
    ]


@either_way
@pytest.mark.parametrize(
    ("written", "name", "counted"),
    [
        (b"a\xffb", "a\ufffdb", "1 places with invalid UTF-8"),
        (rb"a\u0000b", "ab", "1 values with NUL"),
        (rb"a\ud800b", "a\ufffdb", "1 values with a lone surrogate"),
    ],
    ids=["invalid UTF-8", "NUL", "surrogate"],
)
def test_text_that_no_warehouse_takes_is_repaired_and_counted(
    decoder: ContactDecoder,
    decode: Callable[..., Any],
    warnings: Warnings,
    written: bytes,
    name: str,
    counted: str,
) -> None:
    odd, plain = decode(decoder, b'{"id":2,"name":"%s"}' % written, b'{"id":1,"name":"a"}')

    assert (odd.name, plain.name) == (name, "a")
    assert warnings() == [f"Repaired values: {counted}"]


@either_way
def test_times_of_another_zone_come_out_as_utc(
    decoder: ContactDecoder, decode: Callable[..., Any]
) -> None:
    dated, undated = decode(
        decoder,
        b'{"id":2,"created_at":"2024-06-01T12:00:00+05:45"}',
        b'{"id":1,"created_at":null}',
    )

    assert dated.created_at == datetime(2024, 6, 1, 6, 15, tzinfo=timezone.utc)
    assert dated.created_at.tzinfo is timezone.utc
    assert undated.created_at is None


@either_way
@pytest.mark.parametrize("when", ["0001-01-01T00:00:00+05:00", "9999-12-31T23:00:00-05:00"])
def test_times_beyond_the_calendar_become_null_and_are_counted(
    decoder: ContactDecoder, decode: Callable[..., Any], warnings: Warnings, when: str
) -> None:
    [contact] = decode(decoder, b'{"id":1,"created_at":"%s"}' % when.encode())

    assert contact.created_at is None
    assert warnings() == ["Repaired values: 1 unreadable values of created_at"]


@either_way
def test_numbers_beyond_any_double_become_null_and_are_counted(
    decoder: ContactDecoder, decode: Callable[..., Any], repaired: mock.Mock, warnings: Warnings
) -> None:
    numbers = (b"1.50", b"1e400", b"null", b'"-1e400"', b"1e999999", b"7")
    given = [b'{"id":1,"profile_field_16":%s}' % number for number in numbers]

    contacts = decode(decoder, *given, b'{"id":1}')

    values = [contact.profile_field_16 for contact in contacts]
    assert values == [Decimal("1.50"), None, None, None, None, Decimal(7), msgspec.UNSET]
    assert warnings() == ["Repaired values: 3 numbers beyond any range"]
    assert not repaired.called


@either_way
def test_of_a_key_that_occurs_twice_the_last_counts(
    decoder: ContactDecoder, decode: Callable[..., Any]
) -> None:
    assert ids(decode(decoder, b'{"id":9,"id":1}', rb'{"id":9,"id":2,"name":"\u0000"}')) == [1, 2]


@either_way
def test_nesting_of_any_depth_is_read_or_refused(
    decoder: ContactDecoder, decode: Callable[..., Any]
) -> None:
    decode(decoder, b'{"id":1,"new":2}')
    depth = 100_000  # how much is too much differs from Python to Python

    try:
        contacts = decode(decoder, b'{"id":1,"new":%s}' % (b"[" * depth + b"]" * depth))
    except (RecordError, GarbledError):
        return

    assert ids(contacts) == [1]


names = st.sampled_from(['"},{"', "]},{[", "\\", "Ada", "\u2028", "\0", "\ud800", "x\r\ny"])


@given(st.lists(st.fixed_dictionaries({"name": names}, optional={"new": names})))
def test_a_page_and_a_file_give_the_same_contacts(raws: list[dict[str, Any]]) -> None:
    written = [json.dumps({"id": key, **raw}).encode() for key, raw in enumerate(raws)]

    paged = from_page(ContactDecoder(FIELDS, RepairLog()), *written)
    exported = from_lines(ContactDecoder(FIELDS, RepairLog()), *written)

    assert ids(paged) == ids(exported) == list(range(len(raws)))
    repaired = [raw["name"].replace("\0", "").replace("\ud800", "\ufffd") for raw in raws]
    assert [c.name for c in paged] == [c.name for c in exported] == repaired


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
columns = st.sampled_from([field.name for field in FIELDS if field.name != "id"])
raw_contacts = st.dictionaries(columns, json_values)


@given(raw_contacts)
def test_any_json_object_with_an_id_becomes_a_contact_that_targets_can_read(
    raw: dict[str, Any],
) -> None:
    line = json.dumps({"id": 7, **raw}).encode()

    [contact] = from_lines(ContactDecoder(FIELDS, RepairLog()), line)
    record = json.loads(msgspec.json.encode(contact))

    assert record["id"] == 7
    assert "\\u0000" not in json.dumps(record)
    assert set(record) <= {field.name for field in FIELDS}


@given(raw_contacts)
def test_contacts_are_the_same_whether_decoded_at_once_or_value_by_value(
    raw: dict[str, Any],
) -> None:
    line = json.dumps({"id": 7, **raw}).encode()
    needs_repair = b'{"id":8,"created_at":"soon"}'

    [at_once] = from_lines(ContactDecoder(FIELDS, RepairLog()), line)
    by_value, _ = from_lines(ContactDecoder(FIELDS, RepairLog()), line, needs_repair)

    exact = (Decimal, datetime, date)
    assert msgspec.to_builtins(at_once, builtin_types=exact) == msgspec.to_builtins(
        by_value, builtin_types=exact
    )


# Lines.


@pytest.mark.parametrize(
    ("block", "at_once"),
    [
        (b'{"id":1,"name":"Ada {Countess}"}\n{"id":2}\n', True),
        (b'{"id":1}\r\n{"id":2}\r\n', True),
        (b'{"id":1,"name":"{}"}\n{"id":2}\n', True),
        (rb'{"id":1,"name":"Ren\u00e9 \"\u0001\n\""}' + b'\n{"id":2}\n', True),
        ('{"id":1,"name":"\u2028"}\n{"id":2}\n'.encode(), True),
        (b'{"id":1}\n\n{"id":2}', True),
        (b'\xef\xbb\xbf{"id":1}\r\n\r\n{"id":2}\r\n\n', False),
        *(
            (blank + b'\n{"id":1,"new":2}\n' + blank + b'\n{"id":2}\n', False)
            for blank in (b" ", b"\t", b"\r", b" \t \r", b"\xef\xbb\xbf", b"\xef\xbb\xbf\r")
        ),
    ],
)
def test_lines_are_decoded_at_once_unless_something_is_odd(
    decoder: ContactDecoder,
    repaired: mock.Mock,
    block: bytes,
    at_once: bool,  # noqa: FBT001, a parameter
) -> None:
    assert ids(decoder.lines(block, 1)) == [1, 2]
    assert repaired.called is not at_once


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"null", "it is no JSON object"),
        (b"[1]", "it is no JSON object"),
        (b'"x"', "it is no JSON object"),
        (b'{"id":1}{"id":2}', "it is no JSON object"),
        (b'{"id":1} {"id":2}\n', "it is no JSON object"),
        (b'{"id":1}{"id":2}\n', "it is no JSON object"),
        (b'{"id":1', "it is no JSON object"),
        (b'X{"id":1}', "it is no JSON object"),
        (b'{"id":"12"}', "its id is no integer"),
        (b'{"name":"x"}', "it has no id"),
        (b'{"id":18446744073709551616}', "its id does not fit into 64 bits"),
    ],
)
def test_a_line_that_is_no_contact_is_named_by_its_number_never_by_its_content(
    decoder: ContactDecoder, line: bytes, why: str
) -> None:
    block = b'{"id":1,"name":"%s"}\n\n%s\n' % (SECRET, line)

    with pytest.raises(RecordError) as failure:
        decoder.lines(block, 41)

    assert str(failure.value) == f"Line 43 of an export file is no contact: {why}. {ADVICE}"


# Pages.


@pytest.mark.parametrize("cursor", ["x", None])
def test_a_page_is_decoded_at_once(
    decoder: ContactDecoder, repaired: mock.Mock, cursor: str | None
) -> None:
    page = decoder.page(body(b'{"id":2,"name":"Ada"},{"id":1}', cursor))

    assert (ids(page.contacts), page.next_cursor) == ([2, 1], cursor)
    assert not repaired.called


@pytest.mark.parametrize(
    ("answer", "cursor"),
    [
        (b'{"data":[{"id":1,"name":"a\x1f\xff"}],"next_cursor":"x"}', "x"),
        (b'\xef\xbb\xbf{"next_cursor":null,"data":[{"id":1}]}', None),
        (b'{"data":[{"id":1}],"next_cursor":"x\xff"}', "x\ufffd"),
    ],
)
def test_a_page_that_is_odd_only_in_its_bytes_is_read(
    decoder: ContactDecoder, answer: bytes, cursor: str | None
) -> None:
    page = decoder.page(answer)

    assert (ids(page.contacts), page.next_cursor) == ([1], cursor)


def test_an_empty_page_may_have_a_cursor(decoder: ContactDecoder) -> None:
    assert decoder.page(body(b"", "x")) == Page([], "x")


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"<html>", "no JSON"),
        (b"", "no JSON"),
        (b'{"data":[{"id":1}],"next_cursor":nul', "no JSON"),
        (b'{"data":[{"id":1},{"id":tru}],"next_cursor":null}', "no JSON"),
        (b"[]", "no list `data`"),
        (b'{"next_cursor":null}', "no list `data`"),
        (b'{"data":{},"next_cursor":null}', "no list `data`"),
        (b'{"data":null,"next_cursor":null}', "no list `data`"),
        (b'{"data":[]}', "no `next_cursor`"),
        (b'{"data":[],"next_cursor":7}', "no `next_cursor`"),
        (b'{"data":[{"id":"2"}],"next_cursor":false}', "no `next_cursor`"),
    ],
)
def test_an_answer_that_is_no_page_is_refused_and_says_why(
    decoder: ContactDecoder, answer: bytes, why: str
) -> None:
    with pytest.raises(GarbledError, match=why):
        decoder.page(answer)


@pytest.mark.parametrize(
    "contact", [b'{"id":"2"}', b"{}", b"null", b"7", b"[1]", b'{"id":18446744073709551616}']
)
def test_something_on_a_page_that_is_no_contact_is_an_error(
    decoder: ContactDecoder, contact: bytes
) -> None:
    with pytest.raises(RecordError) as failure:
        decoder.page(body(b'{"id":1,"name":"%s"},%s' % (SECRET, contact)))

    assert str(failure.value).startswith("Something on a page of the list is no contact: it")
    assert str(failure.value).endswith(f". {ADVICE}")
    assert SECRET.decode() not in str(failure.value)
