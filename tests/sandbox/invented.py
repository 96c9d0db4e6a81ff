"""Invented contacts: every field follows from the seed and the id, so none needs storing."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from tests.sandbox.contact import CUSTOM_FIELDS, DATE_FIELDS, NUMBER_FIELDS, Contact

if TYPE_CHECKING:
    from collections.abc import Callable

_FIRST = ("Ada", "Björn", "Chloé", "Dmitri", "Emeka", "Fatima", "Grace", "Hiroshi", "Inés", "Jun")
_FIRST_ASCII = ("ada", "bjorn", "chloe", "dmitri", "emeka", "fatima", "grace", "hiroshi", "ines")
_LAST = ("Okafor", "Lindqvist", "O'Brien", "García", "Tanaka", "Smith", "Nguyen", "Kovač", "Haddad")
_PLACES = (None, "Austin, Texas, US", "Zürich, CH", "São Paulo, BR", "Osaka, JP", "Lagos, NG", "")
_MASK = (1 << 61) - 1


def _email(dice: int, contact_id: int) -> str | None:
    no_form_filled = not dice % 50
    return None if no_form_filled else f"{_FIRST_ASCII[dice % 9]}.{contact_id}@example.com"


def _name(dice: int, _id: int) -> str | None:
    return f"{_FIRST[(dice >> 8) % 10]} {_LAST[(dice >> 12) % 9]}" if dice % 7 else None


def _phone(dice: int, _id: int) -> str | None:
    return f"+1555{dice % 10_000_000:07}" if dice % 3 else None


def _location(dice: int, _id: int) -> str | None:
    return _PLACES[(dice >> 16) % 7]


PRIMARY: dict[str, Callable[[int, int], object]] = {
    "email": _email,
    "name": _name,
    "phone": _phone,
    "location": _location,
}
"""What every answer tells of a contact behind its id, and how it is made up.

A new column is one more line here: pages, files, `space.add` and `space.change` know it then.
"""


def invent(seed: int, contact_id: int, created: int) -> Contact:
    """Make up the same contact each time, with some of everything, nulls included."""
    dice = ((contact_id + 1) * 0x9E3779B97F4A7C15 ^ seed * 0x5851F42D4C957F2D) >> 7 & _MASK
    primary = {name: make(dice, contact_id) for name, make in PRIMARY.items()}
    return Contact(
        contact_id,
        created,
        primary,
        _emails(_email(dice, contact_id), contact_id, dice),
        tuple([f"ct_{dice >> shift & 0xFFFFFF:06x}{contact_id}" for shift in range(dice % 4)]),
        _custom_fields(dice % 997),
    )


def _emails(email: str | None, contact_id: int, dice: int) -> tuple[str, ...]:
    if email is None:
        return ()
    return (email,) if dice % 9 else (email, f"alias.{contact_id}@example.com")


@cache
def _custom_fields(dice: int) -> dict[int, object]:
    """One of the few sets that all invented contacts share: thirty values each are slow to make."""
    return {
        number: _custom_value(number, dice >> number % 7)
        for number in CUSTOM_FIELDS
        if (dice >> number % 7) % 4
    }


def _custom_value(number: int, dice: int) -> object:
    if number in NUMBER_FIELDS:
        return dice % 100_000 / 100
    if number in DATE_FIELDS:
        return f"20{dice % 25:02}-{dice % 12 + 1:02}-{dice % 28 + 1:02}"
    return f"answer {dice % 100}"
