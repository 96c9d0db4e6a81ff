"""How long to go on asking, how long to pause, and what is told; in virtual time."""

from __future__ import annotations

from datetime import datetime, timezone
from unittest import mock

import pytest

from tap_cometly.client.rate_limit import RateLimiter
from tap_cometly.client.retry import (
    LONGEST_OUTAGE,
    LONGEST_PAUSE,
    Outage,
    RetryPolicy,
    acquire,
    retry_after_seconds,
)
from tap_cometly.exceptions import ApiError, RateLimitError, UnavailableError
from tests.support.clock import FakeClock

NOON = datetime(2024, 6, 1, 12, tzinfo=timezone.utc)
OPTIONAL = 20.0


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOON)


@pytest.fixture
def limiter(clock: FakeClock) -> RateLimiter:
    return RateLimiter(15, share=1.0, clock=clock)


# Failures.


def fail(retry: RetryPolicy, clock: FakeClock, seconds: float) -> list[float]:
    """Fail for so long, and give the pauses."""
    pauses, until = [], clock.monotonic() + seconds
    while (before := clock.monotonic()) < until:
        retry.after_failure("status 503")
        pauses.append(clock.monotonic() - before)
    return pauses


def test_pauses_grow_for_five_minutes(clock: FakeClock) -> None:
    retry = RetryPolicy(clock)

    pauses = fail(retry, clock, LONGEST_OUTAGE)

    assert len(pauses) < 100  # no storm
    assert max(pauses[:2]) <= 1.01  # a short outage costs little
    assert max(pauses) <= LONGEST_PAUSE + 0.01
    assert clock.monotonic() == pytest.approx(LONGEST_OUTAGE, abs=0.01)
    with pytest.raises(UnavailableError):
        retry.after_failure("status 503")


def test_an_answer_that_cannot_be_read_is_asked_for_six_times(clock: FakeClock) -> None:
    retry = RetryPolicy(clock)
    for _ in range(5):
        retry.after_unreadable("no JSON")

    with pytest.raises(ApiError, match="6 unreadable answers in a row: no JSON"):
        retry.after_unreadable("no JSON")


@pytest.mark.parametrize("between", ["nothing", "an answer", "an hour"])
def test_an_outage_lasts_from_request_to_request_until_an_answer_or_a_long_silence(
    clock: FakeClock, between: str
) -> None:
    outage = Outage()
    fail(RetryPolicy(clock, outage=outage), clock, LONGEST_OUTAGE)
    if between == "an answer":
        outage.note_answer()
    clock.sleep(3600 if between == "an hour" else 0)
    retry = RetryPolicy(clock, outage=outage)

    if between == "nothing":
        with pytest.raises(UnavailableError):
            retry.after_failure("status 503")
    else:
        retry.after_failure("status 503")  # it pauses, to try again


def test_an_optional_request_is_given_up_after_its_own_time(clock: FakeClock) -> None:
    outage = Outage()
    fail(RetryPolicy(clock, outage=outage), clock, LONGEST_OUTAGE - 60)
    retry = RetryPolicy(clock, outage=outage, optional=True)

    pauses = fail(retry, clock, OPTIONAL)

    assert sum(pauses) == pytest.approx(OPTIONAL, abs=0.01)
    with pytest.raises(UnavailableError, match="for 20 s: status 504"):
        retry.after_failure("status 504")


# A 429.


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [
        *((" 7 ", 7), ("2.5", 2.5), ("0", 1), ("0.2", 1), ("86400", 86_400)),
        ("Sat, 01 Jun 2024 12:00:30 GMT", 30),
        ("Sat, 01 Jun 2024 14:00:30 +0200", 30),
        ("Sat, 01 Jun 2024 12:00:30", 30),
        ("Sat, 01 Jun 2024 11:00:00 GMT", 1),
        ("Fri, 31 Dec 99999999999 00:00:00 GMT", 60),
        ("Fri, 31 Dec 9999 23:59:59 -1200", 60),
        *((nothing, 60) for nothing in (None, "", "soon", "-5", "nan", "7 seconds", "99 Foo 2024")),
    ],
)
def test_retry_after_is_a_second_at_least_and_a_minute_where_it_says_nothing(
    retry_after: str | None, seconds: float
) -> None:
    assert retry_after_seconds(retry_after, NOON) == seconds


def test_an_optional_request_does_not_wait_for_a_limit_but_keeps_it(
    clock: FakeClock, limiter: RateLimiter
) -> None:
    retry = RetryPolicy(clock, optional=True)

    with pytest.raises(UnavailableError, match=r"over its limit \(429\)"):
        retry.pause_for_429("30", limiter, clock.now())

    assert clock.monotonic() == 0.0
    assert limiter.delay() == pytest.approx(30.0, abs=0.01)
    with pytest.raises(RateLimitError):  # this one ends the run
        retry.pause_for_429("86400", limiter, clock.now())


OVER = "has been over its limit for 15 minutes in a row"
UNTIL = "refuses requests until 2024-06-01T12:15:01Z"


@pytest.mark.parametrize(
    ("retry_after", "said", "waits"),
    [
        ("900", OVER, 1),
        ("901", UNTIL, 0),
        *((text, "refuses requests for ever", 0) for text in ("1e300", "inf")),
    ],
)
def test_a_limit_that_does_not_end_is_an_error(
    clock: FakeClock, limiter: RateLimiter, retry_after: str, said: str, waits: int
) -> None:
    retry = RetryPolicy(clock)
    for _ in range(waits):
        retry.pause_for_429(retry_after, limiter, clock.now())

    with pytest.raises(RateLimitError, match=said):
        retry.pause_for_429(retry_after, limiter, clock.now())


# Waiting for the limit.


def test_a_wait_for_the_same_limit_is_logged_once(
    clock: FakeClock, limiter: RateLimiter, logged: list[str]
) -> None:
    limiter.pause_for(20)
    limiter.note_wait(20)

    acquire(limiter, clock, endpoint="list")

    assert logged == []
    assert limiter.waited == pytest.approx(20.0, abs=0.01)


def test_a_pause_is_waited_for_if_there_is_time_and_else_fails_at_once(
    clock: FakeClock, limiter: RateLimiter
) -> None:
    limiter.pause_for(OPTIONAL)

    with pytest.raises(UnavailableError, match="The list limit is used up"):
        acquire(limiter, clock, endpoint="list", at_most=OPTIONAL - 1)
    assert (clock.monotonic(), limiter.in_flight) == (0.0, 0)

    acquire(limiter, clock, endpoint="list", at_most=OPTIONAL + 1)
    assert clock.monotonic() == pytest.approx(OPTIONAL, abs=0.01)


def test_a_slot_in_flight_is_waited_for_no_longer_than_there_is_time(clock: FakeClock) -> None:
    limiter = RateLimiter(1, share=1.0, clock=clock)
    assert limiter.try_acquire()

    with pytest.raises(UnavailableError):
        acquire(limiter, clock, endpoint="list", at_most=OPTIONAL)

    assert clock.monotonic() == pytest.approx(OPTIONAL, abs=0.1)


def test_a_wait_for_a_slot_in_flight_is_short_and_not_logged(
    clock: FakeClock, logged: list[str]
) -> None:
    # given a limiter whose only request is answered after a quarter of a second
    limiter = RateLimiter(1, share=1.0, clock=clock)
    assert limiter.try_acquire()
    sleep = clock.sleep

    def sleep_until_answered(seconds: float) -> None:
        sleep(seconds)
        if limiter.in_flight and clock.monotonic() >= 0.25:
            limiter.release({"X-RateLimit-Limit": "2"})

    # when
    with mock.patch.object(clock, "sleep", sleep_until_answered):
        acquire(limiter, clock, endpoint="list")

    # then
    assert limiter.waited == pytest.approx(0.25, abs=0.06)
    assert logged == []
