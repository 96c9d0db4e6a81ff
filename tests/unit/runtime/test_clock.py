"""Clocks and background tasks."""

from __future__ import annotations

import threading
from datetime import datetime, timezone

import pytest

from tap_cometly.exceptions import ClosedError, MachineError
from tap_cometly.runtime.clock import Clock
from tap_cometly.runtime.tasks import ThreadTasks, done
from tests.support.clock import FakeClock

BEGAN = datetime(2024, 6, 1, tzinfo=timezone.utc)


def test_a_clock_does_something_every_so_often_until_it_is_closed() -> None:
    clock, rung = Clock(), threading.Semaphore(0)
    clock.every(0.001, rung.release)

    assert all(rung.acquire(timeout=5) for _ in range(3))
    clock.close()
    for ticking in [each for each in threading.enumerate() if each.name == "tap-cometly"]:
        ticking.join(5)
        assert not ticking.is_alive()


def test_virtual_time_stops_where_something_is_to_be_done() -> None:
    clock, checks = FakeClock(BEGAN), list[float]()
    clock.every(2.0, lambda: checks.append(clock.monotonic()))

    for _ in range(4):
        clock.sleep(1.5)

    assert checks == [2.0, 4.0, 6.0]


def test_work_hands_on_its_result_or_its_error_and_nothing_once_closed() -> None:
    outcomes: list[object] = []
    failure = ValueError("no")

    def fail(error: Exception) -> int:
        raise error

    done(lambda: 7, outcomes.append)()
    done(lambda: fail(failure), outcomes.append)()
    done(lambda: fail(ClosedError()), outcomes.append)()

    assert outcomes == [7, failure]


def test_a_thread_that_cannot_be_started_is_the_machines_refusal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(_thread: threading.Thread) -> None:
        msg = "can't start new thread"
        raise RuntimeError(msg)

    monkeypatch.setattr(threading.Thread, "start", refuse)

    with pytest.raises(MachineError, match="ulimit -u"):
        ThreadTasks(Clock()).start(lambda: 7, print)
    with pytest.raises(MachineError, match="ulimit -u"):
        Clock().every(1.0, print)
