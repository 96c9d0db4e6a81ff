"""What cutting costs and yields on a Space, with probes, jobs and limits in virtual time.

`python -m tests.bench.sizing` prints a table.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from heapq import heappop, heappush
from itertools import count
from math import ceil
from sys import stdout

from tap_cometly.extract.planner import WindowPlanner
from tap_cometly.timeranges import Probe, Window
from tests.bench.spaces import SHAPES, Space

EPOCH = datetime(2020, 1, 1, tzinfo=timezone.utc)
PROBE, POST, MINUTE = 1.5, 0.5, 60.0
LIST_LIMIT, POST_LIMIT = 15, 5


def whole(space: Space) -> Window:
    return Window(EPOCH, EPOCH + timedelta(seconds=space.seconds))


def contacts_in(space: Space, window: Window) -> int:
    """What an API that leaves the end second out would serve."""
    first, last = _seconds(window)
    return space.count(first, last - 1)


def answer(space: Space, window: Window, size: int = 5_000) -> Probe:
    page = space.first_page(*_seconds(window), size)
    if page.highest is None or page.middle is None or page.lowest is None:
        return Probe(window, page.rows, page.more, None)
    return Probe(window, page.rows, page.more, (page.highest, page.middle, page.lowest))


def _seconds(window: Window) -> tuple[int, int]:
    first = (window.start - EPOCH) // timedelta(seconds=1)
    return first, first + window.seconds


@dataclass
class Outcome:
    """How cutting one range went."""

    target: int
    bound: float
    windows: list[tuple[Window, int]] = field(default_factory=list)
    probes: int = 0
    rounds_before_first: int = 0
    wall: float = 0.0

    @property
    def largest(self) -> float:
        return max(held for _, held in self.windows) / self.target

    @property
    def excess(self) -> float:
        """How many times the fewest windows possible."""
        return len(self.windows) / ceil(sum(held for _, held in self.windows) / self.target)


def size(
    space: Space, target: int = 250_000, parallel: int = 4, *, limited: bool = True
) -> Outcome:
    """Cut a Space and read its windows by export jobs, at the limits or without any."""
    return _Run(space, target, parallel, limited=limited).to_the_end()


class _Run:
    """Events in virtual time: probes answered, jobs done, a minute over."""

    def __init__(self, space: Space, target: int, parallel: int, *, limited: bool) -> None:
        self.space, self.parallel, self.limited = space, parallel, limited
        self.planner = WindowPlanner(whole(space), target=target, horizon=(parallel + 2) * target)
        job = 5 + min(target, space.contacts) / 20_000
        fewest = ceil(space.contacts / target)
        bound = max((fewest - 1) // POST_LIMIT * MINUTE + job, ceil(fewest / parallel) * job)
        self.outcome = Outcome(target, bound)
        self.now = 0.0
        self.events: list[tuple[float, int, Probe | tuple[Window, int] | None]] = []
        self.order = count()
        self.probes: deque[float] = deque(maxlen=LIST_LIMIT)
        self.posts: deque[float] = deque(maxlen=POST_LIMIT)
        self.jobs = 0

    def to_the_end(self) -> Outcome:
        """Begin with the page that every sync begins with."""
        self._ask(whole(self.space))
        while self.events:
            self.now, _, event = heappop(self.events)
            self._happened(event)
            if not (self.events and self.events[0][0] == self.now):
                self._go_on()
        if not self.planner.done:
            message = "neither a window nor a probe"
            raise RuntimeError(message)
        return self.outcome

    def _happened(self, event: Probe | tuple[Window, int] | None) -> None:
        if isinstance(event, Probe):
            self.planner.learn(event)
        elif event is not None:
            self.jobs -= 1
            self.outcome.wall = self.now
            self.planner.finished(*event)

    def _go_on(self) -> None:
        while self._free(self.posts) and self.jobs < self.parallel:
            window = self.planner.next_window()
            if window is None:
                break
            held = contacts_in(self.space, window)
            self.outcome.windows.append((window, held))
            self.jobs += 1
            self._in(POST + 5 + held / 20_000 + held * 40 / 20e6, (window, held))
            self._spend(self.posts)
        wanted = self.planner.wanted(self._free(self.probes)) if self._free(self.probes) else []
        for window in wanted:
            self._ask(window)
        if wanted and not self.outcome.windows:
            self.outcome.rounds_before_first += 1

    def _ask(self, window: Window) -> None:
        self.outcome.probes += 1
        self._spend(self.probes)
        self._in(PROBE, answer(self.space, window))

    def _free(self, spent: deque[float]) -> int:
        limit = spent.maxlen or 0
        if not self.limited:
            return limit
        return limit - sum(moment > self.now - MINUTE for moment in spent)

    def _spend(self, spent: deque[float]) -> None:
        spent.append(self.now)
        if self.limited:
            self._in(MINUTE, None)

    def _in(self, seconds: float, event: Probe | tuple[Window, int] | None) -> None:
        heappush(self.events, (self.now + seconds, next(self.order), event))


def _table() -> None:
    stdout.write("contacts    shape        windows  largest  probes  rounds before  wall/bound\n")
    for contacts in (1_000_000, 10_000_000, 100_000_000):
        for shape in SHAPES:
            outcome = size(Space(contacts, shape))
            stdout.write(
                f"{contacts:<11} {shape.name:<12} {len(outcome.windows):>7}"
                f"  {outcome.largest:>7.2f}  {outcome.probes:>6}  {outcome.rounds_before_first:>13}"
                f"  {outcome.wall / outcome.bound:>10.2f}\n"
            )


if __name__ == "__main__":
    _table()
