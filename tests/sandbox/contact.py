"""A contact, and how the API writes it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.sandbox.wall_time import Microseconds, moment

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from tests.sandbox.options import CreatedAt

TOKENS_SERVED = 5
NUMBER_FIELDS = range(16, 26)
DATE_FIELDS = range(26, 31)
CUSTOM_FIELDS = range(1, 31)
_NAMES = {number: f"profile_field_{number}" for number in CUSTOM_FIELDS}


class Contact(NamedTuple):
    """A named tuple, for a million of them are made in seconds."""

    id: int
    created: Microseconds
    primary: Mapping[str, object] = {}
    """The values that every answer tells, by their names; `invented.PRIMARY` lists them."""
    emails: tuple[str, ...] = ()
    comet_tokens: tuple[str, ...] = ()
    """Newest first."""
    profile_fields: Mapping[int, object] = {}

    @property
    def created_at(self) -> datetime:
        return moment(self.created)

    def __getattr__(self, name: str) -> Any:
        """A primary value: `contact.email`."""
        try:
            return self.primary[name]
        except KeyError:
            raise AttributeError(name) from None


@dataclass(frozen=True)
class Columns:
    """What an answer delivers of each contact."""

    created_at: CreatedAt = "absent"
    comet_tokens: bool = False
    emails: bool = False
    custom_fields: bool = False
    numbers_as_strings: bool = False

    def row(self, contact: Contact) -> dict[str, object]:
        row: dict[str, object] = {"id": contact.id, **contact.primary}
        if self.created_at != "absent":
            row["created_at"] = self._created_at(contact)
        if self.comet_tokens:
            row["comet_tokens"] = contact.comet_tokens[:TOKENS_SERVED]
        if self.emails:
            row["emails"] = contact.emails
        if self.custom_fields:
            row.update(self._custom_fields(contact.profile_fields))
        return row

    def _created_at(self, contact: Contact) -> str:
        text = contact.created_at.isoformat()
        if self.created_at == "seconds":
            return text[:19] + "Z"
        return (text[:26] if contact.created % 1_000_000 else text[:19] + ".000000") + "Z"

    def _custom_fields(self, values: Mapping[int, object]) -> dict[str, object]:
        row = {_NAMES[number]: values.get(number) for number in CUSTOM_FIELDS}
        if self.numbers_as_strings:
            for name in map(_NAMES.__getitem__, NUMBER_FIELDS):
                row[name] = None if row[name] is None else str(row[name])
        return row


_ESCAPED = json.JSONEncoder(separators=(",", ":"))
_PLAIN = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)


def to_json(value: object, *, escaped: bool = True) -> bytes:
    if escaped:
        return _ESCAPED.encode(value).encode("ascii")
    return _PLAIN.encode(value).encode("utf-8", "surrogatepass")
