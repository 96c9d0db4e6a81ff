"""The figures as Markdown."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.bench.cost.cases import GROUPS
from tests.bench.cost.workshop import PACKAGES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence


class Goal(NamedTuple):
    """What a ratio of two cases should be: at most, or at least."""

    what: str
    case: str
    other: str
    at_most: float | None = None
    at_least: float | None = None


GOALS = (
    Goal("file to RECORD lines / `gzip -dc`", "file", "gzip", at_most=1.7),
    Goal("through HTTP, spool and verification / `gzip -dc`", "export", "gzip", at_most=2.2),
    Goal("pages / `gzip -dc`", "pages", "gzip", at_most=2.8),
    Goal("BATCH files / `gzip -dc`", "batch", "gzip", at_most=2.5),
    Goal("stock SDK stream / file to RECORD lines", "sdk", "file", at_least=18),
    Goal("stock `RESTStream` / pages", "sdk pages", "pages", at_least=12),
    Goal("stock SDK / tap, stream map", "sdk map", "map", at_least=2.5),
    Goal("stock SDK / tap, column deselected", "sdk deselect", "deselect", at_least=2.5),
    Goal("stock SDK / tap, flattening", "sdk flatten", "flatten", at_least=2.5),
)


def markdown(figures: Mapping[str, Any]) -> str:
    """Write everything that was measured."""
    return "\n".join(
        [
            *_cpu(figures["cpu"]),
            *_goals(figures["cpu"]),
            *_memory(figures["memory"]),
            *_start_up(figures["start_up"]),
            *_end_to_end(figures["end_to_end"], figures["contacts_end_to_end"]),
            f"{figures['about']}\n",
        ]
    )


def _cpu(seconds: Mapping[str, float]) -> Iterator[str]:
    rows = []
    for title, cases in GROUPS.items():
        rows += [(f"**{title}**", "", "")]
        for case in cases:
            own = seconds[case.name]
            rows.append((case.label, f"{own:.2f}", f"{own / seconds['gzip']:.1f}"))
    yield from _table(("CPU seconds for a million contacts", "", "/ `gzip -dc`"), rows)


def _goals(seconds: Mapping[str, float]) -> Iterator[str]:
    rows = []
    for goal in GOALS:
        ratio = seconds[goal.case] / seconds[goal.other]
        wanted = f"≤ {goal.at_most}" if goal.at_most else f"≥ {goal.at_least}"
        rows.append((goal.what, wanted, f"{ratio:.2f}"))
    yield from _table(("ratio", "goal", "measured"), rows)


def _memory(modes: Mapping[str, Any]) -> Iterator[str]:
    sizes = list(next(iter(modes.values()))["sizes"])
    header = ("peak memory, MB", *(f"{int(n):,} contacts" for n in sizes), "slow reader")
    labels = {case.name: case.label for cases in GROUPS.values() for case in cases}
    rows = [
        (
            f"{name}: {labels[name]}",
            *(f"{mode['sizes'][n]:.0f}" for n in sizes),
            f"{mode['slow_reader']:.0f}",
        )
        for name, mode in modes.items()
    ]
    yield from _table(header, rows)


def _start_up(options: Mapping[str, Any]) -> Iterator[str]:
    rows = [
        (f"`{option}`", f"{s['tap']:.2f}", f"{s['bare']:.2f}", f"{s['tap'] / s['bare']:.2f}")
        for option, s in options.items()
    ]
    yield from _table(("start-up, CPU seconds", "tap-cometly", "bare SDK tap", "ratio"), rows)


def _end_to_end(ways: Mapping[str, Any], contacts: int) -> Iterator[str]:
    header = (f"`meltano run`, {contacts:,} contacts into PostgreSQL", "CPU seconds", "seconds")
    rows = [(way, f"{cost['cpu']:.1f}", f"{cost['wall']:.1f}") for way, cost in ways.items()]
    yield from _table(header, rows)


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(header)} |"
    yield f"| --- |{' ---: |' * (len(header) - 1)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"
    yield ""


def about(rounds: int) -> str:
    """Say on which machine, with which versions and when."""
    ours = ("singer-sdk", "msgspec", "isal", "requests")
    versions = [f"{name} {metadata.version(name)}" for name in ours]
    versions += sorted({pin.replace("==", " ") for pin in PACKAGES.values()} - set(versions))
    return (
        f"Median of {rounds}, all in one run, in turn. {_processor()}, {os.cpu_count()} cores, "
        f"{platform.system()}; Python {platform.python_version()}; {_gzip()}; "
        f"{', '.join(versions)}; {datetime.now(timezone.utc):%Y-%m-%d}."
    )


def _gzip() -> str:
    told = subprocess.run(  # noqa: S603
        [shutil.which("gzip") or "gzip", "--version"], capture_output=True, text=True, check=False
    )
    return (told.stdout or told.stderr).partition("\n")[0]


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    text = cpuinfo.read_text() if cpuinfo.exists() else ""
    named = re.search(r"model name\s*: (.*)", text)
    return named[1].strip() if named else platform.processor()
