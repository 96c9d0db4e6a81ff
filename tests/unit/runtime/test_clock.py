"""What a clock does in the background."""

from __future__ import annotations

import threading

from tap_cometly.runtime.clock import Clock


def test_a_clock_calls_regularly_until_it_is_closed() -> None:
    clock, rung = Clock(), threading.Semaphore(0)
    clock.every(0.001, rung.release)

    assert all(rung.acquire(timeout=5) for _ in range(3))
    clock.close()
    for ticking in [each for each in threading.enumerate() if each.name == "tap-cometly"]:
        ticking.join(5)
        assert not ticking.is_alive()
