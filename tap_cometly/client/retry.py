"""How long to go on asking: the pauses after failures and limits, and when to stop."""

from __future__ import annotations

import math
import typing as t
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime

import backoff

from tap_cometly.exceptions import ApiError, UnavailableError
from tap_cometly.timeranges import utc_text

if t.TYPE_CHECKING:
    import logging

    from tap_cometly.client.rate_limit import RateLimiter
    from tap_cometly.runtime.clock import Clock

LONGEST_OUTAGE = 300.0  # seconds of failures in a row
LONGEST_LIMIT_WAIT = 900.0  # seconds of being told to wait in a row
GARBLED_TRIES = 6
LONGEST_PAUSE = 30.0  # seconds; also the longest silence in the log
UNSAID_WAIT = 60.0  # seconds to wait when a 429 does not say how long: a limit's whole window


class Outage:
    """Failures of one service in a row, whichever requests they happened to."""

    def __init__(self) -> None:
        """Start with a service that works."""
        self._began: float | None = None
        self._last = 0.0

    def over(self) -> None:
        """Note that the service has answered."""
        self._began = None

    def began(self, now: float) -> float:
        """Note a failure, and tell when the first one of its row was.

        Args:
            now: Monotonic seconds. After a long silence nobody knows what was in between.
        """
        if self._began is None or now - self._last > 2 * LONGEST_PAUSE:
            self._began = now
        self._last = now
        return self._began


class RetryPolicy:
    """The pauses around one request, from its first try to its last."""

    def __init__(
        self,
        clock: Clock,
        logger: logging.Logger,
        *,
        whom: str = "Cometly's API",
        outage: Outage | None = None,
    ) -> None:
        """Start fresh, save for an outage that is going on: what it has lasted counts."""
        self._whom = whom
        self._outage = outage or Outage()
        self._clock = clock
        self._logger = logger
        self._pauses = backoff.expo(base=2, factor=0.5, max_value=LONGEST_PAUSE)
        next(self._pauses)  # the generator's first value is for its decorator
        self._failing_since: float | None = None
        self._waited_for_limit = 0.0
        self._garbled = 0

    def failed(self, reason: str) -> None:
        """Pause after a failure that may pass.

        Raises:
            UnavailableError: It has been failing for too long.
        """
        now = self._clock.monotonic()
        if self._failing_since is None:
            self._failing_since = self._outage.began(now)
        self._outage.began(now)
        if now - self._failing_since >= LONGEST_OUTAGE:
            minutes = LONGEST_OUTAGE / 60
            msg = f"{self._whom} has not answered usably for {minutes:.0f} minutes: {reason}"
            raise UnavailableError(msg, "Run again later; the bookmark is kept.")
        pause = backoff.full_jitter(next(self._pauses))
        self._logger.warning("%s: %s; trying again in %.1f s", self._whom, reason, pause)
        self._clock.sleep(pause)

    def garbled(self, reason: str) -> None:
        """Pause after an answer that made no sense; an outage it is not, so not for long.

        Raises:
            ApiError: It happened too often.
        """
        self._garbled += 1
        if self._garbled >= GARBLED_TRIES:
            msg = f"{self._whom} answered senselessly {GARBLED_TRIES} times in a row: {reason}"
            raise ApiError(msg, "Check the setting `api_url`; if it is right, ask Cometly.")
        self.failed(reason)

    def limited(self, retry_after: str | None, limiter: RateLimiter) -> None:
        """Wait as a 429 tells, together with everybody who shares the budget.

        Raises:
            ApiError: The wait is, or in a row has been, longer than anyone would want.
        """
        seconds = wait_told(retry_after, self._clock.now())
        if seconds > LONGEST_LIMIT_WAIT:
            until = "for ever"
            if seconds < timedelta(days=365).total_seconds():
                until = f"until {utc_text(_later(self._clock.now(), seconds))}"
            msg = f"Cometly's API refuses requests {until} (429)"
            raise ApiError(msg, "Run again after that.")
        self._waited_for_limit += seconds
        if self._waited_for_limit > LONGEST_LIMIT_WAIT:
            msg = "Cometly's API has been over its limit for 15 minutes in a row (429)"
            advice = "Lower `rate_limit_share`, or stop other clients of this Space, and run again."
            raise ApiError(msg, advice)
        self._logger.info("Over the limit (429): waiting %.0f s as told", seconds)
        limiter.block(seconds)


def wait_for(limiter: RateLimiter, clock: Clock, logger: logging.Logger) -> None:
    """Wait until a budget has a free slot, and take it; never silent for long."""
    while not limiter.try_acquire():
        pause = min(limiter.delay(), LONGEST_PAUSE)
        if math.isinf(limiter.delay()):
            pause = 0.05  # an answer that is under way makes room
        if limiter.waits(pause) > 1:  # nobody else has told
            logger.info("Waiting %.0f s for the request limit", pause)
        clock.sleep(pause)


def wait_told(retry_after: str | None, now: datetime) -> float:
    """Read a `Retry-After` header.

    Args:
        retry_after: Seconds, perhaps with a fraction, or an HTTP date; anything else counts as
            absent.
        now: UTC, for a date.

    Returns:
        Seconds, at least 1; a whole minute when the header does not say.
    """
    text = (retry_after or "").strip()
    try:
        seconds = float(text)
    except ValueError:
        return _wait_until(text, now)
    return max(seconds, 1.0) if seconds >= 0 else UNSAID_WAIT


def _wait_until(text: str, now: datetime) -> float:
    try:
        when = parsedate_to_datetime(text)
    except (TypeError, ValueError, IndexError):
        return UNSAID_WAIT
    zoned = when if when.tzinfo else when.replace(tzinfo=timezone.utc)
    return max((zoned - now).total_seconds(), 1.0)


def _later(now: datetime, seconds: float) -> datetime:
    return (now + timedelta(seconds=seconds)).replace(microsecond=0)
