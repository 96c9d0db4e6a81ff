"""Requests a minute: never over the limit, never idle below it; in virtual time."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_cometly.client.rate_limit import RateLimiter
from tap_cometly.runtime.clock import Clock
from tests.support.clock import FakeClock, busiest_minute


def noon() -> FakeClock:
    return FakeClock(datetime(2024, 6, 1, 12, tzinfo=timezone.utc))


def limiter_of(limit: int, clock: Clock, share: float = 1.0) -> RateLimiter:
    return RateLimiter(limit, share=share, clock=clock)


def told(limit: int | None = None, left: int | None = None) -> dict[str, str]:
    """The headers of an answer."""
    headers = {"X-RateLimit-Limit": limit, "X-RateLimit-Remaining": left}
    return {name: str(value) for name, value in headers.items() if value is not None}


def ask(limiter: RateLimiter, headers: dict[str, str] | None = None) -> bool:
    """Make a request that is answered at once, if one may go."""
    if not limiter.try_acquire():
        return False
    limiter.release(headers)
    return True


@given(
    st.integers(1, 30), st.floats(0.01, 1.0), st.lists(st.floats(0, 90), min_size=1, max_size=60)
)
def test_no_minute_exceeds_the_limit_however_long_answers_take(
    limit: int, share: float, seconds: list[float]
) -> None:
    clock = noon()
    limiter = limiter_of(limit, clock, share)
    arrivals: list[float] = []

    for took in seconds:
        while not limiter.try_acquire():
            clock.sleep(limiter.delay())
        clock.sleep(took)  # the server counts it at some time until here: at the latest one
        arrivals.append(clock.monotonic())
        limiter.release()

    assert busiest_minute(arrivals) <= max(1, int(limit * share))


@given(st.lists(st.floats(0, 60), max_size=14))
def test_few_requests_are_refused_when_other_clients_take_most_of_the_limit(
    theirs: list[float],
) -> None:
    clock, limit, minutes = noon(), 15, 10
    limiter = limiter_of(limit, clock)
    coming = sorted(at + 60 * minute for at in theirs for minute in range(minutes))
    counted: list[float] = []
    mine = refused = 0

    while clock.monotonic() < 60 * minutes:
        now = clock.monotonic()
        counted += [at for at in coming if at <= now]
        coming = [at for at in coming if at > now]
        used = sorted(at for at in counted if at > now - 60)
        if not limiter.try_acquire():
            clock.sleep(max(limiter.delay(), 0.01))
        elif len(used) < limit:
            counted.append(now)
            mine += 1
            limiter.release(told(limit, limit - len(used) - 1))
        else:
            refused += 1
            limiter.release(told(limit, 0))
            limiter.pause_for(used[-limit] + 60 - now)

    assert mine >= minutes
    assert refused <= 2 * minutes


@pytest.mark.parametrize(
    ("limit", "share", "slots"),
    [(15, 1.0, 15), (15, 0.5, 7), (5, 0.1, 1), (30, 0.34, 10), (1, 0.01, 1)],
)
def test_a_share_is_taken_of_the_limit_but_at_least_one(
    limit: int, share: float, slots: int
) -> None:
    limiter = limiter_of(limit, noon(), share)

    ask(limiter, told(limit=0))  # nonsense

    assert limiter.limit == slots


# Within the limit.


def test_the_whole_limit_may_be_used_at_once_and_again_in_each_minute() -> None:
    clock = noon()
    limiter = limiter_of(15, clock)

    for _ in range(3):
        assert [ask(limiter) for _ in range(16)] == [True] * 15 + [False]
        clock.sleep(60)


def test_a_slot_is_free_again_a_minute_after_its_answer() -> None:
    clock = noon()
    limiter = limiter_of(2, clock)
    assert limiter.try_acquire()
    clock.sleep(10)
    limiter.release()
    clock.sleep(20)
    assert limiter.try_acquire()  # not answered yet

    assert limiter.delay() == pytest.approx(40.0, abs=1e-3)
    clock.sleep(39.5)
    assert not limiter.try_acquire()
    clock.sleep(0.5)
    assert limiter.try_acquire()


def test_requests_in_flight_occupy_their_slots_until_they_are_answered() -> None:
    clock = noon()
    limiter = limiter_of(2, clock)
    ask(limiter)
    clock.sleep(60)

    assert [limiter.try_acquire() for _ in range(3)] == [True, True, False]

    assert (limiter.delay(), limiter.available()) == (math.inf, 0)
    assert (limiter.requests, limiter.in_flight) == (3, 2)


def test_nothing_is_sent_during_a_pause() -> None:
    clock = noon()
    clock.sleep(100)
    limiter = limiter_of(15, clock)

    limiter.pause_for(7)
    limiter.pause_for(3)  # a shorter one does not end the longer

    assert not limiter.try_acquire()
    assert limiter.available() == 0
    assert limiter.delay() == pytest.approx(7.0, abs=1e-3)
    clock.sleep(7)
    assert limiter.try_acquire()


def test_threads_share_the_slots() -> None:
    limiter = limiter_of(50, Clock())
    with ThreadPoolExecutor(8) as threads:
        taken = list(threads.map(lambda _: ask(limiter), range(320)))

    assert taken.count(True) == limiter.requests == 50


def test_waits_at_the_same_time_are_counted_once() -> None:
    clock = noon()
    limiter = limiter_of(3, clock)

    longer = [limiter.note_wait(10.0), limiter.note_wait(10.0), limiter.note_wait(12.0)]
    clock.sleep(20)
    longer.append(limiter.note_wait(1.0))

    assert longer == pytest.approx([10.0, 0.0, 2.0, 1.0])
    assert limiter.waited == pytest.approx(13.0)


# What other clients leave.


def test_requests_do_not_exceed_what_other_clients_have_left() -> None:
    limiter = limiter_of(15, noon())
    ask(limiter, told(15, left=3))
    assert limiter.available() == 3

    ask(limiter)  # whose answer does not tell

    assert [limiter.try_acquire() for _ in range(3)] == [True, True, False]
    assert limiter.delay() == math.inf  # an answer tells more


@pytest.mark.parametrize(("left", "available"), [(9, 9), (0, 0)])
def test_a_limit_used_up_by_an_earlier_run_is_tried_with_one_request_after_five_seconds(
    left: int, available: int
) -> None:
    clock = noon()
    limiter = limiter_of(15, clock)
    ask(limiter, told(15, left=0))
    assert not limiter.try_acquire()
    assert limiter.delay() == pytest.approx(5.0, abs=1e-3)
    clock.sleep(5)

    assert [limiter.try_acquire(), limiter.try_acquire()] == [True, False]
    assert limiter.delay() == math.inf
    limiter.release(told(15, left=left))

    assert limiter.available() == available


def test_a_limit_that_stays_used_up_is_tried_ever_more_rarely_within_a_minute() -> None:
    clock = noon()
    limiter = limiter_of(15, clock)
    tried: list[float] = []
    while clock.monotonic() < 150:
        if ask(limiter, told(15, left=0)):
            tried.append(clock.monotonic())
        clock.sleep(limiter.delay())

    assert tried == pytest.approx([0, 5, 15, 35, 60, 65, 75, 95, 120, 125, 135], abs=0.1)


def test_after_an_answer_without_headers_the_whole_minute_is_waited_for() -> None:
    clock = noon()
    limiter = limiter_of(15, clock)
    ask(limiter, told(15, left=0))
    clock.sleep(5)
    ask(limiter)

    clock.sleep(59)
    assert limiter.available() == 0
    clock.sleep(1)
    assert limiter.available() == 1
