"""Measures what contacts cost, and prints it as tables: `python -m tests.bench.cost`.

It takes a quarter of an hour on an otherwise idle machine, and needs `gzip`.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import subprocess
import sys
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from tests.bench.cost.bench import GROUPS, MODES, Bench, module
from tests.bench.cost.measuring import MILLION, Rounds, log, measure
from tests.support.running import SCRIPT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MEMORY_SIZES = (10_000, MILLION, 5 * MILLION)

Row = tuple[str, ...]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.cost", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--slow-contacts",
        type=int,
        default=50_000,
        help="read once and twice by whatever needs more than 5 s for a million (default: 50,000)",
    )
    options = parser.parse_args()
    with Bench(max(MEMORY_SIZES)) as bench:
        header: Row = ("CPU seconds for a million contacts", "", "/ `gzip -dc`")
        _print_table(header, _cpu(bench, options.rounds, options.slow_contacts))
        header = ("peak memory, MB", *(f"{contacts:,} contacts" for contacts in MEMORY_SIZES))
        _print_table(header, _memory(bench))
        header = ("start-up, CPU seconds", "tap-cometly", "bare SDK tap", "ratio")
        _print_table(header, _start_up(options.rounds * 2))
    _print(_about(options.rounds))


def _cpu(bench: Bench, rounds: int, slow_contacts: int) -> Iterator[Row]:
    """Marginal costs: of two million contacts less one, or of as many as a slow case reads."""
    sizes = {
        case: slow_contacts if case.slow else MILLION for each in GROUPS.values() for case in each
    }
    measured = Rounds(bench, {case: (size, 2 * size) for case, size in sizes.items()})
    for _ in range(rounds):
        measured.once_more()
    seconds = measured.marginal(median)
    for title, cases in GROUPS.items():
        yield f"**{title}**", "", ""
        for case in cases:
            own = seconds[case.name]
            yield case.label, f"{own:.2f}", f"{own / seconds['gzip']:.1f}"


def _memory(bench: Bench) -> Iterator[Row]:
    for case in MODES:
        peaks = [
            measure(case.command(bench, contacts), into_pipe=True).memory
            for contacts in MEMORY_SIZES
        ]
        log(f"memory: {case.name}, {peaks}")
        yield f"{case.name}: {case.label}", *(f"{peak:.0f}" for peak in peaks)


def _start_up(rounds: int) -> Iterator[Row]:
    """How long the tap takes to say something, beside a bare tap of the SDK."""
    for option in ("--version", "--discover"):
        ours, bare = [
            median(measure([*command, option]).cpu for _ in range(rounds))
            for command in ([str(SCRIPT)], module("stock_sdk"))
        ]
        yield f"`{option}`", f"{ours:.2f}", f"{bare:.2f}", f"{ours / bare:.2f}"


def _about(rounds: int) -> str:
    """Say on which machine, with which versions and when."""
    cpuinfo = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*: (.*)", cpuinfo.read_text() if cpuinfo.exists() else "")
    processor = found[1].strip() if found else platform.processor()
    gzip = subprocess.run(["gzip", "--version"], capture_output=True, text=True, check=True)  # noqa: S607
    ours = ("singer-sdk", "msgspec", "isal", "requests")
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ours)
    return (
        f"Median of {rounds}, all in one run, in turn. {processor}, {os.cpu_count()} cores, "
        f"{platform.system()}; Python {platform.python_version()}; "
        f"{gzip.stdout.partition(chr(10))[0]}; {versions}; {datetime.now(timezone.utc):%Y-%m-%d}."
    )


def _print_table(header: Sequence[str], rows: Iterator[Row]) -> None:
    lines = [f"| {' | '.join(row)} |" for row in (header, *rows)]
    lines.insert(1, f"| --- |{' ---: |' * (len(header) - 1)}")
    _print("\n".join([*lines, ""]))


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
