"""A Cometly that lives in virtual time, with a tap to run against it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from tests.sandbox import Fault
from tests.support.clock import FakeClock
from tests.support.running import sync

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.sandbox import Options, Sandbox
    from tests.sandbox.fixture import StartSandbox
    from tests.support.running import Run

NOW = datetime(2024, 6, 1, 12, tzinfo=timezone.utc)


@dataclass
class Cometly:
    """A Space, and runs of the tap against it."""

    sandbox: Sandbox
    clock: FakeClock
    config: Mapping[str, Any] = field(default_factory=dict)
    """What each run is configured with, unless told otherwise."""

    def sync(self, **config: Any) -> Run:
        return sync(self.sandbox, {**self.config, **config}, clock=self.clock)

    def change(self, **options: Any) -> None:
        """Change how the API behaves."""
        self.sandbox.options = replace(self.sandbox.options, **options)

    def fault(self, endpoint: Any, kind: Any = "status", **fault: Any) -> None:
        self.sandbox.fault(Fault(endpoint, kind, **fault))

    @property
    def seconds(self) -> float:
        """How long ago its time began."""
        return self.clock.monotonic()

    @property
    def windows(self) -> list[tuple[str, str]]:
        """Those that exports were asked for, in order."""
        bodies = [call.body or {} for call in self.sandbox.requests if call.endpoint == "create"]
        return [(body["start_date"], body["end_date"]) for body in bodies]


class StartCometly(Protocol):
    """Starts a sandbox, and gives the clock that it shares with the tap."""

    def __call__(
        self, options: Options | None = None, *, now: datetime = NOW
    ) -> tuple[Sandbox, FakeClock]: ...


@pytest.fixture
def cometly(sandbox: StartSandbox) -> StartCometly:
    def start(options: Options | None = None, *, now: datetime = NOW) -> tuple[Sandbox, FakeClock]:
        clock = FakeClock(now)
        return sandbox(options, now=clock.epoch, monotonic=clock.monotonic), clock

    return start
