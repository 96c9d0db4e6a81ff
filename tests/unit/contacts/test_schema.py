"""One list of fields: contacts fit the catalog, and columns on request are there or refused."""

from __future__ import annotations

import gc
import json
from typing import TYPE_CHECKING, Any

import jsonschema
import msgspec
import pytest

from tap_cometly.contacts.schema import (
    FIELDS,
    Contact,
    OptionalColumns,
    contact_type,
    delivered_options,
    fields_asked,
    schema_for,
)
from tap_cometly.exceptions import ColumnError

if TYPE_CHECKING:
    from tap_cometly.contacts.schema import Kind

VALUES: dict[Kind, Any] = {
    "id": 7,
    "time": "2024-01-15T10:23:45Z",
    "text": "Ada",
    "texts": ["a", "b"],
    "number": "12345678901234567890.12",
    "date": "2024-02-29",
}
MISFITS: dict[Kind, tuple[Any, ...]] = {
    "id": (None, "7", 2**63, -(2**63) - 1),
    "time": (1705314225, "yesterday", "2024-01-15", "2024-01-15T10:23:45"),
    "text": (7,),
    "texts": ("a", [None]),
    "number": ("seven",),
    "date": (7, "2024-01-15T10:23:45Z"),
}
FULL = {field.name: VALUES[field.kind] for field in FIELDS}
NULLS = dict.fromkeys(FULL) | {"id": 7}
EMAILS, TOKENS, CUSTOM = "include_all_emails", "include_comet_tokens", "include_custom_fields"


def decoded(raw: dict[str, Any]) -> Contact:
    return msgspec.json.decode(json.dumps(raw).encode(), type=contact_type(FIELDS, strict=True))


def record(contact: Contact) -> dict[str, Any]:
    encoder = msgspec.json.Encoder(decimal_format="number")
    written: dict[str, Any] = json.loads(encoder.encode(contact))
    return written


def fits(record: object) -> bool:
    """Whether a target that validates would take it."""
    schema = schema_for(FIELDS)
    jsonschema.Draft202012Validator.check_schema(schema)
    checker = jsonschema.FormatChecker()
    return jsonschema.Draft202012Validator(schema, format_checker=checker).is_valid(record)


# The catalog and the struct.


@pytest.mark.parametrize("raw", [FULL, NULLS], ids=["full", "nulls"])
def test_a_contact_fits_the_catalogs_schema(raw: dict[str, Any]) -> None:
    written = record(decoded(raw))

    number = {f.name: float(raw[f.name]) for f in FIELDS if f.kind == "number" and raw[f.name]}
    assert written == raw | number
    assert fits(written)


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.name)
def test_a_misfit_fits_neither_the_struct_nor_the_schema(field: Any) -> None:
    for value in MISFITS[field.kind]:
        with pytest.raises(msgspec.ValidationError):
            decoded({**FULL, field.name: value})
    assert not fits({**FULL, field.name: MISFITS[field.kind][0]})
    assert not fits({"email": None})


def test_an_absent_column_is_null_unless_it_is_on_request() -> None:
    always = {field.name: None for field in FIELDS if not field.option}

    assert record(decoded({"id": 1})) == {**always, "id": 1}
    assert record(decoded({"id": 1, "emails": None})) == {**always, "id": 1, "emails": None}


def test_contacts_give_the_garbage_collector_nothing_to_do() -> None:
    assert not gc.is_tracked(decoded(FULL))


# Columns on request.


def contacts(*given: dict[str, Any]) -> list[Any]:
    return [decoded({"id": key, **columns}) for key, columns in enumerate(given)]


def columns(*options: str) -> OptionalColumns:
    return OptionalColumns(fields_asked(options), "The list")


def filled(optional: OptionalColumns, *given: dict[str, Any]) -> list[Any]:
    optional.fill(found := contacts(*given))
    return found


def test_where_a_delivered_column_is_missing_there_is_null_and_other_values_stay() -> None:
    given: list[dict[str, Any]] = [{"comet_tokens": [], "emails": ["a"]}, {"comet_tokens": ["b"]}]

    found = filled(columns(TOKENS, EMAILS), *given)

    assert [contact.comet_tokens for contact in found] == [[], ["b"]]
    assert [contact.emails for contact in found] == [["a"], None]


def test_the_first_contacts_decide_which_columns_are_delivered() -> None:
    optional = columns(EMAILS)

    assert filled(optional) == []
    filled(optional, {"emails": []})
    [later] = filled(optional, {})

    assert (later.emails, later.comet_tokens) == (None, msgspec.UNSET)


def test_one_of_an_options_columns_is_enough_and_the_others_become_null() -> None:
    [contact] = filled(columns(CUSTOM), {"profile_field_30": None})

    assert (contact.profile_field_1, contact.profile_field_30) == (None, None)


@pytest.mark.parametrize(
    ("given", "missing"),
    [({}, f"{EMAILS}` and `{TOKENS}"), ({"emails": []}, TOKENS), ({"comet_tokens": None}, EMAILS)],
)
def test_options_whose_columns_do_not_come_are_named(given: dict[str, Any], missing: str) -> None:
    with pytest.raises(ColumnError, match=f"does not deliver what `{missing}` asks for"):
        filled(columns(TOKENS, EMAILS), given, {})


@pytest.mark.parametrize(
    ("given", "options"),
    [
        ([], []),
        ([{}], []),
        ([{}, {"emails": None}], [EMAILS]),
        ([{"profile_field_2": None, "profile_field_20": None}], [CUSTOM]),
        ([{"profile_field_7": "x", "emails": []}, {"comet_tokens": []}], [TOKENS, EMAILS, CUSTOM]),
    ],
)
def test_options_are_delivered_of_which_any_contact_has_a_column(
    given: list[dict[str, Any]], options: list[str]
) -> None:
    assert delivered_options(contacts(*given)) == options
