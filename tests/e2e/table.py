"""The table of contacts, as PostgreSQL has it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.rows import dict_row
from psycopg.sql import SQL, Identifier

from tests.sandbox.contact import Columns
from tests.sandbox.wall_time import EPOCH, instant

if TYPE_CHECKING:
    from tests.sandbox import Contact, Sandbox
    from tests.support.postgres import Postgres

Rows = dict[int, dict[str, Any]]

_EVER = datetime.max.replace(tzinfo=timezone.utc)


@dataclass(frozen=True)
class Table:
    """The contacts in one schema."""

    server: Postgres
    schema: str

    def rows(self) -> Rows:
        """Rows by id; none is there twice."""
        everything = SQL("SELECT * FROM {}.contacts").format(Identifier(self.schema))
        with psycopg.connect(self.server.url, row_factory=dict_row) as connection:
            found = connection.execute(everything).fetchall()
        rows = {row["id"]: row for row in found}
        assert len(rows) == len(found)
        return rows

    def types(self) -> dict[str, str]:
        """Columns with their types; those that the loader adds are left out."""
        with psycopg.connect(self.server.url) as connection:
            found = connection.execute(
                "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute"
                " WHERE attrelid = %s::regclass AND attnum > 0 AND attname NOT LIKE '\\_sdc%%'",
                [f"{self.schema}.contacts"],
            ).fetchall()
        return dict(found)


def contacts_in(rows: Rows) -> Rows:
    """The rows without the columns that the loader adds."""
    return {
        key: {name: value for name, value in row.items() if not name.startswith("_sdc")}
        for key, row in rows.items()
    }


def contacts_of(cometly: Sandbox) -> Rows:
    """What the Space serves now, as rows."""
    everything = cometly.space.select(instant(EPOCH), instant(_EVER))
    return {contact.id: _as_row(contact) for contact in everything.oldest_first()}


def _as_row(contact: Contact) -> dict[str, Any]:
    row = Columns(emails=True).row(contact)
    created = contact.created_at.replace(microsecond=0, tzinfo=None)  # it writes seconds
    return {**row, "created_at": created, "emails": list(contact.emails)}
