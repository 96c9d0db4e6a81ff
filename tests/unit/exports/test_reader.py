"""Export files to contacts: what is read, and when a file is believed."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest

from tap_cometly.contacts.schema import Contact, OptionalColumns, fields_asked
from tap_cometly.exceptions import (
    ExportError,
    RecordError,
    TimezoneError,
    WindowNotExportedError,
)
from tap_cometly.exports.reader import ExportReader
from tap_cometly.timeranges import Window
from tests.support.exports import DAY, THRESHOLD, USUAL, Exports, ScriptedRepository, days

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_cometly.exports.download import SpoolFile
    from tests.support.clock import FakeClock

FAILED = ("failed", None)
NO_ANSWER = USUAL

Block = list[Contact]


def no_contact() -> RecordError:
    return RecordError("Line 7 of an export file is not a contact: it has no id", "Run again.")


def block(*ids: int) -> Block:
    return [Contact(id=number) for number in ids]


class Files(ScriptedRepository):
    """A repository whose files hold what a test says: blocks, or errors between them."""

    def __init__(self, clock: FakeClock, **options: float) -> None:
        super().__init__(clock, **options)
        self.files: deque[list[Any]] = deque()
        self._read: list[SpoolFile] = []
        self._contents: list[list[Any]] = []

    def contacts(self, spool: SpoolFile) -> Iterator[Block]:
        assert not spool.file.closed
        if spool not in self._read:
            self._read.append(spool)
            self._contents.append(self.files.popleft())
        for part in self._contents[self._read.index(spool)]:
            if isinstance(part, Exception):
                raise part
            yield part


class Reader:
    """Exports whose files are read."""

    def __init__(self, *windows: Window, files: list[list[Any]]) -> None:
        self.exports = Exports(*windows, repository=Files)
        repository: Any = self.exports.repository
        repository.files.extend(files)
        self.repository = self.exports.repository
        self.inspect = mock.Mock()
        self.reader = ExportReader(
            self.exports.orchestrator,
            repository,
            OptionalColumns(fields_asked(()), "The export"),
            self.inspect,
        )

    def read(self) -> dict[Window, list[int]]:
        """The ids that come of each window."""
        found: dict[Window, list[int]] = {}
        while (read := self.reader.next_window()) is not None:
            job, blocks = read
            found[job.window] = [contact.id for contacts in blocks for contact in contacts]
        return found

    def created(self) -> int:
        """How many export jobs were created."""
        return len(self.repository.asked("create"))


def small(count: int = 1) -> list[Window]:
    """Windows thought to hold so few contacts that no file seems to hold too few."""
    return days(count, expected=2)


# What is read.


def test_each_block_is_compared_with_what_was_asked_for() -> None:
    first, second = small(2)
    reader = Reader(first, second, files=[[block(1), block(2)], [block(3)]])

    reader.read()

    looked = [call.args for call in reader.inspect.mock_calls]
    assert looked == [(block(1), first), (block(2), first), (block(3), second)]


def test_an_error_at_the_first_contacts_names_the_window() -> None:
    reader = Reader(DAY, files=[[block(1)]])
    reader.inspect.side_effect = TimezoneError("Another zone", "Set it.")

    with pytest.raises(TimezoneError) as error:
        reader.reader.next_window()

    assert str(error.value) == f"Another zone (contacts created {DAY}). Set it."


def test_other_exports_go_on_while_a_window_is_read() -> None:
    first, second = small(2)
    reader = Reader(first, second, files=[[block(n) for n in range(100)], [block(100)]])
    reader.repository.seconds[second] = 60.0

    _, blocks = reader.reader.next_window() or (None, iter([]))
    for _ in blocks:
        reader.exports.clock.sleep(1.0)

    assert reader.repository.asked("download", second)[0] < 70.0


# A line that is not a contact.


def test_a_file_with_a_line_that_is_no_contact_is_downloaded_and_read_once_more(
    logged: list[str],
) -> None:
    [window] = small()
    reader = Reader(window, files=[[block(1), no_contact()], [block(1), block(2)]])

    assert reader.read() == {window: [1, 1, 2]}
    assert reader.created() == 1
    assert logged == [f"{no_contact().what}; downloading the file again"]


def test_when_exports_are_given_up_so_is_the_window_that_is_being_read() -> None:
    reader = Reader(*days(2, expected=THRESHOLD), files=[[block(1), no_contact()]])
    reader.reader.next_window()
    reader.repository.script("poll", *[FAILED] * 4)

    with pytest.raises(ExportError):
        reader.read()


# Whether a file is believed.


@pytest.mark.parametrize(
    ("before", "held", "now"),
    [
        ([1, 2], range(500), "not asked"),
        ([1, 2], range(499), range(499)),  # of 1,000 that were expected
        ([], [], "not asked"),
        ([1, 2], [2], [2]),  # 1 has been merged into another contact
        ([1, 2], [2], [2, 3, 4]),  # the same, and others have come
        ([1], [], []),
        (NO_ANSWER, range(750), "not asked"),
        (NO_ANSWER, range(749), range(749)),
        (NO_ANSWER, range(749), NO_ANSWER),  # that may be a poor estimate
        (NO_ANSWER, range(2, 22), range(22)),  # few came while the job ran
        (NO_ANSWER, [], []),
    ],
)
def test_a_file_passes_that_holds_what_the_list_showed_and_still_shows(
    before: Any, held: Any, now: Any
) -> None:
    reader = Reader(DAY, files=[[block(*held)]])
    reader.repository.script("newest", before, *([] if now == "not asked" else [now]))

    assert reader.read() == {DAY: list(held)}
    assert reader.created() == 1
    assert len(reader.repository.asked("newest")) == 1 + (now != "not asked")


@pytest.mark.parametrize(
    ("before", "held", "now"),
    [
        ([1, 2], [2], [1, 2]),
        ([1, 2], [], [1, 2]),
        (NO_ANSWER, [1], range(100)),
        ([1, 9], [1, 9], range(10)),
        (NO_ANSWER, [], [1]),
        (NO_ANSWER, range(5), range(9)),
    ],
)
def test_a_file_that_lacks_contacts_is_made_once_more(
    logged: list[str], before: Any, held: Any, now: Any
) -> None:
    reader = Reader(DAY, files=[[block(*held)], [block(*range(400))]])
    reader.repository.script("newest", before, now)

    assert reader.read() == {DAY: [*held, *range(400)]}
    assert reader.created() == 2
    assert logged == [f"Export of {DAY}: its file lacks contacts that the list shows"]


@pytest.mark.parametrize(("room", "asked"), [(True, 2), (False, 1)])
def test_a_file_smaller_than_a_guessed_size_passes(*, room: bool, asked: int) -> None:
    guessed = replace(DAY, guessed=True)
    reader = Reader(guessed, files=[[block(1)]])
    reader.repository.script("newest", NO_ANSWER, [1])
    if not room:
        reader.inspect.side_effect = lambda *_: reader.repository.limiters["list"].pause_for(9.0)

    assert reader.read() == {guessed: [1]}
    assert (reader.created(), len(reader.repository.asked("newest"))) == (1, asked)


def test_a_suspicious_file_waits_for_the_limit_of_the_list_while_others_go_on() -> None:
    first, second = days(2)
    reader = Reader(first, second, files=[[block(1)], [block(*range(1_000))]])
    reader.repository.seconds[second] = 30.0
    reader.repository.limiters["list"].pause_for(50.0)
    reader.repository.script("newest", [1])

    assert reader.read() == {first: [1], second: list(range(1_000))}
    assert reader.repository.asked("newest", first) == [pytest.approx(50.0, abs=1.5)]
    assert reader.repository.asked("download", second) < [45.0]


def test_a_window_that_was_counted_holds_as_many_contacts() -> None:
    counted = Window(DAY.start, DAY.end, expected=10, counted=10)
    reader = Reader(counted, files=[[block(*range(9))], [block(*range(10))]])
    reader.repository.script("newest", NO_ANSWER, range(14))

    assert reader.read() == {counted: [*range(9), *range(10)]}


def test_what_is_missing_is_counted_afresh_after_another_download() -> None:
    reader = Reader(DAY, files=[[block(1), no_contact()], [block(2)], [block(1, 2)]])
    reader.repository.script("newest", [1, 2], [1, 2], [1, 2])

    assert reader.read() == {DAY: [1, 2, 1, 2]}
    assert reader.created() == 2


def test_a_file_that_differs_the_second_time_fails_when_the_list_does_not_answer() -> None:
    reader = Reader(DAY, files=[[block(1)], [block(1, 2)]])

    with pytest.raises(WindowNotExportedError, match="the list does not answer"):
        reader.read()


@pytest.mark.parametrize("probed", [True, False])
def test_a_file_that_lacks_what_is_known_twice_fails_when_the_list_does_not_answer(
    *, probed: bool
) -> None:
    window = replace(DAY, newest=frozenset(range(100)) if probed else frozenset())
    reader = Reader(window, files=[[block(*range(60))], [block(*range(60))]])
    reader.repository.script("newest", NO_ANSWER if probed else range(100))

    with pytest.raises(WindowNotExportedError, match="the list does not answer"):
        reader.read()
