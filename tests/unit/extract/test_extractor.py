"""Pages or exports, and what is read the other way when one of them fails."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from typing_extensions import override

from tap_cometly.config import SETTINGS_SCHEMA, Settings
from tap_cometly.contacts.decoder import Page
from tap_cometly.contacts.schema import Contact, OptionalColumns
from tap_cometly.exceptions import ExportError, TooLongError
from tap_cometly.extract.extractor import Extractor, Services
from tap_cometly.extract.pagination import CursorPaginator
from tap_cometly.extract.timezone_check import Head, TimezoneCheck
from tap_cometly.runtime.progress import Progress
from tap_cometly.timeranges import SyncRange, Window
from tests.support.clock import FakeClock
from tests.support.exports import START, Answers, ScriptedRepository, days

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_cometly.exports.download import SpoolFile

FAILED = ("failed", None)
DEFAULTS = {
    name: setting["default"]
    for name, setting in SETTINGS_SCHEMA["properties"].items()
    if "default" in setting
}


class Files(ScriptedRepository):
    """A repository whose files hold one contact each."""

    def contacts(self, spool: SpoolFile) -> Iterator[list[Contact]]:
        assert not spool.file.closed
        yield [Contact(id=1)]


class Pages(CursorPaginator):
    """A list that serves each window in a dozen pages, and takes its time."""

    def __init__(self, clock: FakeClock, contacts_on_a_page: int) -> None:
        self.contacts_on_a_page = contacts_on_a_page
        self.serves_no_future = False
        self.last_page_at = 0.0
        self._clock = clock

    @override
    def first_page(
        self, window: Window, *, at_most: int | None = None, advisory: bool = False
    ) -> Page:
        if window.end > self._clock.now() and self.serves_no_future:
            msg = "the range is too long"
            raise TooLongError(msg)
        return self._page()

    @override
    def pages(
        self, window: Window, first: Page | None = None, *, advisory: bool = False
    ) -> Iterator[Page]:
        for _ in range(12):
            self.last_page_at = self._clock.monotonic()
            yield self._page()
            self._clock.sleep(5.0)

    def _page(self) -> Page:
        return Page([Contact(id=2)] * self.contacts_on_a_page, "more")


class Listed:
    """The windows that a test lists, in the place of planned ones."""

    remaining = None

    def __init__(self, *_: Any) -> None:
        self._windows = iter(days(2, expected=2))

    def __iter__(self) -> Iterator[Window]:
        return self._windows

    def wait(self) -> Window | None:
        return next(self._windows, None)

    def finished(self, window: Window, contacts: int) -> None:
        """Nothing follows from it here."""


class Extraction:
    """An extractor with all that it needs; two days to read."""

    def __init__(self, *, contacts_on_a_page: int = 5_000, **config: Any) -> None:
        self.clock = FakeClock(START + timedelta(days=2))
        self.repository = Files(self.clock)
        self.paginator = Pages(self.clock, contacts_on_a_page)
        repository: Any = self.repository
        services = Services(
            client=mock.Mock(limiters=self.repository.limiters, now=self.clock.now),
            contacts=mock.Mock(**{"length.refused": None}),
            every_column=mock.Mock(),
            repository=repository,
            export_columns=OptionalColumns([], "The export"),
            tasks=Answers(self.clock),
            clock=self.clock,
        )
        self.check: Any = mock.create_autospec(TimezoneCheck, instance=True)
        self.check.head.return_value = Head(clock_seen=True)
        given = {"api_key": "k", "start_date": "2024-01-01", **config}
        settings = Settings.of({**DEFAULTS, **given})
        self.range = SyncRange.of(settings.start, None)
        self.extractor = Extractor(
            settings, services, self.paginator, self.check, Progress(self.clock)
        )

    def read(self) -> list[tuple[Window, str]]:
        """Each window that is read, and how."""
        ways = []
        for extract in self.extractor.extract(self.range):
            ways.append((extract.window, extract.way))
            assert sum(map(len, extract.contacts)) > 0
        return ways


@pytest.fixture(autouse=True)
def _listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tap_cometly.extract.extractor.PlannedWindows", Listed)


def test_a_small_range_is_read_by_pages() -> None:
    extraction = Extraction(contacts_on_a_page=10)

    assert extraction.read() == [(Window(START, START + timedelta(days=2)), "by pages")]
    assert extraction.repository.asked("create") == []


def test_a_large_range_is_read_by_exports() -> None:
    assert Extraction().read() == [(day, "by export") for day in days(2)]


def test_a_window_that_no_export_can_read_is_read_by_pages() -> None:
    first, second = days(2)
    extraction = Extraction()
    extraction.repository.script("poll", FAILED, FAILED, to=first)

    assert extraction.read() == [(first, "by pages"), (second, "by export")]


def test_when_exports_are_given_up_the_rest_is_read_by_pages() -> None:
    extraction = Extraction(max_parallel_exports=1)
    extraction.repository.script("poll", *[FAILED] * 9)

    assert [way for _, way in extraction.read()] == ["by pages"] * 3


def test_when_exports_are_given_up_that_is_the_end_of_mode_export() -> None:
    extraction = Extraction(max_parallel_exports=1, extraction_mode="export")
    extraction.repository.script("poll", *[FAILED] * 9)

    with pytest.raises(ExportError):
        extraction.read()


@pytest.mark.parametrize("rejected", [False, True])
def test_other_exports_go_on_while_a_window_is_read_by_pages(*, rejected: bool) -> None:
    first, second = days(2)
    extraction = Extraction()
    extraction.repository.seconds.update({first: 0.0, second: 20.0})
    if rejected:  # its file lacks a contact that the list shows
        extraction.repository.script("sample", *[[1, 2]] * 4, to=first)
    else:
        extraction.repository.script("poll", FAILED, FAILED, to=first)

    extraction.read()

    assert extraction.repository.asked("download", second)[0] < extraction.paginator.last_page_at


def test_hours_ahead_that_are_too_long_for_the_list_are_read_in_parts() -> None:
    extraction = Extraction(contacts_on_a_page=10)
    extraction.check.head.return_value = Head(clock_seen=False, can_read_ahead=True)
    extraction.paginator.serves_no_future = True

    assert [way for _, way in extraction.read()] == ["by pages", "by pages"]
