"""A Cometly that lives in virtual time, with a tap to run against it."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Protocol

import pytest

from tests.support.clock import FakeClock

if TYPE_CHECKING:
    from tests.sandbox import Options, Sandbox
    from tests.sandbox.fixture import StartSandbox

NOW = datetime(2024, 6, 1, 12, tzinfo=timezone.utc)


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
