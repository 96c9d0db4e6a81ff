"""Spaces of any size as formulas: how many contacts lie where, without making one of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Share = float  # of a length of time, or of a number of contacts: 0 to 1

HOUR = 3_600
DAY = 24 * HOUR
YEAR = 365 * DAY
YEARS = 3
EMPTY_YEARS = 4


class FirstPage(NamedTuple):
    """What the list's first page of a range shows: its rows, newest id first."""

    rows: int
    more: bool
    highest: int | None
    middle: int | None
    lowest: int | None


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

    def count(self, first: int, last: int) -> int:
        """Contacts created in the seconds `first` to `last`, both included."""
        return sum(upper - lower for lower, upper in self._ranks(first, last))

    def first_page(self, first: int, last: int, size: int = 5_000) -> FirstPage:
        """The newest ids of the seconds `first` to `last`, both included."""
        total = self.count(first, last)
        rows = min(total, size)
        if not rows:
            return FirstPage(0, more=False, highest=None, middle=None, lowest=None)
        ids = [self._id(first, last, back) for back in (0, rows // 2, rows - 1)]
        return FirstPage(rows, total > rows, *ids)

    def _ranks(self, first: int, last: int) -> tuple[tuple[int, int], tuple[int, int]]:
        """Which of the ordinary and of the imported contacts, in order of creation."""
        lower, upper = (self._passed(edge) for edge in (first, last + 1))
        imported = round(self.contacts * self.imported)
        ordinary = self.contacts - imported
        curve = self.shape.curve
        return (
            (math.floor(ordinary * curve(lower)), math.floor(ordinary * curve(upper))),
            (math.floor(imported * lower), math.floor(imported * upper)),
        )

    def _passed(self, second: int) -> Share:
        return min(1.0, max(0.0, second / self.seconds))

    def _id(self, first: int, last: int, back: int) -> int:
        """The id that stands `back` rows behind the newest of a range."""
        (_, ordinary), (lower, upper) = self._ranks(first, last)
        imported, strewn = round(self.contacts * self.imported), upper - lower
        if back < strewn and self.in_date_order:
            rank = self.contacts - imported + upper - 1 - back
        elif back < strewn:
            rank = self.contacts - 1 - int((back + 0.5) * imported / strewn)
        else:
            rank = ordinary - 1 - (back - strewn)
        stride = round(1 / self.share)
        return self.first_id + rank * stride + (rank * 2_654_435_761 >> 7) % stride


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
IMPORTED = (0.1, 0.5, 0.9)  # of the contacts, in date order under new ids
