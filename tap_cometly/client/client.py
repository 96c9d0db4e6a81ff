"""CometlyClient: the API's three calls, with authorization, limits, retries and errors."""

from __future__ import annotations

import logging
import math
import threading
import typing as t
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from http.cookiejar import DefaultCookiePolicy
from importlib import metadata

import msgspec
import requests
import urllib3

from tap_cometly.client.rate_limit import RateLimiter
from tap_cometly.client.responses import (
    Answer,
    answer_lost,
    busy_error,
    describe_failure,
    error_for_status,
    never_sent,
)
from tap_cometly.client.retry import (
    RUN_AGAIN,
    Outage,
    RetryPolicy,
    acquire,
    http_date,
    retry_after_seconds,
)
from tap_cometly.contacts.schema import REFUSED
from tap_cometly.exceptions import ClockError, GarbledError, TooSlowError, UnavailableError
from tap_cometly.runtime import metrics
from tap_cometly.runtime.progress import RequestStats
from tap_cometly.timeranges import Window, wall_range

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from tap_cometly.config import Settings
    from tap_cometly.runtime.clock import Clock
    from tap_cometly.timeranges import WallRange

logger = logging.getLogger(__name__)

Endpoint = t.Literal["list", "create", "poll"]

# Requests a minute per Space; source: Cometly's API documentation, v1.
DOCUMENTED_LIMITS: dict[Endpoint, int] = {"list": 15, "create": 5, "poll": 30}
LARGEST_PAGE = 5000  # contacts; source: the same

_SLOWEST_ANSWER = 5  # times the request timeout, from the first byte to the last
_SERVED = {200, 201, 202}
_TOO_SLOW = {408, 504, 524}  # as gateways say it
_NOT_IN_TIME = (requests.exceptions.ReadTimeout, urllib3.exceptions.ReadTimeoutError)
_TRANSIENT = {408, 425}  # beside all from 500 on
_SERVER_ERRORS = 500  # and above; of a request to create, any of these may hide a success

CLOCK_TOLERANCE = timedelta(seconds=60)  # between the machine's clock and the API's
_CLOCKS_AT_ODDS = timedelta(days=1)
_LONG = 26 * 3600  # seconds of a window that may be too long for a list
_OPTIONAL_WAIT = 65.0  # seconds that an optional request may wait for the rate limit
_SILENCE = 60.0  # seconds in which no optional request is sent after one was not answered


_T = t.TypeVar("_T")

# These write URLs with their query, in warnings too: cursors and presigned signatures. A logging
# configuration can undo a level, but not a filter, which no logger inherits from another.
for _name in list(logging.root.manager.loggerDict):
    if _name.startswith("urllib3"):
        logging.getLogger(_name).addFilter(lambda _: False)


@dataclass(frozen=True)
class _Call(t.Generic[_T]):
    """What to send, and how to read what comes back."""

    endpoint: Endpoint
    path: str
    read: Callable[[bytes], _T]
    query: Mapping[str, t.Any] | None = None
    body: Mapping[str, t.Any] | None = None
    optional: bool = False
    impatient: bool = False  # for a window that is longer than any that has been served

    @property
    def creates(self) -> bool:
        """Whether it creates an export job, and so must not simply be repeated."""
        return self.endpoint == "create"

    @property
    def method(self) -> str:
        return "POST" if self.creates else "GET"


class _Created(msgspec.Struct):
    export_id: int


class ExportStatus(msgspec.Struct, rename={"url": "download_url"}):
    """What a poll tells: the status as the API words it, and the URL when there is one."""

    status: str
    url: str | None = None


class CometlyClient:
    """Speaks HTTP with Cometly; safe to share between threads.

    Args:
        settings: Key, URL, zone, timeout and share of the limits.
        clock: For limits and pauses.
        limiters: Those of an earlier client of the same Space; its own where there was none.

    Attributes:
        limiters: One for each endpoint.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        limiters: dict[Endpoint, RateLimiter] | None = None,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self.limiters: dict[Endpoint, RateLimiter] = limiters or {
            endpoint: RateLimiter(limit, share=settings.rate_limit_share, clock=clock)
            for endpoint, limit in DOCUMENTED_LIMITS.items()
        }
        self._was_answered = False
        self._clock_ahead = timedelta()  # of the API's
        self._warned_of_clock = False
        self._outage = Outage()
        self._silent_until = -math.inf
        self._longest_served = _LONG
        self._one_reader = threading.Lock()
        self._session = requests.Session()
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        for scheme in ("https://", "http://"):
            # No more requests are under way at once than the limits of a minute allow.
            self._session.mount(scheme, requests.adapters.HTTPAdapter(pool_maxsize=64))
        # Proxies and certificates as the environment has them; looked up once, not at each request,
        # and `.netrc`, whose entry would replace the key, not at all.
        env = self._session.merge_environment_settings(settings.api_url, {}, None, None, None)
        self._session.proxies, self._session.verify = env["proxies"], env["verify"]
        self._session.trust_env = False
        self._session.headers.update(
            {
                "Accept": "application/json",
                "Accept-Encoding": "gzip",
                "Authorization": f"Bearer {settings.api_key}",
                "Content-Type": "application/json",
                "User-Agent": user_agent(),
            }
        )

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def request_stats(self) -> Mapping[str, RequestStats]:
        """Return what has been asked for so far, by endpoint."""
        return {
            endpoint: RequestStats(limiter.requests, limiter.in_flight, limiter.waited)
            for endpoint, limiter in self.limiters.items()
        }

    def now(self) -> datetime:
        """Return the earlier of the machine's clock and the API's, UTC, whole seconds.

        Raises:
            ClockError: They differ by more than a day.
        """
        self.check_clock()
        earliest = self._clock.now() - max(self._clock_ahead, timedelta())
        return earliest.replace(microsecond=0)

    def check_clock(self) -> None:
        """Compare the machine's clock with the API's, once that has answered; warn once.

        Raises:
            ClockError: They differ by more than a day.
        """
        ahead = self._clock_ahead
        if abs(ahead) > _CLOCKS_AT_ODDS:
            hours = abs(ahead) // timedelta(hours=1)
            msg = f"The machine's clock and the API's differ by {hours} hours"
            raise ClockError(msg, "Set the machine's clock right, and run again.")
        if abs(ahead) > CLOCK_TOLERANCE and not self._warned_of_clock:
            self._warned_of_clock = True
            logger.warning(
                "The machine's clock is %.0f s %s the API's; the earlier of the two counts",
                abs(ahead.total_seconds()),
                "ahead of" if ahead > timedelta() else "behind",
            )

    def latest_now(self) -> datetime:
        """Return the later of the machine's clock and the API's, UTC, whole seconds."""
        latest = self._clock.now() - min(self._clock_ahead, timedelta())
        return latest.replace(microsecond=0)

    def list_contacts(
        self,
        window: Window | WallRange,
        decode: Callable[[bytes], _T],
        query: Mapping[str, int | str],
        *,
        optional: bool = False,
    ) -> _T:
        """Ask for one page of the list.

        Args:
            window: The range of creation times; a `WallRange` is sent as it is.
            decode: Reads the answer. When it raises `GarbledError` the client asks again.
            query: `per_page` (1 to 5000), `cursor` but for the first page, `include_*`.
            optional: Whether it is a request that the run can go on without. Then it is given up
                soon.

        Returns:
            What `decode` made of the answer.

        Raises:
            TooSlowError: The list took too long for a window longer than any it has served.
            UnavailableError: The list did not answer in time, or the request is optional and an
                earlier optional request has just failed.
            UnreachableError: Nothing has answered since the run began.
            ApiError: One of its other kinds, by status.
        """
        if optional and self._clock.monotonic() < self._silent_until:
            msg = "The list did not answer a moment ago"
            raise UnavailableError(msg, RUN_AGAIN)
        seconds = window.seconds if isinstance(window, Window) and "cursor" not in query else 0
        call = _Call(
            "list",
            "/contacts",
            decode,
            query={**self._dates(window), **query},
            optional=optional,
            impatient=seconds > self._longest_served,
        )
        try:
            page = self._ask(call)
        except UnavailableError as error:
            if optional and not isinstance(error, TooSlowError):
                self._silent_until = self._clock.monotonic() + _SILENCE
            raise
        self._silent_until = -math.inf
        self._longest_served = max(self._longest_served, seconds)
        return page

    def allow_optional_requests(self) -> None:
        """Have the next optional request sent, though the last one was refused (429) just now."""
        self._silent_until = -math.inf

    def create_export(self, window: Window, *, options: Mapping[str, int]) -> int:
        """Create an export job; the caller has acquired the right to make the request.

        It is not asked for again when the answer is lost: the job may exist.

        Returns:
            The job's id.

        Raises:
            AnswerLostError: Nobody knows whether the job exists.
            ExportBusyError: Another export is in progress; ask again later.
            ApiError: One of its other kinds, by status.
        """
        body = {**self._dates(window), **options}
        read = partial(_read_export, _Created)
        return self._ask(_Call("create", "/contacts/exports", read, body=body)).export_id

    def get_export(self, export_id: int) -> ExportStatus:
        """Ask how an export job is doing; the caller has acquired the right to make the request.

        Raises:
            ApiError: One of its other kinds, by status.
        """
        read = partial(_read_export, ExportStatus)
        return self._ask(_Call("poll", f"/contacts/exports/{export_id}", read))

    def _dates(self, window: Window | WallRange) -> dict[str, str]:
        if isinstance(window, Window):
            window = wall_range(window.start, window.end, self._settings.zone)
        return {"start_date": window.start, "end_date": window.end}

    def _ask(self, call: _Call[_T]) -> _T:
        """Make a call, and make it again after what may pass: a 429, a failure, a broken answer."""
        retry = RetryPolicy(self._clock, outage=self._outage, optional=call.optional)
        at_most = _OPTIONAL_WAIT if call.optional else math.inf
        acquired = call.endpoint != "list"  # by the caller
        while True:
            if not acquired:
                limiter = self.limiters[call.endpoint]
                acquire(limiter, self._clock, endpoint=call.endpoint, at_most=at_most)
            acquired = False
            try:
                answer = self._exchange(call)
                # Measured: unzipping five pages at once adds a tenth to the process's memory.
                with self._one_reader:
                    content = answer.unzipped()
                    if answer.status in _SERVED:
                        return call.read(content)
            except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as failure:
                problem = describe_failure(failure)
                if call.creates and not never_sent(failure):
                    raise answer_lost(problem) from None
                if call.impatient and isinstance(failure, _NOT_IN_TIME):
                    raise _too_slow(problem) from None
                never_reached = not self._was_answered and never_sent(failure)
                retry.after_failure(problem, never_reached=never_reached)
            except GarbledError as reason:
                if call.creates:
                    raise answer_lost(str(reason)) from None
                retry.after_unreadable(str(reason))
            else:
                self._raise_or_wait(call, answer, content, retry)

    def _exchange(self, call: _Call[_T]) -> Answer:
        """Send a request and receive what comes back; the limiter learns of it in any case."""
        headers: Mapping[str, str] | None = None
        try:
            with self._send(call) as response:
                headers = response.headers
                elapsed = response.elapsed.total_seconds()
                metrics.request_answered(call.endpoint, response.status_code, elapsed)
                self._note_answered(response)
                longest = _SLOWEST_ANSWER * self._settings.request_timeout
                deadline = self._clock.monotonic() + longest
                return Answer.received(response, lambda: self._clock.monotonic() > deadline)
        finally:
            self.limiters[call.endpoint].release(headers)

    def _send(self, call: _Call[_T]) -> requests.Response:
        logger.debug("%s %s", call.method, call.path)
        return self._session.request(
            call.method,
            self._settings.api_url + call.path,
            params=call.query,
            json=call.body,
            timeout=self._settings.timeouts,
            allow_redirects=False,
            stream=True,
        )

    def _raise_or_wait(
        self, call: _Call[_T], answer: Answer, content: bytes, retry: RetryPolicy
    ) -> None:
        """Wait where asking again may help; raise what the status means where it does not."""
        status, key = answer.status, self._settings.api_key
        now = self._clock.now() - self._clock_ahead  # by the API's clock
        if status == requests.codes.too_many_requests:
            retry.pause_for_429(answer.retry_after, self.limiters[call.endpoint], now)
            return
        problem = f"status {status}"
        if call.creates:
            seconds = retry_after_seconds(answer.retry_after, now)
            if busy := busy_error(status, content, key, seconds):
                raise busy
            if status >= _SERVER_ERRORS:
                raise answer_lost(problem)
        if not _may_pass(status):
            raise error_for_status(call.method, call.path, status, content, key)
        if call.impatient and status in _TOO_SLOW:
            raise _too_slow(problem)
        retry.after_failure(problem)

    def _note_answered(self, response: requests.Response) -> None:
        self._was_answered = True
        if not _may_pass(response.status_code):
            self._outage.note_answer()
        if told := http_date(response.headers.get("Date", "")):
            self._clock_ahead = self._clock.now() - told


def user_agent() -> str:
    """Return the User-Agent header of all requests."""
    return f"tap-cometly/{metadata.version('tap-cometly')}"


def _read_export(kind: type[_T], body: bytes) -> _T:
    try:
        return msgspec.json.decode(body, type=kind)
    except REFUSED:
        msg = "the answer about an export cannot be read"
        raise GarbledError(msg) from None


def _may_pass(status: int) -> bool:
    return status in _TRANSIENT or status >= _SERVER_ERRORS


def _too_slow(reason: str) -> TooSlowError:
    return TooSlowError(f"The list of contacts did not answer in time ({reason})", RUN_AGAIN)
