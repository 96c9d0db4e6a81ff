"""Windows through export jobs: in which order, and what becomes of a job by what is answered."""

from __future__ import annotations

from datetime import timedelta, timezone
from itertools import pairwise, product
from typing import Any

import pytest

from tap_cometly.exceptions import (
    AccessError,
    AnswerLostError,
    ApiError,
    BadFileError,
    ExportBusyError,
    ExportError,
    FileError,
    ForbiddenError,
    MachineError,
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

FAILED = ("failed", None)
LOST = AnswerLostError("No answer came", "Run again.")
REJECTED = RejectedError("The range is too large", "Ask for less.")
FIRST_HALF, SECOND_HALF = DAY.halves(timezone.utc)


@pytest.fixture
def one() -> Exports:
    """One day to read."""
    return Exports(DAY)


def soon(at: float) -> Any:
    """About then: answers and the clock take moments."""
    return pytest.approx(at, abs=0.3)


# In order, and several at once.


def test_a_window_that_is_not_known_yet_is_asked_for_each_second() -> None:
    exports = Exports(None, None, None, DAY)

    assert exports.read() == {DAY: "export"}
    assert exports.repository.asked("create") == [soon(3.0)]


@pytest.mark.parametrize(
    ("kind", "answer", "since"),
    [("poll", USUAL, 1.0), ("poll", FAILED, 1.0), ("create", LOST, 0.0)],
)
def test_an_answer_after_closing_has_no_effect_and_is_not_logged(
    one: Exports, logged: list[str], kind: str, answer: Any, since: float
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
    assert logged == []


def test_what_each_export_is_doing_is_described_and_counted() -> None:
    windows = days(7)
    exports = Exports(*windows, parallel=6, seconds=1e3)
    for window in (windows[0], windows[3]):
        exports.repository.seconds[window] = 1.0
    exports.repository.script("poll", *[("queued", None)] * 9, to=windows[2])
    odd = ("\x1b[31mcanary@example.com", None)  # only words of the API's documents are repeated
    exports.repository.script("poll", *[odd] * 9, to=windows[4])

    exports.next()
    exports.advance_until(12.0)

    described = exports.orchestrator.describe(exports.clock.monotonic())
    assert [text.rsplit(" ", 2)[0] if text.endswith(" s") else text for text in described] == [
        *("reading", "processing", "queued", "downloaded", "running", "waiting to be created"),
    ]
    assert exports.orchestrator.expected_behind_oldest() == 5 * SIZE


def test_closing_closes_all_files_also_of_downloads_under_way() -> None:
    first, second = days(2)
    exports = Exports(first, second)
    exports.repository.seconds.update({first: 1.0, second: 20.0})
    exports.next()
    exports.advance_until_downloads(2)

    exports.orchestrator.close()
    exports.tasks.wait(0.1)

    assert [spool.file.closed for spool in exports.repository.spools] == [True] * 2


# Limits.


def test_a_limit_is_not_waited_for_while_a_window_is_read() -> None:
    windows = days(7)
    exports = Exports(*windows, parallel=7)
    exports.repository.seconds[windows[0]] = 1.0
    exports.next()
    waited = exports.repository.limiters["create"].waited

    exports.advance_until(50.0)

    assert exports.repository.limiters["create"].waited == waited < 5.0


def test_a_job_that_runs_is_polled_though_the_window_before_it_is_halved() -> None:
    small = Window(DAY.end, DAY.end + timedelta(days=1), THRESHOLD)
    exports = Exports(DAY, small, parallel=4, share=0.6)  # three creations a minute
    exports.repository.seconds[small] = 300.0
    exports.repository.script("create", REJECTED, to=DAY)
    exports.repository.script("create", REJECTED, to=FIRST_HALF)

    assert set(exports.read().values()) == {"export"}


def test_halves_beyond_what_may_run_at_once_do_not_wait_for_the_limit() -> None:
    exports = Exports(DAY, parallel=1)
    exports.repository.script("create", REJECTED)
    exports.repository.script("create", USUAL, to=SECOND_HALF)

    exports.read()

    assert exports.repository.asked("create", SECOND_HALF)[0] > 10.0
    assert exports.repository.limiters["create"].waited == 0


def test_ids_are_asked_for_once_a_window(one: Exports) -> None:
    one.repository.script("newest", [1, 2])
    one.repository.script("poll", FAILED)

    assert one.sample() == frozenset({1, 2})
    assert len(one.repository.asked("create")) == 2
    assert len(one.repository.asked("newest")) == 1


def test_no_failure_of_the_list_fails_an_export(one: Exports) -> None:
    one.repository.script("newest", AccessError("Odd", "-"))

    assert one.sample() is None


def test_ids_are_not_asked_for_while_the_limit_of_the_list_is_used_up(one: Exports) -> None:
    one.repository.limiters["list"].pause_for(90.0)

    assert one.read() == {DAY: "export"}
    assert one.repository.asked("newest") == []


# Jobs that fail.


@pytest.mark.parametrize(
    ("kind", "answer", "pause"),
    [
        ("create", LOST, 5.0),
        ("poll", UnavailableError("No answer came", "-"), 0.0),
        ("download", UnavailableError("No answer came", "-"), 0.0),
    ],
)
def test_a_job_that_is_not_answered_is_created_once_more(
    one: Exports, logged: list[str], kind: str, answer: TapError, pause: float
) -> None:
    one.repository.script(kind, answer)

    assert one.read() == {DAY: "export"}
    assert one.repository.asked("create")[1:] == [soon(one.repository.asked(kind)[0] + pause)]
    assert one.repository.limiters["create"].waited == 0
    [line] = logged
    assert line.startswith(f"Export of {DAY}: ")


@pytest.mark.parametrize(
    "window",
    [
        Window(DAY.start, DAY.end, THRESHOLD),
        Window(DAY.start, DAY.end),
        Window(DAY.start, DAY.start + timedelta(seconds=1), SIZE),
    ],
    ids=["of few contacts", "of unknown size", "of a second"],
)
def test_a_window_that_fails_twice_and_is_too_small_to_halve_is_left_to_pages(
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

    assert list(exports.read()) == [*first.halves(timezone.utc), second, third]
    created = exports.repository.windows("create")
    assert created == [first, second, first, *first.halves(timezone.utc), third]


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


def test_lost_answers_are_no_failures_before_they_have_been_asked_for_again() -> None:
    windows = days(4, expected=THRESHOLD)
    exports = Exports(*windows, parallel=1)
    for window in windows:
        exports.repository.script("create", LOST, to=window)
        exports.repository.script("poll", FAILED, to=window)

    with pytest.raises(ExportError, match="Three exports in a row"):
        exports.read()

    assert exports.repository.windows("create") == [w for w in windows[:3] for _ in range(2)]


def test_creations_whose_answers_are_lost_twice_at_once_do_not_end_exports() -> None:
    windows = days(4, expected=THRESHOLD)
    exports = Exports(*windows)
    exports.repository.script("create", *[LOST] * 8)

    assert set(exports.read().values()) == {"pages"}
    assert len(exports.repository.asked("create")) == 8


# An API that is busy with another export.


def test_a_busy_api_is_asked_again_when_it_says_and_counts_as_no_failure(one: Exports) -> None:
    one.repository.script("create", *[ExportBusyError("Busy", "-", seconds=60.0)] * 3)
    one.repository.script("poll", FAILED)

    assert one.read() == {DAY: "export"}
    assert one.repository.asked("create")[:4] == [soon(at) for at in (0, 60, 120, 180)]
    assert len(one.repository.asked("create")) == 5


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


@pytest.mark.parametrize(
    ("refused", "following", "read"),
    [
        (SIZE, SIZE, ["export"] * 4),
        (SIZE, SIZE - 1, ["export"] * 3),
        (THRESHOLD, THRESHOLD, ["pages", "export"]),
        (None, None, ["pages", "export"]),
    ],
    ids=["as large", "smaller", "not worth halving", "of unknown size"],
)
def test_a_window_as_large_as_a_refused_one_is_halved_without_asking(
    refused: int | None, following: int | None, read: list[str]
) -> None:
    first = Window(DAY.start, DAY.end, refused)
    second = Window(DAY.end, DAY.end + timedelta(days=1), following)
    exports = Exports(first, second, parallel=1)
    exports.repository.script("create", REJECTED)

    assert list(exports.read().values()) == read
    assert len(exports.repository.asked("create")) == 1 + read.count("export")


# Errors that another export would not cure.


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        *product(
            ["create"],
            [AccessError, ForbiddenError, RateLimitError, UnavailableError, MachineError],
        ),
        *product(["poll"], [AccessError, RateLimitError, MachineError]),
        *product(["download"], [ApiError, OutputError]),
    ],
)
def test_an_error_that_another_export_would_not_cure_is_raised_as_it_is(
    one: Exports, call: str, kind: type[TapError]
) -> None:
    error = kind("Odd", "-")
    one.repository.script(call, error)

    with pytest.raises(kind) as failure:
        one.next()

    assert failure.value is error
    assert len(one.repository.asked("create")) == 1


def test_after_the_first_error_no_request_is_made() -> None:
    exports = Exports(*days(9), parallel=4)
    exports.repository.script("create", USUAL, AccessError("One", "-"), AccessError("Two", "-"))

    for _ in range(2):
        with pytest.raises(AccessError, match="One"):
            exports.next()
    exports.advance_until(60.0)

    assert len(exports.repository.asked("create")) == 4
    assert exports.repository.asked("poll") == []


def test_a_downloaded_file_is_handed_out_before_the_error() -> None:
    first, second = days(2)
    exports = Exports(first, second)
    exports.repository.seconds[first] = 0.0
    exports.repository.script("poll", AccessError("Odd", "-"), to=second)
    job = exports.next()
    exports.advance_until(30.0)

    assert exports.next() is job
    exports.orchestrator.release(job)

    with pytest.raises(AccessError):
        exports.next()


def test_a_window_that_is_being_read_is_not_halved(one: Exports) -> None:
    job = one.next()
    one.repository.script("poll", FAILED, FAILED)

    with pytest.raises(WindowNotExportedError):
        one.orchestrator.download_again(job)

    assert one.repository.windows("create") == [DAY, DAY]


def test_a_job_that_is_seen_completed_after_its_timeout_is_used(one: Exports) -> None:
    one.repository.seconds[DAY] = TIMEOUT + 0.5

    assert one.read() == {DAY: "export"}
    assert len(one.repository.asked("create")) == 1


# When jobs are polled.


def gaps(exports: Exports, window: Window) -> list[float]:
    """Seconds between the polls of a job, the first one counted from its creation."""
    [created] = exports.repository.asked("create", window)
    times = [created, *exports.repository.asked("poll", window)]
    return [later - earlier for earlier, later in pairwise(times)]


def test_a_single_job_is_polled_every_two_seconds_at_first_and_every_five_later() -> None:
    exports = Exports(DAY, seconds=100.0)

    exports.next()

    seconds = gaps(exports, DAY)
    assert seconds[:3] == [soon(2.1)] * 3
    assert seconds == pytest.approx(sorted(seconds), abs=0.1)
    assert seconds[-1] == soon(5.1)


def test_a_job_is_polled_no_more_often_than_a_small_share_of_the_limit_allows_evenly() -> None:
    exports = Exports(DAY, seconds=300.0, share=0.1)

    exports.next()

    assert gaps(exports, DAY) == pytest.approx([20.1] * 15, abs=0.1)
    assert exports.repository.limiters["poll"].waited == 0


def test_of_several_jobs_the_oldest_has_what_the_others_leave_of_a_small_share() -> None:
    windows = days(4)
    exports = Exports(*windows, seconds=550.0, share=0.2)

    exports.next()

    assert max(gaps(exports, windows[0])) < 31.0
    assert max(max(gaps(exports, window)) for window in windows[1:]) < 65.0
    assert exports.repository.limiters["poll"].waited < 60.0


def test_a_job_that_has_no_fresh_url_yet_is_polled_as_any_other(one: Exports) -> None:
    one.repository.script("download", UrlRefusedError())
    one.repository.script("poll", *[("processing", None)] * 4, USUAL, *[("processing", None)] * 4)

    one.read()

    polls = one.repository.asked("poll")[5:]
    assert len(polls) == 5
    assert min(later - earlier for earlier, later in pairwise(polls)) > 2.0


def test_a_bad_file_is_downloaded_three_times_from_each_of_two_exports(one: Exports) -> None:
    one.repository.script("download", *[BadFileError("it ended early")] * 6)

    with pytest.raises(FileError, match=f"{DAY}.*it ended early"):
        one.read()

    first, second, third, *others = one.repository.asked("download")
    assert [second - first, third - second, len(others)] == [soon(1.1), soon(2.1), 3]
    assert len(one.repository.asked("create")) == 2
