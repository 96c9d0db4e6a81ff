"""Contacts as somebody else's API might write them, byte for byte, by whichever way of reading."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.sandbox import Fault
from tests.support.running import sync

if TYPE_CHECKING:
    from tests.sandbox import Sandbox
    from tests.support.clock import FakeClock
    from tests.support.running import Run

PLAIN_LANE: dict[str, Any] = {}
RECORD_LANE = {"stream_maps": {"contacts": {"email": "email"}}}  # has the SDK see each record


@dataclass(frozen=True)
class Way:
    """How contacts are read, and which loop writes them."""

    mode: str
    encoder: dict[str, Any]

    def read(self, sandbox: Sandbox, clock: FakeClock, *lines: bytes, **config: Any) -> Run:
        """Run the tap while these lines are all that the API serves, page or file."""
        if self.mode == "export":
            sandbox.fault(Fault("file", "lines", times=None, edit=lambda _: list(lines)))
        else:
            page = b'{"data":[%s],"next_cursor":null}' % b",".join(lines)
            sandbox.fault(Fault("list", "replace", times=None, body=page))
        return self.run(sandbox, clock, **config)

    def run(self, sandbox: Sandbox, clock: FakeClock, **config: Any) -> Run:
        return sync(sandbox, {"extraction_mode": self.mode, **self.encoder, **config}, clock=clock)


WAYS = {
    f"{mode}, {encoder}": Way(mode, config)
    for mode in ("pagination", "export")
    for encoder, config in (("block encoder", PLAIN_LANE), ("mapped encoder", RECORD_LANE))
}
PAGES = {name: way for name, way in WAYS.items() if way.mode == "pagination"}
FILES = {name: way for name, way in WAYS.items() if way.mode == "export"}
