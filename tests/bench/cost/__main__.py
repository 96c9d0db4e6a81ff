"""Measures what contacts cost, the tap beside its peers: `python -m tests.bench.cost`.

It takes about half an hour on an otherwise idle machine, and needs `gzip` and uv, which installs
the peers into environments of their own under `~/.cache/tap-cometly-bench`; contacts are invented
once and kept there, too. The tables go to standard output, the chart into this folder.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.bench.cost.bench import CACHE, Bench
from tests.bench.cost.cases import GROUPS, MODES
from tests.bench.cost.chart import draw
from tests.bench.cost.figures import MILLION, marginal, memory, start_up
from tests.bench.cost.report import about, markdown

if TYPE_CHECKING:
    from tests.bench.cost.cases import Case

CHART = Path(__file__).with_name("chart.svg")
FIGURES = CACHE / "figures.json"
MEMORY_SIZES = (10_000, MILLION, 5 * MILLION)


def main() -> None:
    options = _options()
    if not options.draw_only:
        FIGURES.write_text(json.dumps(_measured(options), indent=1, default=str))
    figures = json.loads(FIGURES.read_text())
    note = f"marginal: start-up not counted. {figures['about'].partition(';')[0]}"
    CHART.write_text(draw(GROUPS, figures["cpu"], note), encoding="utf-8")
    sys.stdout.write(markdown(figures))


def _measured(options: argparse.Namespace) -> dict[str, Any]:
    with Bench(max(MEMORY_SIZES)) as bench:

        def sizes(case: Case) -> tuple[int, int]:
            contacts: int = options.slow_contacts if case.slow else MILLION
            return contacts, 2 * contacts

        cases = [case for group in GROUPS.values() for case in group]
        figures: dict[str, Any] = {
            "cpu": marginal(bench, cases, sizes, options.rounds),
            "start_up": {
                option: found._asdict()
                for option, found in start_up(bench, options.rounds * 2).items()
            },
            "memory": {
                name: found._asdict()
                for name, found in memory(bench, MODES, MEMORY_SIZES, MILLION).items()
            },
            "contacts_end_to_end": options.end_to_end_contacts,
            "about": about(options.rounds),
        }
        # Last, for it makes this process larger; see `measure`.
        from tests.bench.cost.end_to_end import end_to_end  # noqa: PLC0415

        ways = end_to_end(bench, options.end_to_end_contacts)
        figures["end_to_end"] = {way: cost._asdict() for way, cost in ways.items()}
    return figures


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.cost", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--slow-contacts",
        type=int,
        default=100_000,
        help="read once and twice by whatever needs more than 5 s for a million (default: 100,000)",
    )
    parser.add_argument("--end-to-end-contacts", type=int, default=100_000)
    parser.add_argument("--draw-only", action="store_true", help="the figures of the last run")
    return parser.parse_args()


if __name__ == "__main__":
    main()
