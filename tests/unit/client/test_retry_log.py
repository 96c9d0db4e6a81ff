"""What the user reads while the tap pauses, and when it gives up; in virtual time."""

from __future__ import annotations

import logging
from datetime import datetime, timezone
from typing import TYPE_CHECKING
from unittest import mock

import pytest

from tap_cometly.client.rate_limit import RateLimiter
from tap_cometly.client.retry import RetryPolicy, wait_for
from tap_cometly.exceptions import ApiError, TapError, UnavailableError
from tests.support.clock import FakeClock

if TYPE_CHECKING:
    from collections.abc import Callable

NOON = datetime(2024, 6, 1, 12, tzinfo=timezone.utc)
LOGGER = logging.getLogger("tests.pauses")


@pytest.fixture(autouse=True)
def everything_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, LOGGER.name)


def given_up(error: type[TapError], pause: Callable[[], None]) -> tuple[str, int]:
    """What is said when pausing has no sense any more, and how many times it had."""
    begun = 0

    def pause_for_long() -> None:
        nonlocal begun
        while begun < 200:
            begun += 1
            pause()

    with pytest.raises(error) as reason:
        pause_for_long()
    return str(reason.value), begun - 1


def test_six_senseless_answers_in_a_row_are_one_too_many() -> None:
    retry_policy = RetryPolicy(FakeClock(NOON), LOGGER)

    said, borne = given_up(ApiError, lambda: retry_policy.garbled("no JSON"))

    assert borne == 5
    assert said == (
        "Cometly's API answered senselessly 6 times in a row: no JSON. "
        "Check the setting `api_url`; if it is right, ask Cometly."
    )


def test_a_failure_is_told_with_whom_why_and_how_long_it_pauses(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = FakeClock(NOON)

    RetryPolicy(clock, LOGGER, whom="The file store").garbled("half a file")

    pause = f"{clock.monotonic():.1f}"
    assert caplog.messages == [f"The file store: half a file; trying again in {pause} s"]


def test_an_outage_that_does_not_end_says_that_the_bookmark_is_kept() -> None:
    retry_policy = RetryPolicy(FakeClock(NOON), LOGGER)

    said, _ = given_up(UnavailableError, lambda: retry_policy.failed("status 503"))

    assert said == (
        "Cometly's API has not answered usably for 5 minutes: status 503. "
        "Run again later; the bookmark is kept."
    )


def test_a_limit_is_told_with_the_wait(caplog: pytest.LogCaptureFixture) -> None:
    clock = FakeClock(NOON)

    RetryPolicy(clock, LOGGER).limited(
        "Sat, 01 Jun 2024 12:00:30 GMT", RateLimiter(15, share=1.0, clock=clock)
    )

    assert caplog.messages == ["Over the limit (429): waiting 30 s as told"]


OVER = (
    "has been over its limit for 15 minutes in a row (429). "
    "Lower `rate_limit_share`, or stop other clients of this Space, and run again."
)
UNTIL = "refuses requests until 2024-06-01T12:15:01Z (429). Run again after that."
FOR_EVER = "refuses requests for ever (429). Run again after that."


@pytest.mark.parametrize(
    ("retry_after", "said", "borne"),
    [("300", OVER, 3), ("901", UNTIL, 0), ("1e12", FOR_EVER, 0)],
)
def test_a_limit_that_does_not_end_says_what_can_be_done(
    retry_after: str, said: str, borne: int
) -> None:
    clock = FakeClock(NOON)
    limiter = RateLimiter(15, share=1.0, clock=clock)
    retry_policy = RetryPolicy(clock, LOGGER)

    outcome = given_up(ApiError, lambda: retry_policy.limited(retry_after, limiter))

    assert outcome == (f"Cometly's API {said}", borne)


def test_a_wait_of_fifteen_minutes_is_borne_once() -> None:
    clock = FakeClock(NOON)
    limiter = RateLimiter(15, share=1.0, clock=clock)
    retry_policy = RetryPolicy(clock, LOGGER)

    _, borne = given_up(ApiError, lambda: retry_policy.limited("900", limiter))

    assert borne == 1


def test_what_is_waited_for_slots_adds_up() -> None:
    # given
    clock = FakeClock(NOON)
    limiter = RateLimiter(15, share=1.0, clock=clock)
    limiter.waited = 7.0
    limiter.block(40)

    # when
    wait_for(limiter, clock, LOGGER)

    # then
    assert limiter.waited == pytest.approx(47.0, abs=0.01)


def test_while_all_slots_are_under_way_it_looks_again_often_and_says_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    # given a budget whose only request is answered after a quarter of a second
    clock = FakeClock(NOON)
    limiter = RateLimiter(1, share=1.0, clock=clock)
    assert limiter.try_acquire()
    answers_at = clock.monotonic() + 0.25
    sleep = clock.sleep

    def sleep_until_answered(seconds: float) -> None:
        sleep(seconds)
        if limiter.in_flight and clock.monotonic() >= answers_at:
            limiter.answered({"X-RateLimit-Limit": "2"})

    with mock.patch.object(clock, "sleep", sleep_until_answered):
        # when
        wait_for(limiter, clock, LOGGER)

    # then
    assert limiter.waited == pytest.approx(0.25, abs=0.06)
    assert caplog.messages == []
