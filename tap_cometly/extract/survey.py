"""What is known about how many contacts lie where in a range of time.

The range is a row of tiles. A tile becomes known by the first page of the list for it. Without a
cursor the page is the tile: an exact count. With a cursor it tells its newest ids. Ids are given
out in order of creation, to all Spaces alike. So a tile holds as many contacts as ids lie between
the newest one before it (the `floor`) and its own, times the `share` of the ids that are this
Space's, which is measured on the page.

An import gives new ids to old dates. A few imported contacts do no harm, for a page's newest id
is taken to be what its older half leads to, not the highest. Pages full of them contradict each
other; then tiles are estimated by `density` instead: contacts a second, counted in thin slices.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, auto
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

Second = int  # since the epoch

_CREDIBLE = 0.8  # of the rows on its page: a tile that holds more than the page has that many ids


@dataclass(frozen=True)
class Page:
    """What the first page of a tile says.

    Attributes:
        rows: How many contacts are on it.
        more: Whether the tile holds more than `rows`.
        newest: The highest id that is in line with the others.
        share: How many of the ids given out meanwhile are this Space's.
        density: Contacts a second at the end of the tile, where ids are of no help.
    """

    rows: int
    more: bool
    newest: float | None = None
    share: float = 1.0
    density: float | None = None

    @classmethod
    def measured(cls, rows: int, ids: tuple[int, int, int] | None, *, more: bool) -> Page:
        """Judge a page by its highest, middle and lowest id."""
        if ids is None or rows == 0:
            return cls(rows, more)
        highest, middle, lowest = ids
        newest = max(lowest, min(highest, 2 * middle - lowest))
        return cls(rows, more, newest, share=min(1.0, rows / (newest - lowest + 1)))

    @property
    def tells_about_end(self) -> bool:
        """Whether it still says something when the older part of the tile is cut off."""
        return self.newest is not None or self.density is not None


@dataclass(frozen=True)
class Tile:
    """A part of the range.

    Attributes:
        start: Its first second.
        end: Its last second, which is the next tile's first one.
        page: Its first page, as far as it is known.
        rest: Whether the page is that of a larger tile which this one is the newest part of.
        foretold: How many contacts it was expected to hold when it was asked for.
    """

    start: Second
    end: Second
    page: Page | None = None
    rest: bool = False
    foretold: float | None = None

    @property
    def seconds(self) -> int:
        """Its length."""
        return self.end - self.start

    @property
    def counted(self) -> bool:
        """Whether its page holds all of it."""
        return self.page is not None and not self.page.more and not self.rest

    @property
    def empty(self) -> bool:
        """Whether it is known to hold nothing."""
        return self.counted and self.page is not None and not self.page.rows

    def split(self, at: Second) -> tuple[Tile, Tile]:
        """Cut in two. What the page says goes with the newer part."""
        if self.empty:
            return replace(self, end=at), replace(self, start=at)
        return Tile(self.start, at), replace(self, start=at, rest=True, foretold=None)


class Ground(Enum):
    """What an estimate rests on."""

    COUNT = auto()
    MEASURE = auto()
    BOUND = auto()  # ids are positive: it is no more than that
    NOTHING = auto()
    CONTRADICTION = auto()  # more contacts than ids


@dataclass(frozen=True)
class Estimate:
    """How many contacts a tile holds, and what that rests on."""

    tile: Tile
    contacts: float
    ground: Ground

    @property
    def unasked(self) -> bool:
        """Whether the tile's own first page would tell something new."""
        return self.ground is Ground.NOTHING and (self.tile.page is None or self.tile.rest)


@dataclass(frozen=True)
class _Before:
    """What the tiles before a tile tell about it."""

    floor: float | None = None
    share: float | None = None
    density: float | None = None

    def estimate(self, tile: Tile) -> Estimate:
        page = tile.page
        if page is None:
            return Estimate(tile, tile.seconds * (self.density or 0.0), Ground.NOTHING)
        if tile.counted:
            return Estimate(tile, page.rows, Ground.COUNT)
        if page.density is not None:
            contacts = tile.seconds * _mean(page.density, self.density)
            return Estimate(tile, contacts, Ground.MEASURE)
        if page.newest is None:
            ground = Ground.MEASURE if tile.seconds == 1 else Ground.NOTHING
            return Estimate(tile, page.rows + 1, ground)
        return self._by_ids(tile, page, page.newest)

    def _by_ids(self, tile: Tile, page: Page, newest: float) -> Estimate:
        if self.floor is None:
            return Estimate(tile, max(page.rows, newest * page.share), Ground.BOUND)
        contacts = (newest - self.floor) * _mean(page.share, self.share)
        if tile.rest and contacts <= 0:
            return Estimate(tile, 0.0, Ground.NOTHING)
        shared = self.density or 0.0  # those of the boundary second are on the page, too
        if not tile.rest and contacts + shared < _CREDIBLE * page.rows:
            return Estimate(tile, page.rows + 1, Ground.CONTRADICTION)
        return Estimate(tile, max(0.0, contacts), Ground.MEASURE)

    def after(self, known: Estimate, part: float = 1.0) -> _Before:
        """What this tile, or its older `part`, tells about what follows it."""
        page = known.tile.page
        if page is None:
            return self
        density = known.contacts / known.tile.seconds if page.density is None else page.density
        if page.newest is None:
            return replace(self, density=density)
        floor = self.floor or 0.0
        return _Before(
            floor=max(floor, floor + part * (page.newest - floor)),
            share=page.share if page.more else self.share,
            density=density,
        )


def _mean(here: float, before: float | None) -> float:
    return here if before is None else (here + before) / 2


class Survey:
    """The tiles of what is still to be read, oldest first, without holes."""

    def __init__(self, start: Second, end: Second) -> None:
        """Begin with one tile of which nothing is known."""
        self.start = start
        self.end = end
        self.contradicted = False
        self._tiles = [Tile(start, end)]
        self._before = _Before()

    def estimates(self) -> Iterator[Estimate]:
        """All tiles with what they hold, oldest first."""
        before = self._before
        for tile in self._tiles:
            estimate = before.estimate(tile)
            yield estimate
            before = before.after(estimate)

    def learn(self, tile: Tile) -> None:
        """Take in what has become known of any part of the range."""
        if tile.start < self.start or tile.end > self.end or tile.start >= tile.end:
            return
        self._put(tile)
        grounds = {estimate.ground for estimate in self.estimates()}
        if Ground.CONTRADICTION in grounds and not self.contradicted:
            self._start_again()

    def drop(self, until: Second) -> None:
        """Forget what has been cut off, save what it tells about the rest."""
        for estimate in list(self.estimates()):
            tile = estimate.tile
            if tile.start >= until:
                break
            part = min(1.0, (until - tile.start) / tile.seconds)
            self._before = self._before.after(estimate, part)
            del self._tiles[0]
            if until < tile.end:
                self._tiles.insert(0, tile.split(until)[1])
        self.start = until

    def past_emptiness(self, at: Second) -> Second:
        """The end of the empty tiles that begin there."""
        for tile in self._tiles:
            if tile.start == at and tile.empty:
                at = tile.end
        return at

    def _put(self, tile: Tile) -> None:
        self._split(tile.start)
        self._split(tile.end)
        older = [other for other in self._tiles if other.end <= tile.start]
        newer = [other for other in self._tiles if other.start >= tile.end]
        within = self._tiles[len(older) : len(self._tiles) - len(newer)]
        if len(within) == 1 or tile.counted:
            within = [tile]
        elif within[-1].page is None:  # the page of many tiles is that of the last one
            within[-1] = replace(within[-1], page=tile.page, rest=True)
        self._tiles = older + within + newer

    def _split(self, at: Second) -> None:
        for place, tile in enumerate(self._tiles):
            if tile.start < at < tile.end:
                self._tiles[place : place + 1] = tile.split(at)
                return

    def _start_again(self) -> None:
        """Keep what has been counted; ids have told nothing of worth about the rest."""
        self.contradicted = True
        self._before = _Before()
        kept: list[Tile] = []
        for counted, tiles in groupby(self._tiles, key=lambda tile: tile.counted):
            run = list(tiles)
            kept += run if counted else [Tile(run[0].start, run[-1].end)]
        self._tiles = kept
