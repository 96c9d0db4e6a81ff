"""The contact's fields: which are asked for, and that contacts fit what the catalog says."""

from __future__ import annotations

import gc
import json
from typing import Any

import jsonschema
import msgspec
import pytest

from tap_cometly.contacts.schema import (
    FIELDS,
    OPTIONS,
    Contact,
    contact_type,
    fields_asked,
    schema_for,
)

ALWAYS = ["id", "email", "name", "phone", "location", "created_at"]
CUSTOM = [f"profile_field_{n}" for n in range(1, 31)]
FULL = {
    "id": 7,
    "email": "ada@example.com",
    "name": "Ada",
    "phone": "+1 555 0100",
    "location": "Berlin",
    "created_at": "2024-01-15T10:23:45Z",
    "comet_tokens": ["a", "b"],
    "emails": ["ada@example.com", "a@example.com"],
    **{name: f"text {name}" for name in CUSTOM[:15]},
    **dict.fromkeys(CUSTOM[15:25], "12345678901234567890.12"),
    **dict.fromkeys(CUSTOM[25:], "2024-02-29"),
}


def decoded(raw: dict[str, Any], *, strict: bool = True) -> Contact:
    made = contact_type(FIELDS, strict=strict)
    return msgspec.json.decode(json.dumps(raw).encode(), type=made)


def fits(record: object) -> bool:
    """Whether a target that validates would take it."""
    schema = schema_for(FIELDS)
    jsonschema.Draft202012Validator.check_schema(schema)
    checker = jsonschema.FormatChecker()
    return jsonschema.Draft202012Validator(schema, format_checker=checker).is_valid(record)


def written(contact: Contact) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(
        msgspec.json.Encoder(decimal_format="number").encode(contact)
    )
    return record


@pytest.mark.parametrize(
    ("options", "columns"),
    [
        ([], ALWAYS),
        (["include_comet_tokens"], [*ALWAYS, "comet_tokens"]),
        (["include_all_emails"], [*ALWAYS, "emails"]),
        (["include_custom_fields"], [*ALWAYS, *CUSTOM]),
        (OPTIONS, [*ALWAYS, "comet_tokens", "emails", *CUSTOM]),
    ],
)
def test_a_record_has_the_columns_that_are_asked_for(
    options: list[str], columns: list[str]
) -> None:
    fields = fields_asked(options)

    assert [field.name for field in fields] == columns
    assert list(schema_for(fields)["properties"]) == columns
    assert list(contact_type(fields, strict=True).__struct_fields__) == columns


def test_a_full_contact_is_written_in_the_catalogs_order_and_fits_its_schema() -> None:
    record = written(decoded(FULL))

    assert fits(record)
    assert list(record) == list(schema_for(FIELDS)["properties"])
    assert record == FULL | dict.fromkeys(CUSTOM[15:25], 12345678901234567890.12)


def test_a_contact_of_nulls_fits_the_schema() -> None:
    record = written(decoded(dict.fromkeys(FULL) | {"id": 7}))

    assert fits(record)
    assert record == dict.fromkeys(FULL) | {"id": 7}


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("id", None),
        ("id", "7"),
        ("email", 7),
        ("created_at", 1705314225),
        ("comet_tokens", "a"),
        ("comet_tokens", [None]),
        ("profile_field_15", 7),
        ("profile_field_16", "seven"),
        ("profile_field_25", "seven"),
        ("profile_field_26", 7),
        ("profile_field_30", "2024-01-15T10:23:45Z"),
    ],
)
def test_what_is_of_another_type_fits_neither_the_schema_nor_the_contact(
    column: str, value: object
) -> None:
    odd = {**FULL, column: value}

    assert not fits(odd)
    with pytest.raises(msgspec.ValidationError):
        decoded(odd)


@pytest.mark.parametrize("record", [{"email": None}, [], None])
def test_what_has_no_key_does_not_fit_the_schema(record: object) -> None:
    assert not fits(record)


def test_the_catalog_describes_each_column() -> None:
    described = schema_for(FIELDS)["properties"]

    assert all(described[field.name]["description"] == field.description for field in FIELDS)
    assert described["profile_field_3"]["description"] == "Custom field 3."


def test_a_target_is_told_which_columns_are_times_and_dates() -> None:
    described = schema_for(FIELDS)["properties"]

    told = {name: column["format"] for name, column in described.items() if "format" in column}
    assert told == {"created_at": "date-time", **dict.fromkeys(CUSTOM[25:], "date")}


@pytest.mark.parametrize("number", [2**63 - 1, -(2**63)])
def test_an_id_may_take_all_of_64_bits(number: int) -> None:
    assert decoded({"id": number}).id == number


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1])
def test_an_id_beyond_64_bits_is_none(number: int) -> None:
    with pytest.raises(msgspec.ValidationError):
        decoded({"id": number})


@pytest.mark.parametrize("text", ["yesterday", "2024-01-15", "2024-01-15T10:23:45"])
def test_a_time_of_creation_without_a_zone_is_not_taken_as_it_is(text: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        decoded({"id": 1, "created_at": text})


def test_what_an_option_asks_for_is_absent_until_it_comes() -> None:
    contact = decoded({"id": 1})

    assert written(contact) == {**dict.fromkeys(ALWAYS), "id": 1}
    assert written(decoded({"id": 1, "emails": None}))["emails"] is None


def test_an_unknown_field_is_an_error_only_as_long_as_none_has_been_seen() -> None:
    odd = {"id": 1, "score": 5}

    with pytest.raises(msgspec.ValidationError, match="score"):
        decoded(odd)
    assert decoded(odd, strict=False).id == 1


def test_contacts_give_the_garbage_collector_nothing_to_do() -> None:
    assert not gc.is_tracked(decoded(FULL))


def test_a_contact_is_shown_as_one() -> None:
    assert repr(decoded({"id": 1})).startswith("Contact(id=1, ")
