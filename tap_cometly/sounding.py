"""Sounding a range: a few first pages, asked for at once, tell a small one from a large one.

The zone is checked meanwhile, so that finding out takes no longer than two calls one after the
other; and none of it is wasted, for what the pages tell goes into cutting the range.
"""

from __future__ import annotations

import typing as t
from datetime import timedelta
from functools import partial
from itertools import pairwise

from tap_cometly.errors import RejectedError
from tap_cometly.probing import probe_of
from tap_cometly.runner import Errand
from tap_cometly.windows import Probe, Window

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_cometly.decoding import Page
    from tap_cometly.pages import Pages
    from tap_cometly.runner import Runner
    from tap_cometly.windows import Cutter
    from tap_cometly.zone_check import ZoneCheck

_PLACES = (0, 1 / 4096, 1 / 8, 1 / 4, 1 / 2, 3 / 4)  # of the range, close where it is cut first
CALLS = 8  # of the list at the most: the pages, and the zone's checks
_FAR = 3  # of those pages; the zone is checked at their times too


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
        cutter: Cutter,
        pages: Pages,
        zone_check: ZoneCheck,
        runner: Runner,
    ) -> None:
        """Find out.

        Args:
            whole: The range.
            first: Its first page.
            cutter: Of the range; it learns what the pages tell.
            pages: The list.
            zone_check: Of this sync.
            runner: What makes the calls at once.

        Raises:
            TapError: The zone is not the Space's, or the list cannot be asked.
        """
        check = Errand(runner, partial(zone_check.vouch_newest, whole, first.contacts))
        errands = {
            window: Errand(runner, partial(_first_page, pages, window)) for window in _parts(whole)
        }
        check.result()
        found = {window: errand.result() for window, errand in errands.items()}
        for window, page in found.items():
            cutter.learn(
                Probe(window, 0, more=True, ids=None) if page is None else probe_of(window, page)
            )
        served = [page for page in found.values() if page]
        seen = {contact.id for page in [first, *served] for contact in page.contacts}
        # What follows a cursor has an id below those on the page: it is on none of the others.
        self.at_least = len(seen) + sum(page.next_cursor is not None for page in served)
        far = [contact for page in served[-_FAR:] for contact in page.contacts]
        self.seasons = Errand(runner, partial(zone_check.vouch_elsewhere, far))


def _parts(whole: Window) -> Iterator[Window]:
    seconds = (int(whole.seconds * place) for place in _PLACES)
    for start, end in pairwise(whole.start + timedelta(seconds=second) for second in seconds):
        if start < end:
            yield Window(start, end)


def _first_page(pages: Pages, window: Window) -> Page | None:
    """Give a window's first page; None when the list refuses so long a window."""
    try:
        return pages.first(window)
    except RejectedError:
        return None
