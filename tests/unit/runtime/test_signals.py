"""The process stops when it is told to, but never in the middle of what is held."""

from __future__ import annotations

import signal
import threading

import pytest

from tap_cometly.runtime.signals import Stopped, StopSignal

TERM, INT = signal.SIGTERM, signal.SIGINT


@pytest.fixture
def stop() -> StopSignal:
    return StopSignal()


def test_it_stops_at_once(stop: StopSignal) -> None:
    with pytest.raises(Stopped) as stopped:
        stop.request(TERM)

    assert stopped.value.code == 143
    assert stopped.value.name == "SIGTERM"


def test_what_is_held_is_finished_first(stop: StopSignal) -> None:
    done = []

    def work() -> None:
        with stop.hold():
            with stop.hold():
                stop.request(INT)
                done.append("inner")
            done.append("outer")

    with pytest.raises(Stopped) as stopped:
        work()

    assert done == ["inner", "outer"]
    assert stopped.value.code == 130


@pytest.mark.parametrize("second", [TERM, INT])
def test_a_second_request_does_not_wait_and_is_not_told_again(
    stop: StopSignal, second: signal.Signals
) -> None:
    done = []

    def work() -> None:
        try:
            with stop.hold():
                stop.request(TERM)
                done.append("held")
                stop.request(second)
                done.append("never")
        finally:
            with stop.hold():
                done.append("cleared up")
            done.append("all of it")

    with pytest.raises(Stopped) as stopped:
        work()

    assert stopped.value.code == 128 + second
    assert done == ["held", "cleared up", "all of it"]


def test_it_is_told_to_stop_only_once(stop: StopSignal) -> None:
    with pytest.raises(Stopped):
        stop.request(TERM)

    with stop.hold():
        cleared_up = True

    assert cleared_up


def test_what_fails_while_it_is_held_fails_as_it_would(stop: StopSignal) -> None:
    def work() -> None:
        with stop.hold():
            stop.request(TERM)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()


def test_other_threads_hold_nothing(stop: StopSignal) -> None:
    inside, leave = threading.Event(), threading.Event()

    def work() -> None:
        with stop.hold():
            inside.set()
            leave.wait(5.0)

    thread = threading.Thread(target=work)
    thread.start()
    inside.wait(5.0)
    try:
        with pytest.raises(Stopped):
            stop.request(TERM)
    finally:
        leave.set()
        thread.join()
