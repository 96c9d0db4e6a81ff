"""Sandboxes with somebody to call them."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Protocol

import pytest
import requests

from tests.contract.client import Client
from tests.sandbox import Limits, Options

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.sandbox.fixture import StartSandbox

UNLIMITED = Limits(list=10_000, create=10_000, poll=10_000)


class StartCometly(Protocol):
    """Starts a sandbox without limits that one would notice, and answers its client."""

    def __call__(
        self,
        options: Options | None = None,
        *,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> Client: ...


@pytest.fixture
def cometly(sandbox: StartSandbox) -> Iterator[StartCometly]:
    with requests.Session() as http:
        http.trust_env = False

        def start(
            options: Options | None = None,
            *,
            now: Callable[[], float] = time.time,
            monotonic: Callable[[], float] = time.monotonic,
        ) -> Client:
            quick = Options(limits=UNLIMITED, queued_seconds=0.0)
            return Client(sandbox(options or quick, now=now, monotonic=monotonic), http)

        yield start


class Clock:
    """The sandbox's time, moved by hand."""

    def __init__(self) -> None:
        self.time = datetime(2024, 6, 1, 12, tzinfo=timezone.utc).timestamp()

    def __call__(self) -> float:
        return self.time

    def advance(self, seconds: float) -> None:
        self.time += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()
