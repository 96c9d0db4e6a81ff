"""Requests a minute: never over the limit, never idle below it; in virtual time."""

from __future__ import annotations

import math
import threading
from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_cometly.client.rate_limit import RateLimiter
from tap_cometly.runtime.clock import Clock
from tests.support.clock import FakeClock


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


def ask_for_a_minute(limiter: RateLimiter, clock: FakeClock) -> int:
    """Make requests as soon as they may go; how many that were."""
    until, made = clock.monotonic() + 60.0, 0
    while True:
        while ask(limiter):
            made += 1
        pause = limiter.delay()
        assert 0 < pause < math.inf
        if clock.monotonic() + pause >= until:
            clock.sleep(until - clock.monotonic())
            return made
        clock.sleep(pause)


def busiest_minute(times: list[float]) -> int:
    return max((sum(1 for at in times if start <= at < start + 60) for start in times), default=0)


def test_a_burst_of_the_whole_limit_goes_at_once() -> None:
    limiter = limiter_of(15, noon())

    assert [ask(limiter) for _ in range(16)] == [True] * 15 + [False]


def test_a_slot_is_free_again_a_minute_after_its_answer() -> None:
    clock = noon()
    limiter = limiter_of(1, clock)
    assert limiter.try_acquire()
    clock.sleep(10)
    limiter.release()

    waits = [limiter.delay()]
    clock.sleep(59.5)
    waits.append(limiter.delay())
    clock.sleep(0.5)

    assert waits == pytest.approx([60.0, 0.5], abs=1e-3)
    assert limiter.try_acquire()


def test_only_an_answer_makes_room_while_all_slots_are_under_way() -> None:
    limiter = limiter_of(2, noon())

    assert limiter.try_acquire()
    assert limiter.try_acquire()

    assert limiter.delay() == math.inf
    assert limiter.available() == 0


durations = st.floats(0, 90)


@given(st.integers(1, 30), st.floats(0.01, 1.0), st.lists(durations, min_size=1, max_size=60))
def test_never_over_the_limit_in_any_minute_whatever_answers_take(
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
def test_other_clients_that_take_most_of_the_limit_cause_no_storm(theirs: list[float]) -> None:
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


def test_what_other_clients_have_left_is_not_exceeded() -> None:
    limiter = limiter_of(15, noon())

    assert ask(limiter, told(15, left=1))  # somebody else made 13

    assert ask(limiter)
    assert not ask(limiter)


def test_a_limit_used_up_by_an_earlier_run_is_asked_about_again_after_five_seconds() -> None:
    clock = noon()
    limiter = limiter_of(15, clock)
    ask(limiter, told(15, left=0))
    assert not limiter.try_acquire()
    assert limiter.delay() == pytest.approx(5.0, abs=1e-3)

    clock.sleep(5)

    assert [limiter.try_acquire(), limiter.try_acquire()] == [True, False]
    assert limiter.delay() == math.inf  # its answer tells more


@pytest.mark.parametrize(("left", "goes_on"), [(9, 9), (0, 0)])
def test_the_one_request_that_asks_finds_out_what_is_left(left: int, goes_on: int) -> None:
    clock = noon()
    limiter = limiter_of(15, clock)
    ask(limiter, told(15, left=0))
    clock.sleep(5)

    ask(limiter, told(15, left=left))

    assert limiter.available() == goes_on


def test_an_earlier_run_is_asked_about_ever_more_rarely_and_later_own_requests_expire() -> None:
    clock = noon()
    limiter = limiter_of(15, clock)
    asked: list[float] = []
    while clock.monotonic() < 150:
        if ask(limiter, told(15, left=0)):
            asked.append(clock.monotonic())
        clock.sleep(limiter.delay())

    assert asked == pytest.approx([0, 5, 15, 35, 60, 65, 75, 95, 120, 125, 135], abs=0.1)


def test_an_answer_that_does_not_tell_ends_the_asking_until_a_minute_is_over() -> None:
    clock = noon()
    limiter = limiter_of(15, clock)
    ask(limiter, told(15, left=0))
    clock.sleep(5)
    ask(limiter)

    clock.sleep(59)
    assert limiter.available() == 0
    clock.sleep(1)
    assert limiter.available() == 1


def test_a_raised_limit_is_used_up_and_a_lowered_one_kept() -> None:
    clock = noon()
    limiter = limiter_of(15, clock)

    ask(limiter, told(40))
    raised = 1 + ask_for_a_minute(limiter, clock)
    clock.sleep(60)
    ask(limiter, told(4))
    lowered = 1 + ask_for_a_minute(limiter, clock)

    assert raised == 40
    assert lowered == 4


@pytest.mark.parametrize(
    ("limit", "share", "slots"),
    [(15, 1.0, 15), (15, 0.5, 7), (5, 0.1, 1), (30, 0.34, 10), (1, 0.01, 1)],
)
def test_a_share_is_taken_of_the_limit_but_at_least_one(
    limit: int, share: float, slots: int
) -> None:
    limiter = limiter_of(limit, noon(), share)

    assert limiter.limit == slots
    assert sum(ask(limiter) for _ in range(limit)) == slots


def test_never_idle_below_the_limit() -> None:
    clock = noon()
    limiter = limiter_of(15, clock)

    assert sum(ask_for_a_minute(limiter, clock) for _ in range(10)) == 150


def test_nothing_goes_while_the_server_said_to_wait() -> None:
    clock = noon()
    limiter = limiter_of(15, clock)

    limiter.pause_for(7)
    limiter.pause_for(3)  # a shorter one does not end the longer

    assert not limiter.try_acquire()
    assert limiter.delay() == pytest.approx(7.0, abs=1e-3)
    clock.sleep(7)
    assert limiter.try_acquire()


@pytest.mark.parametrize(
    "text", ["", "-1", "many", "1.5", "٣", "1e3", " ", "[15]", "7" * 5_000, "15, 30"]
)
def test_headers_that_are_nonsense_change_nothing(text: str) -> None:
    limiter = limiter_of(3, noon())

    ask(limiter, {"X-RateLimit-Limit": text, "X-RateLimit-Remaining": text})

    assert limiter.limit == 3
    assert ask(limiter)


def test_a_limit_of_zero_is_a_mistake_of_the_server() -> None:
    limiter = limiter_of(3, noon())

    ask(limiter, told(limit=0))

    assert limiter.limit == 3


def test_threads_share_the_slots() -> None:
    limiter = limiter_of(50, Clock())
    taken: list[bool] = []
    start = threading.Barrier(8)

    def hurry() -> None:
        start.wait()
        taken.extend(ask(limiter) for _ in range(40))

    threads = [threading.Thread(target=hurry) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert taken.count(True) == 50
    assert limiter.requests == 50


def test_what_is_available_is_not_in_use_and_comes_back_after_a_minute() -> None:
    clock = noon()
    limiter = limiter_of(5, clock)
    for _ in range(3):
        ask(limiter)
    assert limiter.try_acquire()

    available = [limiter.available()]
    clock.sleep(60)
    available.append(limiter.available())

    assert available == [1, 4]


def test_what_is_available_is_what_other_clients_leave() -> None:
    limiter = limiter_of(15, noon())
    ask(limiter, told(15, left=4))

    assert limiter.available() == 4


def test_nothing_is_available_while_the_server_said_to_wait() -> None:
    limiter = limiter_of(15, noon())

    limiter.pause_for(7)

    assert limiter.available() == 0


def test_a_second_too_early_is_too_early() -> None:
    clock = noon()
    limiter = limiter_of(1, clock)
    ask(limiter)

    clock.sleep(59.5)

    assert not limiter.try_acquire()


def test_a_wait_that_was_told_is_as_long_as_told() -> None:
    clock = noon()
    clock.sleep(100)
    limiter = limiter_of(5, clock)

    limiter.pause_for(7)

    assert limiter.delay() == pytest.approx(7.0)


def test_what_others_leave_is_used_up_by_answers_that_do_not_tell() -> None:
    limiter = limiter_of(15, noon())
    ask(limiter, told(left=3))

    assert [ask(limiter) for _ in range(4)] == [True] * 3 + [False]


def test_what_others_leave_is_used_up_by_what_is_under_way() -> None:
    limiter = limiter_of(15, noon())
    ask(limiter, told(left=2))

    assert [limiter.try_acquire() for _ in range(3)] == [True, True, False]
    assert limiter.delay() == math.inf


def test_with_a_slot_left_but_none_of_the_space_only_an_answer_tells_more() -> None:
    limiter = limiter_of(3, noon())
    ask(limiter, told(left=1))
    assert limiter.try_acquire()

    assert limiter.delay() == math.inf


def test_with_no_slot_left_the_oldest_answer_tells_when_there_will_be_one() -> None:
    clock = noon()
    limiter = limiter_of(2, clock)
    ask(limiter)
    clock.sleep(20)
    assert limiter.try_acquire()

    assert limiter.delay() == pytest.approx(40.0)


def test_requests_are_counted_and_so_are_those_in_flight() -> None:
    limiter = limiter_of(3, noon())
    made = [ask(limiter) for _ in range(2)]

    assert limiter.try_acquire()

    assert (limiter.requests, limiter.in_flight, sum(made)) == (3, 1, 2)


def test_of_waits_at_the_same_time_only_what_any_of_them_takes_counts() -> None:
    clock = noon()
    limiter = limiter_of(3, clock)

    longer = [limiter.note_wait(10.0), limiter.note_wait(10.0), limiter.note_wait(12.0)]
    clock.sleep(20)
    longer.append(limiter.note_wait(1.0))

    assert longer == pytest.approx([10.0, 0.0, 2.0, 1.0])
    assert limiter.waited == pytest.approx(13.0)
