"""Clocks and background tasks."""

from __future__ import annotations

import threading

import pytest

from tap_cometly.exceptions import MachineError
from tap_cometly.runtime.clock import Clock
from tap_cometly.runtime.tasks import ThreadTasks


def test_a_clock_calls_regularly_until_it_is_closed() -> None:
    clock, rung = Clock(), threading.Semaphore(0)
    clock.every(0.001, rung.release)

    assert all(rung.acquire(timeout=5) for _ in range(3))
    clock.close()
    for ticking in [each for each in threading.enumerate() if each.name == "tap-cometly"]:
        ticking.join(5)
        assert not ticking.is_alive()


def test_a_thread_that_cannot_be_started_is_a_machine_error(
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
