"""How long to go on asking, and how long to pause; in virtual time."""

from __future__ import annotations

import logging
from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_cometly.client.rate_limit import RateLimiter
from tap_cometly.client.retry import (
    LONGEST_LIMIT_WAIT,
    LONGEST_OUTAGE,
    LONGEST_PAUSE,
    Outage,
    RetryPolicy,
    wait_for,
    wait_told,
)
from tap_cometly.exceptions import ApiError, UnavailableError
from tests.support.clock import FakeClock

NOON = datetime(2024, 6, 1, 12, tzinfo=timezone.utc)
LOGGER = logging.getLogger("tests.patience")


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


@given(st.text() | st.floats().map(str) | st.integers().map(str))
def test_no_header_is_too_odd_to_be_read(text: str) -> None:
    assert wait_told(text, NOON) >= 1.0


def test_failures_are_borne_for_five_minutes_with_pauses_that_grow() -> None:
    clock = FakeClock(NOON)
    retry_policy = RetryPolicy(clock, LOGGER)
    pauses: list[float] = []

    def fail_for_ever() -> None:
        while True:
            before = clock.monotonic()
            retry_policy.failed("status 503")
            pauses.append(clock.monotonic() - before)

    with pytest.raises(UnavailableError, match="for 5 minutes: status 503"):
        fail_for_ever()

    assert LONGEST_OUTAGE <= sum(pauses) <= LONGEST_OUTAGE + LONGEST_PAUSE + 1
    assert max(pauses[:2]) <= 1.01  # a short outage costs little
    assert max(pauses) <= LONGEST_PAUSE + 0.01
    assert len(pauses) < 100  # no storm


def test_an_outage_lasts_from_request_to_request() -> None:
    clock, outage = FakeClock(NOON), Outage()
    first = RetryPolicy(clock, LOGGER, outage=outage)
    while clock.monotonic() < LONGEST_OUTAGE:
        first.failed("status 503")

    with pytest.raises(UnavailableError):
        RetryPolicy(clock, LOGGER, outage=outage).failed("status 503")


@pytest.mark.parametrize("quiet", [0, 3600], ids=["an answer between", "an hour's silence"])
def test_an_outage_is_over_after_an_answer_or_a_long_silence(quiet: int) -> None:
    clock, outage = FakeClock(NOON), Outage()
    first = RetryPolicy(clock, LOGGER, outage=outage)
    while clock.monotonic() < LONGEST_OUTAGE:
        first.failed("status 503")
    clock.sleep(quiet)
    if not quiet:
        outage.over()
    before = clock.monotonic()

    RetryPolicy(clock, LOGGER, outage=outage).failed("status 503")

    assert clock.monotonic() > before  # it pauses, to try again


def test_pauses_are_spread_so_that_clients_do_not_come_back_together() -> None:
    def pauses() -> float:
        clock = FakeClock(NOON)
        retry_policy = RetryPolicy(clock, LOGGER)
        for _ in range(6):
            retry_policy.failed("no connection")
        return clock.monotonic()

    assert len({pauses() for _ in range(5)}) == 5


def test_being_told_to_wait_is_borne_for_fifteen_minutes_in_a_row() -> None:
    clock = FakeClock(NOON)
    limiter = RateLimiter(15, share=1.0, clock=clock)
    retry_policy = RetryPolicy(clock, LOGGER)

    def wait_for_ever() -> None:
        while True:
            retry_policy.limited("60", limiter)
            clock.sleep(limiter.delay())

    with pytest.raises(ApiError, match="15 minutes in a row"):
        wait_for_ever()

    assert clock.monotonic() == pytest.approx(LONGEST_LIMIT_WAIT, abs=0.01)


@pytest.mark.parametrize(
    ("retry_after", "until"),
    [("86400", "until 2024-06-02T12:00:00Z"), ("1e300", "for ever"), ("inf", "for ever")],
)
def test_a_wait_of_a_day_is_refused_at_once_saying_when(retry_after: str, until: str) -> None:
    clock = FakeClock(NOON)
    limiter = RateLimiter(15, share=1.0, clock=clock)

    with pytest.raises(ApiError, match=until):
        RetryPolicy(clock, LOGGER).limited(retry_after, limiter)

    assert clock.monotonic() == 0.0


def test_a_429_keeps_everybody_back_who_shares_the_budget() -> None:
    clock = FakeClock(NOON)
    limiter = RateLimiter(15, share=1.0, clock=clock)

    RetryPolicy(clock, LOGGER).limited("20", limiter)
    wait_for(limiter, clock, LOGGER)

    assert clock.monotonic() == pytest.approx(20.0, abs=0.01)


def test_waiting_for_a_slot_is_told_at_least_every_30_seconds(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, LOGGER.name)
    clock = FakeClock(NOON)
    limiter = RateLimiter(15, share=1.0, clock=clock)
    limiter.block(100)

    wait_for(limiter, clock, LOGGER)

    assert caplog.messages == [
        *["Waiting 30 s for the request limit"] * 3,
        "Waiting 10 s for the request limit",
    ]
