"""What was asked and what came of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from threading import Lock
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette import requests


@dataclass(frozen=True)
class Request:
    """One call. `status` is None while it is being answered, and for ever after a hang-up."""

    at: float
    """Seconds of the monotonic clock at its arrival."""
    endpoint: str
    """"list", "create", "poll", "file", or "other" for a path that does not exist."""
    method: str
    path: str
    query: Mapping[str, str]
    body: dict[str, Any] | None
    headers: Mapping[str, str]
    """Names in lower case."""
    status: int | None = None
    rows: int = 0
    """Contacts in the answer."""


class RequestLog:
    """In order of arrival."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._requests: dict[int, Request] = {}
        self._arrived = 0
        self._lock = Lock()

    def arrived(
        self, endpoint: str, call: requests.Request, body: dict[str, Any] | None = None
    ) -> int:
        """Note a call; answers its number, for `answered`."""
        request = Request(
            self._clock(),
            endpoint,
            call.method,
            call.url.path,
            dict(call.query_params),
            body,
            dict(call.headers),
        )
        with self._lock:
            self._arrived += 1
            self._requests[self._arrived] = request
            return self._arrived

    def answered(self, number: int, status: int | None, rows: int) -> None:
        with self._lock:
            if number in self._requests:
                request = replace(self._requests[number], status=status, rows=rows)
                self._requests[number] = request

    def requests(self) -> list[Request]:
        with self._lock:
            return list(self._requests.values())

    def clear(self) -> None:
        with self._lock:
            self._requests.clear()

    def calls(self) -> Counter[str]:
        return Counter(request.endpoint for request in self.requests())
