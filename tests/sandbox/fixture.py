"""The fixture `sandbox(options, now=...)`: import it in a conftest."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Protocol

import pytest

from tests.sandbox.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.sandbox.options import Options


class StartSandbox(Protocol):
    """Starts a sandbox that is closed at the end of the test; `now` and `monotonic` as there."""

    def __call__(self, options: Options | None = None, **times: Callable[[], float]) -> Sandbox: ...


@pytest.fixture
def sandbox() -> Iterator[StartSandbox]:
    with ExitStack() as running:

        def start(options: Options | None = None, **times: Callable[[], float]) -> Sandbox:
            return running.enter_context(Sandbox(options, **times))  # type: ignore[arg-type]

        yield start
