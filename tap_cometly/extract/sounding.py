"""Sounding a range: a few first pages, asked for at once, tell a small one from a large one.

The zone is checked meanwhile, so that finding out takes no longer than two calls one after the
other; and none of it is wasted, for what the pages tell goes into cutting the range.
"""

from __future__ import annotations

import typing as t
from array import array
from datetime import timedelta
from functools import partial
from heapq import merge
from itertools import groupby, pairwise

from tap_cometly.exceptions import RejectedError
from tap_cometly.extract.probing import probe_of
from tap_cometly.runtime.tasks import Task
from tap_cometly.timeranges import Probe, Window

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tap_cometly.contacts.glimpse import Dated
    from tap_cometly.contacts.page import Page
    from tap_cometly.extract.pagination import CursorPaginator
    from tap_cometly.extract.planner import WindowPlanner
    from tap_cometly.extract.timezone_check import TimezoneCheck
    from tap_cometly.runtime.tasks import TaskRunner

_PLACES = (0, 1 / 4096, 1 / 8, 1 / 4, 1 / 2, 3 / 4)  # of the range, close where it is cut first
CALLS = 8  # of the list at the most: the pages, and the zone's checks
_ONE_OF = 50  # contacts is enough to check the zone
_FAR = 3  # of those pages; the zone is checked at their times too


class _Look(t.NamedTuple):
    """What is kept of a first page; several whole ones would take memory."""

    probe: Probe
    ids: array[int]
    sample: Sequence[Dated]


class Sounding:
    """What was found out about a range before a way of reading it is chosen.

    Attributes:
        at_least: How many contacts are there, if not more.
        seasons: The zone's check at other times, still under way.
    """

    def __init__(
        self,
        whole: Window,
        first: Page,
        planner: WindowPlanner,
        pages: CursorPaginator,
        timezone_check: TimezoneCheck,
        runner: TaskRunner,
    ) -> None:
        """Find out.

        Args:
            whole: The range.
            first: Its first page.
            planner: Of the range; it learns what the pages tell.
            pages: The list.
            timezone_check: Of this sync.
            runner: What makes the calls at once.

        Raises:
            TapError: The zone is not the Space's, or the list cannot be asked.
        """
        check = Task(runner, partial(timezone_check.vouch_newest, whole, first.glimpses))
        errands = [Task(runner, partial(_look, pages, window)) for window in _parts(whole)]
        check.result()
        looks = [errand.result() for errand in errands]
        for look in looks:
            pages.inspect(look.probe.window, look.sample)
            planner.learn(look.probe)
        served = [look for look in looks if look.ids]
        seen = _different(_ids(first), *(look.ids for look in served))
        # What follows a cursor has an id below those on the page: it is on none of the others.
        self.at_least = seen + sum(look.probe.more for look in served)
        far = [glimpse for look in served[-_FAR:] for glimpse in look.sample]
        self.seasons = Task(runner, partial(timezone_check.vouch_elsewhere, far))


def _parts(whole: Window) -> Iterator[Window]:
    seconds = (int(whole.seconds * place) for place in _PLACES)
    for start, end in pairwise(whole.start + timedelta(seconds=second) for second in seconds):
        if start < end:
            yield Window(start, end)


def _look(pages: CursorPaginator, window: Window) -> _Look:
    """Look at a window's first page."""

    def keep(page: Page) -> _Look:
        return _Look(probe_of(window, page), _ids(page), page.glimpses[::_ONE_OF])

    try:
        return pages.glance(window, keep)
    except RejectedError:  # so long a window
        return _Look(Probe.refused(window), array("q"), [])


def _ids(page: Page) -> array[int]:
    return array("q", sorted(glimpse.id for glimpse in page.glimpses))


def _different(*rows: array[int]) -> int:
    """Count the ids in sorted rows, each once; measured: a set of them takes 2 MB."""
    return sum(1 for _ in groupby(merge(*rows)))
