"""A range through export jobs: what is read, and what becomes of files that are no good."""

from __future__ import annotations

from collections import deque
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest

from tap_cometly.contacts.schema import Contact, OptionalColumns, fields_asked
from tap_cometly.exceptions import ColumnError, ExportError, RecordError, TapError, UnavailableError
from tap_cometly.exports.reader import ExportReader
from tap_cometly.extract.pagination import CursorPaginator
from tap_cometly.extract.timezone_check import TimezoneCheck
from tap_cometly.runtime.progress import EXPORT, PAGES, Progress
from tests.bench.simulation import settings_with
from tests.support.clock import FakeClock
from tests.support.export_api import AS_USUAL, ListedWindows, ScriptedApi
from tests.support.plant import DAY, LOGGER, START, AtOnce, Told, days

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_cometly.exports.download import SpoolFile
    from tap_cometly.timeranges import Window

FAILED = ("failed", None)

Block = list[Contact]


def no_contact() -> RecordError:
    return RecordError("Line 7 of an export file is no contact: it has no id", "Run again.")


def block(*ids: int) -> Block:
    return [Contact(id=n) for n in ids]


class Files(ScriptedApi):
    """An API whose files hold what a test says: blocks, or errors between them."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        self.files: deque[list[Block | Exception]] = deque()
        self.seconds_a_block = 0.0
        self._time = clock

    def contacts(self, spool: SpoolFile) -> Iterator[Block]:
        assert not spool.file.closed
        for part in self.files.popleft():
            if isinstance(part, Exception):
                raise part
            yield part
            self._time.advance(timedelta(seconds=self.seconds_a_block))


class Reader:
    """Exports with all that they need."""

    def __init__(self, *options: str, **config: Any) -> None:
        self.clock = FakeClock(START + timedelta(days=365))
        self.api = Files(self.clock)
        self.pages: Any = mock.create_autospec(CursorPaginator, instance=True)
        self.timezone_check: Any = mock.create_autospec(TimezoneCheck, instance=True, outstanding=0)
        self.progress = Progress(self.clock)
        self.runner = AtOnce(self.clock)
        self.exports = ExportReader(
            self.runner,
            self.api,
            OptionalColumns(fields_asked(options), "Exports"),
            self.pages,
            self.timezone_check,
            settings_with(**config),
            self.clock,
            self.progress,
            LOGGER,
        )

    def files(self, *files: list[Any]) -> None:
        self.api.files.extend(files)

    def read(self, *windows: Window, questions: int = 0) -> dict[Window, list[int]]:
        """The ids that each window is said to hold."""
        self.planner = ListedWindows(windows, questions=days(questions))
        found: dict[Window, list[int]] = {}
        for window, blocks in self.exports.windows(self.planner):
            found[window] = [contact.id for contacts in blocks for contact in contacts]
        return found


@pytest.fixture
def reader() -> Reader:
    return Reader()


def test_each_window_is_read_from_its_file_and_the_cutter_learns_what_it_held(
    reader: Reader,
) -> None:
    first, second = days(2)
    reader.files([block(1, 2), block(3)], [block(4)])

    assert reader.read(first, second) == {first: [1, 2, 3], second: [4]}
    assert reader.planner.counts == {first: 3, second: 1}
    assert all(spool.file.closed for spool in reader.api.spools)


def test_an_empty_window_is_one_without_contacts(reader: Reader) -> None:
    reader.api.holds[DAY] = 0
    reader.files([])

    assert reader.read(DAY) == {DAY: []}
    assert reader.planner.counts == {DAY: 0}


# A file that holds something else than contacts.


def test_a_file_with_something_else_in_it_is_fetched_and_read_once_more(
    reader: Reader, told: Told
) -> None:
    reader.api.seconds_a_block = 1.0
    reader.files([block(1), no_contact()], [block(1), block(2)])

    assert reader.read(DAY) == {DAY: [1, 1, 2]}
    assert len(reader.api.asked("create")) == 1
    assert len(reader.api.asked("fetch")) == 2
    assert told() == [f"{no_contact().what}; fetching the file again"]


def test_a_fresh_file_with_something_else_in_it_is_an_error(reader: Reader) -> None:
    reader.files([block(1), no_contact()], [block(1), no_contact()])

    with pytest.raises(RecordError):
        reader.read(DAY)
    assert len(reader.api.asked("fetch")) == 2


def test_when_the_fresh_file_cannot_be_had_the_window_is_read_through_pages(
    reader: Reader,
) -> None:
    reader.files([no_contact()])
    reader.api.seconds[DAY] = 0.0
    reader.api.script("poll", AS_USUAL, FAILED, FAILED)
    reader.pages.read.return_value = iter([block(5)])

    assert reader.read(DAY) == {DAY: [5]}
    reader.pages.read.assert_called_once_with(DAY)


def fail_while_the_first_of_two_is_read(reader: Reader) -> tuple[Window, Window]:
    """Let exports be given up after one contact of the first window."""
    first, second = days(2, expected=1)
    reader.api.seconds.update({first: 0.0, second: 100.0})
    reader.api.seconds_a_block = 300.0
    for window in (first, second):
        reader.api.script("poll", AS_USUAL, FAILED, FAILED, to=window)
    reader.files([block(1), [], [], no_contact()])
    reader.pages.read.side_effect = lambda window: iter([block(1, 2) if window == first else []])
    return first, second


def test_when_exports_are_given_up_meanwhile_a_window_begun_is_read_to_its_end_by_pages(
    told: Told,
) -> None:
    reader = Reader(extraction_mode="auto")
    first, second = fail_while_the_first_of_two_is_read(reader)

    assert reader.read(first, second) == {first: [1, 1, 2], second: []}
    assert any("Three exports in a row failed" in line for line in told())
    assert told()[-1].endswith("Reading this window by pages")


def test_without_leave_to_read_pages_a_window_begun_fails_with_the_exports() -> None:
    reader = Reader(extraction_mode="export")
    windows = fail_while_the_first_of_two_is_read(reader)

    with pytest.raises(ExportError):
        reader.read(*windows)


def test_while_a_window_is_read_by_pages_the_works_go_on_with_the_next() -> None:
    reader = Reader()
    first, second = days(2, expected=1)
    reader.api.script("poll", FAILED, FAILED, to=first)
    reader.api.seconds.update({first: 1.0, second: 300.0})
    polled: list[int] = []

    def by_pages(_: Window) -> Iterator[Block]:
        for number in range(3):
            yield block(number)
            polled.append(len(reader.api.asked("poll")))
            reader.clock.advance(timedelta(seconds=200))

    reader.pages.read.side_effect = by_pages
    reader.files([block(9)])

    assert reader.read(first, second) == {first: [0, 1, 2], second: [9]}
    assert polled[-1] > polled[0]


def test_something_else_on_a_page_is_an_error_at_once(reader: Reader) -> None:
    reader.api.script("poll", FAILED, FAILED)
    [small] = days(1, expected=1)
    reader.pages.read.side_effect = no_contact()

    with pytest.raises(RecordError):
        reader.read(small)
    assert len(reader.api.asked("create")) == 2


@pytest.mark.parametrize("error", [RecordError, UnavailableError])
def test_what_goes_wrong_at_the_first_contacts_is_told_before_the_window_is_begun(
    reader: Reader, error: type[TapError]
) -> None:
    reader.files([error("Odd", "Run again.")], [error("Odd", "Run again.")])

    with pytest.raises(error) as failure:
        next(reader.exports.windows(ListedWindows([DAY])))

    assert f"(contacts created {DAY})" in str(failure.value)


# What else is seen to.


def test_columns_are_filled_and_missed() -> None:
    reader = Reader("include_all_emails")
    given: Any = block(1)
    reader.files([given])

    with pytest.raises(ColumnError, match="Exports of this Space's API does not deliver"):
        reader.read(DAY)


def test_creation_times_are_looked_at_in_the_spaces_zone_block_by_block() -> None:
    reader = Reader(timezone="America/New_York")
    first, second = days(2)
    reader.files([block(1), block(2)], [block(3)])

    reader.read(first, second)

    looked = [
        (call.args[0], call.args[1].start) for call in reader.timezone_check.inspect.mock_calls
    ]
    assert looked == [
        (block(1), "2023-12-31 19:00:00"),
        (block(2), "2023-12-31 19:00:00"),
        (block(3), "2024-01-01 19:00:00"),
    ]
    vouched = [call.args[0] for call in reader.timezone_check.vouch_elsewhere.mock_calls]
    assert vouched == [block(1), block(3)]


def test_other_exports_go_on_while_a_window_is_read() -> None:
    first, second = days(2)
    reader = Reader(max_parallel_exports=2)
    reader.api.seconds[second] = 60.0
    reader.api.seconds_a_block = 1.0
    reader.files([block(n) for n in range(100)], [block(100)])

    windows = reader.exports.windows(ListedWindows([first, second]))
    _, blocks = next(windows)
    began = reader.clock.monotonic()
    list(blocks)

    assert reader.api.asked("fetch", second)[0] < 70.0
    assert reader.clock.monotonic() - began == pytest.approx(100.0, abs=0.1)


def test_other_exports_are_not_looked_after_at_each_block(reader: Reader) -> None:
    reader.api.seconds_a_block = 0.01
    reader.files([block(n) for n in range(100)])

    _, blocks = next(reader.exports.windows(ListedWindows([DAY])))
    before = reader.runner.waits
    list(blocks)

    assert 15 <= reader.runner.waits - before <= 20


def test_files_are_let_go_when_nobody_reads_on(reader: Reader) -> None:
    first, second = days(2)
    reader.files([block(1)], [block(2)])
    windows: Any = reader.exports.windows(ListedWindows([first, second]))
    next(windows)
    assert reader.progress.exports is not None
    assert reader.progress.exports(reader.clock.monotonic())[0] == "reading"

    windows.close()

    assert [spool.file.closed for spool in reader.api.spools] == [True] * len(reader.api.spools)


def test_afterwards_no_exports_are_noted(reader: Reader) -> None:
    reader.files([block(1)])

    reader.read(DAY)

    assert reader.progress.exports is None


def test_it_is_noted_how_each_window_is_read(reader: Reader) -> None:
    [small], [large] = days(1, expected=5), days(2)[1:]
    reader.api.script("poll", FAILED, FAILED, to=small)
    reader.pages.read.return_value = iter([block(1)])
    reader.api.holds[large] = 77
    reader.files([block(2)])

    with mock.patch.object(reader.progress, "enter") as entered:
        for _, blocks in reader.exports.windows(ListedWindows([small, large])):
            list(blocks)

    assert [call.kwargs for call in entered.mock_calls] == [
        {"way": PAGES, "expected": 5, "remaining": 1_000},
        {"way": EXPORT, "expected": 77, "remaining": 0},
    ]


# Settings.


@pytest.mark.parametrize("parallel", [1, 3])
def test_as_many_exports_run_at_once_as_the_settings_say(parallel: int) -> None:
    reader = Reader(max_parallel_exports=parallel)
    reader.files([block(1)])

    next(reader.exports.windows(ListedWindows(days(5))))

    assert len(reader.api.asked("create")) == parallel


def test_a_job_may_take_as_long_as_the_settings_say() -> None:
    reader = Reader(export_timeout=120)
    reader.files([block(1)])
    reader.api.seconds[DAY] = 200.0
    reader.api.script("create", AS_USUAL)

    next(reader.exports.windows(ListedWindows([DAY])))

    assert reader.api.asked("create") == [0.0, pytest.approx(121.0, abs=0.1)]


@pytest.mark.parametrize(("threshold", "halves"), [(999, 2), (1_000, 0)])
def test_windows_are_halved_above_the_threshold_of_the_settings(
    threshold: int, halves: int
) -> None:
    reader = Reader(export_threshold=threshold)
    reader.api.script("poll", FAILED, FAILED)
    reader.pages.read.return_value = iter([block(1)])
    reader.files([block(1)], [block(2)])

    read = reader.read(DAY)

    assert len(read) == max(1, halves)
    assert len(reader.api.asked("create")) == 2 + halves


def test_requests_of_the_list_are_left_to_the_zone_check() -> None:
    reader = Reader()
    reader.timezone_check.outstanding = 12
    reader.files([block(1)])

    next(reader.exports.windows(ListedWindows([DAY], questions=days(15))))

    assert reader.api.asked("probe").count(0.0) == 3


def test_windows_are_cut_to_the_size_that_the_settings_ask_for() -> None:
    reader = Reader(export_target_size=20_000, max_parallel_exports=3)

    with mock.patch("tap_cometly.exports.reader.WindowPlanner", autospec=True) as planner:
        reader.exports.planner(DAY)

    planner.assert_called_once_with(DAY, target=20_000, horizon=5 * 20_000)
