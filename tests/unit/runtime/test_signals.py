"""The process stops when it is told to, but never in the middle of what is held."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading

import pytest

from tap_cometly.runtime.signals import Stopped, StopSignal, stop_checking

TERM, INT = signal.SIGTERM, signal.SIGINT


@pytest.fixture
def stop() -> StopSignal:
    return StopSignal()


def test_a_held_block_is_finished_first(stop: StopSignal) -> None:
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


def test_a_second_request_interrupts_a_held_block_and_is_raised_once(stop: StopSignal) -> None:
    done = []

    def work() -> None:
        try:
            with stop.hold():
                stop.request(TERM)
                done.append("held")
                stop.request(INT)
                done.append("never")
        finally:
            with stop.hold():
                done.append("cleared up")
            done.append("all of it")

    with pytest.raises(Stopped) as stopped:
        work()

    assert stopped.value.code == 130
    assert done == ["held", "cleared up", "all of it"]


def test_an_error_in_a_held_block_is_raised_unchanged(stop: StopSignal) -> None:
    def work() -> None:
        with stop.hold():
            stop.request(TERM)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()


def test_a_held_block_in_another_thread_delays_nothing(stop: StopSignal) -> None:
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


# Checked regularly, by a timer's signal, which in this process belongs to pytest-timeout.

_BEGIN = """
import signal, sys, time
from tap_cometly.runtime.signals import StopSignal, stop_checking
stop = StopSignal()
stop.listening = True
signal.signal(signal.SIGTERM, lambda number, _frame: stop.request(number))
"""


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603, ourselves
        [sys.executable, "-c", _BEGIN + code], capture_output=True, text=True, check=False
    )


def test_a_request_swallowed_by_a_destructor_is_repeated() -> None:
    lost = run(
        "stop.check_regularly(lambda: None)\n"
        "class Swallowing:\n"
        "    def __del__(self):\n"
        "        signal.raise_signal(signal.SIGTERM)\n"
        "Swallowing()\n"
        "print('still there', flush=True)\n"
        "time.sleep(20)\n"
    )

    assert lost.stdout == "still there\n"
    assert lost.returncode == 143


def test_a_held_block_is_not_interrupted_by_a_check() -> None:
    held = run(
        "def check():\n"
        "    raise ValueError\n"
        "stop.check_regularly(check)\n"
        "with stop.hold():\n"
        "    time.sleep(1.5)\n"
        "    print('finished', flush=True)\n"
        "    stop_checking()\n"
        "print(signal.getsignal(signal.SIGALRM) is signal.SIG_DFL)\n"
    )

    assert (held.stdout, held.returncode) == ("finished\nTrue\n", 0)


def test_a_foreign_timer_is_left_alone() -> None:
    before = signal.getsignal(signal.SIGALRM)
    stop = StopSignal()
    stop.listening = True

    signal.signal(signal.SIGALRM, before if callable(before) else lambda *_: None)
    try:
        theirs = signal.getsignal(signal.SIGALRM)
        stop.check_regularly(lambda: None)
        stop_checking()

        assert signal.getsignal(signal.SIGALRM) is theirs
    finally:
        signal.signal(signal.SIGALRM, before)
