"""Which columns a way of reading delivers, and that it delivers those that were asked for."""

from __future__ import annotations

import typing as t
from operator import attrgetter

import msgspec

from tap_cometly.errors import ColumnError
from tap_cometly.record import FIELDS

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tap_cometly.record import Contact, Field


class Columns:
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
