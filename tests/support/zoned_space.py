"""A Space without HTTP: the tap's own reading and committing against a list in memory.

A run takes a millisecond or two, so that hundreds of Spaces can live through days.
"""

from __future__ import annotations

import json
import typing as t
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Literal
from unittest import mock
from zoneinfo import ZoneInfo

from typing_extensions import override

from tap_cometly.config import SETTINGS_SCHEMA, Settings
from tap_cometly.contacts.decoder import Page
from tap_cometly.contacts.schema import Contact, OptionalColumns, fields_asked
from tap_cometly.exceptions import RejectedError, TapError
from tap_cometly.extract import extractor as extractor_module
from tap_cometly.extract.extractor import Extractor
from tap_cometly.extract.pagination import ContactList, CursorPaginator, ServedLength
from tap_cometly.extract.services import Services
from tap_cometly.extract.timezone_check import TimezoneCheck
from tap_cometly.runtime.progress import Progress
from tap_cometly.state import Bookmark
from tap_cometly.streams import ContactsStream
from tap_cometly.timeranges import Window, wall_range
from tests.support.clock import FakeClock, InTurn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tap_cometly.extract.extractor import WindowRead
    from tap_cometly.timeranges import WallRange

UTC = timezone.utc
SECOND = timedelta(seconds=1)
WIDEST = timedelta(hours=26)
Reading = Literal["first", "second", "wall"]
"""What the API takes a wall time for that occurs twice; "wall": it compares wall times."""

_DEFAULTS = {
    name: setting["default"]
    for name, setting in SETTINGS_SCHEMA["properties"].items()
    if "default" in setting
}


class Space:
    """The contacts of a Space, in order of creation, and how its API reads what it is asked for."""

    def __init__(
        self,
        zone: str,
        *,
        reading: Reading = "first",
        end_inclusive: bool = True,
        dated: bool = False,
        refuses_future: bool = False,
        visible_after: timedelta = timedelta(),
    ) -> None:
        self.zone = zone
        self.refuses_future = refuses_future
        self.created: list[datetime] = []
        self._reading = reading
        self._end_inclusive = end_inclusive
        self._dated = dated
        self._visible_after = visible_after
        self._walls: list[datetime] = []

    @property
    def zone(self) -> str:
        return self._info.key

    @zone.setter
    def zone(self, zone: str) -> None:
        self._info = ZoneInfo(zone)
        self._walls = []

    def __str__(self) -> str:
        end = "inclusive" if self._end_inclusive else "exclusive"
        future = ", refuses the future" if self.refuses_future else ""
        dated = "dated" if self._dated else "undated"
        return f"{self._reading}, end {end}, {dated}, {self._visible_after}{future}"

    def serve(
        self, asked: WallRange, now: datetime, *, below: int | None = None, per_page: int
    ) -> list[Contact]:
        """Give the first contacts of a range, newest id first, and one more than a page holds."""
        start, end = (datetime.fromisoformat(text) for text in (asked.start, asked.end))
        if self.refuses_future and self._instant(end) > now:
            msg = "The end date field must be a date before or equal to now"
            raise RejectedError(msg, "")
        behind = SECOND if self._end_inclusive else timedelta()
        if self._reading == "wall":
            self._walls += [
                each.astimezone(self._info).replace(tzinfo=None)
                for each in self.created[len(self._walls) :]
            ]
            ids: Sequence[int] = [
                n for n, wall in enumerate(self._walls) if start <= wall < end + behind
            ]
        else:
            first = bisect_left(self.created, self._instant(start))
            ids = range(first, bisect_left(self.created, self._instant(end) + behind))
        seen = bisect_right(self.created, now - self._visible_after)
        upto = bisect_left(ids, seen if below is None else min(seen, below))
        return [
            Contact(n, self.created[n].replace(microsecond=0) if self._dated else None)
            for n in reversed(ids[max(0, upto - per_page - 1) : upto])
        ]

    def _instant(self, wall: datetime) -> datetime:
        """Read a wall time as PHP does: in a gap it moves on by the gap's length."""
        first, second = (
            wall.replace(tzinfo=self._info, fold=fold).astimezone(UTC) for fold in (0, 1)
        )
        return second if self._reading == "second" and second > first else first


@dataclass(frozen=True)
class Outcome:
    """What came of a run."""

    error: TapError | None
    ids: frozenset[int]
    ended: datetime
    """Where its range ended, by the right clock."""


class Runs:
    """Runs of the tap against a Space, one after the other, each with the state of the last.

    Args:
        space: To read.
        start: The time at which it begins.
        machine: How far the machine's clock is ahead.
    """

    def __init__(self, space: Space, start: datetime, machine: timedelta = timedelta()) -> None:
        self.space = space
        self.clock = FakeClock(start)
        self.stored: dict[str, Any] = {}
        self.got: set[int] = set()
        self.before_call: Callable[[], None] = lambda: None
        self._machine = machine

    def run(self, config: Mapping[str, Any], *, windows: int | None = None) -> Outcome:
        """Run the tap.

        Args:
            config: Its settings.
            windows: After how many windows it is killed; None for never.
        """
        settings = Settings.of({**_DEFAULTS, "api_key": "k", **config})
        bookmark = Bookmark(self.stored)
        stream = _Stream(settings, self.stored)
        sync_range = stream.range(bookmark)
        reader = _extractor(settings, self, self._machine)
        got, error = set[int](), None
        settle = timedelta(seconds=settings.settle_seconds)
        ended = self.clock.now() - settle + min(timedelta(), self._machine)
        ended = ended.replace(microsecond=0)
        try:
            for number, extract in enumerate(reader.extract(sync_range)):
                for contacts in extract.contacts:
                    got.update(contact.id for contact in contacts)
                if number == windows:
                    break
                stream.commit(extract, reader, sync_range, bookmark)
        except TapError as told:
            error = told
        self.stored = json.loads(json.dumps(self.stored))
        self.got |= got
        return Outcome(error, frozenset(got), ended)


class _Stream(ContactsStream):
    """The stream, without a tap around it."""

    def __init__(self, settings: Settings, stored: dict[str, Any]) -> None:
        self.__dict__["_settings"] = settings
        self._tap = t.cast("Any", SimpleNamespace(state_writer=SimpleNamespace(write_state=id)))
        self._config: dict[str, Any] = {}
        self._stored = stored

    @property
    @override
    def config(self) -> Mapping[str, Any]:
        return {}

    @property
    @override
    def _full_table(self) -> bool:
        return False

    @property
    @override
    def _delivered(self) -> list[str]:
        return []

    @property
    @override
    def tap_state(self) -> Any:
        return self._stored

    range = ContactsStream._range  # noqa: SLF001, what is tested

    def commit(
        self, extract: WindowRead, reader: Extractor, sync_range: Any, bookmark: Bookmark
    ) -> None:
        self._commit(extract.window.end, reader, sync_range, bookmark)


class _List(ContactList):
    """The list, in memory."""

    def __init__(self, runs: Runs, zone: ZoneInfo) -> None:
        self.length = ServedLength()
        self._client = _client(runs.clock, timedelta())
        self._runs = runs
        self._zone = zone

    @override
    def page(
        self,
        window: Window | WallRange,
        *,
        per_page: int,
        cursor: str | None = None,
        optional: bool = False,
    ) -> Page:
        if isinstance(window, Window):
            window = wall_range(window.start, window.end, self._zone)
        below = None if cursor is None else int(cursor)
        self._runs.before_call()
        now = self._runs.clock.now()
        served = self._runs.space.serve(window, now, below=below, per_page=per_page)
        page = served[:per_page]
        return Page(page, str(page[-1].id) if len(served) > per_page else None)


class _AtOnce(InTurn):
    @override
    def wait(self, seconds: float) -> None:
        if not self._hand_on():
            self._clock.sleep(seconds)


def _extractor(settings: Settings, runs: Runs, machine: timedelta) -> Extractor:
    clock, contacts = runs.clock, _List(runs, settings.zone)
    client = _client(clock, machine)
    check = TimezoneCheck(contacts, settings.zone, client.latest_now)
    columns = OptionalColumns(fields_asked(()), "The list")
    paginator = CursorPaginator(
        contacts, columns, page_size=settings.page_size, inspect=check.inspect
    )
    services = Services(
        client=client,
        contacts=contacts,
        every_column=contacts,
        paginator=paginator,
        timezone_check=check,
        repository=t.cast("Any", None),  # nothing is exported
        export_columns=columns,
        tasks=_AtOnce(clock),
        clock=clock,
    )
    return Extractor(settings, services, Progress(clock))


def _client(clock: FakeClock, machine: timedelta) -> Any:
    limiter = SimpleNamespace(available=lambda: 10, delay=lambda: 0.0)
    return SimpleNamespace(
        now=lambda: (clock.now() + min(timedelta(), machine)).replace(microsecond=0),
        latest_now=lambda: (clock.now() + max(timedelta(), machine)).replace(microsecond=0),
        limiters={"list": limiter, "create": limiter},
    )


def small_windows(contacts: int) -> Any:
    """Have windows of pages hold few contacts."""
    return mock.patch.object(extractor_module, "PAGE_WINDOW", contacts)
