"""Cutting a range of time into windows of about equal numbers of contacts, oldest first.

How many contacts lie where is estimated from probes (see `density`). Where a window should end
between two checkpoints, the planner interpolates the second and asks for a short probe that ends
there. Such a page has no next cursor: it gives an exact count, hence the density, and all ids of
its time. A full page gives only the highest ids.

Where an estimate is not sure, evenly spread probes divide the time until little is left between two
checkpoints. The same is done where ids say that contacts lie close together somewhere inside.

Sizes may turn out wrong, coverage cannot: each window starts in the second in which the one before
it ended, and the last one ends with the range. Planning ends whatever the answers are: only so many
probes are asked for with each window, and windows get longer while they hold far less than
expected.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from math import ceil, inf
from typing import TYPE_CHECKING, NamedTuple

from tap_cometly.extract.density import Checkpoints, Second, Stretch, epoch_second
from tap_cometly.timeranges import Window, before_repeated, behind_repeated

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import tzinfo

    from tap_cometly.extract.density import Probe

_PROBE_CONTACTS = 2_500  # that a probe should show: half a page,
_PROBE_PART = 0.1  # and at most this part of the target
_TOLERANCE = 0.06  # of the target: how much more or less than aimed at a window may hold
_SMALL = 0.5  # of the target: so little between two checkpoints need not be divided further
_PARTS = 4  # into which a stretch is divided at once, at most
_OLDEST = 1 / 256  # of the range: where the oldest contacts are looked for first
_PROBES, _PROBES_A_WINDOW = 200, 4  # at most so many probes, and so many more for each window
_SHORTER = 8  # after a refusal, probes are this many times shorter: each refusal costs a call
_FAR_LESS = 8  # times fewer contacts than expected: the shortest allowed window is doubled
_FIRST_SECONDS = 24 * 3600  # a window without a probe is at first at most a day,
_FIRST_PART = 1 / 64  # and this part of the range
_LEAST_PART = 1 / 2**14  # of the range: a window without a probe is at least so long


class _Boundary(NamedTuple):
    """Where a window should end.

    Attributes:
        second: The place; the stretch's end where it is not known.
        contacts: How many contacts the window holds by then.
        stretch: Where it lies.
        probes: What has to be asked for before the window can be cut: start and end.
    """

    second: Second
    contacts: float
    stretch: Stretch
    probes: Sequence[tuple[Second, Second]] = ()


class WindowPlanner:
    """Cuts one range into windows, and says which probes that takes.

    Take windows from `next_window` until it returns None, send `next_probes`, and add what they
    showed with `add_probe`; until `done`. Answers may come in any order and say anything.

    Args:
        whole: The range, UTC.
        target: How many contacts a window should hold.
        horizon: How many contacts ahead of the next window to look for ends of windows.
        zone: The Space's zone: no window ends at a wall time that occurs twice there.
    """

    def __init__(self, whole: Window, *, target: int, horizon: int, zone: tzinfo) -> None:
        self._start, self._end = epoch_second(whole.start), epoch_second(whole.end)
        self._target = target
        self._horizon = horizon
        self._zone = zone
        self._next_start = self._start  # where the next window starts
        self._checkpoints = Checkpoints(self._start, self._end)
        self._in_flight: set[Window] = set()
        self._longest = self._end - self._start  # seconds that the list may serve in one probe
        self._asked = self._cut = 0  # probes and windows so far
        self._shortest = 1  # seconds that a window may take
        # Seconds that a window without a probe takes.
        self._guess = max(1, min(_FIRST_SECONDS, int(self._longest * _FIRST_PART)))

    @property
    def done(self) -> bool:
        """Whether the whole range has been cut into windows."""
        return self._next_start >= self._end

    @property
    def remaining(self) -> float | None:
        """How many contacts lie in what has not been cut; None where nothing tells."""
        if self.done:
            return 0.0
        stretches = self._checkpoints.stretches()
        if any(not (each.sure or (each.before.groups and each.after.groups)) for each in stretches):
            return None
        return self._contacts(stretches)

    def add_probe(self, probe: Probe) -> None:
        """Take in what a probe showed, also one that was not asked for."""
        self._in_flight.discard(probe.window)
        self._checkpoints.add(probe)

    def probe_failed(self, window: Window, *, refused: bool = False) -> None:
        """Take note that a probe has no answer; it may be asked for again.

        Args:
            window: What was asked for.
            refused: Whether the list refuses so long a window. Then shorter ones are asked for.
        """
        self._in_flight.discard(window)
        if refused:
            self._longest = min(self._longest, window.seconds // _SHORTER)

    def window_read(self, window: Window, contacts: int) -> None:
        """Take note of how many contacts a window held: the length of the next ones follows it."""
        seconds = window.seconds
        if contacts < self._target / 2:
            seconds *= 2
        elif contacts > self._target * 2:
            seconds //= 2
        self._guess = max(1, int((self._end - self._start) * _LEAST_PART), seconds)
        expected = self._target if window.expected is None else window.expected
        is_far_less = expected > max(_FAR_LESS * contacts, self._target / 2)
        self._shortest = 2 * self._shortest if is_far_less else 1

    def next_window(self, *, guess: bool = False) -> Window | None:
        """Cut the oldest window off what has not been cut.

        Args:
            guess: Whether to do without further probes. Then a window whose end is not known is no
                longer than those before it suggest.

        Returns:
            The window; None when all has been cut, or as long as its end is not known.
        """
        if self.done:
            return None
        guess = guess or not self._may_ask
        boundary = next(self._boundaries(check=not guess))
        if boundary.probes and not guess:
            return None
        start, end = self._next_start, boundary.second
        if boundary.probes and end == boundary.stretch.end:
            end = self._allowed(min(end, start + self._guess), start)
        expected = None if boundary.probes else round(boundary.contacts)
        counted = self._checkpoints.counted(start, end)
        self._next_start = end
        self._cut += 1
        self._checkpoints.forget_before(end)
        return replace(_window(start, end), expected=expected, counted=counted)

    def next_probes(self, at_most: int) -> list[Window]:
        """Return the probes worth sending now, best first; none twice while it is in flight."""
        if self.done or not self._may_ask:
            return []
        busy = [epoch_second(window.end) for window in self._in_flight]
        probes: dict[Window, None] = {}
        ahead = 0.0
        for boundary in self._boundaries():
            if ahead > self._horizon or len(probes) >= at_most:
                break
            ahead += boundary.contacts
            stretch = boundary.stretch
            if not any(stretch.start < end <= stretch.end for end in busy):
                probes |= {
                    _window(max(start, end - self._longest), end): None
                    for start, end in boundary.probes
                }
        chosen = list(probes)[:at_most]
        self._in_flight.update(chosen)
        self._asked += len(chosen)
        return chosen

    @property
    def _may_ask(self) -> bool:
        return self._longest > 0 and self._asked < _PROBES + _PROBES_A_WINDOW * self._cut

    def _boundaries(self, *, check: bool = True) -> Iterator[_Boundary]:
        """Find where the next windows should end, as far as that can be told; at least one.

        Args:
            check: Whether to look first for what full pages may hide.
        """
        stretches = self._checkpoints.stretches()
        aim, slack = self._aim(stretches), _TOLERANCE * self._target
        start = self._next_start
        before_start, before_stretch = stretches[0].contacts_before(start), 0.0  # contacts
        for stretch in stretches:
            if not self._is_located(stretch):
                yield _Boundary(stretch.end, stretch.contacts, stretch, self._explore(stretch))
                return
            if check and not stretch.after.checked and stretch.before.groups:
                yield _Boundary(stretch.end, 0.0, stretch, [self._probe(stretch, stretch.end)])
            is_large = stretch.contacts > _SMALL * self._target
            while (goal := before_start + aim - before_stretch) < stretch.contacts + slack:
                is_near = goal > stretch.contacts - slack
                place = self._allowed(stretch.end if is_near else stretch.second_of(goal), start)
                if place > stretch.end:
                    break
                probes = []
                if is_large and stretch.start < place < stretch.end:
                    if stretch.crowded:
                        yield _Boundary(stretch.end, aim, stretch, self._explore(stretch))
                        return
                    probes = [self._probe(stretch, place)]
                before_place = before_stretch + stretch.contacts_before(place)
                yield _Boundary(place, before_place - before_start, stretch, probes)
                start, before_start = place, before_place
            before_stretch += stretch.contacts
        yield _Boundary(self._end, before_stretch - before_start, stretches[-1])

    def _aim(self, stretches: Sequence[Stretch]) -> float:
        """Return what each window should hold for none of the last ones to be a small one."""
        if not all(self._is_located(stretch) for stretch in stretches):
            return self._target
        contacts = self._contacts(stretches)
        windows = ceil(contacts / self._target / (1 + _TOLERANCE))
        return contacts / windows if windows > 1 else inf

    def _contacts(self, stretches: Sequence[Stretch]) -> float:
        """Return how many contacts lie in what has not been cut."""
        in_windows = stretches[0].contacts_before(self._next_start)
        return sum(each.contacts for each in stretches) - in_windows

    def _is_located(self, stretch: Stretch) -> bool:
        """Whether it is known well enough how many contacts it holds."""
        if stretch.sure or stretch.end - max(stretch.start, self._next_start) == 1:
            return True
        if not stretch.after.groups:
            return False
        if not stretch.before.groups:
            return stretch.contacts <= self._target
        return stretch.after.checked and stretch.contacts <= _SMALL * self._target

    def _explore(self, stretch: Stretch) -> list[tuple[Second, Second]]:
        """Return what to ask for where it is not known how many contacts lie where."""
        start = max(stretch.start, self._next_start)
        seconds = stretch.end - start
        if not stretch.after.groups:
            return [(start, stretch.end)]
        if not stretch.before.groups:
            part = _OLDEST if start == self._start else 1 / 2
            density = inf if stretch.after.density is None else stretch.after.density
            is_countable = stretch.end not in self._checkpoints.uncounted
            if is_countable and seconds <= self._longest and density * seconds <= _PROBE_CONTACTS:
                part = 1  # ids tell nothing: other Spaces have those before the first one
            return [(start, start + max(1, int(seconds * part)))]
        parts = min(_PARTS, max(2, ceil(stretch.contacts / self._target / _SMALL)))
        places = {start + seconds * part // parts for part in range(1, parts)} - {start}
        if not stretch.after.checked:
            places.add(stretch.end)
        return [self._probe(stretch, place) for place in sorted(places)]

    def _probe(self, stretch: Stretch, place: Second) -> tuple[Second, Second]:
        """Return what to ask for to have a checkpoint at a place within a stretch."""
        density, page = stretch.contacts / stretch.seconds, stretch.after
        if stretch.crowded:
            density = max(stretch.before.density or 0, page.density or 0)
        if place == page.second and not page.checked:
            wide = 2 * page.count / (page.second - page.since)
            density = max(density, wide, stretch.before.density or 0.0)
        contacts = min(_PROBE_CONTACTS, self._target * _PROBE_PART)
        seconds = int(contacts / density) if density else stretch.seconds
        return max(stretch.start, place - max(1, seconds)), place

    def _allowed(self, second: Second, start: Second) -> Second:
        """Move the end of a window that starts at `start` out of an hour that occurs twice."""
        second = max(second, start + self._shortest)
        if second >= self._end:
            return self._end
        instant = _instant(second)
        before = epoch_second(before_repeated(instant, self._zone))
        if before > start:
            return before
        return min(epoch_second(behind_repeated(instant, self._zone)), self._end)


def _instant(second: Second) -> datetime:
    return datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=second)


def _window(start: Second, end: Second) -> Window:
    return Window(_instant(start), _instant(end))
