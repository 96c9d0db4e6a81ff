"""After a tap was killed at any moment, the next run is complete."""

from __future__ import annotations

import os
import random
import signal
from itertools import islice
from typing import TYPE_CHECKING

import pytest

from tests.fuzz.kill import KINDS, Sweep, boundaries, moments

if TYPE_CHECKING:
    from collections.abc import Iterator

_AT_RANDOM = int(os.environ.get("KILLS", "8"))  # runs of each kind and signal

pytestmark = pytest.mark.slow


@pytest.fixture(params=KINDS)
def sweep(request: pytest.FixtureRequest) -> Iterator[Sweep]:
    with Sweep(request.param) as running:
        yield running


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_signal_between_any_two_messages_costs_nothing(
    sweep: Sweep, number: signal.Signals
) -> None:
    healthy = sweep.run()
    assert healthy.ids == sweep.everyone

    for place in boundaries(healthy, number):
        sweep.survives(sweep.run(**place))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_signal_at_any_moment_costs_nothing(sweep: Sweep, number: signal.Signals) -> None:
    healthy = sweep.run()
    draw = random.Random(number)  # noqa: S311, reproducible, not secret

    for place in islice(moments(healthy, number, draw), _AT_RANDOM):
        sweep.survives(sweep.run(**place))
