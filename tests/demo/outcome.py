"""What the runs of the demo did, and whether PostgreSQL holds what Cometly serves, as tables."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from tests.e2e.table import contacts_in, contacts_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tests.e2e.table import Table
    from tests.sandbox import Request, Sandbox

CALLS = {
    "list": "calls: list contacts",
    "create": "calls: create an export",
    "poll": "calls: poll an export",
    "file": "calls: download a file",
}


class Run(NamedTuple):
    """What a run did, as Cometly, PostgreSQL and Meltano saw it."""

    name: str
    requests: Sequence[Request]
    rows_written: int
    bookmark: str


class Changes(NamedTuple):
    """Ids of the contacts that something happened to between the runs."""

    added: set[int]
    completed: set[int]
    merged_away: set[int]
    merged_into: set[int]


class Finding(NamedTuple):
    """A number that both sides must agree on."""

    what: str
    in_cometly: int
    in_postgres: int

    @property
    def agrees(self) -> bool:
        return self.in_cometly == self.in_postgres


def compare(cometly: Sandbox, table: Table, changes: Changes) -> list[Finding]:
    """Every contact in every column, and then those that something happened to."""
    served, loaded = contacts_of(cometly), contacts_in(table.rows())
    added, completed, merged_away, merged_into = changes

    def equal(what: str, ids: Iterable[int]) -> Finding:
        known = list(ids)
        return Finding(what, len(known), sum(served[key] == loaded.get(key) for key in known))

    return [
        equal("contacts served, equal in every column", served),
        equal("- added after the first run", added),
        equal("- completed after it", completed),
        equal("- merged into, with both e-mails", merged_into),
        Finding("merged away, their rows stay", len(merged_away), len(loaded.keys() - served)),
        Finding("rows in all, none twice", len(served) + len(merged_away), len(loaded)),
    ]


def tables(runs: Sequence[Run], findings: Sequence[Finding]) -> str:
    calls = [Counter(request.endpoint for request in run.requests) for run in runs]
    lines = [
        "",
        _line("", *(run.name for run in runs)),
        _line("read through", *("exports" if made["file"] else "pages" for made in calls)),
        *(_line(words, *(made[endpoint] for made in calls)) for endpoint, words in CALLS.items()),
        _line("contacts received", *(sum(r.rows for r in run.requests) for run in runs)),
        _line("rows written", *(run.rows_written for run in runs)),
        _line("bookmark in Meltano's state", *(run.bookmark for run in runs)),
        "",
        _line("", "in Cometly", "in PostgreSQL"),
        *(
            _line(finding.what, finding.in_cometly, finding.in_postgres)
            + ("" if finding.agrees else "  <- differs")
            for finding in findings
        ),
        "",
        "PostgreSQL agrees with Cometly."
        if all(finding.agrees for finding in findings)
        else "PostgreSQL differs from Cometly!",
    ]
    return "\n".join([*lines, ""])


def _line(words: str, *values: str | int) -> str:
    texts = (f"{value:,}" if isinstance(value, int) else value for value in values)
    return f"{words:<40}" + "".join(f"{text:>22}" for text in texts)
