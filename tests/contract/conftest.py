"""Sandboxes with somebody to call them."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Protocol

import pytest
import requests

from tests.contract.client import Client
from tests.sandbox import Limits, Options

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.sandbox.fixture import StartSandbox

UNLIMITED = Limits(list=10_000, create=10_000, poll=10_000)


class Clock:
    """The sandbox's time, moved by hand."""

    def __init__(self) -> None:
        self.time = datetime(2024, 6, 1, 12, tzinfo=timezone.utc).timestamp()

    def __call__(self) -> float:
        return self.time

    @property
    def now(self) -> datetime:
        return datetime.fromtimestamp(self.time, timezone.utc)

    def advance(self, seconds: float) -> None:
        self.time += seconds


class StartCometly(Protocol):
    """Starts a sandbox, without limits and a queue unless told, and gives its client."""

    def __call__(self, clock: Clock | None = None, **options: Any) -> Client: ...


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cometly(sandbox: StartSandbox) -> Iterator[StartCometly]:
    with requests.Session() as http:
        http.trust_env = False

        def start(clock: Clock | None = None, **options: Any) -> Client:
            reading = Options(**{"limits": UNLIMITED, "queued_seconds": 0.0, **options})
            times = {"now": clock, "monotonic": clock} if clock else {}
            return Client(sandbox(reading, **times), http)

        yield start


@pytest.fixture
def client(cometly: StartCometly, request: pytest.FixtureRequest) -> Client:
    """A sandbox with the options that the test names: `reading(file_order="oldest")`."""
    return cometly(**getattr(request, "param", {}))


def reading(**options: object) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("client", [options], indirect=True)
