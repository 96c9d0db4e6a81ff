"""Cutting a range of time into windows of about equal numbers of contacts, oldest first.

How many contacts lie where is learned from probes: the list's first page of a stretch of time. A
page without a next cursor counts its stretch exactly. Any page tells how far ids had got at its
end: a checkpoint. Ids are given out in order of creation, to all Spaces alike, so between two
checkpoints lie as many contacts as ids, times the share of the ids that are this Space's.

Where a window should end between two checkpoints, the planner interpolates the second and wants a
short probe that ends there. A short page is counted, so that it tells the density as well. It shows
all ids at that time, where a full page shows the highest only.

Ids are a hint only. An import gives new ids to contacts with old dates: pages then show two groups
of ids, of which each is followed by itself. Where ids and density contradict each other, the larger
estimate is taken, and evenly spread probes divide the time until little is left between two
checkpoints. The same is done where ids say that contacts lie close together somewhere inside.

Sizes may turn out wrong, coverage cannot: windows are cut off the front of what is left, each
starts in the second in which the one before it ended, and the last one ends with the range.
Planning ends whatever the answers are: only so many probes are wanted for each window, and windows
get longer while they hold far less than expected.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from math import ceil, inf
from typing import TYPE_CHECKING, NamedTuple

from tap_cometly.timeranges import Window, before_repeated, behind_repeated, repeated

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import tzinfo

Second = int  # since the epoch, UTC

_ROWS = 2_500  # contacts a probe should show, half a page, but not more than a part of the target:
_ROWS_PART = 0.1
_TOLERANCE = 0.06  # of the target: how much more or less than aimed at a window may hold
_SMALL = 0.5  # of the target: so little between two checkpoints need not be divided further
_FEW_IDS = 10  # fewer do not tell what lies close together
_CONTRADICTION = 3  # times as many by one estimate as by the other
_PARTS = 4  # into which a stretch is divided at once
_FRONT = 1 / 256  # of the range: where the oldest contacts are looked for first
_PROBES, _PROBES_A_WINDOW = 100, 4  # what may be asked for in all
_FAR_LESS = 8  # times less than expected
_SHORTER = 8  # times, than a stretch that the list refuses: each refusal costs a call
_FIRST_GUESS = 24 * 3600, 64  # seconds, part of the range: a guessed window is no longer at first
_LEAST_GUESS = 2**14  # part of the range: a guessed window is no shorter


class IdGroup(NamedTuple):
    """Ids on a page that lie close together: the lowest, the highest, and how many."""

    lowest: int
    highest: int
    contacts: int


@dataclass(frozen=True)
class Probe:
    """What the list's first page of a window showed.

    Attributes:
        window: What was asked for.
        count: The contacts on the page.
        more: Whether a next cursor follows.
        groups: Its ids. The lowest are a group of their own where a gap behind them is wider than
            all of them together, or, with few of them, than all the others: those behind it came
            from an import, in whatever order.
    """

    window: Window
    count: int
    more: bool
    groups: tuple[IdGroup, ...]

    @classmethod
    def of(cls, window: Window, ids: Sequence[int], *, more: bool) -> Probe:
        """Sum up a page by the ids on it, in any order."""
        ranked = sorted(ids)
        parts = [ranked] if ranked else []
        for cut in range(1, len(ranked)):
            gap = ranked[cut] - ranked[cut - 1]
            lower, others = ranked[cut - 1] - ranked[0], ranked[-1] - ranked[0] - gap
            if gap > (lower if cut >= _FEW_IDS else others):
                parts = [ranked[:cut], ranked[cut:]]
                break
        groups = tuple(IdGroup(part[0], part[-1], len(part)) for part in parts)
        return cls(window, len(ranked), more, groups)


class _GroupEnd(NamedTuple):
    """How far ids had got in a group of them.

    Attributes:
        id: The highest one by then.
        contacts: How many of the group's ids are this Space's.
        ids: How many ids the group spans.
    """

    id: int
    contacts: int
    ids: int


@dataclass(frozen=True)
class _Checkpoint:
    """How far ids had got before a second, and the page that tells so.

    Attributes:
        second: The second.
        since: Where the page that ends there begins.
        count: The contacts on that page.
        exact: Whether that page has no next cursor, so that nothing but `count` lies there.
        density: Contacts a second just before `second`; None when unknown.
        groups: How far ids had got; nothing when unknown.
    """

    second: Second
    since: Second
    count: int = 0
    exact: bool = False
    density: float | None = None
    groups: tuple[_GroupEnd, ...] = ()

    @property
    def checked(self) -> bool:
        """Whether no ids are hidden behind those that its page shows, as far as can be told."""
        return self.exact or self.second - self.since <= 1


class _Stretch(NamedTuple):
    """The time between two checkpoints.

    Attributes:
        before: The older one.
        after: The newer one.
        contacts: How many lie between them.
        sure: Whether that can be relied on. Where ids before are not known, it is the most.
    """

    before: _Checkpoint
    after: _Checkpoint
    contacts: float
    sure: bool

    @classmethod
    def between(cls, before: _Checkpoint, after: _Checkpoint) -> _Stretch:
        """Estimate how many contacts lie between two checkpoints."""
        seconds = after.second - before.second
        if after.exact and after.since == before.second:
            return cls(before, after, after.count, sure=True)
        if not before.groups:  # ids are positive
            most = sum(new.id * new.contacts / new.ids for new in after.groups)
            return cls(before, after, max(0.0, most), sure=False)
        known = [page.density for page in (before, after) if page.density is not None]
        by_density = seconds * sum(known) / len(known) if known else 0.0
        newer = after.groups
        if len(before.groups) < len(newer):
            newer = newer[before.groups[0].id > newer[0].id :]
        by_ids = sum(
            max(0, new.id - old.id) * (old.contacts + new.contacts) / (old.ids + new.ids)
            for old, new in zip(before.groups, newer, strict=False)
        )
        sure = by_density <= _CONTRADICTION * by_ids
        if sure and len(before.groups) == len(after.groups) == 1:
            return cls(before, after, by_ids, sure)
        sure = sure and by_ids <= _CONTRADICTION * by_density
        return cls(before, after, max(by_ids, by_density), sure)

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
    def crowded(self) -> bool:
        """Whether most of its contacts lie close together somewhere inside.

        A short probe beside them would show few contacts, too few to tell groups of ids apart.
        """
        known = [page.density for page in (self.before, self.after) if page.density]
        has_import = len(self.before.groups) > 1 or len(self.after.groups) > 1
        if len(known) < (1 if has_import else 2):
            return False
        return self.contacts > _CONTRADICTION * max(known) * self.seconds

    def passed(self, second: Second) -> float:
        """Say how many contacts lie before a second inside.

        They follow a cubic curve whose slopes are the densities at both ends, as far as such a
        curve always rises.
        """
        if not self.contacts:
            return 0.0
        part = (second - self.start) / self.seconds
        mean = self.contacts / self.seconds
        first, last = (
            1.0 if page.density is None else min(3.0, page.density / mean)
            for page in (self.before, self.after)
        )
        rest = 1 - part
        return self.contacts * part * (first * rest**2 + part * (3 - 2 * part - last * rest))

    def place(self, contacts: float) -> Second:
        """Say before which second so many contacts lie."""
        low, high = self.start, self.end
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self.passed(middle) < contacts else (low, middle)
        return high


class _End(NamedTuple):
    """Where a window should end.

    Attributes:
        second: The place; the stretch's end where it is not known.
        contacts: How many contacts the window holds by then.
        stretch: Where it lies.
        probes: What has to be asked for before the window can be cut: start and end.
    """

    second: Second
    contacts: float
    stretch: _Stretch
    probes: Sequence[tuple[Second, Second]] = ()


class WindowPlanner:
    """Cuts one range, says which probes it needs, and learns from their answers.

    Take windows from `next_window` until it gives None, send the probes that are `wanted`, and
    `learn` their answers; until `done`. Answers may come in any order and say anything.

    Args:
        whole: The range, UTC.
        target: How many contacts a window should hold.
        horizon: How many contacts ahead of the next window to look for ends of windows.
        zone: The Space's zone: no window ends at a wall time that occurs twice there.
    """

    def __init__(
        self, whole: Window, *, target: int, horizon: int, zone: tzinfo = timezone.utc
    ) -> None:
        self._start, self._end = _second(whole.start), _second(whole.end)
        self._target = target
        self._horizon = horizon
        self._zone = zone
        self._front = self._start  # where the next window starts
        self._known = {at: _Checkpoint(at, at) for at in (self._start, self._end)}
        self._in_flight: set[Window] = set()
        self._longest = self._end - self._start  # seconds that the list may serve in one probe
        self._uncounted: set[Second] = set()  # ends of probes that a cursor followed
        self._asked = self._cut = 0  # probes and windows so far
        self._shortest = 1  # seconds that a window may take
        seconds, part = _FIRST_GUESS
        self._guess = max(1, min(seconds, self._longest // part))  # seconds

    @property
    def done(self) -> bool:
        """Whether the whole range has been cut into windows."""
        return self._front >= self._end

    @property
    def remaining(self) -> float | None:
        """How many contacts lie in what has not been cut; None where nothing tells."""
        if self.done:
            return 0.0
        stretches = self._stretches()
        if any(not (each.sure or (each.before.groups and each.after.groups)) for each in stretches):
            return None
        return sum(each.contacts for each in stretches) - stretches[0].passed(self._front)

    def learn(self, probe: Probe) -> None:
        """Take in what a probe showed, also one that was not asked for."""
        self._in_flight.discard(probe.window)
        start, end = _second(probe.window.start), min(_second(probe.window.end), self._end)
        if probe.more:
            self._uncounted.add(end)
        if end <= max(start, self._front) or (probe.more and not probe.groups):
            return
        exact = not probe.more
        density = probe.count / (end - start) if exact or end - start == 1 else None
        before, after = [], []
        for lowest, highest, contacts in probe.groups:
            ids = max(contacts, highest - lowest + 1)
            before.append(_GroupEnd(lowest - 1, contacts, ids))
            after.append(_GroupEnd(highest, contacts, ids))
        self._add(_Checkpoint(end, start, probe.count, exact, density, tuple(after)))
        if exact:
            self._add(_Checkpoint(start, start, 0, exact, density, tuple(before)))
            for second in [second for second in self._known if start < second < end]:
                del self._known[second]

    def _add(self, new: _Checkpoint) -> None:
        """Keep the better one of two checkpoints: one that counts more, else the newer one."""
        old = self._known.get(new.second, new)
        if old.exact and not (new.exact and new.since < old.since):
            old, new = new, old
        self._known[new.second] = replace(new, groups=new.groups or old.groups)

    def unanswered(self, window: Window, *, refused: bool = False) -> None:
        """Take note that a probe has no answer; it may be wanted again.

        Args:
            window: What was asked for.
            refused: Whether the list refuses so long a window. Then shorter ones are asked for.
        """
        self._in_flight.discard(window)
        if refused:
            self._longest = min(self._longest, window.seconds // _SHORTER)

    def finished(self, window: Window, contacts: int) -> None:
        """Take note of how many contacts a window held: the length of the next ones follows it."""
        seconds = window.seconds
        if contacts < self._target / 2:
            seconds *= 2
        elif contacts > self._target * 2:
            seconds //= 2
        self._guess = max(1, (self._end - self._start) // _LEAST_GUESS, seconds)
        expected = self._target if window.expected is None else window.expected
        is_far_less = expected > max(_FAR_LESS * contacts, self._target / 2)
        self._shortest = 2 * self._shortest if is_far_less else 1

    def next_window(self, *, guess: bool = False) -> Window | None:
        """Cut the next window off the front.

        Args:
            guess: Whether to do without further probes. Then a window whose end is not known is no
                longer than those before it suggest.

        Returns:
            The window; None when all has been cut, or as long as its end is not known.
        """
        if self.done:
            return None
        guess = guess or not self._may_ask
        end = next(self._ends(check=not guess))
        if end.probes and not guess:
            return None
        second, expected = end.second, None if end.probes else round(end.contacts)
        if end.probes and second == end.stretch.end:
            second = self._allowed(min(second, self._front + self._guess), self._front)
        page = self._known.get(second)
        counted = page.count if page and page.exact and page.since == self._front else None
        window = _window(self._front, second)
        window = replace(window, expected=expected, counted=counted, guessed=expected is None)
        self._front = second
        self._cut += 1
        for older in sorted(known for known in self._known if known <= second)[:-1]:
            del self._known[older]
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
            ahead += end.contacts
            if not any(end.stretch.start < second <= end.stretch.end for second in busy):
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
        points = [self._known[second] for second in sorted(self._known)]
        pairs = range(1, len(points))
        for at in (*pairs, *reversed(pairs)):
            before, after = points[at - 1 : at + 1]
            # Nothing came between them; or a group is not seen on a page, and stays where it was.
            if after.exact and not after.count and after.since == before.second:
                if not before.groups:
                    points[at - 1] = replace(before, groups=after.groups)
                elif not after.groups:
                    points[at] = replace(after, groups=before.groups)
            elif len(before.groups) > len(after.groups) > 0:
                older, newer = before.groups
                unseen = older if newer.id <= after.groups[0].id else newer
                points[at] = replace(after, groups=tuple(sorted((*after.groups, unseen))))
        return [
            _Stretch.between(before, after)
            for before, after in pairwise(points)
            if after.second > self._front
        ]

    def _ends(self, *, check: bool = True) -> Iterator[_End]:
        """Find where the next windows should end, as far as that can be told; at least one.

        Args:
            check: Whether to look first for what full pages may hide.
        """
        stretches = self._stretches()
        aim, slack = self._aim(stretches), _TOLERANCE * self._target
        start, cut = self._front, stretches[0].passed(self._front)
        older = 0.0  # contacts before the stretch; `cut` of all these are in windows
        for stretch in stretches:
            if not self._is_located(stretch):
                yield _End(stretch.end, stretch.contacts, stretch, self._explore(stretch))
                return
            if check and not stretch.after.checked and stretch.before.groups:
                yield _End(stretch.end, 0.0, stretch, [self._probe(stretch, stretch.end)])
            is_large = stretch.contacts > _SMALL * self._target
            while (goal := cut + aim - older) < stretch.contacts + slack:
                is_near = goal > stretch.contacts - slack
                place = self._allowed(stretch.end if is_near else stretch.place(goal), start)
                if place > stretch.end:
                    break
                probes = []
                if is_large and stretch.start < place < stretch.end:
                    if stretch.crowded:
                        yield _End(stretch.end, aim, stretch, self._explore(stretch))
                        return
                    probes = [self._probe(stretch, place)]
                passed = older + stretch.passed(place)
                yield _End(place, passed - cut, stretch, probes)
                start, cut = place, passed
            older += stretch.contacts
        yield _End(self._end, older - cut, stretches[-1])

    def _aim(self, stretches: Sequence[_Stretch]) -> float:
        """What each window should hold for none of the last ones to be a small one."""
        if not all(self._is_located(stretch) for stretch in stretches):
            return self._target
        contacts = sum(each.contacts for each in stretches) - stretches[0].passed(self._front)
        windows = ceil(contacts / self._target / (1 + _TOLERANCE))
        return contacts / windows if windows > 1 else inf

    def _is_located(self, stretch: _Stretch) -> bool:
        """Whether it is known well enough how many contacts it holds."""
        if stretch.sure or stretch.seconds == 1:
            return True
        if not stretch.after.groups:
            return False
        if not stretch.before.groups:
            return stretch.contacts <= self._target
        return stretch.after.checked and stretch.contacts <= _SMALL * self._target

    def _explore(self, stretch: _Stretch) -> list[tuple[Second, Second]]:
        """Say what to ask for where it is not known how many contacts lie where."""
        start = max(stretch.start, self._front)
        seconds = stretch.end - start
        if not stretch.after.groups:
            return [(start, stretch.end)]
        if not stretch.before.groups:
            part = _FRONT if start == self._start else 1 / 2
            density = inf if stretch.after.density is None else stretch.after.density
            is_countable = seconds <= self._longest and stretch.end not in self._uncounted
            if is_countable and density * seconds <= _ROWS:
                part = 1  # ids tell nothing: other Spaces have those before the first one
            return [(start, start + max(1, int(seconds * part)))]
        parts = min(_PARTS, max(2, ceil(stretch.contacts / self._target / _SMALL)))
        places = {start + seconds * part // parts for part in range(1, parts)} - {start}
        if not stretch.after.checked:
            places.add(stretch.end)
        return [self._probe(stretch, place) for place in sorted(places)]

    def _probe(self, stretch: _Stretch, place: Second) -> tuple[Second, Second]:
        """Say what to ask for to have a checkpoint at a place within a stretch."""
        density, page = stretch.contacts / stretch.seconds, stretch.after
        if stretch.crowded:
            density = max(stretch.before.density or 0, page.density or 0)
        if place == page.second and not page.checked:
            wide = 2 * page.count / (page.second - page.since)
            density = max(density, wide, stretch.before.density or 0.0)
        rows = min(_ROWS, self._target * _ROWS_PART)
        seconds = rows / density if density else stretch.seconds
        return max(stretch.start, place - max(1, int(min(seconds, stretch.seconds)))), place

    def _allowed(self, second: Second, start: Second) -> Second:
        """Move the end of a window that starts at `start` out of an hour that occurs twice."""
        second = max(second, start + self._shortest)
        if second >= self._end:
            return self._end
        instant = _instant(second)
        if not repeated(instant, self._zone):
            return second
        hours = range(_second(before_repeated(instant, self._zone)), second)
        first = bisect_left(hours, 1, key=lambda at: bool(repeated(_instant(at), self._zone)))
        if hours[first - 1] > start:
            return hours[first - 1]
        return min(_second(behind_repeated(instant, self._zone)), self._end)


def _second(instant: datetime) -> Second:
    return int(instant.timestamp())


def _instant(second: Second) -> datetime:
    return datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=second)


def _window(start: Second, end: Second) -> Window:
    return Window(_instant(start), _instant(end))
