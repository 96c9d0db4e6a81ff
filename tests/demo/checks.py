"""Whether PostgreSQL holds what Cometly serves."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from tests.sandbox.wall_time import EPOCH, instant

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.demo.life import Changes
    from tests.sandbox import Contact
    from tests.sandbox.space import Space
    from tests.support.postgres import Postgres


@dataclass(frozen=True)
class Finding:
    """A number that both sides must agree on."""

    what: str
    in_cometly: int
    in_postgres: int

    @property
    def agrees(self) -> bool:
        return self.in_cometly == self.in_postgres


class Row(NamedTuple):
    """A contact as the table has it."""

    id: int
    email: str | None
    name: str | None
    phone: str | None
    location: str | None
    created_at: datetime
    emails: list[str]


def compare(space: Space, warehouse: Postgres, changes: Changes) -> list[Finding]:
    """Every contact in every column, and then those that something happened to."""
    served = {row.id: row for row in _served(space)}
    rows = _rows(warehouse)
    loaded = {row.id: row for row in rows}
    winners = set(changes.merged.values())

    def up_to_date(ids: Iterable[int]) -> int:
        return sum(served[contact_id] == loaded.get(contact_id) for contact_id in ids)

    return [
        Finding("contacts served, equal in every column", len(served), up_to_date(served)),
        Finding("- added after the first run", len(changes.added), up_to_date(changes.added)),
        Finding("- completed after it", len(changes.completed), up_to_date(changes.completed)),
        Finding("- merged into, with both e-mails", len(winners), up_to_date(winners)),
        Finding("merged away, their rows stay", len(changes.merged), len(loaded.keys() - served)),
        Finding("rows in all, none twice", len(served) + len(changes.merged), len(rows)),
    ]


def _served(space: Space) -> Iterable[Row]:
    everything = space.select(instant(EPOCH), instant(datetime.max.replace(tzinfo=EPOCH.tzinfo)))
    return map(_as_row, everything.oldest_first())


def _as_row(contact: Contact) -> Row:
    return Row(
        contact.id,
        contact.email,
        contact.name,
        contact.phone,
        contact.location,
        contact.created_at.replace(microsecond=0, tzinfo=None),  # as the API writes it
        list(contact.emails),
    )


def _rows(warehouse: Postgres) -> list[Row]:
    found = warehouse.query(
        "SELECT id, email, name, phone, location, created_at, emails FROM cometly.contacts"
    )
    return [Row(*values) for values in found]
