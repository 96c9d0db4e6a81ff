"""A part of the range, and what the list tells about one."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import ceil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Window:
    """A part of the range, in UTC whole seconds, to be read in one go.

    Attributes:
        start: Its first second.
        end: Its last second, which is also the next window's first one.
        expected: How many contacts it is thought to hold; of no account when windows are compared.
    """

    start: datetime
    end: datetime
    expected: int | None = field(default=None, compare=False)

    def __str__(self) -> str:
        """Name it by its ends, as bookmarks are written."""
        return " to ".join(end.isoformat().replace("+00:00", "Z") for end in (self.start, self.end))

    @property
    def seconds(self) -> int:
        """Its length."""
        return (self.end - self.start) // timedelta(seconds=1)

    @property
    def can_halve(self) -> bool:
        """Whether it is longer than a second."""
        return self.seconds > 1

    def halves(self) -> tuple[Window, Window]:
        """The older and the newer half; they share their boundary second."""
        middle = self.start + timedelta(seconds=self.seconds // 2)
        each = None if self.expected is None else ceil(self.expected / 2)
        return Window(self.start, middle, each), Window(middle, self.end, each)


@dataclass(frozen=True)
class Probe:
    """What the list's first page of a window showed.

    Attributes:
        window: What was asked for.
        count: The rows on the page.
        more: Whether a cursor follows. A refused window counts as 0 and more.
        ids: The highest, the middle and the lowest id on the page; None when it is empty.
    """

    window: Window
    count: int
    more: bool
    ids: tuple[int, int, int] | None

    @classmethod
    def refused(cls, window: Window) -> Probe:
        """Say that the list refuses so long a window."""
        return cls(window, 0, more=True, ids=None)

    @classmethod
    def of(cls, window: Window, ids: Sequence[int], *, more: bool) -> Probe:
        """Sum up a page by the ids on it, in any order."""
        ranked = sorted(ids, reverse=True)
        known = (ranked[0], ranked[len(ranked) // 2], ranked[-1]) if ranked else None
        return cls(window, len(ranked), more, known)
