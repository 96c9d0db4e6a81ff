"""Cutting a range of time into windows of about equal numbers of contacts, oldest first.

How many contacts lie where is found out by probes, first pages of the list (see `survey`). A
window ends where the aim is reached (see `plan`): at the edge of a tile, or inside one that is too
small to spoil it. Where that is inside a large tile, the very place is probed, for some windows
ahead at once; mostly the new edge then is the window's end. A tile of which nothing is known, or
which holds far more than foretold, is split evenly: so beginnings and bursts are found in a few
rounds.

Sizes may turn out wrong, coverage cannot: windows are cut off the front of what is left, each
starts in the second in which the one before it ends, and the last one ends with the range.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from itertools import islice, pairwise
from typing import TYPE_CHECKING

from tap_cometly.extract.plan import steps
from tap_cometly.extract.survey import Ground, Page, Survey, Tile
from tap_cometly.timeranges import Window

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tap_cometly.extract.plan import Step
    from tap_cometly.extract.survey import Estimate, Second
    from tap_cometly.timeranges import Probe

_WAYS = 4  # into which a tile is split when nothing tells where its contacts lie
_FRONT = 2**-12  # of the first such tile: holds fewer contacts than a page
_SLICE = 64  # times shorter than the part it is to tell the density of
_NARROWER = 16  # times, when a slice held more than a page
_PATIENCE = 100  # probes a window may cost before it is cut as well as can be
_MEMORY = 0.7  # the weight of a finished window against that of the next one
_KNOWN = {Ground.COUNT, Ground.MEASURE}
_LIMITS = (1 / 4, 4.0)  # of what finished windows may change the estimates by


class WindowPlanner:
    """Cuts one range, asks for the probes it needs, and learns from their answers.

    Call `next_window` until it gives None, send what `wanted` lists, `learn` the answers; until
    `done`. Answers may come in any order and say anything.
    """

    def __init__(self, whole: Window, *, target: int, horizon: int) -> None:
        """Begin with a range of which nothing is known.

        Args:
            whole: The range.
            target: How many contacts a window should hold.
            horizon: How many contacts ahead of the front the sizes should be known.
        """
        self._survey = Survey(_second(whole.start), _second(whole.end))
        self._origin = self._survey.start
        self._target = target
        self._horizon = horizon
        self._in_flight: dict[Window, Window] = {}  # probes, and the parts they tell about
        self._too_wide: dict[Window, Window] = {}  # the same, to be sent instead of others
        self._probes_since_cut = 0
        self._expected: dict[Window, float] = {}
        self._held = self._foretold = float(target)

    @property
    def done(self) -> bool:
        """Whether all of the range has been cut."""
        return self._survey.start >= self._survey.end

    @property
    def left(self) -> float | None:
        """How many contacts lie in what has not been cut; None where that is mere guesswork."""
        estimates = list(self._survey.estimates())
        if any(estimate.ground not in _KNOWN for estimate in estimates):
            return None
        return sum(estimate.contacts for estimate in estimates)

    def learn(self, probe: Probe) -> None:
        """Take in the answer to a probe, also to one that was not asked for."""
        window = probe.window
        part = self._in_flight.pop(window, window)
        page = Page.measured(probe.count, probe.ids, more=probe.more)
        if self._survey.contradicted and (probe.more or window != part):
            if probe.more and window.can_halve:
                self._too_wide[_slice(window, _NARROWER)] = part
                return
            page = Page(probe.count, more=True, density=probe.count / window.seconds)
        tile = Tile(_second(part.start), _second(part.end), page, foretold=part.expected)
        self._survey.learn(tile)

    def forget(self, window: Window) -> None:
        """A probe was not answered; it may be wanted again."""
        self._in_flight.pop(window, None)

    def finished(self, window: Window, count: int) -> None:
        """A window has been read and held so many contacts: estimate better."""
        foretold = self._expected.pop(window, None)
        if foretold is not None:
            self._held = self._held * _MEMORY + count
            self._foretold = self._foretold * _MEMORY + foretold

    def next_window(self, *, hurried: bool = False) -> Window | None:
        """Cut the next window off the front; None as long as its end is not known.

        Args:
            hurried: Whether probes are not to be had for a while: then a guess will do where no
                window can get much too large for it.
        """
        if self.done:
            return None
        step = next(self._steps(hurried=hurried))
        if step.probe is not None:
            return None
        start, end = self._survey.start, self._survey.past_emptiness(step.at)
        self._survey.drop(end)
        self._probes_since_cut = 0
        window = _window(start, end, step.contacts)
        self._expected[window] = step.contacts / self._correction
        return window

    def wanted(self, at_most: int) -> list[Window]:
        """The probes worth sending now, best first. None is handed out twice."""
        if self.done:
            return []
        probes, self._too_wide = self._too_wide, {}
        for estimate, places in self._open_questions(at_most, probes.values()).items():
            for part in _parts(estimate, places):
                probes[_slice(part, _SLICE) if self._survey.contradicted else part] = part
        now = dict(islice(probes.items(), at_most))
        self._in_flight |= now
        self._probes_since_cut += len(now)
        return list(now)

    @property
    def _correction(self) -> float:
        least, most = _LIMITS
        return min(most, max(least, self._held / self._foretold))

    def _steps(self, *, hurried: bool = False) -> Iterator[Step]:
        estimates = [
            estimate
            if estimate.ground is Ground.COUNT
            else replace(estimate, contacts=estimate.contacts * self._correction)
            for estimate in self._survey.estimates()
        ]
        patient = self._probes_since_cut < _PATIENCE
        return steps(estimates, self._target, patient=patient, hurried=hurried)

    def _open_questions(
        self, at_most: int, asked: Iterable[Window]
    ) -> dict[Estimate, list[Second]]:
        """The tiles to probe within the horizon, and the places to split them at."""
        asked = [*asked, *self._in_flight.values()]
        questions: dict[Estimate, list[Second]] = {}
        ahead = 0.0
        for step in self._steps():
            if ahead > self._horizon:
                break
            ahead += step.contacts
            if step.probe is None or _overlaps(step.probe.tile, asked):
                continue
            if step.probe.unasked and not self._survey.contradicted:
                questions[step.probe] = []
            elif step.evenly:
                questions[step.probe] = self._even_places(step.probe.tile, at_most)
            else:
                questions.setdefault(step.probe, []).append(step.at)
        return questions

    def _even_places(self, tile: Tile, at_most: int) -> list[Second]:
        ways = min(_WAYS, at_most + 1)
        parts = [way / ways for way in range(1, ways)]
        if tile.start == self._origin and tile.end != self._survey.end:
            parts = [_FRONT, *parts]
        return [tile.start + int(tile.seconds * part) for part in parts]


def _parts(estimate: Estimate, places: list[Second]) -> Iterator[Window]:
    """The parts between the places; the page that is known will do for the last one."""
    tile = estimate.tile
    inner = sorted({place for place in places if place > tile.start})
    known = tile.page is not None and tile.page.tells_about_end
    for start, end in pairwise([tile.start, *inner, *([] if inner and known else [tile.end])]):
        contacts = estimate.contacts * (end - start) / tile.seconds
        yield _window(start, end, contacts if estimate.ground is Ground.MEASURE else None)


def _overlaps(tile: Tile, parts: Iterable[Window]) -> bool:
    return any(_second(part.start) < tile.end and tile.start < _second(part.end) for part in parts)


def _slice(window: Window, times: int) -> Window:
    """The end of a window, so many times shorter."""
    seconds = max(1, window.seconds // times)
    return Window(window.end - timedelta(seconds=seconds), window.end)


def _second(instant: datetime) -> Second:
    return int(instant.timestamp())


def _window(start: Second, end: Second, contacts: float | None) -> Window:
    first, last = (datetime.fromtimestamp(second, timezone.utc) for second in (start, end))
    return Window(first, last, expected=None if contacts is None else round(contacts))
