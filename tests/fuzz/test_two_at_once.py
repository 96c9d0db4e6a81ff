"""Two taps on one Space, with copies of one state, and a third client that uses the limits, too."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from tests.fuzz.hurry import BEGAN, HurriedClock
from tests.fuzz.warm import Order, warm
from tests.sandbox import Sandbox, dated
from tests.support.running import arguments, config_for

if TYPE_CHECKING:
    from pathlib import Path

SPEED = 40.0
CONTACTS = 80
KINDS: dict[str, dict[str, Any]] = {
    "pages": {"extraction_mode": "pagination", "page_size": 10},
    "exports": {"extraction_mode": "export", "export_target_size": 20},
}
STATE = {"bookmarks": {"contacts": {"replication_key_value": "2024-05-02T00:00:00Z"}}}
TOO_MANY = 429
MOST_REFUSED = 10  # a minute; two taps that do not know of each other cause one or two


class Ended(NamedTuple):
    code: int
    ids: set[int]
    log: str


def run(sandbox: Sandbox, clock: HurriedClock, folder: Path, kind: str) -> Ended:
    folder.mkdir()
    out, log = folder / "out", folder / "log"
    files = arguments(folder, config_for(sandbox, KINDS[kind]), STATE)
    order = Order(files, str(out), str(log), since=clock.since, speed=clock.speed)
    with warm(folder / "spool") as tap:
        end = tap.run(order)
    lines = [json.loads(line) for line in out.read_bytes().splitlines()]
    ids = {line["record"]["id"] for line in lines if line["type"] == "RECORD"}
    return Ended(end.code, ids, log.read_text())


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_taps_that_share_a_space_finish_with_few_refused_requests(
    tmp_path: Path, kind: str
) -> None:
    clock = HurriedClock(time.monotonic(), SPEED)
    with Sandbox(dated(), now=clock.epoch, monotonic=clock.monotonic) as sandbox:
        first = BEGAN - timedelta(days=30)
        sandbox.space.fill(CONTACTS, first, BEGAN - timedelta(hours=1))
        over = threading.Event()
        with ThreadPoolExecutor(3) as together:
            together.submit(_take_most_of_it, sandbox, over)
            taps = [
                together.submit(run, sandbox, clock, tmp_path / name, kind)
                for name in ("one", "two")
            ]
            ended = [tap.result() for tap in taps]
            over.set()

    minutes = clock.monotonic() / 60
    refused = [request for request in sandbox.requests if request.status == TOO_MANY]
    wanted = sandbox.space.ids(first)
    for tap in ended:
        assert tap.code == 0, tap.log
        assert tap.ids == wanted
        assert tap.log.count("| ERROR") == 0
    assert len(refused) <= MOST_REFUSED * minutes


def _take_most_of_it(sandbox: Sandbox, over: threading.Event) -> None:
    """Each minute, at once, two thirds of what the Space allows."""
    while not over.wait(60 / SPEED):
        sandbox.take("list", 10)
        sandbox.take("create", 3)
        sandbox.take("poll", 20)
