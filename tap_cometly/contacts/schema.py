"""The contact's fields, in one place: the catalog's schema and the decoded type come from it."""

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

Id = t.Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
Instant = t.Annotated[datetime, msgspec.Meta(tz=True)]

_TYPES: dict[Kind, t.Any] = {
    "id": Id,
    "time": Instant | None,
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
    """Give the fields that always come and those of some options."""
    asked = {None, *options}
    return tuple(field for field in FIELDS if field.option in asked)


OPTIONS: tuple[str, ...] = tuple(dict.fromkeys(f.option for f in FIELDS if f.option))


def schema_for(fields: t.Sequence[Field]) -> dict[str, t.Any]:
    """Write the catalog's JSON schema for some fields."""
    properties = {
        field.name: {**_SCHEMAS[field.kind], "description": field.description} for field in fields
    }
    return {"type": "object", "properties": properties, "required": [KEY]}


class Contact(msgspec.Struct):
    """A decoded contact; `contact_type` adds the fields that are not named here.

    In `created_at`, and in the optional fields, absent is not null: an API of an older version
    leaves out what a newer one delivers, and `UNSET` tells so.
    """

    id: Id
    email: str | None = None
    name: str | None = None
    phone: str | None = None
    location: str | None = None
    created_at: Instant | None = None


def contact_type(fields: t.Sequence[Field], *, strict: bool) -> type[Contact]:
    """Make the type that contacts with these fields are decoded into.

    Args:
        fields: The fields, those of `Contact` first.
        strict: Whether an unknown field is an error.

    Returns:
        A struct with a slot for each field, in the order in which records are written.
    """
    more = [
        (
            field.name,
            _TYPES[field.kind] | msgspec.UnsetType,
            msgspec.UNSET if field.option else None,
        )
        for field in fields
        if field.name not in Contact.__struct_fields__
    ]
    made = msgspec.defstruct(
        Contact.__name__, more, bases=(Contact,), forbid_unknown_fields=strict, gc=False
    )
    return t.cast("type[Contact]", made)


class OptionalColumns:
    """Sees to it that a way of reading delivers each column that was asked for.

    Attributes:
        undecided: Whether no contact has been seen yet, and it is open what is delivered.
    """

    def __init__(self, fields: Sequence[Field], way: str) -> None:
        """Prepare for one way of reading, e.g. `The list`, whose first contacts decide."""
        self._way = way
        self._optional = [field for field in fields if field.option]
        self.undecided = bool(self._optional)

    def fill(self, contacts: list[Contact]) -> list[Contact]:
        """Write null where a delivered column is missing from a contact.

        Raises:
            ColumnError: The first contacts have none of the columns that an option asks for.
        """
        if not self._optional or not contacts:
            return contacts
        if self.undecided:
            self._decide(contacts)
        for field in self._optional:
            if msgspec.UNSET not in map(attrgetter(field.name), contacts):
                continue
            for contact in contacts:
                if getattr(contact, field.name) is msgspec.UNSET:
                    setattr(contact, field.name, None)
        return contacts

    def _decide(self, contacts: list[Contact]) -> None:
        asked = {field.option for field in self._optional}
        given = {f.option for f in self._optional if _has(contacts, f.name)}
        if missing := sorted(option for option in asked - given if option):
            msg = f"{self._way} of this Space's API does not deliver what {_and(missing)} asks for"
            raise ColumnError(msg, f"Set {_and(missing)} to false, or another `extraction_mode`.")
        self.undecided = False


def delivered_options(contacts: Sequence[Contact]) -> list[str]:
    """Name the options of which some contacts have a column."""
    given = (f.option for f in FIELDS if f.option and _has(contacts, f.name))
    return list(dict.fromkeys(given))


def _has(contacts: Iterable[Contact], name: str) -> bool:
    return any(getattr(contact, name, msgspec.UNSET) is not msgspec.UNSET for contact in contacts)


def _and(names: Iterable[str]) -> str:
    return " and ".join(f"`{name}`" for name in names)
