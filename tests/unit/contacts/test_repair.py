"""A contact, one value at a time: what is repaired, what is counted, and what is no contact."""

from __future__ import annotations

import sys
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from unittest import mock

import msgspec
import pytest

from tap_cometly.contacts.repair import ContactRepairer, RepairLog, parse
from tap_cometly.contacts.schema import FIELDS
from tap_cometly.exceptions import NoContactError

if TYPE_CHECKING:
    from tests.unit.contacts.conftest import Warnings

SECRET = "canary@example.com"  # noqa: S105 - what no log may tell
NOON = datetime(2024, 1, 15, 12, tzinfo=timezone.utc)


def contact(repairs: RepairLog, raw: Any) -> Any:
    return ContactRepairer(FIELDS, repairs).contact(raw)


def repaired(repairs: RepairLog, column: str, value: Any) -> Any:
    """The value that a column gets."""
    return getattr(contact(repairs, {"id": 1, column: value}), column)


def parsed(repairs: RepairLog, column: str, value: bytes) -> Any:
    """The value that a column gets from JSON."""
    return getattr(
        contact(repairs, parse(b'{"id":1,"%s":%s}' % (column.encode(), value), repairs)), column
    )


# Text.


@pytest.mark.parametrize(
    ("text", "value", "counted"),
    [
        ("a\0b\0", "ab", "1 values with NUL"),
        ("a\ud800b", "a\ufffdb", "1 values with a lone surrogate"),
        ("\udfff\udc00\udbff", "\ufffd" * 3, "1 values with a lone surrogate"),
        ("\ud7ff\ue000", "\ud7ff\ue000", None),
        ("a\u2028b", "a\u2028b", None),
        ("\u00e9\U0001f600", "\u00e9\U0001f600", None),
    ],
)
def test_text_becomes_what_databases_take(
    repairs: RepairLog, warnings: Warnings, text: str, value: str, counted: str | None
) -> None:
    assert repaired(repairs, "name", text) == value
    assert warnings() == ([f"Repaired values: {counted}"] if counted else [])


@pytest.mark.parametrize(
    ("written", "text"),
    [
        (b"5", "5"),
        (b"1.50", "1.50"),
        (b"true", "true"),
        (b"NaN", "nan"),
        (b"null", None),
        (b'"a\tb\x1f"', "a\tb\x1f"),
    ],
)
def test_other_scalars_become_text_and_control_characters_stay(
    repairs: RepairLog, warnings: Warnings, written: bytes, text: str | None
) -> None:
    assert parsed(repairs, "phone", written) == text
    assert warnings() == []


def test_lists_keep_what_is_text(repairs: RepairLog) -> None:
    assert repaired(repairs, "emails", ["a", None, 5, {"x": 1}, "b\0"]) == ["a", "5", "b"]


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
    repairs: RepairLog, warnings: Warnings, column: str, value: object
) -> None:
    values = [repaired(repairs, column, value) for _ in range(3)]

    assert values == [None] * 3
    assert warnings() == [
        f"Column `{column}`: a value does not fit its type; such values become null"
    ]


# Numbers, times and dates.


@pytest.mark.parametrize(
    ("written", "number"),
    [
        (b"3", "3"),
        (b'"3.10"', "3.10"),
        (b'" 7 "', "7"),
        (b"0.1", "0.1"),
        (b"12345678901234567890.123456789", "12345678901234567890.123456789"),
        (b"-1.7e308", "-1.7e308"),
        (b"%d" % int(sys.float_info.max), str(int(sys.float_info.max))),
        (b"4.9e-324", "4.9e-324"),
        (b"-0.0", "-0.0"),
        (b"0e-400", "0e-400"),
    ],
)
def test_numbers_are_exact(
    repairs: RepairLog, warnings: Warnings, written: bytes, number: str
) -> None:
    assert parsed(repairs, "profile_field_20", written) == Decimal(number)
    assert warnings() == []


@pytest.mark.parametrize(
    "written",
    [
        *("NaN", "Infinity", "-Infinity", '"NaN"', "1e400", "-1e400", "1e309", "1.8e308"),
        *("-1.8e308", "1e-400", "-1e-400", "2.4e-324", '"1e400"'),
        *("1e99999999999999999999", "-1e99999999999999999999", "9" * 5000),
    ],
)
def test_numbers_beyond_any_double_become_null_and_are_counted(
    repairs: RepairLog, warnings: Warnings, written: str
) -> None:
    assert parsed(repairs, "profile_field_20", written.encode()) is None
    assert warnings() == ["Repaired values: 1 numbers beyond any range"]


@pytest.mark.parametrize(
    ("value", "instant"),
    [
        ("2024-01-15T12:00:00Z", NOON),
        ("2024-01-15T12:00:00", NOON),
        ("2024-01-15 12:00:00", NOON),
        ("2024-01-15T12:00:00.123456Z", NOON + timedelta(microseconds=123456)),
        ("2024-01-15T14:00:00+02:00", NOON),
        ("2024-01-15", NOON - timedelta(hours=12)),
        (None, None),
    ],
)
def test_created_at_in_any_iso_form_is_utc(
    repairs: RepairLog, value: str | None, instant: datetime | None
) -> None:
    found = repaired(repairs, "created_at", value)

    assert (found, found and found.tzinfo) == (instant, instant and timezone.utc)


@pytest.mark.parametrize("value", [1705314225, "soon", "", "2024-13-45", {}, True, "P1D"])
def test_created_at_that_is_no_time_becomes_null_and_is_counted(
    repairs: RepairLog, warnings: Warnings, value: object
) -> None:
    assert repaired(repairs, "created_at", value) is None
    assert warnings() == ["Repaired values: 1 unreadable values of created_at"]


@pytest.mark.parametrize(
    ("value", "day"),
    [("2024-02-29", date(2024, 2, 29)), ("2024-02-29T23:30:00Z", date(2024, 2, 29)), (None, None)],
)
def test_dates(repairs: RepairLog, value: str | None, day: date | None) -> None:
    assert repaired(repairs, "profile_field_30", value) == day


# Whole contacts.


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        *((raw, "it is no JSON object") for raw in (None, [1], "x", 3, [], True)),
        ({}, "it has no id"),
        *(({"id": key}, "its id is no integer") for key in (None, "12", True, 1.0, Decimal(1))),
        *(
            ({"id": key}, "its id does not fit into 64 bits")
            for key in (2**64, 2**63, -(2**63) - 1)
        ),
    ],
)
def test_what_has_no_integer_id_within_64_bits_is_no_contact(
    repairs: RepairLog, raw: object, why: str
) -> None:
    with pytest.raises(NoContactError, match=rf"^{why}$"):
        contact(repairs, raw)


@pytest.mark.parametrize("key", [2**63 - 1, -(2**63)])
def test_an_id_may_take_all_of_64_bits(repairs: RepairLog, key: int) -> None:
    assert contact(repairs, {"id": key}).id == key


def test_an_absent_column_on_request_is_not_null(repairs: RepairLog) -> None:
    assert contact(repairs, {"id": 1}).emails is msgspec.UNSET
    assert repaired(repairs, "emails", None) is None


def test_unknown_fields_are_dropped_and_named_once_printable_and_short(
    repairs: RepairLog, warnings: Warnings
) -> None:
    for _ in range(2):
        contact(repairs, {"id": 1, "score": SECRET, "caf\u00e9\x1b[31m" + "x" * 99: 1})

    assert sorted(warnings()) == [
        f"Field `{name}` is not in this stream's schema; it is left out"
        for name in (r"caf\xe9\x1b[31m" + "x" * 51, "score")
    ]


@pytest.mark.parametrize("text", [b"", b"X", b'{"id":1', b'{"id":1}{"id":2}'])
def test_what_is_no_json_is_no_contact(repairs: RepairLog, text: bytes) -> None:
    with pytest.raises(NoContactError, match=r"^it is no JSON object$"):
        parse(text, repairs)


def test_json_that_is_nested_too_deeply_for_this_python_is_no_contact(repairs: RepairLog) -> None:
    with (
        mock.patch("json.loads", side_effect=RecursionError),
        pytest.raises(NoContactError, match=r"^it is no JSON object$"),
    ):
        parse(b"[[]]", repairs)


def test_what_was_counted_is_reported_in_one_warning(
    repairs: RepairLog, warnings: Warnings
) -> None:
    for _ in range(2):
        contact(repairs, parse(b'{"id":1,"name":"a\xff\xef\xbf\xbd","created_at":""}', repairs))

    assert warnings() == [
        "Repaired values: 2 places with invalid UTF-8, 2 unreadable values of created_at"
    ]
