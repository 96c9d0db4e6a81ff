"""How the creation times of many invented contacts are spread over a range."""

from __future__ import annotations

import math
from random import Random
from typing import TYPE_CHECKING, Literal

from tests.sandbox.wall_time import SECOND

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.sandbox.wall_time import Microseconds

Shape = Literal["flat", "growing", "bursty"]

_GROWTH = 100
_HOUR = 3600 * SECOND


def creation_times(
    count: int, start: Microseconds, end: Microseconds, seed: int, shape: Shape
) -> list[Microseconds]:
    """Oldest first, all in [start, end), the same for the same seed."""
    draw = Random(seed).random  # noqa: S311 - reproducible, not secret
    length = end - start
    place = _PLACES[shape](draw, length)
    return [start + int(where * length) for where in sorted(place() for _ in range(count))]


def _flat(draw: Callable[[], float], _length: Microseconds) -> Callable[[], float]:
    return draw


def _growing(draw: Callable[[], float], _length: Microseconds) -> Callable[[], float]:
    """A hundred times as dense at the end as at the start."""
    return lambda: math.log1p(draw() * (_GROWTH - 1)) / math.log(_GROWTH)


def _bursty(draw: Callable[[], float], length: Microseconds) -> Callable[[], float]:
    """One contact in ten within one hour, in the middle."""
    hour = min(1.0, _HOUR / length)
    return lambda: 0.5 + draw() * hour / 2 if draw() < 0.1 else draw()


_PLACES = {"flat": _flat, "growing": _growing, "bursty": _bursty}
