"""Retries: backoff after a failure, `Retry-After` of a 429, and when to give up."""

from __future__ import annotations

import itertools
import logging
import math
import typing as t
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime

import backoff

from tap_cometly.exceptions import (
    ApiError,
    RateLimitError,
    UnavailableError,
    UnreachableError,
)
from tap_cometly.timeranges import utc_text

if t.TYPE_CHECKING:
    from tap_cometly.client.rate_limit import RateLimiter
    from tap_cometly.runtime.clock import Clock

logger = logging.getLogger(__name__)

LONGEST_OUTAGE = 300.0  # seconds of failures in a row
LONGEST_OPTIONAL = 20.0  # seconds of them, of an optional request
LONGEST_UNREACHED = 30.0  # seconds without a connection, before the first answer of a run
LONGEST_LIMIT_WAIT = 900.0  # seconds of being told to wait in a row
UNREADABLE_TRIES = 6
LONGEST_PAUSE = 30.0  # seconds; also the longest silence in the log
RUN_AGAIN = "Run again later; the bookmark is kept."
UNSAID_WAIT = 60.0  # seconds to wait when a 429 does not say how long: a limit's whole window


@dataclass
class Outage:
    """Failures of one service in a row, whichever requests they happened to."""

    _began: float | None = None
    _last: float = 0.0

    def note_answer(self) -> None:
        """Note that the service has answered."""
        self._began = None

    def note_failure(self, now: float) -> float:
        """Note a failure.

        Args:
            now: Monotonic seconds. After a long silence nobody knows what was in between.

        Returns:
            When the first failure of its row was, in monotonic seconds.
        """
        if self._began is None or now - self._last > 2 * LONGEST_PAUSE:
            self._began = now
        self._last = now
        return self._began


class RetryPolicy:
    """The pauses around one request, from its first try to its last.

    Failures of several requests count as one outage while the service answers none of them: a
    request that fails for the first time is charged with the time the outage has already lasted.

    Args:
        clock: Waits.
        service: Whom log lines and errors name.
        outage: That of the service; its own where there is none to share.
        optional: Whether the run can go on without the request. Then it is given up soon, and does
            not wait for a limit (429).
    """

    def __init__(
        self,
        clock: Clock,
        *,
        service: str = "Cometly's API",
        outage: Outage | None = None,
        optional: bool = False,
    ) -> None:
        self._clock = clock
        self._service = service
        self._outage = outage or Outage()
        self._optional = optional
        waits = backoff.expo(base=2, factor=0.5, max_value=LONGEST_PAUSE)
        self._waits = itertools.islice(waits, 1, None)  # the first is for the library's decorator
        self._failing_since: float | None = None
        self._waited_for_limit = 0.0
        self._unreadable = 0

    def after_failure(self, reason: str, *, never_reached: bool = False) -> None:
        """Sleep before the next try of a request that failed.

        Args:
            reason: What failed, in words.
            never_reached: Whether no connection could be made since the run began.

        Raises:
            UnavailableError: The request has been failing for too long.
            UnreachableError: No connection could be made for half a minute.
        """
        now = self._clock.monotonic()
        began = self._outage.note_failure(now)
        if self._failing_since is None:
            self._failing_since = now if self._optional else began
        longest = LONGEST_OPTIONAL if self._optional else LONGEST_OUTAGE
        if never_reached:
            longest = LONGEST_UNREACHED
        left = longest - (now - self._failing_since)
        if left <= 0:
            if never_reached:
                msg = f"{self._service} cannot be reached: {reason} for {_minutes(longest)}"
                raise UnreachableError(msg, "Check `api_url` and the network, and run again.")
            msg = f"{self._service} has not answered usably for {_minutes(longest)}: {reason}"
            raise UnavailableError(msg, RUN_AGAIN)
        pause = min(backoff.full_jitter(next(self._waits)), left)
        logger.warning("%s: %s; trying again in %.1f s", self._service, reason, pause)
        self._clock.sleep(pause)

    def after_unreadable(self, reason: str) -> None:
        """Sleep after an answer that cannot be read: not an outage, so it is given up sooner.

        Raises:
            ApiError: It happened too often.
            UnavailableError: Likewise, and the request is optional.
        """
        self._unreadable += 1
        if self._unreadable >= UNREADABLE_TRIES:
            msg = f"{self._service} gave {UNREADABLE_TRIES} unreadable answers in a row: {reason}"
            if self._optional:
                raise UnavailableError(msg, RUN_AGAIN)
            raise ApiError(msg, "Check the setting `api_url`; if it is right, ask Cometly.")
        self.after_failure(reason)

    def pause_for_429(self, retry_after: str | None, limiter: RateLimiter, now: datetime) -> None:
        """Pause the limiter for as long as a 429 asks; the wait itself happens in `acquire`.

        Args:
            retry_after: The header.
            limiter: Of the endpoint.
            now: By the API's clock, which a date in the header is of; UTC.

        Raises:
            RateLimitError: The wait is too long, or all waits in a row have been.
            UnavailableError: The request is optional, and is not worth the wait.
        """
        seconds = retry_after_seconds(retry_after, now)
        limiter.pause_for(min(seconds, LONGEST_LIMIT_WAIT))
        if seconds > LONGEST_LIMIT_WAIT:
            until = "for ever"
            if seconds < timedelta(days=365).total_seconds():
                end = now + timedelta(seconds=seconds)
                until = f"until {utc_text(end.replace(microsecond=0))}"
            msg = f"Cometly's API refuses requests {until} (429)"
            raise RateLimitError(msg, "Run again after that.")
        if self._optional:
            msg = f"{self._service} is over its limit (429)"
            raise UnavailableError(msg, RUN_AGAIN)
        self._waited_for_limit += seconds
        if self._waited_for_limit > LONGEST_LIMIT_WAIT:
            msg = "Cometly's API has been over its limit for 15 minutes in a row (429)"
            advice = "Lower `rate_limit_share`, or stop other clients of this Space, and run again."
            raise RateLimitError(msg, advice)
        logger.info("Cometly's API answered 429: no request to this endpoint for %.0f s", seconds)


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} minutes" if seconds >= 120 else f"{seconds:.0f} s"  # noqa: PLR2004


def acquire(
    limiter: RateLimiter, clock: Clock, *, endpoint: str, at_most: float = math.inf
) -> None:
    """Wait until a request may be made, and acquire the right to make it; never silent for long.

    Raises:
        UnavailableError: The wait would be longer than `at_most` seconds.
    """
    until = clock.monotonic() + at_most
    while not limiter.try_acquire():
        delay = limiter.delay()
        if clock.monotonic() + (0 if math.isinf(delay) else delay) > until:
            msg = f"The {endpoint} limit is used up"
            raise UnavailableError(msg, RUN_AGAIN)
        # The answer to a request in flight may free a slot.
        pause = 0.05 if math.isinf(delay) else min(delay, LONGEST_PAUSE)
        if limiter.note_wait(pause) > 1:  # no other request has logged the same wait
            logger.info(
                "Waiting %.0f s for the %s limit (%d requests a minute, shared with other clients "
                "of the Space)",
                pause if math.isinf(delay) else delay,
                endpoint,
                limiter.limit,
            )
        clock.sleep(pause)


def retry_after_seconds(retry_after: str | None, now: datetime) -> float:
    """Read a `Retry-After` header: seconds, perhaps with a fraction, or an HTTP date.

    Returns:
        Seconds, at least 1; a whole minute when the header does not say.
    """
    text = (retry_after or "").strip()
    try:
        seconds = float(text)
    except ValueError:
        date = http_date(text)
        seconds = max((date - now).total_seconds(), 0.0) if date else UNSAID_WAIT
    return max(seconds, 1.0) if seconds >= 0 else UNSAID_WAIT


def http_date(text: str) -> datetime | None:
    """Read the date of a header, UTC, also where it names no zone; None if it is not a date."""
    try:
        date = parsedate_to_datetime(text)
        return (date if date.tzinfo else date.replace(tzinfo=timezone.utc)).astimezone(timezone.utc)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
