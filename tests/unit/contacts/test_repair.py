"""A contact at a time: what is mended, what is counted, and what is no contact."""

from __future__ import annotations

import json
import logging
import sys
from datetime import date, datetime, timezone
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_cometly.contacts.decoder import ContactDecoder
from tap_cometly.contacts.repair import (
    ContactRepairer,
    NoContactError,
    RepairLog,
    page_error,
    parse,
)
from tap_cometly.contacts.schema import FIELDS, Contact, contact_type
from tap_cometly.exceptions import RecordError

LOGGER = logging.getLogger("tests.mending")
SECRET = "canary@example.com"  # noqa: S105 - what no log may tell
ADVICE = "Run again; if it stays, ask Cometly's support about it. The bookmark is kept."

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
contacts = st.dictionaries(
    st.sampled_from([field.name for field in FIELDS if field.name != "id"]), json_values
)


def mend(repairs: RepairLog, raw: Any) -> Any:
    return ContactRepairer(FIELDS, contact_type(FIELDS, strict=False), repairs).contact(raw)


def mended(repairs: RepairLog, column: str, value: Any) -> Any:
    """The value that a column gets."""
    return getattr(mend(repairs, {"id": 1, column: value}), column)


def told(repairs: RepairLog, caplog: pytest.LogCaptureFixture) -> list[str]:
    repairs.summarize()
    return caplog.messages


@pytest.mark.parametrize(
    ("text", "value", "counted"),
    [
        ("a\0b", "ab", "1 values with NUL"),
        ("a\ud800b", "a\ufffdb", "1 values with a lone surrogate"),
        ("\udfff\udc00\udbff", "\ufffd" * 3, "1 values with a lone surrogate"),
        ("\ud7ff\ue000", "\ud7ff\ue000", None),
        ("a\u2028b", "a\u2028b", None),
        ("\u00e9\U0001f600", "\u00e9\U0001f600", None),
    ],
)
def test_text_becomes_what_databases_take(
    repairs: RepairLog,
    caplog: pytest.LogCaptureFixture,
    text: str,
    value: str,
    counted: str | None,
) -> None:
    assert mended(repairs, "name", text) == value
    assert told(repairs, caplog) == ([f"Mended values: {counted}"] if counted else [])


@pytest.mark.parametrize(
    ("value", "text"), [(5, "5"), (Decimal("1.50"), "1.50"), (True, "true"), (None, None)]
)
def test_other_scalars_become_text_without_a_word(
    repairs: RepairLog, caplog: pytest.LogCaptureFixture, value: object, text: str | None
) -> None:
    assert mended(repairs, "phone", value) == text
    assert told(repairs, caplog) == []


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("name", {"first": SECRET}),
        ("emails", SECRET),
        ("profile_field_16", SECRET),
        ("profile_field_16", [1]),
        ("profile_field_16", True),
        ("profile_field_26", SECRET),
        ("profile_field_26", 3),
    ],
)
def test_a_misfit_becomes_null_and_its_column_is_named_once(
    repairs: RepairLog, caplog: pytest.LogCaptureFixture, column: str, value: object
) -> None:
    values = [mended(repairs, column, value) for _ in range(3)]

    assert values == [None] * 3
    assert told(repairs, caplog) == [
        f"Column `{column}`: a value does not fit its type; such values become null"
    ]


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (3, Decimal(3)),
        ("3.10", Decimal("3.10")),
        (" 7 ", Decimal(7)),
        ("12345678901234567890.123456789", Decimal("12345678901234567890.123456789")),
        ("-1e308", Decimal("-1e308")),
        (None, None),
    ],
)
def test_numbers_are_exact(repairs: RepairLog, value: object, number: Decimal | None) -> None:
    assert mended(repairs, "profile_field_20", value) == number


@pytest.mark.parametrize(
    "written",
    [
        b"0.1",
        b"12345678901234567890.123456789",
        b"-1.7e308",
        b"%d" % int(sys.float_info.max),
        b"4.9e-324",
        b"-0.0",
        b"0e-400",
    ],
)
def test_numbers_are_read_exactly(repairs: RepairLog, written: bytes) -> None:
    raw = parse(b'{"id": 1, "profile_field_20": %s}' % written, repairs)

    assert mend(repairs, raw).profile_field_20 == Decimal(written.decode())


@pytest.mark.parametrize(
    "text",
    [
        *("NaN", "Infinity", "-Infinity", "1e400", "-1e400", "1e309", "1.8e308", "-1.8e308"),
        *("1e-400", "-1e-400", "2.4e-324"),
        *("1e99999999999999999999", "-1e99999999999999999999", "9" * 5000),
    ],
)
def test_numbers_beyond_any_range_become_null_and_are_counted(
    repairs: RepairLog, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    raw = parse(b'{"id": 1, "profile_field_20": %s}' % text.encode(), repairs)

    assert mend(repairs, raw).profile_field_20 is None
    assert told(repairs, caplog) == ["Mended values: 1 numbers beyond any range"]


@pytest.mark.parametrize(
    ("value", "instant"),
    [
        ("2024-01-15T10:23:45Z", datetime(2024, 1, 15, 10, 23, 45)),  # noqa: DTZ001
        ("2024-01-15T10:23:45", datetime(2024, 1, 15, 10, 23, 45)),  # noqa: DTZ001
        ("2024-01-15 10:23:45", datetime(2024, 1, 15, 10, 23, 45)),  # noqa: DTZ001
        ("2024-01-15T10:23:45.123456Z", datetime(2024, 1, 15, 10, 23, 45, 123456)),  # noqa: DTZ001
        ("2024-01-15T12:23:45+02:00", datetime(2024, 1, 15, 10, 23, 45)),  # noqa: DTZ001
        ("2024-01-15", datetime(2024, 1, 15)),  # noqa: DTZ001
    ],
)
def test_created_at_in_any_iso_form_is_utc(
    repairs: RepairLog, value: str, instant: datetime
) -> None:
    assert mended(repairs, "created_at", value) == instant.replace(tzinfo=timezone.utc)


@pytest.mark.parametrize("value", [1705314225, "soon", "", "2024-13-45", {}, True, "P1D"])
def test_created_at_that_is_no_time_becomes_null_and_is_counted(
    repairs: RepairLog, caplog: pytest.LogCaptureFixture, value: object
) -> None:
    assert mended(repairs, "created_at", value) is None
    assert told(repairs, caplog) == ["Mended values: 1 unreadable values of created_at"]


@pytest.mark.parametrize(
    ("value", "day"),
    [("2024-02-29", date(2024, 2, 29)), ("2024-02-29T23:30:00Z", date(2024, 2, 29)), (None, None)],
)
def test_dates(repairs: RepairLog, value: str | None, day: date | None) -> None:
    assert mended(repairs, "profile_field_30", value) == day


def test_lists_keep_what_is_text(repairs: RepairLog) -> None:
    assert mended(repairs, "emails", ["a", None, 5, {"x": 1}, "b\0"]) == ["a", "5", "b"]


@pytest.mark.parametrize("raw", [None, [1], "x", 3, [], True])
def test_what_is_no_object_is_no_contact(repairs: RepairLog, raw: object) -> None:
    with pytest.raises(NoContactError, match=r"^it is no JSON object$"):
        mend(repairs, raw)


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        ({}, "it has no id"),
        ({"id": None}, "its id is no integer"),
        ({"id": "12"}, "its id is no integer"),
        ({"id": True}, "its id is no integer"),
        ({"id": 1.0}, "its id is no integer"),
        ({"id": 2**64}, "its id does not fit into 64 bits"),
        ({"id": 2**63}, "its id does not fit into 64 bits"),
        ({"id": -(2**63) - 1}, "its id does not fit into 64 bits"),
    ],
)
def test_a_contact_has_an_integer_id_within_64_bits(
    repairs: RepairLog, raw: dict[str, Any], why: str
) -> None:
    with pytest.raises(NoContactError, match=rf"^{why}$"):
        mend(repairs, raw)


@pytest.mark.parametrize("number", [2**63 - 1, -(2**63)])
def test_an_id_may_take_all_of_64_bits(repairs: RepairLog, number: int) -> None:
    assert mend(repairs, {"id": number}).id == number


def test_absent_is_not_null(repairs: RepairLog) -> None:
    assert mend(repairs, {"id": 1}).emails is msgspec.UNSET
    assert mended(repairs, "emails", None) is None


def test_unknown_fields_are_dropped_and_named_once(
    repairs: RepairLog, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        mend(repairs, {"id": 1, "score": SECRET, "caf\u00e9\x1b[31m" + "x" * 99: 1})

    new = [r"caf\xe9\x1b[31m" + "x" * 51, "score"]  # printable, and no longer than 60 characters
    assert sorted(told(repairs, caplog)) == [
        f"Field `{name}` is not in this stream's schema; it is left out" for name in new
    ]


def test_all_that_was_counted_is_told_in_one_warning(
    repairs: RepairLog, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        mend(repairs, parse(b'{"id": 1, "name": "a\xff", "created_at": "soon"}', repairs))

    assert told(repairs, caplog) == [
        "Mended values: 2 places with invalid UTF-8, 2 unreadable values of created_at"
    ]


def test_raw_control_characters_are_kept(
    repairs: RepairLog, caplog: pytest.LogCaptureFixture
) -> None:
    raw = parse(b'{"id": 1, "name": "a\tb\x1f"}', repairs)

    assert mend(repairs, raw).name == "a\tb\x1f"
    assert told(repairs, caplog) == []


@given(contacts)
def test_any_json_object_with_an_id_becomes_a_contact_that_is_written_and_read_again(
    raw: dict[str, Any],
) -> None:
    repairs = RepairLog(LOGGER)
    line = json.dumps({"id": 7, **raw}).encode() + b"\n"

    [contact] = ContactDecoder(FIELDS, repairs).lines(line, 1)
    again = json.loads(msgspec.json.encode(contact))

    assert again["id"] == 7
    assert "\\u0000" not in json.dumps(again)
    assert set(again) <= {field.name for field in FIELDS}


@given(contacts)
def test_the_quick_way_and_the_mending_one_make_the_same_contact(raw: dict[str, Any]) -> None:
    line = json.dumps({"id": 7, **raw}).encode()
    strict, mending = (ContactDecoder(FIELDS, RepairLog(LOGGER)) for _ in range(2))

    [quick] = strict.lines(line + b"\n", 1)
    slow, _ = mending.lines(line + b'\n{"id": 8, "created_at": "mend this block"}\n', 1)

    assert _plain(quick) == _plain(slow)


def _plain(contact: Contact) -> object:
    return msgspec.to_builtins(contact, builtin_types=(Decimal, datetime, date))


def decoded(block: bytes, repairs: RepairLog) -> list[int]:
    return [contact.id for contact in ContactDecoder(FIELDS, repairs).lines(block, 1)]


@pytest.mark.parametrize(
    "block",
    [
        b'{"id":1}\n{"id":2}\n',
        b'{"id":1}\n{"id":2}',
        b'\xef\xbb\xbf{"id":1}\r\n\r\n{"id":2}\r\n\n',
        b'{"id":1,"name":"\xff"}\n{"id":2}\n',
        b'{"id":9,"id":1}\n{"id":2}\n',
        b'{"id":1,"name":"a\nb"}\n{"id":2}\n'.replace(b"\n", b"\\n", 1),
        '{"id":1,"name":"\u2028"}\n{"id":2}\n'.encode(),
    ],
)
def test_lines_are_read_as_they_are(repairs: RepairLog, block: bytes) -> None:
    assert decoded(block, repairs) == [1, 2]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"null", "it is no JSON object"),
        (b"[1]", "it is no JSON object"),
        (b'"x"', "it is no JSON object"),
        (b'{"id":1}{"id":2}', "it is no JSON object"),
        (b'{"id":1} {"id":2}', "it is no JSON object"),
        (b'{"id":1', "it is no JSON object"),
        (b'X{"id":1}', "it is no JSON object"),
        (b'{"id":"12"}', "its id is no integer"),
        (b'{"name":"x"}', "it has no id"),
        (b'{"id":18446744073709551616}', "its id does not fit into 64 bits"),
    ],
)
def test_a_line_that_is_no_contact_is_named_by_its_number_never_by_its_content(
    repairs: RepairLog, line: bytes, why: str
) -> None:
    block = b'{"id":1,"name":"%s"}\n%s\n' % (SECRET.encode(), line)

    with pytest.raises(RecordError) as failure:
        ContactDecoder(FIELDS, repairs).lines(block, 41)

    assert str(failure.value) == f"Line 42 of an export file is no contact: {why}. {ADVICE}"


def test_something_on_a_page_that_is_no_contact_is_told_with_what_to_do() -> None:
    error = page_error(NoContactError("it has no id"))

    what = "Something on a page of the list is no contact: it has no id"
    assert str(error) == f"{what}. {ADVICE}"
