"""Columns on request: null where a contact lacks one, an error where all of them do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from tap_cometly.contacts.schema import (
    FIELDS,
    OptionalColumns,
    contact_type,
    delivered_options,
    fields_asked,
)
from tap_cometly.exceptions import ColumnError

if TYPE_CHECKING:
    from tap_cometly.contacts.schema import Contact

EMAILS, TOKENS, CUSTOM = "include_all_emails", "include_comet_tokens", "include_custom_fields"
MADE: Any = contact_type(FIELDS, strict=True)


def contacts(*given: dict[str, Any]) -> list[Any]:
    return [MADE(id=number, **columns) for number, columns in enumerate(given)]


def columns(*options: str) -> OptionalColumns:
    return OptionalColumns(fields_asked(options), "The list")


def filled(room: OptionalColumns, *given: dict[str, Any]) -> list[Any]:
    return room.fill(contacts(*given))


def test_where_a_delivered_column_is_missing_there_is_null_and_other_values_stay() -> None:
    given: list[dict[str, Any]] = [{"emails": ["ada@example.com"]}, {}, {"emails": []}]

    found = filled(columns(EMAILS), *given)

    assert [contact.emails for contact in found] == [["ada@example.com"], None, []]


def test_each_column_is_filled_on_its_own() -> None:
    given: list[dict[str, Any]] = [{"comet_tokens": [], "emails": ["a"]}, {"comet_tokens": ["b"]}]

    found = filled(columns(TOKENS, EMAILS), *given)

    assert [contact.comet_tokens for contact in found] == [[], ["b"]]
    assert [contact.emails for contact in found] == [["a"], None]


def test_one_of_an_options_columns_is_enough_and_the_others_become_null() -> None:
    [contact] = filled(columns(CUSTOM), {"profile_field_30": None})

    assert (contact.profile_field_1, contact.profile_field_30) == (None, None)


def test_columns_that_nobody_asked_for_stay_away() -> None:
    [contact] = filled(columns(), {})

    assert contact.emails is msgspec.UNSET


def test_the_first_contacts_decide_and_later_ones_may_lack_a_column() -> None:
    room = columns(EMAILS)

    assert (filled(room), room.undecided) == ([], True)
    filled(room, {"emails": []})
    [later] = filled(room, {})

    assert (later.emails, room.undecided) == (None, False)


def test_without_columns_on_request_there_is_nothing_to_decide() -> None:
    assert not columns().undecided


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({}, "`include_all_emails` and `include_comet_tokens`"),
        ({"emails": []}, "`include_comet_tokens`"),
        ({"comet_tokens": None}, "`include_all_emails`"),
    ],
)
def test_options_whose_columns_do_not_come_are_named_with_what_to_do(
    given: dict[str, Any], missing: str
) -> None:
    with pytest.raises(ColumnError) as failure:
        columns(TOKENS, EMAILS).fill(contacts(given, {}))

    assert str(failure.value) == (
        f"The list of this Space's API does not deliver what {missing} asks for."
        f" Set {missing} to false, or another `extraction_mode`."
    )


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


def test_a_contact_without_room_for_a_column_does_not_have_it() -> None:
    made: Any = contact_type(fields_asked([EMAILS]), strict=True)
    narrow: list[Contact] = [made(id=1, emails=[])]

    assert delivered_options(narrow) == [EMAILS]
