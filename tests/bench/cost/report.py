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
from typing import TYPE_CHECKING, Any

from tests.bench.cost.bench import PACKAGES
from tests.bench.cost.cases import GROUPS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence


def markdown(figures: Mapping[str, Any]) -> str:
    """Write everything that was measured."""
    return "\n".join(
        [
            *_cpu(figures["cpu"]),
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
