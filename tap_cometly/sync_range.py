"""Which creation times a run reads; pure."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from datetime import timedelta

from tap_cometly.windows import Window

if t.TYPE_CHECKING:
    from datetime import datetime

    from tap_cometly.settings import Settings

CLOCK_TOLERANCE = timedelta(seconds=60)  # between the machine's clock and the API's


@dataclass(frozen=True)
class SyncRange:
    """The range of a run, as far as it does not depend on what time it is.

    Attributes:
        settings: Start, end, lookback and settling time.
        bookmark: UTC, whole seconds; None in a first run and in a full one.
        full_table: Whether the newest seconds are read, too: a full run leaves no bookmark that
            could claim them.
    """

    settings: Settings
    bookmark: datetime | None
    full_table: bool

    @property
    def start(self) -> datetime:
        """Where it begins: the bookmark less the lookback, never before `start_date`."""
        start = self.settings.start
        if self.bookmark is not None:
            start = max(start, self._look_back(self.bookmark))
        return start.replace(microsecond=0)

    @property
    def skips(self) -> Window | None:
        """What is never read because `start_date` is later than the bookmark."""
        if self.bookmark is None or self.settings.start <= self.bookmark:
            return None
        return Window(self.bookmark, self.settings.start)

    def end(self, now: datetime) -> datetime:
        """Where it ends at the latest: before the newest seconds, which may still be settling.

        Args:
            now: The earlier of the machine's clock and the API's, UTC.
        """
        settle = 0 if self.full_table else self.settings.settle_seconds
        settled = now - timedelta(seconds=settle)
        return min(settled, self.settings.end or settled).replace(microsecond=0)

    def _look_back(self, bookmark: datetime) -> datetime:
        try:
            return bookmark - timedelta(days=self.settings.lookback_days)
        except OverflowError:
            return self.settings.start
