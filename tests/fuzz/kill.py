"""Kill the tap wherever it stands, start it again from the last STATE, and count the contacts."""

from __future__ import annotations

import json
import logging
import signal
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typing_extensions import Self

from tests.fuzz.warm import End, Order, Warm
from tests.sandbox import Limits, Sandbox, dated
from tests.support.running import arguments, config_for

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator, Mapping
    from types import TracebackType

KINDS: dict[str, dict[str, Any]] = {
    "pages": {"extraction_mode": "pagination", "export_threshold": 1, "page_size": 2},
    "exports": {"extraction_mode": "export", "export_target_size": 4},
}
CONTACTS = 16
LONGEST_STOP = 5.0  # seconds; the promise is one, but these machines are busy

_FIRST = datetime(2024, 5, 1, tzinfo=timezone.utc)
_DAYS = timedelta(days=30)
_NO_LIMITS = Limits(list=100_000, create=100_000, poll=100_000)
_RANGE = {"start_date": "2024-05-01T00:00:00Z", "end_date": "2024-06-01T00:00:00Z"}


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
    def is_torn(self) -> bool:
        return not self.raw.endswith(b"\n") and bool(self.raw)

    @property
    def ids(self) -> set[int]:
        return {m["record"]["id"] for m in self.whole_lines if m["type"] == "RECORD"}

    @property
    def state(self) -> dict[str, Any] | None:
        states = [m["value"] for m in self.whole_lines if m["type"] == "STATE"]
        return states[-1] if states else self.given

    @property
    def told(self) -> int:
        return self.log.count("| ERROR")


@dataclass
class Sweep:
    """A Space that does not change, read again and again by taps that are killed."""

    kind: str

    def __enter__(self) -> Self:
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # our clients do hang up
        with ExitStack() as opened:
            self._folder = Path(opened.enter_context(tempfile.TemporaryDirectory()))
            options = dated(limits=_NO_LIMITS, queued_seconds=0.0)
            self.sandbox = opened.enter_context(Sandbox(options))
            self._warm = opened.enter_context(Warm(self._spool))
            self._opened = opened.pop_all()
        self.sandbox.space.fill(CONTACTS, _FIRST, _FIRST + _DAYS)
        self.everyone = self.sandbox.space.ids()
        self._after: dict[str, set[int]] = {}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._opened.close()

    @property
    def _spool(self) -> Path:
        spool = self._folder / "spool"
        spool.mkdir(exist_ok=True)
        return spool

    def run(self, state: dict[str, Any] | None = None, **how: Any) -> Ended:
        """Run the tap, to its end unless told otherwise."""
        config = config_for(self.sandbox, {**KINDS[self.kind], **_RANGE})
        out, log = self._folder / "out", self._folder / "log"
        for left_by_the_last in (out, log):
            left_by_the_last.write_bytes(b"")
        files = arguments(self._folder, config, state)
        order = Order(files, str(out), str(log), **how)
        end = self._warm.run(order)
        assert list(self._spool.iterdir()) == []
        return Ended(order, end, out.read_bytes(), log.read_text(), state)

    def survives(self, ended: Ended) -> None:
        """Assert that a run ended as it should, and that the next one makes it complete."""
        lines = ended.whole_lines
        assert all(m["type"] in {"SCHEMA", "RECORD", "STATE"} for m in lines)
        if ended.end.code != -signal.SIGKILL:
            assert not ended.is_torn
        if ended.order.signal != signal.SIGKILL:
            _stopped_well(ended)
        missing = self.everyone - ended.ids - self._from(ended.state)
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
    assert ended.order.seconds is None or ended.end.seconds < LONGEST_STOP, ended
    assert "Traceback" not in ended.log, ended
    assert ended.told == int(ended.end.code == 128 + by), ended


def boundaries(healthy: Ended, number: int) -> Iterator[Mapping[str, Any]]:
    """A signal between any two messages."""
    for line in range(len(healthy.whole_lines) + 1):
        yield {"signal": number, "line": line}


def moments(healthy: Ended, number: int, draw: random.Random) -> Iterator[Mapping[str, Any]]:
    """A signal at any time, or within any line."""
    lines = healthy.raw.split(b"\n")
    while True:
        yield {"signal": number, "seconds": draw.uniform(0.0, 1.1) * healthy.end.seconds}
        line = draw.randrange(len(lines) - 1)
        yield {"signal": number, "line": line, "bytes": draw.randrange(1, len(lines[line]))}
