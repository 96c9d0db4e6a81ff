"""A Space that lives in virtual time, with a tap to run against it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

from tests.sandbox import Fault, Options, dated
from tests.support.clock import FakeClock
from tests.support.properties import check
from tests.support.running import sync

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Mapping

    from tests.sandbox import Sandbox
    from tests.sandbox.fixture import StartSandbox
    from tests.sandbox.space import Space
    from tests.support.running import Run

UTC = timezone.utc
NOW = datetime(2024, 6, 1, 12, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
SETTLE = timedelta(seconds=60)
Kind = Callable[..., Options]
KINDS = pytest.mark.parametrize("kind", [dated, Options], ids=["dated", "undated"])
"""An API that tells `created_at`, and one that does not."""

MAPPED: dict[str, Any] = {"stream_maps": {"contacts": {"email": "email"}}}
"""Has the SDK look at each record, in the mapped encoder."""
Way = dict[str, Any]
WAYS: dict[str, Way] = {
    f"{mode}, {encoder} encoder": {"extraction_mode": mode, **config}
    for mode in ("pagination", "export")
    for encoder, config in (("block", {}), ("mapped", MAPPED))
}
"""How contacts are read, and which encoder writes them."""


@dataclass
class Cometly:
    """A Space, and runs of the tap against it."""

    sandbox: Sandbox
    clock: FakeClock
    config: Mapping[str, Any] = field(default_factory=dict)
    """What each run is configured with, unless told otherwise."""
    runs: list[Run] = field(default_factory=list)

    @property
    def space(self) -> Space:
        """Its contacts."""
        return self.sandbox.space

    def sync(
        self,
        state: Any = None,
        catalog: Any = None,
        *,
        clock: Any = None,
        more: Any = (),
        env: Any = None,
        **config: Any,
    ) -> Run:
        config = {**self.config, **config}
        run = sync(self.sandbox, config, state, catalog, clock or self.clock, more, env)
        self.runs.append(run)
        return run

    def go_on(self, **config: Any) -> Run:
        """Run from the state of the last run."""
        return self.sync(self.runs[-1].state if self.runs else None, **config)

    def unread(self, end: datetime | None = None) -> set[int]:
        """Contacts created before then, the settling time unless told, that no run has written."""
        read = set[int]().union(*(run.ids for run in self.runs))
        return self.space.ids(None, end or self.clock.now() - SETTLE) - read

    def is_complete(self, *runs: Run, **how: Any) -> None:
        """Each run succeeded, and all that must hold of any run does; `how` as `check` has it."""
        for run in runs:
            assert run.exit == 0, run.log
            check(run, self.sandbox, **how)

    def is_loud(self, run: Run, *words: str, nothing_committed: bool = True, **how: Any) -> None:
        """The run ended with one error that has these words; the bookmark is where it was."""
        assert run.exit == 1, run.log
        [error] = run.errors
        for word in words:
            assert word in error
        assert not nothing_committed or all(state == run.given for state in run.states)
        check(run, self.sandbox, **how)

    def change(self, **options: Any) -> None:
        """Change how the API behaves."""
        self.sandbox.options = replace(self.sandbox.options, **options)

    def fault(self, endpoint: Any, kind: Any = "status", **fault: Any) -> None:
        self.sandbox.fault(Fault(endpoint, kind, **fault))

    def live(self, by: timedelta, contacts: int = 0) -> None:
        """Let time pass, in which contacts come, evenly."""
        self.space.fill(contacts, self.clock.now(), self.clock.now() + by)
        self.clock.advance(by)

    @property
    def seconds(self) -> float:
        """How long ago its time began."""
        return self.clock.monotonic()

    @property
    def calls(self) -> Counter[str]:
        """How many calls each endpoint has had."""
        return self.sandbox.log_calls()

    @property
    def windows(self) -> list[tuple[str, str]]:
        """Those that exports were asked for, in order."""
        bodies = [call.body or {} for call in self.sandbox.requests if call.endpoint == "create"]
        return [(body["start_date"], body["end_date"]) for body in bodies]


@dataclass
class StartSpace:
    """Starts a Space that holds contacts, created evenly between two times.

    `kind` and `options` say how its API behaves, `config` what each run is configured with.
    """

    sandbox: StartSandbox

    def __call__(
        self,
        contacts: int = 0,
        first: datetime = NOW - 10 * DAY,
        last: datetime = NOW - HOUR,
        *,
        kind: Kind = dated,
        now: datetime = NOW,
        config: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> Cometly:
        clock = FakeClock(now)
        started = self.sandbox(kind(**options), now=clock.epoch, monotonic=clock.monotonic)
        started.space.fill(contacts, first, last)
        return Cometly(started, clock, config or {})


@pytest.fixture
def start_space(sandbox: StartSandbox) -> StartSpace:
    return StartSpace(sandbox)
