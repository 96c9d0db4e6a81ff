"""How long to go on asking, how long to pause, and what is told; in virtual time."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING
from unittest import mock

import pytest

from tap_cometly.client.rate_limit import RateLimiter
from tap_cometly.client.retry import (
    GARBLED_TRIES,
    LONGEST_OUTAGE,
    LONGEST_PAUSE,
    Outage,
    RetryPolicy,
    acquire,
    wait_told,
)
from tap_cometly.exceptions import (
    ApiError,
    RateLimitError,
    TapError,
    UnavailableError,
)
from tests.support.clock import FakeClock

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.conftest import Logged

NOON = datetime(2024, 6, 1, 12, tzinfo=timezone.utc)
ADVISORY = 20.0


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOON)


@pytest.fixture
def limiter(clock: FakeClock) -> RateLimiter:
    return RateLimiter(15, share=1.0, clock=clock)


def given_up(error: type[TapError], pause: Callable[[], None]) -> tuple[str, int]:
    """What is said when there is no sense in another pause, and how many there were."""
    pauses = -1

    def pause_again_and_again() -> None:
        nonlocal pauses
        while pauses < 500:
            pauses += 1
            pause()

    with pytest.raises(error) as reason:
        pause_again_and_again()
    return str(reason.value), pauses


# Retry-After.


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [
        ("7", 7.0),
        (" 7 ", 7.0),
        ("2.5", 2.5),
        ("0", 1.0),
        ("0.2", 1.0),
        ("Sat, 01 Jun 2024 12:00:30 GMT", 30.0),
        ("Sat, 01 Jun 2024 14:00:30 +0200", 30.0),
        ("Sat, 01 Jun 2024 12:00:30", 30.0),
        ("Sat, 01 Jun 2024 11:00:00 GMT", 1.0),
        ("86400", 86_400.0),
    ],
)
def test_retry_after_tells_how_long_to_wait_at_least_a_second(
    retry_after: str, seconds: float
) -> None:
    assert wait_told(retry_after, NOON) == seconds


@pytest.mark.parametrize("text", [None, "", "soon", "-5", "nan", "7 seconds", "99 Foo 2024"])
def test_retry_after_that_says_nothing_stands_for_a_whole_minute(text: str | None) -> None:
    assert wait_told(text, NOON) == 60.0


# Failures.


def test_failures_are_retried_for_five_minutes_with_pauses_that_grow(clock: FakeClock) -> None:
    retry, pauses = RetryPolicy(clock), [0.0]

    def fail() -> None:
        before = clock.monotonic()
        retry.failed("status 503")
        pauses.append(clock.monotonic() - before)

    said, _ = given_up(UnavailableError, fail)

    assert said == (
        "Cometly's API has not answered usably for 5 minutes: status 503. "
        "Run again later; the bookmark is kept."
    )
    assert sum(pauses) == pytest.approx(LONGEST_OUTAGE, abs=0.01)
    assert max(pauses[:3]) <= 1.01  # a short outage costs little
    assert max(pauses) <= LONGEST_PAUSE + 0.01
    assert len(pauses) < 100  # no storm


def test_a_pause_is_logged_with_the_service_the_reason_and_the_seconds(
    clock: FakeClock, logged: Logged
) -> None:
    RetryPolicy(clock, service="The file store").failed("status 503")

    pause = f"{clock.monotonic():.1f}"
    assert logged() == [f"The file store: status 503; trying again in {pause} s"]


def test_an_answer_that_cannot_be_read_is_asked_for_six_times(clock: FakeClock) -> None:
    retry = RetryPolicy(clock)

    said, pauses = given_up(ApiError, lambda: retry.garbled("no JSON"))

    assert pauses == GARBLED_TRIES - 1
    assert said == (
        "Cometly's API gave 6 unreadable answers in a row: no JSON. "
        "Check the setting `api_url`; if it is right, ask Cometly."
    )


@pytest.mark.parametrize("between", ["nothing", "an answer", "an hour"])
def test_an_outage_lasts_from_request_to_request_until_an_answer_or_a_long_silence(
    clock: FakeClock, between: str
) -> None:
    outage = an_outage_of(LONGEST_OUTAGE, clock)
    if between == "an answer":
        outage.over()
    clock.sleep(3600 if between == "an hour" else 0)
    retry = RetryPolicy(clock, outage=outage)

    if between == "nothing":
        with pytest.raises(UnavailableError):
            retry.failed("status 503")
    else:
        retry.failed("status 503")  # it pauses, to try again


def an_outage_of(seconds: float, clock: FakeClock) -> Outage:
    outage = Outage()
    retry = RetryPolicy(clock, outage=outage)
    while clock.monotonic() < seconds:
        retry.failed("status 503")
    return outage


# Requests that only advise.


def test_an_advisory_request_is_given_up_after_its_own_time(clock: FakeClock) -> None:
    outage = an_outage_of(LONGEST_OUTAGE - 60, clock)
    began = clock.monotonic()
    retry = RetryPolicy(clock, outage=outage, advisory=True)

    said, _ = given_up(UnavailableError, lambda: retry.failed("status 504"))

    assert "for 20 s: status 504" in said
    assert clock.monotonic() - began == pytest.approx(ADVISORY, abs=0.01)


def test_an_advisory_request_does_not_wait_for_a_limit_but_keeps_it(
    clock: FakeClock, limiter: RateLimiter
) -> None:
    retry = RetryPolicy(clock, advisory=True)

    with pytest.raises(UnavailableError, match=r"over its limit \(429\)"):
        retry.limited("30", limiter)

    assert clock.monotonic() == 0.0
    assert limiter.delay() == pytest.approx(30.0, abs=0.01)


def test_a_limit_of_a_day_is_an_error_also_of_an_advisory_request(
    clock: FakeClock, limiter: RateLimiter
) -> None:
    retry = RetryPolicy(clock, advisory=True)

    with pytest.raises(RateLimitError, match="until 2024-06-02T12:00:00Z"):
        retry.limited("86400", limiter)


# A 429.


def test_a_429_pauses_all_requests_of_its_limiter(
    clock: FakeClock, limiter: RateLimiter, logged: Logged
) -> None:
    RetryPolicy(clock).limited("Sat, 01 Jun 2024 12:00:20 GMT", limiter)

    assert logged() == ["Over the limit (429): waiting 20 s as told"]
    assert clock.monotonic() == 0.0
    assert limiter.delay() == pytest.approx(20.0, abs=0.01)


OVER = (
    "has been over its limit for 15 minutes in a row (429). "
    "Lower `rate_limit_share`, or stop other clients of this Space, and run again."
)
UNTIL = "refuses requests until 2024-06-01T12:15:01Z (429). Run again after that."
FOR_EVER = "refuses requests for ever (429). Run again after that."


@pytest.mark.parametrize(
    ("retry_after", "said", "waits"),
    [
        ("60", OVER, 15),
        ("900", OVER, 1),
        ("901", UNTIL, 0),
        ("1e300", FOR_EVER, 0),
        ("inf", FOR_EVER, 0),
    ],
)
def test_a_limit_that_does_not_end_is_an_error_with_advice(
    clock: FakeClock, limiter: RateLimiter, retry_after: str, said: str, waits: int
) -> None:
    retry = RetryPolicy(clock)

    outcome = given_up(RateLimitError, lambda: retry.limited(retry_after, limiter))

    assert outcome == (f"Cometly's API {said}", waits)


# Waiting for the limit.


def test_a_wait_for_the_limit_is_logged_every_30_seconds_and_counted(
    clock: FakeClock, limiter: RateLimiter, logged: Logged
) -> None:
    limiter.pause_for(100)

    acquire(limiter, clock, endpoint="list")

    assert limiter.in_flight == 1
    assert limiter.waited == pytest.approx(100.0, abs=0.01)
    told = "The list limit of 15 a minute is used up, by this run, an earlier one or another client"
    assert logged() == [f"{told}; going on in {left} s" for left in (100, 70, 40, 10)]


def test_a_wait_for_the_same_limit_is_logged_once(
    clock: FakeClock, limiter: RateLimiter, logged: Logged
) -> None:
    limiter.pause_for(20)
    limiter.note_wait(20)

    acquire(limiter, clock, endpoint="list")

    assert logged() == []
    assert limiter.waited == pytest.approx(20.0, abs=0.01)


def test_acquire_waits_for_a_pause_within_at_most(clock: FakeClock, limiter: RateLimiter) -> None:
    limiter.pause_for(ADVISORY - 1)

    acquire(limiter, clock, endpoint="list", at_most=ADVISORY)

    assert clock.monotonic() == pytest.approx(ADVISORY - 1, abs=0.01)


def test_acquire_fails_at_once_for_a_pause_beyond_at_most(
    clock: FakeClock, limiter: RateLimiter
) -> None:
    limiter.pause_for(ADVISORY + 1)

    with pytest.raises(UnavailableError, match="The list limit is used up"):
        acquire(limiter, clock, endpoint="list", at_most=ADVISORY)

    assert clock.monotonic() == 0.0
    assert limiter.in_flight == 0


def test_a_slot_in_flight_is_waited_for_no_longer_than_there_is_time(clock: FakeClock) -> None:
    limiter = RateLimiter(1, share=1.0, clock=clock)
    assert limiter.try_acquire()

    with pytest.raises(UnavailableError):
        acquire(limiter, clock, endpoint="list", at_most=ADVISORY)

    assert clock.monotonic() == pytest.approx(ADVISORY, abs=0.1)


def test_a_wait_for_a_slot_in_flight_is_short_and_not_logged(
    clock: FakeClock, logged: Logged
) -> None:
    # given a limiter whose only request is answered after a quarter of a second
    limiter = RateLimiter(1, share=1.0, clock=clock)
    assert limiter.try_acquire()
    sleep = clock.sleep

    def sleep_until_answered(seconds: float) -> None:
        sleep(seconds)
        if limiter.in_flight and clock.monotonic() >= 0.25:
            limiter.release({"X-RateLimit-Limit": "2"})

    with mock.patch.object(clock, "sleep", sleep_until_answered):
        # when
        acquire(limiter, clock, endpoint="list")

    # then
    assert limiter.waited == pytest.approx(0.25, abs=0.06)
    assert logged() == []
