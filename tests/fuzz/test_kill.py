"""After a tap was stopped or killed at any moment, the next run is complete."""

from __future__ import annotations

import json
import logging
import os
import random
import signal
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from itertools import islice
from typing import TYPE_CHECKING, Any

import pytest

from tests.fuzz.warm import End, Order, Warm, warm
from tests.sandbox import Sandbox, dated
from tests.support.properties import PLENTY
from tests.support.running import arguments, config_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.sandbox.fixture import StartSandbox

KINDS: dict[str, dict[str, Any]] = {
    "pages": {"extraction_mode": "pagination", "export_threshold": 1, "page_size": 2},
    "exports": {"extraction_mode": "export", "export_target_size": 4},
}
RANGE = {"start_date": "2024-05-01T00:00:00Z", "end_date": "2024-06-01T00:00:00Z"}
FIRST = datetime(2024, 5, 1, tzinfo=timezone.utc)
CONTACTS = 16
LONGEST_STOP = 5.0  # seconds; the promise is one, but these machines are busy

_AT_RANDOM = int(os.environ.get("KILLS", "6"))  # runs of each kind and signal

pytestmark = pytest.mark.slow


@dataclass
class Ended:
    """What a run left behind that did not come to its own end, or did."""

    order: Order
    end: End
    raw: bytes
    log: str
    given: dict[str, Any] | None

    def __str__(self) -> str:
        return f"{self.order}, {self.end}, {self.raw[-200:]!r}\n{self.log}"

    @property
    def whole_lines(self) -> list[dict[str, Any]]:
        """What a target can read of it."""
        return [json.loads(line) for line in self.raw.split(b"\n")[:-1]]

    @property
    def ids(self) -> set[int]:
        return {m["record"]["id"] for m in self.whole_lines if m["type"] == "RECORD"}

    @property
    def state(self) -> dict[str, Any] | None:
        states = [m["value"] for m in self.whole_lines if m["type"] == "STATE"]
        return states[-1] if states else self.given


@dataclass
class Sweep:
    """A Space that does not change, read again and again by taps that are killed."""

    kind: str
    sandbox: Sandbox
    warm: Warm
    folder: Path
    _after: dict[str, set[int]] = field(default_factory=dict)

    def run(self, state: dict[str, Any] | None = None, **how: Any) -> Ended:
        """Run the tap, to its end unless told otherwise."""
        config = config_for(self.sandbox, {**KINDS[self.kind], **RANGE})
        files = arguments(self.folder, config, state)
        order = Order(files, str(self.folder / "out"), str(self.folder / "log"), **how)
        end = self.warm.run(order)
        assert list(self.warm.spool.iterdir()) == []
        raw, log = (self.folder / "out").read_bytes(), (self.folder / "log").read_text()
        return Ended(order, end, raw, log, state)

    def survives(self, ended: Ended) -> None:
        """Assert that a run ended as it should, and that the next one makes it complete."""
        assert all(m["type"] in {"SCHEMA", "RECORD", "STATE"} for m in ended.whole_lines)
        if ended.order.signal != signal.SIGKILL:
            _stopped_well(ended)
        missing = self.sandbox.space.ids() - ended.ids - self._from(ended.state)
        assert not missing, f"{sorted(missing)} are lost: {ended}"

    def _from(self, state: dict[str, Any] | None) -> set[int]:
        """What the next run reads: the same from the same STATE, as the Space does not change."""
        key = json.dumps(state)
        if key not in self._after:
            healed = self.run(state)
            assert healed.end.code == 0, healed
            self._after[key] = healed.ids
        return self._after[key]


def _stopped_well(ended: Ended) -> None:
    by = ended.order.signal
    assert ended.end.code in {0, -by, 128 + by}, ended
    assert ended.raw.endswith(b"\n") or not ended.raw, ended
    assert ended.order.seconds is None or ended.end.seconds < LONGEST_STOP, ended
    assert "Traceback" not in ended.log, ended
    assert ended.log.count("| ERROR") == int(ended.end.code == 128 + by), ended


@pytest.fixture(params=KINDS)
def sweep(request: pytest.FixtureRequest, sandbox: StartSandbox, tmp_path: Path) -> Iterator[Sweep]:
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # our clients do hang up
    cometly = sandbox(dated(limits=PLENTY, queued_seconds=0.0))
    cometly.space.fill(CONTACTS, FIRST, FIRST + timedelta(days=30))
    with warm(tmp_path / "spool") as taps:
        yield Sweep(request.param, cometly, taps, tmp_path)


def test_a_signal_between_any_two_messages_costs_nothing(sweep: Sweep) -> None:
    healthy = sweep.run()
    assert healthy.ids == sweep.sandbox.space.ids()

    for line in range(len(healthy.whole_lines) + 1):
        sweep.survives(sweep.run(signal=signal.SIGTERM, line=line))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_signal_at_any_moment_costs_nothing(sweep: Sweep, number: signal.Signals) -> None:
    healthy = sweep.run()

    for moment in islice(moments(healthy, number), _AT_RANDOM):
        sweep.survives(sweep.run(signal=number, **moment))


def moments(healthy: Ended, seed: int) -> Iterator[Mapping[str, Any]]:
    """Any time, or a place within any line."""
    draw = random.Random(seed)  # noqa: S311, reproducible, not secret
    lines = healthy.raw.split(b"\n")
    while True:
        yield {"seconds": draw.uniform(0.0, 1.1) * healthy.end.seconds}
        line = draw.randrange(len(lines) - 1)
        yield {"line": line, "bytes": draw.randrange(1, len(lines[line]))}
