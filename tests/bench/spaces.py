"""Spaces of any size as formulas: how many contacts lie where, without making one of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from tap_cometly.extract.density import Probe
from tap_cometly.timeranges import Window

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

EPOCH = datetime(2020, 1, 1, tzinfo=timezone.utc)  # where each history begins
PAGE = 5_000  # contacts

Share = float  # of a length of time, or of a number of contacts: 0 to 1

HOUR = 3_600
DAY = 24 * HOUR
YEAR = 365 * DAY
YEARS = 3
EMPTY_YEARS = 4


@dataclass(frozen=True)
class Shape:
    """What share of the contacts was created by what share of the time."""

    name: str
    curve: Callable[[Share], Share]
    years: int = YEARS


@dataclass(frozen=True)
class Space:
    """Contacts in order of creation, then imported ones: newest ids, dates spread evenly.

    Attributes:
        contacts: How many there are, the imported ones included.
        shape: How their creation is spread over the time.
        share: How many of the ids given out are this Space's; the rest are other Spaces'.
        imported: How many of the contacts were imported.
        first_id: The id of its first contact.
        in_date_order: Whether the imported contacts got their ids in the order of their dates;
            else at random.
    """

    contacts: int
    shape: Shape
    share: float = 1.0
    imported: float = 0.0
    first_id: int = 1
    in_date_order: bool = False

    @property
    def seconds(self) -> int:
        """The length of its history."""
        return self.shape.years * YEAR

    @property
    def whole(self) -> Window:
        """All of its history."""
        return Window(EPOCH, EPOCH + timedelta(seconds=self.seconds))

    def before(self, second: int) -> int:
        """How many contacts were created before a second."""
        return sum(self._before(second))

    def held(self, window: Window) -> int:
        """How many contacts an API serves that leaves the end's second out."""
        return self.before(_second(window.end)) - self.before(_second(window.start))

    def answer(self, window: Window) -> Probe:
        """Return what a probe shows: the highest ids first."""
        edges = (self._before(_second(edge)) for edge in (window.start, window.end))
        ordinary, imported = (range(*ranks) for ranks in zip(*edges, strict=True))
        first = self.contacts - round(self.contacts * self.imported)
        if self.in_date_order:
            ranks = [first + rank for rank in imported[::-1][:PAGE]]
        else:
            step = (self.contacts - first) / max(1, len(imported))
            newest = range(len(imported))[:PAGE]
            ranks = [self.contacts - 1 - int((at + 0.5) * step) for at in newest]
        ranks += ordinary[::-1][: PAGE - len(ranks)]
        stride = round(1 / self.share)
        ids = [
            self.first_id + rank * stride + (rank * 2_654_435_761 >> 7) % stride for rank in ranks
        ]
        return Probe.of(window, ids, more=len(ordinary) + len(imported) > PAGE)

    def _before(self, second: int) -> tuple[int, int]:
        """How many ordinary and how many imported contacts were created before a second."""
        passed = min(1.0, max(0.0, second / self.seconds))
        imported = round(self.contacts * self.imported)
        ordinary = self.contacts - imported
        return math.floor(ordinary * self.shape.curve(passed)), math.floor(imported * passed)


def _second(instant: datetime) -> int:
    return (instant - EPOCH) // timedelta(seconds=1)


def _growing(passed: Share) -> Share:
    """A hundred times as dense at the end as at the start."""
    return math.expm1(passed * math.log(100)) / 99


def _seasonal(passed: Share) -> Share:
    """Up and down by nine tenths once a year, and by half once a day."""
    return _waves(_waves(passed, YEARS * 365, 0.5), YEARS, 0.9)


def _waves(passed: Share, turns: int, height: float) -> Share:
    angle = 2 * math.pi * turns
    return passed + height * (1 - math.cos(angle * passed)) / angle


def bursty(bursts: Mapping[Share, Share], length: int = HOUR) -> Callable[[Share], Share]:
    """Flat, but for bursts of one hour: at which time, and what share of the contacts."""
    hour, flat = length / (YEARS * YEAR), 1 - sum(bursts.values())

    def curve(passed: Share) -> Share:
        in_bursts = (held * min(1.0, max(0.0, (passed - at) / hour)) for at, held in bursts.items())
        return passed * flat + sum(in_bursts)

    return curve


def _late(passed: Share) -> Share:
    """Nothing for four years, then flat."""
    return max(0.0, passed - _EMPTY) / (1 - _EMPTY)


_EMPTY = EMPTY_YEARS / (EMPTY_YEARS + YEARS)

FLAT = Shape("flat", lambda passed: passed)
GROWING = Shape("growing", _growing)
SEASONAL = Shape("seasonal", _seasonal)
LATE = Shape("empty years", _late, years=EMPTY_YEARS + YEARS)
BURSTY = Shape("bursty", bursty({0.4321: 0.1}))
STEADY = (FLAT, GROWING, SEASONAL, LATE)
SHAPES = (*STEADY, BURSTY)
