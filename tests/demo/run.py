"""What a run did, as Cometly, PostgreSQL and Meltano saw it."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.sandbox import Sandbox
    from tests.support.meltano import MeltanoProject
    from tests.support.postgres import Postgres


@dataclass
class Run:
    """Complete once the run is over."""

    name: str
    calls: Counter[str] = field(default_factory=Counter)
    """By endpoint: "list", "create", "poll", "file"."""
    contacts_received: int = 0
    rows_written: int = 0
    bookmark: str = ""

    @property
    def way(self) -> str:
        return "exports" if self.calls["file"] else "pages"


@contextmanager
def watch(
    name: str, cometly: Sandbox, warehouse: Postgres, meltano: MeltanoProject
) -> Iterator[Run]:
    run = Run(name)
    cometly.clear_requests()
    yield run
    requests = cometly.requests
    run.calls = Counter(request.endpoint for request in requests)
    run.contacts_received = sum(request.rows for request in requests)
    [(run.rows_written,)] = warehouse.query(
        "SELECT count(*) FROM cometly.contacts WHERE _sdc_sync_started_at ="
        " (SELECT max(_sdc_sync_started_at) FROM cometly.contacts)"
    )
    run.bookmark = meltano.bookmark("tap-cometly-to-target-postgres")
