"""The demo's words and tables."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.demo.checks import Finding
    from tests.demo.run import Run

CALLS = {
    "list": "calls: list contacts",
    "create": "calls: create an export",
    "poll": "calls: poll an export",
    "file": "calls: download a file",
}
FIRST_COLUMN = 40
COLUMN = 22


@contextmanager
def step(what: str) -> Iterator[None]:
    """Say what begins, and how long it took."""
    began = time.monotonic()
    tell(f"{what} ...", end="")
    try:
        yield
    except BaseException:
        tell("")
        raise
    tell(f" {time.monotonic() - began:.0f} s")


def tell(words: str, end: str = "\n") -> None:
    """Write to standard error; standard output is for the tables."""
    print(words, end=end, file=sys.stderr, flush=True)  # noqa: T201


def show(runs: Sequence[Run], repairs: Sequence[Finding]) -> None:
    lines = ["", *_run_table(runs), "", *_finding_table(repairs), "", _verdict(repairs)]
    print("\n".join(lines))  # noqa: T201


def _run_table(runs: Sequence[Run]) -> list[str]:
    return [
        _line("", *(run.name for run in runs)),
        _line("read through", *(run.way for run in runs)),
        *(_line(words, *(run.calls[kind] for run in runs)) for kind, words in CALLS.items()),
        _line("contacts received", *(run.contacts_received for run in runs)),
        _line("rows written", *(run.rows_written for run in runs)),
        _line("bookmark in Meltano's state", *(run.bookmark for run in runs)),
    ]


def _finding_table(repairs: Sequence[Finding]) -> list[str]:
    return [
        _line("", "in Cometly", "in PostgreSQL"),
        *(
            _line(finding.what, finding.in_cometly, finding.in_postgres)
            + ("" if finding.agrees else "  <- differs")
            for finding in repairs
        ),
    ]


def _verdict(repairs: Sequence[Finding]) -> str:
    agree = all(finding.agrees for finding in repairs)
    return "PostgreSQL agrees with Cometly." if agree else "PostgreSQL differs from Cometly!"


def _line(words: str, *values: str | int) -> str:
    texts = (f"{value:,}" if isinstance(value, int) else value for value in values)
    return f"{words:<{FIRST_COLUMN}}" + "".join(f"{text:>{COLUMN}}" for text in texts)
