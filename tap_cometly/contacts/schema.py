"""The contact's fields in one list: the catalog's schema and the decoded struct come from it.

To add a column, add a line to `FIELDS`.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from operator import attrgetter

import msgspec

from tap_cometly.exceptions import ColumnError

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

KEY = "id"
REPLICATION_KEY = "created_at"

REFUSED = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What decoding raises for bytes that do not fit."""

Kind = t.Literal["id", "time", "text", "texts", "number", "date"]

SMALLEST_ID, LARGEST_ID = -(2**63), 2**63 - 1

_TYPES: dict[Kind, t.Any] = {
    "id": t.Annotated[int, msgspec.Meta(ge=SMALLEST_ID, le=LARGEST_ID)],
    "time": t.Annotated[datetime, msgspec.Meta(tz=True)] | None,
    "text": str | None,
    "texts": list[str] | None,
    "number": Decimal | None,
    "date": date | None,
}

_SCHEMAS: dict[Kind, dict[str, t.Any]] = {
    "id": {"type": ["integer"]},
    "time": {"type": ["string", "null"], "format": "date-time"},
    "text": {"type": ["string", "null"]},
    "texts": {"type": ["array", "null"], "items": {"type": ["string"]}},
    "number": {"type": ["number", "null"]},
    "date": {"type": ["string", "null"], "format": "date"},
}


@dataclass(frozen=True)
class Field:
    """One field of a contact.

    Attributes:
        name: As in the API's answers, the catalog and the warehouse.
        kind: What its values are.
        description: For the catalog.
        option: The setting and query parameter that asks for it; None when it always comes.
    """

    name: str
    kind: Kind
    description: str
    option: str | None = None


_CUSTOM_KINDS: tuple[tuple[Kind, range], ...] = (
    ("text", range(1, 16)),
    ("number", range(16, 26)),
    ("date", range(26, 31)),
)

# Source of names, types and what asks for them: Cometly's API documentation, v1.
FIELDS: tuple[Field, ...] = (
    Field("id", "id", "The contact's key."),
    Field("email", "text", "The primary e-mail address."),
    Field("name", "text", "The primary name."),
    Field("phone", "text", "The primary phone number."),
    Field("location", "text", "The primary location."),
    Field("created_at", "time", "When the contact was created, UTC."),
    Field("comet_tokens", "texts", "The last five tokens, newest first.", "include_comet_tokens"),
    Field("emails", "texts", "All e-mail addresses.", "include_all_emails"),
    *(
        Field(f"profile_field_{n}", kind, f"Custom field {n}.", "include_custom_fields")
        for kind, numbers in _CUSTOM_KINDS
        for n in numbers
    ),
)


def fields_asked(options: t.Iterable[str]) -> tuple[Field, ...]:
    """Return the fields that always come and those that some options ask for."""
    asked = {None, *options}
    return tuple(field for field in FIELDS if field.option in asked)


OPTIONS: tuple[str, ...] = tuple(dict.fromkeys(f.option for f in FIELDS if f.option))


def schema_for(fields: t.Sequence[Field]) -> dict[str, t.Any]:
    """Make the catalog's JSON schema for some fields."""
    properties = {
        field.name: {**_SCHEMAS[field.kind], "description": field.description} for field in fields
    }
    return {"type": "object", "properties": properties, "required": [KEY]}


class Contact(msgspec.Struct):
    """The fields of a contact that the tap itself reads; `contact_type` makes structs with all.

    Those do not inherit from this one, for then `created_at` would be their second column.
    """

    id: int
    created_at: datetime | None = None


def contact_type(fields: t.Sequence[Field], *, strict: bool) -> type[Contact]:
    """Make the struct that contacts are decoded into; records have its order, too.

    An absent field is null, except one that an option asks for: it stays `UNSET`, since an API of
    an older version leaves out what a newer one delivers.

    Args:
        fields: The fields, the key first.
        strict: Whether an unknown field is an error.
    """
    made = msgspec.defstruct(
        Contact.__name__, map(_slot, fields), forbid_unknown_fields=strict, gc=False
    )
    return t.cast("type[Contact]", made)


def _slot(field: Field) -> tuple[str, t.Any] | tuple[str, t.Any, t.Any]:
    kind = _TYPES[field.kind]
    if field.name == KEY:
        return field.name, kind
    if field.option:
        return field.name, kind | msgspec.UnsetType, msgspec.UNSET
    return field.name, kind, None


def is_dated(contacts: Iterable[Contact]) -> bool:
    """Return whether any of some contacts has a `created_at`; not every Space's have one."""
    return any(contact.created_at is not None for contact in contacts)


class OptionalColumns:
    """Checks that an endpoint delivers each column that was asked for, and fills gaps with null.

    Args:
        fields: The fields of a contact.
        endpoint: What the error calls the endpoint, e.g. `The list`.
    """

    def __init__(self, fields: Sequence[Field], endpoint: str) -> None:
        self._endpoint = endpoint
        self._optional = [field for field in fields if field.option]
        self._undecided = bool(self._optional)

    def fill(self, contacts: list[Contact]) -> None:
        """Set to null, in place, what contacts lack of the columns that are delivered.

        The first contacts decide what is delivered.

        Raises:
            ColumnError: These are the first, and have none of the columns that an option asks for.
        """
        if self._undecided and contacts:
            self._decide(contacts)
        for field in self._optional:
            if msgspec.UNSET in map(attrgetter(field.name), contacts):
                for contact in contacts:
                    if getattr(contact, field.name) is msgspec.UNSET:
                        setattr(contact, field.name, None)

    def _decide(self, contacts: list[Contact]) -> None:
        asked = {field.option for field in self._optional if field.option}
        if missing := sorted(asked - set(delivered_options(contacts))):
            options = " and ".join(f"`{option}`" for option in missing)
            msg = f"{self._endpoint} of this Space's API does not deliver what {options} asks for"
            raise ColumnError(msg, f"Set {options} to false, or another `extraction_mode`.")
        self._undecided = False


def delivered_options(contacts: Sequence[Contact]) -> list[str]:
    """Return the options of which some contacts have a column."""
    given = (
        field.option
        for field in FIELDS
        if field.option
        and any(getattr(c, field.name, msgspec.UNSET) is not msgspec.UNSET for c in contacts)
    )
    return list(dict.fromkeys(given))
