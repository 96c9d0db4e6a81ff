"""CometlyClient: the API's three calls, with authorization, limits, retries and errors."""

from __future__ import annotations

import logging
import threading
import typing as t
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from http.cookiejar import DefaultCookiePolicy

import requests
import urllib3

from tap_cometly.client.rate_limit import RateLimiter
from tap_cometly.client.responses import (
    ENCODING,
    Body,
    answer_lost,
    never_sent,
    problem_with,
    refusal,
)
from tap_cometly.client.retry import Outage, RetryPolicy, wait_for
from tap_cometly.exceptions import GarbledError
from tap_cometly.runtime import metrics as metering

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tap_cometly.config import Settings
    from tap_cometly.runtime.clock import Clock
    from tap_cometly.timeranges import WallRange

Endpoint = t.Literal["list", "create", "poll"]

# Requests a minute per Space; source: Cometly's API documentation, v1.
DOCUMENTED_LIMITS: dict[Endpoint, int] = {"list": 15, "create": 5, "poll": 30}

_SLOWEST_ANSWER = 5  # times the request timeout, from the first byte to the last
_SERVED = {200, 201, 202}
_TRANSIENT = {408, 425, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529}

_T = t.TypeVar("_T")

# At DEBUG these write URLs with their query: cursors and presigned signatures.
logging.getLogger("urllib3").setLevel(logging.INFO)


@dataclass(frozen=True)
class _Call(t.Generic[_T]):
    """What to send, and how to read what comes back."""

    endpoint: Endpoint
    method: str
    path: str
    read: Callable[[bytes], _T]
    query: Mapping[str, t.Any] | None = None
    body: Mapping[str, t.Any] | None = None
    repeatable: bool = True
    slot_taken: bool = False


class _Answer(t.NamedTuple):
    """What came back."""

    status: int
    retry_after: str | None
    body: Body


class _Bearer(requests.auth.AuthBase):
    """The key. An `auth` of our own also keeps `.netrc` from replacing the header."""

    def __init__(self, api_key: str) -> None:
        self._header = f"Bearer {api_key}"

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = self._header
        return request


class CometlyClient:
    """Speaks HTTP with Cometly; safe to share between threads."""

    def __init__(
        self, settings: Settings, clock: Clock, logger: logging.Logger, *, agent: str
    ) -> None:
        """Prepare; nothing is sent yet.

        Args:
            settings: Key, URL, timeout and share of the limits.
            clock: For limits and pauses.
            logger: Where waiting and retrying is told.
            agent: The User-Agent header.
        """
        self._settings = settings
        self._clock = clock
        self._logger = logger
        self.limiters: dict[Endpoint, RateLimiter] = {
            endpoint: RateLimiter(limit, share=settings.rate_limit_share, clock=clock)
            for endpoint, limit in DOCUMENTED_LIMITS.items()
        }
        self.server_time: datetime | None = None
        self._outage = Outage()
        self._one_reader = threading.Lock()
        self._session = requests.Session()
        self._session.auth = _Bearer(settings.api_key)
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._session.mount("https://", requests.adapters.HTTPAdapter(pool_maxsize=32))
        self._session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=32))
        # Proxies and certificates as the environment has them; looked up once, not at each request.
        env = self._session.merge_environment_settings(settings.api_url, {}, None, None, None)
        self._session.proxies, self._session.verify = env["proxies"], env["verify"]
        self._session.trust_env = False
        self._session.headers.update(
            {
                "Accept": "application/json",
                "Accept-Encoding": ENCODING,
                "Content-Type": "application/json",
                "User-Agent": agent,
            }
        )

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def list_contacts(
        self,
        wall: WallRange,
        read: Callable[[bytes], _T],
        *,
        per_page: int,
        cursor: str | None = None,
        options: Mapping[str, int],
        slot_taken: bool = False,
    ) -> _T:
        """Ask for one page of the list.

        Args:
            wall: The range of creation times.
            read: Reads the answer; a `GarbledError` makes the client ask again.
            per_page: 1 to 5000.
            cursor: Where the page begins; None for the first.
            options: The `include_*` parameters.
            slot_taken: Whether the caller has taken the budget's slot for it.

        Returns:
            What `read` made of the answer.

        Raises:
            ApiError: One of its kinds, by status.
        """
        query = {"start_date": wall.start, "end_date": wall.end, "per_page": per_page, **options}
        if cursor is not None:
            query["cursor"] = cursor
        return self._ask(
            _Call("list", "GET", "/contacts", read, query=query, slot_taken=slot_taken)
        )

    def create_export(
        self, wall: WallRange, read: Callable[[bytes], _T], *, options: Mapping[str, int]
    ) -> _T:
        """Create an export job; the caller has taken the budget's slot.

        It is not asked for again when the answer is lost: the job may exist.

        Raises:
            AnswerLostError: Nobody knows whether the job exists.
            ApiError: One of its kinds, by status.
        """
        body = {"start_date": wall.start, "end_date": wall.end, **options}
        path = "/contacts/exports"
        call = _Call("create", "POST", path, read, body=body, repeatable=False, slot_taken=True)
        return self._ask(call)

    def get_export(self, export_id: int, read: Callable[[bytes], _T]) -> _T:
        """Ask how an export job is doing; the caller has taken the budget's slot.

        Raises:
            NotFoundError: The API knows no such export.
            ApiError: One of its other kinds, by status.
        """
        path = f"/contacts/exports/{export_id}"
        return self._ask(_Call("poll", "GET", path, read, slot_taken=True))

    def _ask(self, call: _Call[_T]) -> _T:
        retry_policy = RetryPolicy(self._clock, self._logger, outage=self._outage)
        limiter = self.limiters[call.endpoint]
        slot_taken = call.slot_taken
        while True:
            if not slot_taken:
                wait_for(limiter, self._clock, self._logger)
            slot_taken = False
            try:
                answer = self._exchange(call)
                if answer.status in _SERVED:
                    return self._read(call, answer.body)
                content = answer.body.unzipped()
            except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as failure:
                problem = problem_with(failure)
                if not call.repeatable and not never_sent(failure):
                    raise answer_lost(problem) from None
                retry_policy.failed(problem)
                continue
            except GarbledError as reason:
                if not call.repeatable:
                    raise answer_lost(str(reason)) from None
                retry_policy.garbled(str(reason))
                continue
            if answer.status == requests.codes.too_many_requests:
                retry_policy.limited(answer.retry_after, limiter)
            elif answer.status in _TRANSIENT:
                retry_policy.failed(f"status {answer.status}")
            else:
                key = self._settings.api_key
                raise refusal(call.method, call.path, answer.status, content, key)

    def _exchange(self, call: _Call[_T]) -> _Answer:
        """Send a request and receive what comes back; the budget learns of it in any case."""
        headers: Mapping[str, str] | None = None
        try:
            with self._send(call) as response:
                headers = response.headers
                elapsed = response.elapsed.total_seconds()
                metering.request_answered(call.endpoint, response.status_code, elapsed)
                self._note_sign_of_life(response)
                body = Body.received(response, too_late=self._deadline())
                return _Answer(response.status_code, headers.get("Retry-After"), body)
        finally:
            self.limiters[call.endpoint].answered(headers)

    def _read(self, call: _Call[_T], body: Body) -> _T:
        with self._one_reader:  # measured: five pages unzipped at once are a tenth of the process
            return call.read(body.unzipped())

    def _send(self, call: _Call[_T]) -> requests.Response:
        timeout = float(self._settings.request_timeout)
        self._logger.debug("%s %s", call.method, call.path)
        return self._session.request(
            call.method,
            self._settings.api_url + call.path,
            params=call.query,
            json=call.body,
            timeout=(min(timeout, 30.0), timeout),
            allow_redirects=False,
            stream=True,
        )

    def _deadline(self) -> Callable[[], bool]:
        deadline = self._clock.monotonic() + _SLOWEST_ANSWER * self._settings.request_timeout
        return lambda: self._clock.monotonic() > deadline

    def _note_sign_of_life(self, response: requests.Response) -> None:
        if response.status_code not in _TRANSIENT:
            self._outage.over()
        try:
            told = parsedate_to_datetime(response.headers.get("Date", ""))
        except (TypeError, ValueError, IndexError):
            return
        self.server_time = told if told.tzinfo else told.replace(tzinfo=timezone.utc)
