"""Windows through export jobs: in which order, and what becomes of a job by what is answered."""

from __future__ import annotations

import itertools
import json
import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tap_cometly.exceptions import (
    AccessError,
    AnswerLostError,
    ApiError,
    BadFileError,
    ExportBusyError,
    ExportError,
    FileError,
    FileGoneError,
    ForbiddenError,
    MachineError,
    NotFoundError,
    OutputError,
    RateLimitError,
    RejectedError,
    TapError,
    UnavailableError,
    UrlRefusedError,
    WindowNotExportedError,
)
from tap_cometly.timeranges import Window
from tests.support.exports import DAY, SIZE, THRESHOLD, TIMEOUT, USUAL, Exports, days

if TYPE_CHECKING:
    from tests.unit.conftest import Logged

FAILED = ("failed", None)
NO_URL = ("completed", None)
LOST = AnswerLostError("No answer came", "Run again.")
REJECTED = RejectedError("The range is too large", "Ask for less.")
FIRST_HALF, SECOND_HALF = DAY.halves()


@pytest.fixture
def one() -> Exports:
    """One day to read."""
    return Exports(DAY)


def soon(at: float) -> Any:
    """About then: answers and the clock take moments."""
    return pytest.approx(at, abs=0.3)


# In order, and several at once.


def test_a_window_is_created_polled_and_downloaded_once(one: Exports) -> None:
    assert one.read() == {DAY: "export"}

    assert [len(one.repository.asked(kind)) for kind in ("create", "download")] == [1, 1]
    assert one.repository.spools[0].file.closed


def test_the_oldest_window_is_handed_out_first_whichever_job_completes_first() -> None:
    windows = days(3)
    exports = Exports(*windows)
    exports.repository.seconds.update(zip(windows, [1.0, 60.0, 30.0], strict=True))

    assert list(exports.read()) == windows
    assert exports.repository.windows("download") == [windows[0], windows[2], windows[1]]


def test_the_next_window_is_begun_only_when_the_oldest_has_been_read() -> None:
    windows = days(3)
    exports = Exports(*windows, parallel=2)
    job = exports.next()
    exports.advance_until(100.0)
    assert exports.repository.windows("create") == windows[:2]

    exports.orchestrator.finished(job)
    exports.next()
    exports.advance_until(110.0)

    assert exports.repository.windows("create") == windows


def test_a_window_that_is_not_known_yet_is_asked_for_each_second() -> None:
    exports = Exports(None, None, None, DAY)

    assert exports.read() == {DAY: "export"}
    assert exports.repository.asked("create") == [soon(3.0)]


def test_each_export_is_told_and_what_lies_behind_the_oldest() -> None:
    windows = days(4)
    exports = Exports(*windows, parallel=2)
    exports.repository.seconds.update({windows[0]: 1.0, windows[1]: 1e3})

    exports.next()

    assert exports.orchestrator.describe(exports.clock.monotonic()) == [
        "reading",
        "processing 0 s",
    ]
    assert exports.orchestrator.expected_behind_oldest() == SIZE


def test_while_a_window_is_read_the_others_are_not_seen_to_at_each_block() -> None:
    exports = Exports(*days(2))
    exports.next()
    before = exports.tasks.waits

    for _ in range(100):
        exports.orchestrator.advance()
        exports.clock.sleep(0.01)

    assert 15 <= exports.tasks.waits - before <= 20


def test_closing_lets_go_of_all_files_also_of_those_still_to_come() -> None:
    windows = days(3)
    exports = Exports(*windows)
    exports.repository.seconds.update(zip(windows, [1.0, 1.0, 20.0], strict=True))
    exports.next()
    while len(exports.repository.spools) < 3:
        exports.orchestrator.advance()
        exports.clock.sleep(0.1)

    exports.orchestrator.close()
    exports.tasks.wait(0.1)

    assert [spool.file.closed for spool in exports.repository.spools] == [True] * 3


@pytest.mark.parametrize(
    ("kind", "answer", "since"),
    [("poll", USUAL, 1.0), ("poll", FAILED, 1.0), ("create", LOST, 0.0)],
)
def test_what_is_answered_after_closing_begins_nothing_and_is_not_told(
    one: Exports, logged: Logged, kind: str, answer: Any, since: float
) -> None:
    # given an answer that is under way
    one.repository.seconds[DAY] = 0.0
    one.repository.script(kind, answer)
    one.advance_until(since)
    one.tasks.under_way = True
    one.advance_until(3.0)
    assert len(one.repository.asked(kind)) == 1

    # when
    one.orchestrator.close()
    one.tasks.under_way = False
    one.tasks.wait(0.0)

    # then
    assert one.repository.asked("download") == []
    assert logged() == []


# Limits.


def test_exports_are_created_as_fast_as_the_limit_allows_and_no_faster() -> None:
    exports = Exports(*days(7), parallel=7, seconds=200.0)

    exports.next()

    assert exports.repository.asked("create") == [0.0] * 5 + [soon(60.0)] * 2
    assert exports.repository.limiters["create"].waited == soon(60.0)


def test_a_limit_is_not_waited_for_while_a_window_is_read() -> None:
    windows = days(7)
    exports = Exports(*windows, parallel=7)
    exports.repository.seconds[windows[0]] = 1.0
    exports.next()
    waited = exports.repository.limiters["create"].waited

    exports.advance_until(50.0)

    assert exports.repository.limiters["create"].waited == waited < 5.0


def test_a_pause_before_another_try_is_no_wait_for_the_limit(one: Exports) -> None:
    one.repository.script("create", LOST)

    one.read()

    assert one.repository.limiters["create"].waited == 0


def test_halves_beyond_what_may_run_at_once_do_not_wait_for_the_limit() -> None:
    exports = Exports(DAY, parallel=1)
    exports.repository.script("create", REJECTED)
    exports.repository.script("create", USUAL, to=SECOND_HALF)

    exports.read()

    assert exports.repository.asked("create", SECOND_HALF)[0] > 10.0
    assert exports.repository.limiters["create"].waited == 0


def test_ids_are_asked_for_once_a_window_when_the_list_has_room() -> None:
    exports = Exports(DAY)
    exports.repository.script("sample", [1, 2])
    exports.repository.script("poll", FAILED)

    assert exports.next().sample == frozenset({1, 2})
    assert len(exports.repository.asked("create")) == 2
    assert len(exports.repository.asked("sample")) == 1


@pytest.mark.parametrize("error", [AccessError("Odd", "-"), UnavailableError("Odd", "-")])
def test_no_failure_of_the_list_fails_an_export(one: Exports, error: TapError) -> None:
    one.repository.script("sample", error)

    assert one.next().sample is None


def test_ids_are_not_asked_for_while_the_list_has_no_room(one: Exports) -> None:
    one.repository.limiters["list"].pause_for(90.0)

    assert one.read() == {DAY: "export"}
    assert one.repository.asked("sample") == []


# Jobs that fail.


@pytest.mark.parametrize(
    ("kind", "answer", "why"),
    [
        ("poll", FAILED, "the export failed"),
        ("poll", NotFoundError("Unknown", "-"), "it cannot be polled (Unknown)"),
        ("poll", ApiError("Status 400", "-"), "it cannot be polled (Status 400)"),
        ("poll", ApiError("Status 410", "-"), "it cannot be polled (Status 410)"),
        ("poll", UnavailableError("No answer", "-"), "it cannot be polled (No answer)"),
        ("download", FileGoneError(), "the store has no such file"),
        ("download", UnavailableError("The store is down", "-"), "The store is down"),
    ],
    ids=["failed", "404", "400", "410", "poll unavailable", "file gone", "store down"],
)
def test_a_failed_job_is_created_once_more_at_once(
    one: Exports, logged: Logged, kind: str, answer: Any, why: str
) -> None:
    one.repository.script(kind, answer)

    assert one.read() == {DAY: "export"}
    assert one.repository.asked("create")[1] == soon(one.repository.asked(kind)[0])
    assert len(one.repository.asked("create")) == 2
    assert logged() == [f"Export of {DAY}: {why}"]


def test_only_the_job_whose_poll_fails_is_created_again() -> None:
    first, second = days(2)
    exports = Exports(first, second)
    exports.repository.script("poll", NotFoundError("Unknown", "-"), to=second)

    assert exports.read() == {first: "export", second: "export"}
    assert exports.repository.windows("create") == [first, second, second]


def test_a_large_window_that_fails_twice_is_read_in_halves(one: Exports) -> None:
    one.repository.script("poll", FAILED, FAILED)

    assert one.read() == {FIRST_HALF: "export", SECOND_HALF: "export"}
    assert one.repository.windows("create") == [DAY, DAY, FIRST_HALF, SECOND_HALF]


@pytest.mark.parametrize(
    "window",
    [
        Window(DAY.start, DAY.end, THRESHOLD),
        Window(DAY.start, DAY.end),
        Window(DAY.start, DAY.start + timedelta(seconds=1), SIZE),
    ],
    ids=["of few contacts", "of unknown size", "of a second"],
)
def test_a_window_that_fails_twice_and_is_not_worth_halving_is_left_to_pages(
    window: Window,
) -> None:
    exports = Exports(window)
    exports.repository.script("poll", FAILED, FAILED)

    with pytest.raises(WindowNotExportedError) as failure:
        exports.next()

    assert failure.value.window is window
    assert str(failure.value).startswith(
        f"No export can read this window: the export failed (contacts created {window}). Set"
    )
    assert exports.orchestrator.next_export() is None
    assert len(exports.repository.asked("create")) == 2


def test_halves_take_the_place_of_their_window_and_no_more_run_than_before() -> None:
    first, second, third = days(3)
    exports = Exports(first, second, third, parallel=2)
    exports.repository.script("poll", FAILED, FAILED, to=first)

    assert list(exports.read()) == [*first.halves(), second, third]
    created = exports.repository.windows("create")
    assert created == [first, second, first, *first.halves(), third]


def test_three_failed_jobs_in_a_row_are_the_end_of_exports(one: Exports) -> None:
    one.repository.script("poll", FAILED, FAILED, FAILED)

    with pytest.raises(ExportError) as failure:
        one.read()

    assert str(failure.value) == (
        "Three exports in a row failed, the last one because the export failed "
        f"(contacts created {FIRST_HALF}). "
        "Set `extraction_mode` to auto or pagination, or ask Cometly's support."
    )


def test_a_completed_export_between_failed_ones_counts_anew() -> None:
    windows = days(3, expected=THRESHOLD)
    exports = Exports(*windows, parallel=1)
    for window in windows[::2]:
        exports.repository.script("poll", FAILED, FAILED, to=window)

    assert list(exports.read().values()) == ["pages", "export", "pages"]


def test_failures_that_began_together_count_once() -> None:
    windows = days(4)
    exports = Exports(*windows)
    for window in windows:
        exports.repository.script("poll", FAILED, to=window)

    assert set(exports.read().values()) == {"export"}
    assert len(exports.repository.asked("create")) == 8


# Answers that were lost.


def test_a_lost_answer_to_a_creation_is_asked_for_once_more_after_a_pause(
    one: Exports, logged: Logged
) -> None:
    one.repository.script("create", LOST)

    assert one.read() == {DAY: "export"}
    assert one.repository.asked("create") == [0.0, soon(5.0)]
    assert logged() == [f"Export of {DAY}: No answer came"]


def test_lost_answers_are_no_failures_before_they_have_been_asked_for_again() -> None:
    windows = days(4, expected=THRESHOLD)
    exports = Exports(*windows, parallel=1)
    for window in windows:
        exports.repository.script("create", LOST, to=window)
        exports.repository.script("poll", FAILED, to=window)

    with pytest.raises(ExportError, match="Three exports in a row"):
        exports.read()

    assert exports.repository.windows("create") == [w for w in windows[:3] for _ in range(2)]


def test_four_creations_whose_answers_are_lost_twice_are_not_the_end_of_exports() -> None:
    windows = days(4, expected=THRESHOLD)
    exports = Exports(*windows)
    exports.repository.script("create", *[LOST] * 8)

    assert set(exports.read().values()) == {"pages"}
    assert len(exports.repository.asked("create")) == 8


# An API that is busy with another export.


def test_an_api_that_is_busy_is_asked_again_when_it_says_and_that_is_no_failure(
    one: Exports, logged: Logged
) -> None:
    busy = ExportBusyError("Busy", "-", seconds=60.0)
    one.repository.script("create", busy, busy, busy)
    one.repository.script("poll", FAILED)

    assert one.read() == {DAY: "export"}
    assert one.repository.asked("create")[:4] == [soon(at) for at in (0, 60, 120, 180)]
    assert len(one.repository.asked("create")) == 5
    assert logged()[:3] == ["Busy; asking again in 60 s"] * 3


@pytest.mark.parametrize("seconds", [60.0, 400.0, 86_400.0])
def test_an_api_that_is_busy_beyond_the_timeout_has_failed(seconds: float) -> None:
    [small] = days(1, expected=THRESHOLD)
    exports = Exports(small)
    exports.repository.script("create", *[ExportBusyError("Busy", "-", seconds)] * 99)

    with pytest.raises(WindowNotExportedError, match="Busy"):
        exports.next()

    assert exports.clock.monotonic() == pytest.approx(TIMEOUT, abs=1.0)


# Windows that the API finds too large.


def test_a_refused_window_is_halved_at_once_until_the_api_takes_it() -> None:
    exports = Exports(DAY, parallel=1)
    exports.repository.script("create", REJECTED, REJECTED, REJECTED)

    read = exports.read()

    assert {window.seconds for window in read} == {DAY.seconds // 8}
    assert list(read.values()) == ["export"] * 8
    assert len(exports.repository.asked("create")) == 3 + 8


def test_a_window_as_large_as_a_refused_one_is_not_even_asked_for() -> None:
    first, second = days(2)
    exports = Exports(first, second, parallel=1)
    exports.repository.script("create", REJECTED)

    exports.read()

    created = exports.repository.windows("create")
    assert created == [first, *first.halves(), *second.halves()]


def test_a_job_that_runs_is_polled_though_the_window_before_it_is_halved() -> None:
    small = Window(DAY.end, DAY.end + timedelta(days=1), THRESHOLD)
    exports = Exports(DAY, small, parallel=4, share=0.6)  # three creations a minute
    exports.repository.seconds[small] = 300.0
    exports.repository.script("create", REJECTED, to=DAY)
    exports.repository.script("create", REJECTED, to=FIRST_HALF)

    assert set(exports.read().values()) == {"export"}


def test_a_smaller_window_than_the_refused_one_is_asked_for_as_it_is() -> None:
    first, second = DAY, Window(DAY.end, DAY.end + timedelta(days=1), SIZE - 1)
    exports = Exports(first, second, parallel=1)
    exports.repository.script("create", REJECTED)

    exports.read()

    assert exports.repository.windows("create") == [first, *first.halves(), second]


@pytest.mark.parametrize("expected", [None, THRESHOLD])
def test_the_size_of_a_refused_window_that_is_small_or_unknown_is_not_remembered(
    expected: int | None,
) -> None:
    [first] = days(1, expected=expected)
    second = days(2)[1]
    exports = Exports(first, second, parallel=1)
    exports.repository.script("create", REJECTED)

    assert exports.read() == {first: "pages", second: "export"}


def test_a_refused_window_that_is_not_worth_halving_is_left_to_pages_without_another_try(
    logged: Logged,
) -> None:
    [small] = days(1, expected=THRESHOLD)
    exports = Exports(small)
    exports.repository.script("create", REJECTED)

    assert exports.read() == {small: "pages"}
    assert len(exports.repository.asked("create")) == 1
    assert logged() == [f"Export of {small}: The range is too large"]


# What another export would not mend.


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("create", AccessError("Odd", "-")),
        ("create", ForbiddenError("Odd", "-")),
        ("create", RateLimitError("Odd", "-")),
        ("create", UnavailableError("Odd", "-")),
        ("create", MachineError("Odd", "-")),
        ("poll", AccessError("Odd", "-")),
        ("poll", RateLimitError("Odd", "-")),
        ("poll", MachineError("Odd", "-")),
        ("download", ApiError("Odd", "-")),
        ("download", OutputError("Odd", "-")),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_what_another_export_would_not_mend_is_raised_as_it_is(
    one: Exports, kind: str, error: TapError
) -> None:
    one.repository.script(kind, error)

    with pytest.raises(type(error)) as failure:
        one.next()

    assert failure.value is error
    assert len(one.repository.asked("create")) == 1


def test_any_other_refusal_of_a_creation_speaks_against_exports(one: Exports) -> None:
    one.repository.script("create", ApiError("Status 418: a teapot", "Ask Cometly."))

    with pytest.raises(ExportError) as failure:
        one.next()

    assert str(failure.value) == f"Status 418: a teapot (contacts created {DAY}). Ask Cometly."


def test_the_first_error_counts_and_nothing_new_begins() -> None:
    exports = Exports(*days(9), parallel=4)
    exports.repository.script("create", USUAL, AccessError("One", "-"), AccessError("Two", "-"))

    for _ in range(2):
        with pytest.raises(AccessError, match="One"):
            exports.next()
    exports.advance_until(60.0)

    assert len(exports.repository.asked("create")) == 4
    assert exports.repository.asked("poll") == []


def test_a_file_that_is_here_is_handed_out_before_the_error() -> None:
    first, second = days(2)
    exports = Exports(first, second)
    exports.repository.seconds[first] = 0.0
    exports.repository.script("poll", AccessError("Odd", "-"), to=second)
    job = exports.next()
    exports.advance_until(30.0)

    assert exports.next() is job
    exports.orchestrator.finished(job)

    with pytest.raises(AccessError):
        exports.next()


# Jobs that take long, or answer oddly.


def test_a_job_that_never_completes_is_created_again_after_its_timeout(
    one: Exports, logged: Logged
) -> None:
    one.repository.seconds[DAY] = 1e9
    one.advance_until(TIMEOUT)
    one.repository.seconds[DAY] = 10.0

    assert one.read() == {DAY: "export"}
    assert one.repository.asked("create") == [0.0, pytest.approx(TIMEOUT, abs=5.5)]
    assert logged() == [f"Export of {DAY}: the export took longer than {TIMEOUT:.0f} s"]


def test_a_job_that_is_seen_completed_after_its_timeout_is_taken_all_the_same(
    one: Exports,
) -> None:
    one.repository.seconds[DAY] = TIMEOUT + 0.5

    assert one.read() == {DAY: "export"}
    assert len(one.repository.asked("create")) == 1


@pytest.mark.parametrize(("polls", "creations"), [(7, 1), (8, 2)])
def test_a_job_that_is_completed_without_a_url_for_long_is_created_again(
    one: Exports, polls: int, creations: int
) -> None:
    one.repository.seconds[DAY] = 0.0
    one.repository.script("poll", *[NO_URL] * polls)

    assert one.read() == {DAY: "export"}
    assert len(one.repository.asked("create")) == creations


@pytest.mark.parametrize(
    ("statuses", "times"),
    [
        ([("queued", None), ("processing", None), ("queued", None)], 0),
        ([("paused", None)] * 3, 1),
        ([NO_URL, ("processing", None), ("processing", None)], 1),
    ],
    ids=["known", "unknown", "back to processing"],
)
def test_an_odd_status_counts_as_running_and_is_warned_of_once(
    one: Exports, logged: Logged, statuses: list[Any], times: int
) -> None:
    one.repository.script("poll", *statuses)

    assert one.read() == {DAY: "export"}
    assert len(one.repository.asked("create")) == 1
    assert logged() == ["An export has an unknown status; waiting until its timeout"] * times


@pytest.mark.parametrize(
    ("status", "describes"),
    [
        ("queued", "queued"),
        ("processing", "processing"),
        ("completed", "completed"),
        ("\x1b[31mcanary@example.com", "running"),
    ],
)
def test_only_words_that_the_api_documents_are_passed_on(
    one: Exports, status: str, describes: str
) -> None:
    one.repository.script("poll", (status, None))
    one.advance_until(3.0)

    [told] = one.orchestrator.describe(99.0)
    assert told.rsplit(maxsplit=2)[0] == describes


# Files.


def test_a_refused_url_is_asked_for_anew_after_growing_pauses_and_then_the_job(
    one: Exports, logged: Logged
) -> None:
    one.repository.script("download", *[UrlRefusedError()] * 4)

    assert one.read() == {DAY: "export"}

    first, *others = one.repository.asked("download")[:4]
    assert [at - first for at in others] == [soon(1.1), soon(3.2), soon(7.3)]
    assert len(one.repository.asked("create")) == 2
    assert logged() == [f"Export of {DAY}: the store refuses the file's URL"]


def test_a_job_that_has_no_fresh_url_yet_is_polled_as_any_other(one: Exports) -> None:
    one.repository.script("download", UrlRefusedError())
    one.repository.script("poll", *[("processing", None)] * 4, USUAL, *[("processing", None)] * 4)

    one.read()

    polls = one.repository.asked("poll")[5:]
    assert len(polls) == 5
    assert min(later - earlier for earlier, later in itertools.pairwise(polls)) > 2.0


def test_a_bad_file_is_downloaded_again_then_made_again_and_then_that_is_the_end(
    one: Exports, logged: Logged
) -> None:
    one.repository.script("download", *[BadFileError("it ended early")] * 6)

    with pytest.raises(FileError, match=f"{DAY}.*it ended early"):
        one.read()

    at = one.repository.asked("download")
    assert len(at) == 6
    assert [at[1] - at[0], at[2] - at[1]] == [soon(1.1), soon(2.1)]
    assert len(one.repository.asked("create")) == 2
    again = f"The file of {DAY}: it ended early; downloading it again"
    assert logged() == [again, again, f"Export of {DAY}: it ended early", again, again]


def test_each_job_and_each_download_is_timed_once(
    one: Exports, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "singer_sdk.metrics")
    one.repository.script("poll", FAILED)
    one.repository.script("download", BadFileError("it ended early"))
    one.repository.download_seconds = 3.0

    one.read()

    points = [json.loads(text.split(": ", 1)[1]) for text in caplog.messages if "METRIC" in text]
    told = [(p["tags"]["job_type"], p["tags"]["status"], round(p["value"])) for p in points]
    assert told == [
        ("export", "failed", 2),
        ("export", "succeeded", 10),
        ("download", "failed", 0),
        ("download", "succeeded", 3),
    ]
    assert {point["tags"]["window"] for point in points} == {str(DAY)}
    assert points[-1]["tags"]["bytes"] == 1


# Files whose content is not believed.


def test_a_file_is_downloaded_again_at_once_when_its_reader_asks_for_it(one: Exports) -> None:
    job = one.next()
    before = one.clock.monotonic()

    one.orchestrator.download_again(job)

    assert one.next() is job
    assert one.clock.monotonic() == soon(before)
    assert len(one.repository.asked("create")) == 1
    assert [spool.file.closed for spool in one.repository.spools] == [True, False]


def test_a_rejected_file_is_made_once_more(one: Exports, logged: Logged) -> None:
    job = one.next()

    one.orchestrator.reject(job, "it lacks contacts")

    assert one.next() is job
    assert len(one.repository.asked("create")) == 2
    assert [spool.file.closed for spool in one.repository.spools] == [True, False]
    assert logged() == [f"Export of {DAY}: it lacks contacts"]


def test_a_file_that_is_rejected_twice_cannot_be_had(one: Exports) -> None:
    job = one.next()
    one.orchestrator.reject(job, "it lacks contacts")

    with pytest.raises(WindowNotExportedError, match="it lacks contacts") as failure:
        one.orchestrator.reject(job, "it lacks contacts")

    assert failure.value.window is DAY
    assert one.orchestrator.next_export() is None
    assert len(one.repository.asked("create")) == 2
    assert all(spool.file.closed for spool in one.repository.spools)


def test_a_window_that_is_being_read_is_not_halved(one: Exports) -> None:
    job = one.next()
    one.repository.script("poll", FAILED, FAILED)

    with pytest.raises(WindowNotExportedError):
        one.orchestrator.download_again(job)

    assert one.repository.windows("create") == [DAY, DAY]


def test_an_error_ends_the_wait_for_a_file_that_is_being_read(one: Exports) -> None:
    job = one.next()
    one.repository.script("poll", AccessError("Odd", "-"))

    with pytest.raises(AccessError):
        one.orchestrator.download_again(job)


def test_other_windows_go_on_while_a_rejected_file_is_made_once_more() -> None:
    first, second = days(2)
    exports = Exports(first, second)
    exports.repository.seconds.update({first: 1.0, second: 1.0})
    exports.repository.script("poll", *[USUAL, ("processing", None)], to=second)
    job = exports.next()
    exports.repository.seconds[first] = 60.0

    exports.orchestrator.reject(job, "it lacks contacts")

    assert exports.repository.asked("download", second)[0] < 30.0
