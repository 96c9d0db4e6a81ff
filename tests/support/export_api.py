"""The works' API and cutter as a test scripts them: nothing takes time but jobs, and waiting."""

from __future__ import annotations

from collections import defaultdict, deque
from io import BytesIO
from typing import TYPE_CHECKING, Any, NamedTuple

from typing_extensions import override

from tap_cometly.client.client import DOCUMENTED_LIMITS
from tap_cometly.client.rate_limit import RateLimiter
from tap_cometly.exports.download import SpoolFile
from tap_cometly.exports.repository import ExportStatus
from tap_cometly.extract.planner import WindowPlanner
from tap_cometly.timeranges import Probe, Window

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.support.clock import FakeClock

AS_USUAL = None


class Call(NamedTuple):
    """What was asked for, and when."""

    kind: str
    window: Window
    at: float


class ScriptedApi:
    """Jobs complete after `seconds`; what a test scripts comes first."""

    def __init__(self, clock: FakeClock, *, seconds: float = 10.0) -> None:
        self.limiters = {
            endpoint: RateLimiter(limit, share=1.0, clock=clock)
            for endpoint, limit in DOCUMENTED_LIMITS.items()
        }
        self.seconds: defaultdict[Window, float] = defaultdict(lambda: seconds)
        self.holds: dict[Window, int] = {}
        self.calls: list[Call] = []
        self.spools: list[SpoolFile] = []
        self.fetch_seconds = 0.0
        self._clock = clock
        self._script: defaultdict[tuple[str, Window | None], deque[Any]] = defaultdict(deque)
        self._jobs: list[tuple[Window, float]] = []

    def script(self, kind: str, *answers: Any, to: Window | None = None) -> None:
        """Answer like this, in turn: an exception is raised, `AS_USUAL` is the usual answer."""
        self._script[kind, to].extend(answers)

    def asked(self, kind: str, window: Window | None = None) -> list[float]:
        """When something was asked for."""
        return [c.at for c in self.calls if c.kind == kind and window in {None, c.window}]

    def windows(self, kind: str) -> list[Window]:
        """What something was asked for, in order."""
        return [call.window for call in self.calls if call.kind == kind]

    def create(self, window: Window) -> int:
        def usual() -> int:
            self._jobs.append((window, self._clock.monotonic() + self.seconds[window]))
            return len(self._jobs) - 1

        self.limiters["create"].answered()
        answer = self._answer("create", window)
        return usual() if answer is AS_USUAL else answer

    def poll(self, export_id: int) -> ExportStatus:
        window, ready = self._jobs[export_id]
        self.limiters["poll"].answered()
        answer = self._answer("poll", window)
        if answer is not AS_USUAL:
            return ExportStatus(*answer)
        if self._clock.monotonic() < ready:
            return ExportStatus("processing", None)
        return ExportStatus("completed", str(export_id))

    def fetch(self, url: str) -> SpoolFile:
        window, _ = self._jobs[int(url)]
        answer = self._answer("fetch", window)
        self._clock.sleep(self.fetch_seconds)
        spool = SpoolFile(
            BytesIO(b"x"), self._held(window) if answer is AS_USUAL else answer, size=1
        )
        self.spools.append(spool)
        return spool

    def probe(self, window: Window) -> Probe:
        self.limiters["list"].answered()
        self._answer("probe", window)
        return Probe(window, self._held(window), more=False, ids=None)

    def is_empty(self, window: Window) -> bool:
        answer = self._answer("is_empty", window)
        return self._held(window) == 0 if answer is AS_USUAL else answer

    def _held(self, window: Window) -> int:
        return self.holds.get(window, window.expected or 1)

    def _answer(self, kind: str, window: Window) -> Any:
        self.calls.append(Call(kind, window, self._clock.monotonic()))
        answers = self._script[kind, window] or self._script[kind, None]
        answer = answers.popleft() if answers else AS_USUAL
        if isinstance(answer, Exception):
            raise answer
        return answer


class ListedWindows(WindowPlanner):
    """Cuts the windows that a test lists, as soon as its questions are answered."""

    def __init__(self, windows: Iterable[Window], *, questions: Iterable[Window] = ()) -> None:
        self.cut = deque(windows)
        self.questions = deque(questions)
        self.unanswered = len(self.questions)
        self.counts: dict[Window, int] = {}
        self.learned: list[Window] = []

    @property
    @override
    def done(self) -> bool:
        return not self.cut

    @property
    @override
    def left(self) -> float | None:
        return None if self.unanswered else sum(window.expected or 1 for window in self.cut)

    @override
    def next_window(self, *, hurried: bool = False) -> Window | None:
        return self.cut.popleft() if self.cut and (hurried or not self.unanswered) else None

    @override
    def wanted(self, at_most: int) -> list[Window]:
        return [self.questions.popleft() for _ in range(min(at_most, len(self.questions)))]

    @override
    def learn(self, probe: Probe) -> None:
        self.learned.append(probe.window)
        self.unanswered -= 1

    @override
    def forget(self, window: Window) -> None:
        self.questions.append(window)

    @override
    def finished(self, window: Window, count: int) -> None:
        self.counts[window] = count
