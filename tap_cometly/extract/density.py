"""How many contacts lie where in a range of time, estimated from probes.

A probe is the list's first page of a stretch of time. A page without a next cursor counts its
stretch exactly. Any page tells the highest id at its end: a checkpoint. Ids are given out in order
of creation, to all Spaces alike, so between two checkpoints lie as many contacts as ids, times the
share of the ids that are this Space's.

Ids are a hint only. An import gives new ids to contacts with old dates: pages then show two groups
of ids, and each is compared with the same group at the next checkpoint. Where ids and density
contradict each other, the larger estimate is taken, and marked as not sure.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from tap_cometly.timeranges import Window

Second = int  # since the epoch, UTC

_FEW_IDS = 10  # fewer do not tell what lies close together
_CONTRADICTION = 3  # times as many by one estimate as by the other


def epoch_second(instant: datetime) -> Second:
    """Return the second that an instant lies in."""
    return int(instant.timestamp())


class IdGroup(NamedTuple):
    """Ids on a page that lie close together.

    Attributes:
        highest: The highest one by the end of the page; by its start, the one before the lowest.
        contacts: How many of them are this Space's.
        ids: How many lie between the lowest and the highest, both included.
        lowest: The lowest one.
    """

    highest: int
    contacts: int
    ids: int
    lowest: int


@dataclass(frozen=True)
class Probe:
    """What the list's first page of a window showed.

    Attributes:
        window: What was asked for.
        count: The contacts on the page.
        more: Whether a next cursor follows.
        groups: Its ids, as one group or two. They are split at the first gap that is wider than the
            span of the ids below it or, with fewer than `_FEW_IDS` below it, than the spans on both
            sides together. The upper group comes from an import.
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
            below, both = ranked[cut - 1] - ranked[0], ranked[-1] - ranked[0] - gap
            if gap > (below if cut >= _FEW_IDS else both):
                parts = [ranked[:cut], ranked[cut:]]
                break
        groups = tuple(
            IdGroup(part[-1], len(part), max(len(part), part[-1] - part[0] + 1), part[0])
            for part in parts
        )
        return cls(window, len(ranked), more, groups)


@dataclass(frozen=True)
class Checkpoint:
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
    groups: tuple[IdGroup, ...] = ()

    @property
    def checked(self) -> bool:
        """Whether no ids are hidden behind those that its page shows, as far as can be told."""
        return self.exact or self.second - self.since <= 1

    def counted_since(self, second: Second) -> int | None:
        """Return how many contacts lie since a second; None where the page does not tell.

        A page that counts more tells so only where there are none.
        """
        is_empty = not self.count and self.since < second
        return self.count if self.exact and (self.since == second or is_empty) else None


class Stretch(NamedTuple):
    """The time between two checkpoints.

    Attributes:
        before: The older one.
        after: The newer one.
        contacts: How many lie between them; how many at most, where ids before are not known.
        sure: Whether that can be relied on.
    """

    before: Checkpoint
    after: Checkpoint
    contacts: float
    sure: bool

    @classmethod
    def between(cls, before: Checkpoint, after: Checkpoint) -> Stretch:
        """Estimate how many contacts lie between two checkpoints."""
        counted = after.counted_since(before.second)
        if counted is not None:
            return cls(before, after, counted, sure=True)
        newer = after.groups
        if not before.groups:  # ids are positive
            most = sum(new.highest * new.contacts / new.ids for new in newer)
            return cls(before, after, max(0.0, most), sure=False)
        if len(before.groups) < len(newer) and before.groups[0].highest > newer[0].highest:
            newer = newer[1:]  # the older page shows the import only
        by_ids = sum(
            max(0, new.highest - old.highest) * (old.contacts + new.contacts) / (old.ids + new.ids)
            for old, new in zip(before.groups, newer, strict=False)
        )
        known = [page.density for page in (before, after) if page.density is not None]
        seconds = after.second - before.second
        by_density = seconds * sum(known) / len(known) if known else 0.0
        sure = by_density <= _CONTRADICTION * by_ids
        if sure and len(before.groups) == len(after.groups) == 1:
            return cls(before, after, by_ids, sure)
        sure = sure and by_ids <= _CONTRADICTION * by_density
        return cls(before, after, max(by_ids, by_density), sure)

    @property
    def start(self) -> Second:
        """Where the older one is."""
        return self.before.second

    @property
    def end(self) -> Second:
        """Where the newer one is."""
        return self.after.second

    @property
    def seconds(self) -> int:
        """Its length."""
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

    def contacts_before(self, second: Second) -> float:
        """Return how many of its contacts lie before a second inside.

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

    def second_of(self, contacts: float) -> Second:
        """Return the second before which so many of its contacts lie."""
        inside = range(self.start + 1, self.end)
        return self.start + 1 + bisect_left(inside, contacts, key=self.contacts_before)


class Checkpoints:
    """What probes have shown of a range, as far as it is not forgotten.

    Args:
        start: Where the range begins.
        end: Where it ends.

    Attributes:
        uncounted: Ends of probes that a next cursor followed.
    """

    def __init__(self, start: Second, end: Second) -> None:
        self._start, self._end = start, end
        self._known = {at: Checkpoint(at, at) for at in (start, end)}
        self.uncounted: set[Second] = set()

    def add(self, probe: Probe) -> None:
        """Add what a probe showed."""
        start, end = epoch_second(probe.window.start), epoch_second(probe.window.end)
        end = min(end, self._end)
        if probe.more:
            self.uncounted.add(end)
        if end <= max(start, self._start) or (probe.more and not probe.groups):
            return
        exact = not probe.more
        density = probe.count / (end - start) if exact or end - start == 1 else None
        self._add(Checkpoint(end, start, probe.count, exact, density, probe.groups))
        if exact:
            before = tuple(group._replace(highest=group.lowest - 1) for group in probe.groups)
            self._add(Checkpoint(start, start, 0, exact, density, before))
            self._known = {at: page for at, page in self._known.items() if not start < at < end}

    def _add(self, new: Checkpoint) -> None:
        """Keep the better one of two checkpoints: one that counts more, else the newer one."""
        old = self._known.get(new.second, new)
        if old.exact and not (new.exact and new.since < old.since):
            old, new = new, old
        self._known[new.second] = replace(new, groups=new.groups or old.groups)

    def forget_before(self, second: Second) -> None:
        """Forget what lies before a second, but for the last checkpoint until then."""
        self._start = second
        last = max(at for at in self._known if at <= second)
        self._known = {at: page for at, page in self._known.items() if at >= last}

    def counted(self, start: Second, end: Second) -> int | None:
        """Return how many contacts a page has shown to lie there; None where none has shown all."""
        page = self._known.get(end)
        return page.count if page and page.exact and page.since == start else None

    def stretches(self) -> list[Stretch]:
        """Return all that is not forgotten, oldest first, without holes."""
        points = [self._known[second] for second in sorted(self._known)]
        pairs = range(1, len(points))
        for at in (*pairs, *reversed(pairs)):
            before, after = points[at - 1 : at + 1]
            if after.counted_since(before.second) == 0:  # nothing between
                if not before.groups:
                    points[at - 1] = replace(before, groups=after.groups)
                elif not after.groups:
                    points[at] = replace(after, groups=before.groups)
            elif len(before.groups) > len(after.groups) > 0:
                # The page shows one of them only; the other has got no further.
                older, newer = before.groups
                unseen = older if newer.highest <= after.groups[0].highest else newer
                points[at] = replace(after, groups=tuple(sorted((*after.groups, unseen))))
        return [
            Stretch.between(before, after)
            for before, after in pairwise(points)
            if after.second > self._start
        ]
