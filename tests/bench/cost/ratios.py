"""A small version of the bench: ratios of CPU times, compared with those of a committed baseline.

Each case reads the same contacts again and again, all in turn and in one process: what else the
machine does spoils some of these short times, hardly ever all. What it costs to start is not seen.
`python -m tests.bench.cost.ratios` prints what it finds, with `--write` also into the baseline.
"""

from __future__ import annotations

import argparse
import gzip
import json
import logging
import os
import sys
import time
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

from tap_cometly.__main__ import collect_rarely
from tap_cometly.extract import services
from tap_cometly.tap import TapCometly
from tests.bench.cost.bench import CACHE, Bench
from tests.bench.cost.cases import MAP
from tests.bench.cost.file_to_records import convert
from tests.bench.cost.peers.stock_sdk import StockTap
from tests.support.clock import FakeClock, InTurn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

BASELINE = Path(__file__).with_name("baseline.json")
WORSE = 4 / 3  # than the baseline, at most

_CONTACTS, _FEWER = 100_000, 10_000
_AT_LEAST, _AT_MOST = 5, 40  # rounds
_PAIRS = (
    ("file", "gzip"),
    ("export", "gzip"),
    ("pages", "gzip"),
    ("BATCH", "gzip"),
    ("file", "stock SDK"),
    ("stream map", "stock SDK, stream map"),
)


def ratios(cache: Path, enough: Mapping[str, float] | None = None) -> dict[str, float]:
    """The least CPU time of each case beside another's: the less, the better for the tap.

    Args:
        cache: Where the contacts are kept.
        enough: Ratios that are small enough: once all are, no more rounds follow.
    """
    with Bench(_CONTACTS, cache) as bench, _prepared():
        cases = _cases(bench)
        least = {name: float("inf") for name in cases}
        for number in range(1, _AT_MOST + 1):
            for name, (contacts, read) in cases.items():
                begin = time.process_time()
                read()
                least[name] = min(least[name], (time.process_time() - begin) / contacts)
            found = {f"{ours} / {other}": least[ours] / least[other] for ours, other in _PAIRS}
            is_enough = enough and all(found[name] <= enough[name] for name in found)
            if is_enough and number >= _AT_LEAST:
                break
    return {name: round(ratio, 3) for name, ratio in found.items()}


def _cases(bench: Bench) -> dict[str, tuple[int, Callable[[], object]]]:
    """How many contacts each case reads, and how."""
    file, beginning = Path(bench.file(_CONTACTS)), bench.file(_FEWER)

    def unzip() -> None:
        with gzip.open(file) as unzipped:
            while unzipped.read(2**18):
                pass

    def tap(contacts: int = _CONTACTS, **settings: object) -> None:
        config = bench.settings(contacts) | {"extraction_mode": "export"} | settings
        TapCometly(config=config, clock=FakeClock(datetime.now(timezone.utc))).sync_all()

    def stock_sdk(**settings: object) -> None:
        StockTap(config={"path": beginning, **settings}).sync_all()

    return {
        "gzip": (_CONTACTS, unzip),
        "file": (_CONTACTS, lambda: convert(file)),
        "export": (_CONTACTS, tap),
        "pages": (_CONTACTS, lambda: tap(extraction_mode="pagination")),
        "BATCH": (_CONTACTS, lambda: tap(batch_config=bench.batch_config())),
        "stream map": (_FEWER, lambda: tap(_FEWER, **MAP)),
        "stock SDK": (_FEWER, stock_sdk),
        "stock SDK, stream map": (_FEWER, lambda: stock_sdk(**MAP)),
    }


@contextmanager
def _prepared() -> Iterator[None]:
    """Tune this process as the tap's is; waiting takes no time, and records go nowhere."""
    collect_rarely()
    logging.disable()
    shown, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        with mock.patch.object(services, "ThreadTasks", InTurn):
            yield
    finally:
        os.dup2(shown, 1)
        os.close(shown)
        os.close(nowhere)


def baseline() -> dict[str, float]:
    """What is committed."""
    committed: dict[str, float] = json.loads(BASELINE.read_text())
    return committed


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.cost.ratios", description=__doc__)
    parser.add_argument("--write", action="store_true", help="the baseline anew")
    parser.add_argument("--cache", type=Path, default=CACHE, help="where the contacts are kept")
    options = parser.parse_args()
    bounds = {name: ratio * WORSE for name, ratio in baseline().items()}
    found = ratios(options.cache, None if options.write else bounds)
    report = json.dumps(found, indent=2) + "\n"
    if options.write:
        BASELINE.write_text(report)
    sys.stdout.write(report)


if __name__ == "__main__":
    main()
