"""Cutting a range of time into windows of about equal numbers of contacts, oldest first.

How many contacts lie where is learned from probes: the list's first page of a stretch of time.

* A page without a cursor counts its stretch exactly.
* Any other page tells which id had been reached at its end. Ids are given out in order of
  creation, to all Spaces alike. So between two such checkpoints lie as many contacts as ids, times
  the share of the ids that are this Space's, which is measured on the pages.

The planner adds up these estimates from the front. Where a window should end between two
checkpoints, it interpolates the place and wants a probe that ends there, short enough to be
counted: a new checkpoint. Where the contacts between two checkpoints seem to lie close together,
it wants evenly spread probes between them instead. How many contacts are older than the first
checkpoint is found by ever shorter probes at the start of the range; ids are positive, so the
first checkpoint's id is an upper limit, too.

An import gives new ids to contacts with old dates. A counted page then shows two groups of ids,
for its highest, middle and lowest one are unevenly spaced; both groups are followed from one
checkpoint to the next. The share of the middle id's group is measured, the other group has what
the density of the counted pages leaves to it. Where ids and density contradict each other, the
larger estimate counts, and probes are wanted closer together. A full page shows the newest ids
only, that is, one group: no window relies on it before a short page ending there was counted.

Sizes may turn out wrong, coverage cannot: windows are cut off the front of what is left, each
starts in the second in which the one before it ended, and the last one ends with the range. It
ends whatever the answers are: only so many probes are wanted for each window; then, or when windows
hold far less than expected, the next ones are guessed by what those before them held.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from enum import Enum, auto
from math import ceil, expm1, inf, log
from typing import TYPE_CHECKING, NamedTuple

from tap_cometly.timeranges import Window, repeated

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence
    from datetime import tzinfo

Second = int  # since the epoch, UTC

_PAGE = 5_000  # contacts on a full page, until one has been seen
_FRONT = 2**-8  # of the range: how much of its start is probed first
_PARTS = 4  # into which the time between two checkpoints is divided evenly
_CLOSE = 0.06  # of a window: a checkpoint so near to the end it should have will do
_SMALL = 0.6  # of the target: so few contacts may lie between checkpoints where a window ends
_SMALL_BY_DENSITY = 0.25  # the same where ids are of no help
_SHORT = 0.1  # of the target, and half a page: so much a short probe should show at most
_MARGIN = 1.2  # times as many contacts as density says are reckoned with
_ENOUGH = 0.3  # of a window: when guessing, it rather ends there than in the unknown
_SPILL = 0.2  # of the target: what the last windows share rather than leave to one more
_STRETCH = 0.025  # of the target: what each of many windows may hold more for the same reason
_JUMP = 10  # times the density at the other checkpoint: it does not change steadily
_STEADY = 1.5  # times what a steady change would make of it: such a jump is none
_STEEPEST = 3  # times the mean density, where a cubic curve still always rises
_STEEPEST_RISE = 100  # of the logarithm of the density: what is beyond is nonsense
_HALVINGS = 40  # to find a place on a curve
_UNEVEN = 3  # times the density at both checkpoints: contacts lie close together between them
_TWO_GROUPS = 4  # times as far from the middle id to one end of a page as to the other
_MANY_IDS = 32  # contacts on a page, before it tells the share and the groups of ids
_UNCHECKED = 0.1  # of the target: so few contacts are believed without a counted page
_CREDIBLE = 0.8  # of a page's contacts: so many ids there must be at least
_PROBES, _PROBES_A_WINDOW = 100, 10  # what may be asked for in all
_FAR_LESS, _OVERRATED = 8, 8  # times less in so many windows: probes are not believed
_FIRST_GUESS = 24 * 3600, 64  # seconds, part of the range: a guessed window is no longer at first
_LEAST_GUESS = 2**14  # part of the range: a guessed window is no shorter


@dataclass(frozen=True)
class Probe:
    """What the list's first page of a window showed.

    Attributes:
        window: What was asked for.
        count: The contacts on the page.
        more: Whether a next cursor follows.
        ids: The highest, the middle and the lowest id on the page; None when it is empty.
    """

    window: Window
    count: int
    more: bool
    ids: tuple[int, int, int] | None

    @classmethod
    def of(cls, window: Window, ids: Sequence[int], *, more: bool) -> Probe:
        """Sum up a page by the ids on it, in any order."""
        ranked = sorted(ids, reverse=True)
        known = (ranked[0], ranked[len(ranked) // 2], ranked[-1]) if ranked else None
        return cls(window, len(ranked), more, known)


class _Reached(NamedTuple):
    """How far ids had got in one group of them, and its contacts per id; None when unknown."""

    newest: float
    share: float | None


@dataclass(frozen=True)
class _Checkpoint:
    """What is known about contacts created before a second.

    Attributes:
        second: The second.
        since: Where the page that ends there begins.
        count: The contacts on that page.
        exact: Whether that page has no cursor, so that nothing but `count` lies there.
        density: Contacts a second just before `second`; None when unknown.
        groups: How far ids had got; nothing when unknown, two after an import.
    """

    second: Second
    since: Second
    count: int = 0
    exact: bool = False
    density: float | None = None
    groups: tuple[_Reached, ...] = ()

    @property
    def checked(self) -> bool:
        """Whether its page is as short as it can be, so that it does not show the newest only."""
        return self.exact or self.second - self.since == 1

    def after(self, before: _Checkpoint) -> _Checkpoint:
        """Complete what is unknown with what an earlier one tells."""
        if not self.groups:
            return replace(self, groups=before.groups)
        if len(self.groups) != len(before.groups):
            return self
        pairs = list(zip(before.groups, self.groups, strict=True))
        shares = [old.share if new.share is None else new.share for old, new in pairs]
        if len(shares) > shares.count(None) > 0 and self.since > before.second:
            # One group's share is known. The other one has what the density leaves to it.
            passed = [new.newest - old.newest for old, new in pairs]
            others = sum(
                ids * share for ids, share in zip(passed, shares, strict=True) if share is not None
            )
            unknown = shares.index(None)
            rest = (self.second - before.second) * _mean(before.density, self.density) - others
            if passed[unknown] > 0:
                shares[unknown] = min(1.0, max(0.0, rest / passed[unknown]))
        newest = [new.newest for _, new in pairs]
        return replace(self, groups=tuple(map(_Reached, newest, shares)))


class _Basis(Enum):
    """What an estimate rests on."""

    COUNT = auto()
    IDS = auto()
    DENSITY = auto()
    LIMIT = auto()  # ids are positive: it is no more than that
    NOTHING = auto()


class _Stretch(NamedTuple):
    """The time between two checkpoints, and the estimate of its contacts."""

    before: _Checkpoint
    after: _Checkpoint
    contacts: float
    basis: _Basis

    @property
    def start(self) -> Second:
        return self.before.second

    @property
    def end(self) -> Second:
        return self.after.second

    @property
    def seconds(self) -> int:
        return self.end - self.start

    @property
    def uneven(self) -> bool:
        """Whether its contacts seem to lie close together in a part of it."""
        old, new = self.before.density, self.after.density
        if self.basis is not _Basis.IDS or old is None or new is None:
            return False
        thin, thick = sorted((old, new))
        if thick <= _JUMP * thin:
            return self.crowded
        steady = (thick - thin) / log(thick / thin) * self.seconds if thin else 0.0
        return not steady / _STEADY <= self.contacts <= steady * _STEADY

    @property
    def crowded(self) -> bool:
        """Whether they lie closer together there than at either end."""
        old, new = self.before.density, self.after.density
        if self.basis is not _Basis.IDS or old is None or new is None:
            return False
        return self.contacts > _UNEVEN * max(old, new) * self.seconds

    def place(self, contacts: float) -> Second:
        """Say where so many contacts should lie behind."""
        low, high = 0.0, 1.0
        for _ in range(_HALVINGS):
            part = (low + high) / 2
            low, high = (part, high) if self._passed(part) < contacts else (low, part)
        return self.start + round(self.seconds * high)

    def reached(self, second: Second) -> tuple[float, float | None]:
        """Say how many contacts should lie before a second, and how many a second there."""
        part, step = (second - self.start) / self.seconds, 1 / self.seconds
        passed = self._passed(part)
        if self.basis is not _Basis.IDS:  # the number itself comes of the density
            return passed, self.before.density
        return passed, max(0.0, self._passed(part + step) - passed)

    def _passed(self, part: float) -> float:
        """Say how many contacts should lie in the first part of its time.

        Density changes steadily. Where that contradicts the estimate, its contacts follow a cubic
        curve whose slopes are the densities at both ends, as far as such a curve always rises.
        """
        if not self.uneven:
            rise = self._rise
            return self.contacts * (expm1(rise * part) / expm1(rise) if rise else part)
        mean = self.contacts / self.seconds
        densities = (self.before.density, self.after.density)
        first, last = (min(_STEEPEST, (density or 0.0) / mean) for density in densities)
        rest = 1 - part
        return self.contacts * part * (first * rest**2 + part * (3 - 2 * part - last * rest))

    @property
    def _rise(self) -> float:
        old, new = self.before.density, self.after.density
        return (
            max(-_STEEPEST_RISE, min(log(new) - log(old), _STEEPEST_RISE)) if old and new else 0.0
        )


class _End(NamedTuple):
    """Where a window should end.

    Attributes:
        second: The place.
        contacts: How many contacts the window holds by then.
        unsure: The stretch that has to be probed before the window can be cut.
        probes: What to ask for then: start and end.
    """

    second: Second
    contacts: float | None
    unsure: _Stretch | None = None
    probes: Sequence[tuple[Second, Second]] = ()


class WindowPlanner:
    """Cuts one range, says which probes it needs, and learns from their answers.

    Take windows from `next_window` until it gives None, send the probes that are `wanted`, and
    `learn` their answers; until `done`. Answers may come in any order and say anything.
    """

    def __init__(
        self, whole: Window, *, target: int, horizon: int, zone: tzinfo = timezone.utc
    ) -> None:
        """Start with a range of which nothing is known.

        Args:
            whole: The range, UTC.
            target: How many contacts a window should hold.
            horizon: How many contacts ahead of the next window to look for ends of windows.
            zone: The Space's zone: no window ends at a wall time that occurs twice there.
        """
        self._start, self._end = _second(whole.start), _second(whole.end)
        self._target = target
        self._horizon = horizon
        self._zone = zone
        self._front = _Checkpoint(self._start, self._start)  # where the next window starts
        self._checkpoints = {self._end: _Checkpoint(self._end, self._end)}  # behind it
        self._estimated: list[_Stretch] = []  # what follows from these; empty when out of date
        self._counted: dict[Window, int] = {}
        self._in_flight: set[Window] = set()
        self._answers = True  # whether the last probe had an answer
        self._page = 0  # contacts on the fullest page
        self._longest = self._end - self._start  # seconds that the list may serve in one probe
        self._asked = self._cut = 0  # probes and windows so far
        self._overrated = 0  # windows in a row that held far less than expected
        seconds, part = _FIRST_GUESS
        self._guess = max(1, min(seconds, self._longest // part))  # seconds

    @property
    def done(self) -> bool:
        """Whether the whole range has been cut into windows."""
        return self._front.second >= self._end

    @property
    def remaining(self) -> float | None:
        """How many contacts lie in what has not been cut; None where that is mere guesswork."""
        stretches = self._stretches()
        if any(_is_vague(stretch) for stretch in stretches):
            return None
        return sum(stretch.contacts for stretch in stretches)

    def learn(self, probe: Probe) -> None:
        """Take in what a probe showed, also one that was not asked for."""
        self._in_flight.discard(probe.window)
        self._answers = True
        start, end = _second(probe.window.start), min(_second(probe.window.end), self._end)
        if end <= max(start, self._front.second) or (probe.more and probe.ids is None):
            return
        self._estimated = []
        known = self._checkpoints
        older, newer = _judge(probe, start, end)
        there = known.get(end)
        counted = [page for page in known.values() if page.exact and page.since < end]
        if probe.more:
            self._page = max(self._page, probe.count)
            tells = there is None or not there.checked or not there.groups
            if tells and not any(page.second > end for page in counted):
                known[end] = newer
            return
        around = [page.count for page in counted if page.second >= end and page.since <= start]
        if any(count <= self._target for count in around):  # no window ends inside
            return
        self._counted[probe.window] = probe.count
        if not probe.count and there is not None and there.groups:  # nothing came since
            older = replace(older, exact=True, density=0.0, groups=there.groups)
        for second in [second for second in known if start < second < end]:
            del known[second]
        known[end] = newer
        if start == self._front.second:
            self._front = self._front.after(older)
        elif start > self._front.second:
            there = known.get(start)
            known[start] = there.after(older) if there is not None and there.exact else older

    def unanswered(self, window: Window, *, refused: bool = False) -> None:
        """Take note that a probe has no answer; it may be wanted again.

        Args:
            window: What was asked for.
            refused: Whether the list refuses so long a window. Then shorter ones are asked for.
        """
        self._in_flight.discard(window)
        self._answers = refused
        if refused:
            self._longest = min(self._longest, window.seconds // 2)

    def finished(self, window: Window, contacts: int) -> None:
        """Take note of how many contacts a window held: the length of guessed ones follows it.

        Where windows hold far less than expected, one after the other, probes are not believed.
        """
        seconds = window.seconds
        if contacts < self._target / 2:
            seconds *= 2
        elif contacts > self._target * 2:
            seconds //= 2
        self._guess = max(1, (self._end - self._start) // _LEAST_GUESS, seconds)
        expected = window.expected or 0
        far_less = not window.guessed and expected > max(_FAR_LESS * contacts, self._target / 2)
        self._overrated = self._overrated + 1 if far_less else 0
        if self._overrated == _OVERRATED and not self.done:
            self._longest = 0
            self._front = _Checkpoint(self._front.second, self._front.second)
            self._checkpoints = {self._end: _Checkpoint(self._end, self._end)}
            self._estimated = []

    def next_window(self, *, guess: bool = False) -> Window | None:
        """Cut the next window off the front.

        Args:
            guess: Whether probes are not to be had for a while, so that it has to be cut as well as
                can be. Where contacts lie close together nobody can tell the place without a probe,
                which is then waited for as long as the list answers.

        Returns:
            The window; None when all has been cut, or as long as its end is not known.
        """
        if self.done:
            return None
        guess = guess or not self._may_ask
        end = next(self._ends(guess=guess))
        if end.unsure is not None:
            return None
        window = _window(self._front.second, end.second)
        expected = None if end.contacts is None else round(end.contacts)
        counted = self._counted.get(window)
        window = replace(window, expected=expected, counted=counted, guessed=guess)
        self._drop(end.second)
        self._cut += 1
        return window

    def wanted(self, at_most: int) -> list[Window]:
        """List the probes worth sending now, best first; none twice while it is in flight."""
        if self.done or not self._may_ask:
            return []
        busy = [_second(window.end) for window in self._in_flight]
        probes: dict[Window, None] = {}
        ahead = 0.0
        for end in self._ends():
            if ahead > self._horizon or len(probes) >= at_most:
                break
            ahead += end.contacts or 0.0
            unsure = end.unsure
            if unsure and not any(unsure.start < second <= unsure.end for second in busy):
                probes |= {
                    _window(max(start, second - self._longest), second): None
                    for start, second in end.probes
                }
        chosen = list(probes)[:at_most]
        self._in_flight.update(chosen)
        self._asked += len(chosen)
        return chosen

    @property
    def _may_ask(self) -> bool:
        return self._longest > 0 and self._asked < _PROBES + _PROBES_A_WINDOW * self._cut

    def _stretches(self) -> list[_Stretch]:
        """All that has not been cut, oldest first, without holes."""
        if not self._estimated:
            before = self._front
            for _, after in sorted(self._checkpoints.items()):
                self._estimated.append(_estimate(before, after))
                before = after.after(before)
        return self._estimated

    def _drop(self, until: Second) -> None:
        """Forget what has been cut off, save what it tells about the rest."""
        for stretch in self._stretches():
            if stretch.start >= until:
                break
            before, after = stretch.before, stretch.after.after(stretch.before)
            self._front = after
            if stretch.end > until:
                passed, density = stretch.reached(until)
                part = passed / stretch.contacts if stretch.contacts else 0.0
                groups = before.groups
                if len(groups) == len(after.groups):
                    groups = tuple(
                        _Reached(old.newest + (new.newest - old.newest) * part, old.share)
                        for old, new in zip(groups, after.groups, strict=True)
                    )
                self._front = replace(before, second=until, density=density, groups=groups)
            else:
                del self._checkpoints[stretch.end]
        self._estimated = []
        self._counted = {
            window: count
            for window, count in self._counted.items()
            if _second(window.start) >= until
        }

    def _ends(self, *, guess: bool = False) -> Iterator[_End]:
        """Find where the next windows should end, one after the other; at least one.

        Args:
            guess: Whether to do without further probes.
        """
        stretches = self._stretches()
        aim = self._aim(stretches)
        start, held, lost = self._front.second, 0.0, False
        may_wait = self._answers and self._may_ask
        for stretch in stretches:
            guess = guess and not (stretch.uneven and may_wait)
            if not guess and not self._is_located(stretch):
                yield _End(stretch.end, stretch.contacts, stretch, self._explore(stretch))
                lost = True  # nobody knows where the windows behind it end
            if lost:
                continue
            if guess and _is_vague(stretch):
                enough = held >= _ENOUGH * aim
                second = stretch.start if enough else min(stretch.start + self._guess, stretch.end)
                yield _End(self._allowed(second, start), held if enough else None)
                return
            if not guess and not self._is_checked(stretch):
                yield _End(stretch.end, 0.0, stretch, self._refine(stretch, stretch.end))
            first = start
            start, held = yield from self._ends_within(stretch, start, held, aim, guess=guess)
            lost = stretch.crowded and not guess and start > first
            if held >= aim * (1 - _CLOSE) and self._allowed(stretch.end, start) == stretch.end:
                yield _End(stretch.end, held)
                start, held = stretch.end, 0.0
        if not lost:
            yield _End(self._end, held)

    def _ends_within(
        self, stretch: _Stretch, start: Second, held: float, aim: float, *, guess: bool
    ) -> Generator[_End, None, tuple[Second, float]]:
        """Find the ends of windows within a stretch.

        Args:
            stretch: Where to look.
            start: Where the window starts.
            held: How many contacts it holds before the stretch.
            aim: How many it should hold.
            guess: Whether to do without further probes.

        Returns:
            Where the window starts that ends behind the stretch, and how many contacts it holds
            up to there.
        """
        passed = 0.0  # contacts of the stretch in windows already
        large = stretch.contacts > _SMALL * self._target and stretch.seconds > 1
        while held + stretch.contacts - passed > aim * (1 + _CLOSE):
            short = max(0.0, aim - held)
            if guess and large:  # its contacts may lie anywhere inside
                short = 0.0 if held >= _ENOUGH * aim else aim / 2 - held
            place = self._allowed(stretch.place(passed + short), start)
            if place >= stretch.end:
                break
            if large and not guess and place > stretch.start:
                yield _End(place, aim, stretch, self._refine(stretch, place))
            else:
                yield _End(place, held + short)
            passed += short
            start, held = place, 0.0
        return start, held + stretch.contacts - passed

    def _aim(self, stretches: Sequence[_Stretch]) -> float:
        """What each window should hold for none of the last ones to be a small one."""
        if not all(self._is_located(stretch) for stretch in stretches):
            return self._target
        contacts = sum(stretch.contacts for stretch in stretches)
        fewest = contacts / self._target
        windows = ceil(fewest - max(_SPILL, _STRETCH * fewest))
        return contacts / windows if windows > 1 else inf

    def _is_located(self, stretch: _Stretch) -> bool:
        """Whether it is known well enough how many contacts it holds."""
        if stretch.basis is _Basis.DENSITY:
            fits = stretch.contacts <= _SMALL_BY_DENSITY * self._target and stretch.after.checked
            return fits or stretch.seconds == 1
        fits = stretch.basis is _Basis.LIMIT and stretch.contacts <= self._target
        return fits or stretch.seconds == 1 or not _is_vague(stretch)

    def _is_checked(self, stretch: _Stretch) -> bool:
        """Whether a full page, which shows only the newest ids, cannot have hidden much."""
        page = stretch.after
        if page.checked or stretch.basis is _Basis.COUNT or stretch.seconds == 1:
            return True
        most = max(stretch.contacts, (stretch.before.density or 0.0) * stretch.seconds)
        return page.since >= stretch.start and most <= _UNCHECKED * self._target

    def _explore(self, stretch: _Stretch) -> list[tuple[Second, Second]]:
        """Say what to ask for where it is not known how many contacts a stretch holds."""
        start, end = stretch.start, stretch.end
        if stretch.basis is _Basis.NOTHING:
            return [(start, end)]
        if stretch.basis is _Basis.DENSITY:
            parts = min(_PARTS, ceil(stretch.contacts / self._target / _SMALL_BY_DENSITY))
            places = _places(stretch, [part / parts for part in range(1, parts)])
            ends = places if stretch.after.checked else [*places, end]
            return [probe for place in ends for probe in self._refine(stretch, place)]
        places = _places(stretch, [_FRONT if start == self._start else 1 / 2])
        return list(zip([start], places, strict=False))

    def _refine(self, stretch: _Stretch, place: Second) -> list[tuple[Second, Second]]:
        """Say what to ask for to have a checkpoint at a place within a stretch."""
        page, density = stretch.after, stretch.contacts / stretch.seconds
        places = [place]
        if stretch.crowded:
            places = _places(stretch, [part / _PARTS for part in range(1, _PARTS)])
            density = max(stretch.before.density or 0.0, page.density or 0.0)
        elif place == page.second and page.second > page.since:
            wide = 2 * page.count / (page.second - page.since)
            density = max(density, wide, stretch.before.density or 0.0)
        contacts = min((self._page or _PAGE) / 2, self._target * _SHORT)
        seconds = contacts / density if density else stretch.seconds
        long = max(1, int(min(seconds, stretch.seconds)))
        return [(max(stretch.start, place - long), place) for place in places]

    def _allowed(self, second: Second, start: Second) -> Second:
        """Move the end of a window that starts at `start` out of an hour that occurs twice."""
        second = min(max(second, start + 1), self._end)
        back = self._repeated(second)
        if not back or second == self._end:
            return second
        hour = range(second - 2 * back, second)
        before = hour.start - 1 + bisect_left(hour, 1, key=lambda at: min(1, self._repeated(at)))
        if before > start:
            return before
        hour = range(second, second + 2 * back)
        behind = hour.start + bisect_left(hour, 0, key=lambda at: -min(1, self._repeated(at)))
        return min(behind, self._end)

    def _repeated(self, second: Second) -> int:
        if isinstance(self._zone, timezone):  # a fixed offset
            return 0
        return int(repeated(_instant(second), self._zone).total_seconds())


def _judge(probe: Probe, start: Second, end: Second) -> tuple[_Checkpoint, _Checkpoint]:
    """Say what a page tells about the contacts before its start and before its end."""
    exact = not probe.more
    density = probe.count / (end - start) if exact or end - start == 1 else None
    older = _Checkpoint(start, start)
    newer = _Checkpoint(end, start, probe.count, exact=exact, density=density)
    if probe.ids is None or not probe.count:
        return older, newer
    lowest, middle, highest = sorted(probe.ids)
    near = min(middle - lowest, highest - middle)
    has_many = probe.count >= _MANY_IDS
    share = min(1.0, probe.count / (2 * near + 1)) if has_many else None
    first, last = _Reached(middle - near - 1, share), _Reached(middle + near, share)
    befores: tuple[_Reached, ...] = (first,)
    afters: tuple[_Reached, ...] = (last,)
    if has_many and highest - last.newest > _TWO_GROUPS * (near + 1):
        other = _Reached(highest, None)
        befores, afters = (first, other), (last, other)
    elif has_many and first.newest - lowest > _TWO_GROUPS * (near + 1):
        other = _Reached(lowest, None)
        befores, afters = (other, first), (other, last)
    older = replace(newer, second=start, since=start, count=0, groups=befores)
    return older, replace(newer, groups=afters)


def _estimate(before: _Checkpoint, after: _Checkpoint) -> _Stretch:
    """Estimate the contacts between two checkpoints."""
    seconds = after.second - before.second
    if after.exact and after.since <= before.second:
        contacts = after.count * seconds / (after.second - after.since)
        return _Stretch(before, after, contacts, _Basis.COUNT)
    if not after.groups:
        return _Stretch(before, after, 0.0, _Basis.NOTHING)
    by_density = seconds * _mean(before.density, after.density)
    if not before.groups:
        limit = max(0.0, *(newest * (share or 1.0) for newest, share in after.groups))
        credible = by_density <= _JUMP * limit
        return _Stretch(before, after, limit if credible else by_density, _Basis.LIMIT)
    alone = float(len(before.groups) == len(after.groups) == 1)
    by_ids = sum(
        (new.newest - old.newest) * (_mean(old.share, new.share) or alone)
        for old, new in _matched(before.groups, after.groups)
    )
    least = after.count * _CREDIBLE if after.since >= before.second else 0.0
    if alone and by_ids >= least:
        return _Stretch(before, after, by_ids, _Basis.IDS)
    contacts = max(by_ids, least, by_density * _MARGIN)
    agree = after.checked and max(by_ids, least) <= contacts <= 2 * _MARGIN * by_ids
    return _Stretch(before, after, contacts, _Basis.IDS if agree else _Basis.DENSITY)


def _matched(
    before: tuple[_Reached, ...], after: tuple[_Reached, ...]
) -> Iterator[tuple[_Reached, _Reached]]:
    """Pair the groups of ids at two checkpoints: ids only ever rise."""
    if len(before) == len(after):
        yield from zip(before, after, strict=True)
    elif len(before) == 1:
        yield before[0], after[before[0].newest > after[0].newest]
    else:
        yield before[after[0].newest >= before[1].newest], after[0]


def _mean(*values: float | None) -> float:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else 0.0


def _is_vague(stretch: _Stretch) -> bool:
    return stretch.basis in {_Basis.LIMIT, _Basis.NOTHING}


def _places(stretch: _Stretch, parts: Sequence[float]) -> list[Second]:
    """The seconds at some parts of a stretch, inside it, each once."""
    places = {stretch.start + max(1, int(stretch.seconds * part)) for part in parts}
    return sorted(place for place in places if place < stretch.end)


def _second(instant: datetime) -> Second:
    return int(instant.timestamp())


def _instant(second: Second) -> datetime:
    return datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=second)


def _window(start: Second, end: Second) -> Window:
    return Window(_instant(start), _instant(end))
