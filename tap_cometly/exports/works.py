"""The works: windows in export jobs, several at once, handed out oldest first.

Nothing here waits or talks to anyone: work is started through a runner and comes back as an
outcome. So the same code runs against the API in threads and against a model of it in virtual time.
"""

from __future__ import annotations

import typing as t
from functools import partial

from tap_cometly.exports.job import Stage
from tap_cometly.exports.line import Limits, Line
from tap_cometly.exports.outcomes import Outcomes

if t.TYPE_CHECKING:
    import logging
    from collections.abc import Callable

    from tap_cometly.exports.job import Job
    from tap_cometly.exports.repository import ExportApi
    from tap_cometly.extract.planner import WindowPlanner
    from tap_cometly.runtime.clock import Clock
    from tap_cometly.runtime.tasks import TaskRunner
    from tap_cometly.timeranges import Probe

_A_WHILE = 30.0  # seconds to wait for something to come back when there is nothing to start
_BLINK = 0.01  # seconds to wait at least, lest rounding keep the machine busy
_LONG_WAIT = 5.0  # seconds without probes, after which a good guess is better


class Works:
    """Takes windows from a cutter through export jobs to files."""

    def __init__(
        self,
        api: ExportApi,
        planner: WindowPlanner,
        runner: TaskRunner,
        clock: Clock,
        limits: Limits,
        logger: logging.Logger,
        *,
        reserved: Callable[[], int] = lambda: 0,
    ) -> None:
        """Begin with nothing in the works.

        Args:
            api: What is asked.
            planner: Where windows come from.
            runner: What asks, in the background.
            clock: Of this sync.
            limits: What the settings allow.
            logger: Where progress is told.
            reserved: How many requests of the list others are about to need.
        """
        self._reserved = reserved
        self._api = api
        self._planner = planner
        self._runner = runner
        self._clock = clock
        self._line = Line(limits, clock, logger)
        self._outcomes = Outcomes(api, self._line, runner, clock, logger, timeout=limits.timeout)
        self._probing = 0

    # Handing out.

    @property
    def done(self) -> bool:
        """Whether every window has been handed out and taken."""
        return self._planner.done and not self._line

    def head(self) -> Job | None:
        """Give the oldest window once it can be read; None while it cannot.

        Raises:
            TapError: It never will be.
        """
        job = self._line.head()
        if job is None and self._line.end is not None:
            raise self._line.end
        return job

    def taken(self, job: Job, contacts: int) -> None:
        """Note that the oldest window has been read, and what it held."""
        self._line.leave()
        self._planner.finished(job.window, contacts)

    def fetch_again(self, job: Job) -> None:
        """Get a window's file once more; it has been found to hold something else than contacts."""
        job.close()
        job.begun_to_read = True
        self._line.look(job, after=0.0)

    def doing(self, now: float) -> list[str]:
        """Say what each export is doing, oldest window first; from any thread."""
        return self._line.doing(now)

    def left(self) -> float | None:
        """Tell how many contacts lie behind the oldest window, as far as that is known."""
        left = self._planner.left
        return None if left is None else left + sum(job.expected for job in self._line.others())

    def close(self) -> None:
        """Let go of all files, also of those that are still to come."""
        self._outcomes.closed = True
        for job in self._line:
            job.close()

    # Going on.

    def turn(self, *, wait: bool = True) -> None:
        """Start all that can be started, and take in what has come back.

        Args:
            wait: Whether to wait for something to come back, or until there is something to do.
        """
        if self._line.end is None:
            self._fill_line()
            self._probe()
            self._create()
            self._poll()
        began, limited = self._clock.monotonic(), self._is_limited()
        self._runner.wait(self._idle_for() if wait and self._line.end is None else 0.0)
        if limited:
            self._api.limiters["create"].waited += self._clock.monotonic() - began

    def _fill_line(self) -> None:
        while self._line.has_room and not self._planner.done:
            window = self._planner.next_window(hurried=self._is_idle())
            if window is None:
                return
            self._line.add(window)

    def _is_limited(self) -> bool:
        """Whether an export waits for nothing but the limit."""
        now = self._clock.monotonic()
        due = (j.stage is Stage.TO_CREATE and j.look_at <= now for j in self._line.in_turn())
        return any(due) and self._api.limiters["create"].delay() > 0

    def _is_idle(self) -> bool:
        """Whether an export could be created, but the probes to cut it by have to wait."""
        probes, exports = self._api.limiters["list"], self._api.limiters["create"]
        to_create = sum(job.stage is Stage.TO_CREATE for job in self._line)
        if self._probing or exports.delay() > 0 or exports.spare() <= to_create:
            return False
        return probes.delay() > _LONG_WAIT or probes.spare() <= self._kept_back()

    def _probe(self) -> None:
        limiter = self._api.limiters["list"]
        if self._planner.done or limiter.delay() > 0:
            return
        for window in self._planner.wanted(max(0, limiter.spare() - self._kept_back())):
            if not limiter.try_acquire():
                self._planner.forget(window)
                continue
            self._probing += 1
            self._runner.start(partial(self._api.probe, window), self._probed)

    def _kept_back(self) -> int:
        """How many requests of the list are left to others, but never all of them."""
        return min(self._reserved(), self._api.limiters["list"].limit - 1)

    def _create(self) -> None:
        now = self._clock.monotonic()
        for job in self._line.in_turn():
            if job.stage is not Stage.TO_CREATE or job.look_at > now:
                continue
            if self._line.too_large(job) and self._line.halve(job):
                return self._create()
            if not self._api.limiters["create"].try_acquire():
                return None
            job.begin()
            self._runner.start(
                partial(self._api.create, job.window), partial(self._outcomes.created, job)
            )
        return None

    def _poll(self) -> None:
        now = self._clock.monotonic()
        limiter = self._api.limiters["poll"]
        due = (job for job in self._line if job.stage is Stage.RUNNING and job.look_at <= now)
        for job in sorted(due, key=lambda job: job.look_at):
            finding_out = not self._line.durations.known and not self._line.is_scout(job)
            if finding_out and limiter.spare() <= limiter.limit // 2:
                continue  # leave some for when the scout is back
            if not limiter.try_acquire():
                return
            job.stage = Stage.POLLING
            self._runner.start(
                partial(self._api.poll, job.export_id), partial(self._outcomes.polled, job)
            )

    def _idle_for(self) -> float:
        """Say how long there is nothing to start."""
        now = self._clock.monotonic()
        limiters = self._api.limiters
        times = [_A_WHILE]
        for job in self._line.in_turn():
            if job.stage is Stage.TO_CREATE:
                times.append(max(job.look_at - now, limiters["create"].delay()))
            elif job.stage is Stage.RUNNING:
                times.append(max(job.look_at - now, limiters["poll"].delay(), 0.05))
        if not self._planner.done and self._line.has_room:
            times.append(limiters["list"].delay() or 1.0)
        return max(_BLINK, min(times))

    def _probed(self, outcome: Probe | Exception) -> None:
        self._probing -= 1
        if isinstance(outcome, Exception):
            self._line.stop(outcome)
        else:
            self._planner.learn(outcome)
