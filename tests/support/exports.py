"""Export jobs in virtual time: a repository as a test scripts it, and an orchestrator that asks."""

from __future__ import annotations

import itertools
from collections import defaultdict, deque
from datetime import datetime, timedelta, timezone
from io import BytesIO
from typing import TYPE_CHECKING, Any, NamedTuple

from typing_extensions import override

from tap_cometly.client.client import DOCUMENTED_LIMITS, Endpoint, ExportStatus
from tap_cometly.client.rate_limit import RateLimiter
from tap_cometly.config import SETTINGS_SCHEMA, Settings
from tap_cometly.contacts.decoder import Page
from tap_cometly.contacts.schema import Contact
from tap_cometly.exceptions import WindowNotExportedError
from tap_cometly.exports.download import SpoolFile
from tap_cometly.exports.orchestrator import ExportOrchestrator
from tap_cometly.exports.repository import ExportRepository
from tap_cometly.timeranges import Window
from tests.support.clock import FakeClock, InTurn

if TYPE_CHECKING:
    from tap_cometly.exports.job import ExportJob

START = datetime(2024, 1, 1, tzinfo=timezone.utc)
SIZE, THRESHOLD, TIMEOUT = 1_000, 100, 600.0
USUAL = None
_ANSWERED_AFTER = 0.05  # seconds
_LATEST = 1e6  # seconds; whatever takes longer never ends


def days(count: int, *, expected: int | None = SIZE) -> list[Window]:
    """Windows of a day, one after the other."""
    ends = [START + timedelta(days=n) for n in range(count + 1)]
    return [Window(*pair, expected) for pair in itertools.pairwise(ends)]


[DAY] = days(1)


def settings(parallel: int) -> Settings:
    """The defaults, but for the limits of exports."""
    properties = SETTINGS_SCHEMA["properties"]
    config = {name: each["default"] for name, each in properties.items() if "default" in each}
    limits = {"max_parallel_exports": parallel, "export_timeout": TIMEOUT}
    given = {"api_key": "k", "start_date": "2024-01-01", "export_threshold": THRESHOLD}
    return Settings.of({**config, **given, **limits})


class _Call(NamedTuple):
    kind: str
    window: Window
    at: float


class ScriptedRepository(ExportRepository):
    """Jobs are completed after `seconds`; what a test scripts comes first."""

    @override
    def __init__(self, clock: FakeClock, *, seconds: float = 10.0, share: float = 1.0) -> None:
        self.limiters: dict[Endpoint, RateLimiter] = {
            endpoint: RateLimiter(limit, share=share, clock=clock)
            for endpoint, limit in DOCUMENTED_LIMITS.items()
        }
        self.seconds: defaultdict[Window, float] = defaultdict(lambda: seconds)
        self.spools: list[SpoolFile] = []
        self._clock = clock
        self._calls: list[_Call] = []
        self._script: defaultdict[tuple[str, Window | None], deque[Any]] = defaultdict(deque)
        self._jobs: list[tuple[Window, float]] = []

    def script(self, kind: str, *answers: Any, to: Window | None = None) -> None:
        """Answer like this, in turn: an exception is raised, `USUAL` is the usual answer."""
        self._script[kind, to].extend(answers)

    def asked(self, kind: str, window: Window | None = None) -> list[float]:
        """When something was asked for."""
        return [c.at for c in self._calls if c.kind == kind and window in {None, c.window}]

    def windows(self, kind: str) -> list[Window]:
        """What something was asked for, in order."""
        return [call.window for call in self._calls if call.kind == kind]

    @override
    def create(self, window: Window) -> int:
        self.limiters["create"].release()
        answer = self._answer("create", window)
        if answer is not USUAL:
            return int(answer)
        self._jobs.append((window, self._clock.monotonic() + self.seconds[window]))
        return len(self._jobs) - 1

    @override
    def poll(self, export_id: int) -> ExportStatus:
        self.limiters["poll"].release()
        window, completed_at = self._jobs[export_id]
        answer = self._answer("poll", window)
        if answer is not USUAL:
            return ExportStatus(*answer)
        if self._clock.monotonic() < completed_at:
            return ExportStatus("processing", None)
        return ExportStatus("completed", str(export_id))

    @override
    def download(self, url: str) -> SpoolFile:
        window, _ = self._jobs[int(url)]
        self._answer("download", window)
        self.spools.append(SpoolFile(BytesIO(b"x"), window.expected or 1, size=1))
        return self.spools[-1]

    @override
    def newest(self, window: Window, *, per_page: int) -> Page | None:
        answer = self._answer("newest", window)
        return None if answer is USUAL else Page(list(map(Contact, answer)), None)

    def _answer(self, kind: str, window: Window) -> Any:
        self._calls.append(_Call(kind, window, self._clock.monotonic()))
        answers = self._script[kind, window] or self._script[kind, None]
        answer = answers.popleft() if answers else USUAL
        if isinstance(answer, Exception):
            raise answer
        return answer


class Answers(InTurn):
    """Hands on each answer a moment after it was asked for, or later if a test says so."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        self.under_way = False

    @override
    def wait(self, seconds: float) -> None:
        assert self._clock.monotonic() < _LATEST, "it never ends"
        done = self._done and not self.under_way
        self._clock.sleep(min(seconds, _ANSWERED_AFTER) if done else seconds)
        if done:
            self._hand_on()


class Exports:
    """An orchestrator with all that it needs."""

    def __init__(
        self,
        *windows: Window | None,
        parallel: int = 4,
        seconds: float = 10.0,
        share: float = 1.0,
        repository: type[ScriptedRepository] = ScriptedRepository,
    ) -> None:
        self.clock = FakeClock(START)
        self.repository = repository(self.clock, seconds=seconds, share=share)
        self.tasks = Answers(self.clock)
        self.orchestrator = ExportOrchestrator(
            iter(windows),
            self.repository,
            self.tasks,
            self.clock,
            settings(parallel),
        )

    def next(self) -> ExportJob:
        """Wait for the oldest window's file."""
        job = self.orchestrator.next_export()
        assert job is not None
        return job

    def sample(self) -> frozenset[int] | None:
        """Wait for the oldest window's file; return the ids that it is compared with."""
        return self.orchestrator.completeness.tally(self.next()).sample

    def read(self) -> dict[Window, str]:
        """Read everything, and tell how; in the order in which it was handed out."""
        ways: list[tuple[Window, str]] = []
        while True:
            try:
                job = self.orchestrator.next_export()
            except WindowNotExportedError as error:
                ways.append((error.window, "pages"))
                continue
            if job is None:
                break
            assert job.spool is not None
            assert not job.spool.file.closed
            ways.append((job.window, "export"))
            self.orchestrator.release(job)
        assert len(dict(ways)) == len(ways), "a window was handed out twice"
        return dict(ways)

    def advance_until(self, seconds: float) -> None:
        """Go on without taking what is ready."""
        while self.clock.monotonic() < seconds:
            self.orchestrator.advance()
            self.clock.sleep(0.1)

    def advance_until_downloads(self, files: int) -> None:
        """Likewise, until so many files have been asked for."""
        while len(self.repository.spools) < files:
            self.orchestrator.advance()
            self.clock.sleep(0.1)
