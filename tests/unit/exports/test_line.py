"""What becomes of windows whose jobs fail, or which the API finds too large."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import pytest
from tap_cometly.exports.line import Limits, Line

from tap_cometly.exceptions import (
    AnswerLostError,
    ExportError,
    FileGoneError,
    NotFoundError,
    RejectedError,
)
from tap_cometly.exports.job import PROCESSING, Job, Stage
from tap_cometly.timeranges import Window
from tests.support.clock import FakeClock
from tests.support.plant import (
    DAY,
    FIRST_HALF,
    SECOND_HALF,
    SIZE,
    START,
    THRESHOLD,
    Plant,
    Told,
    days,
)

FAILED = ("failed", None)
REJECTED = RejectedError("The range is too large", "Ask for less.")
LOST = AnswerLostError("No answer came", "Run again.")
UNKNOWN = NotFoundError("No such export", "Run again.")


# Jobs that fail.


@pytest.mark.parametrize(
    ("kind", "answer", "why"),
    [
        ("poll", FAILED, "the export failed"),
        ("poll", UNKNOWN, "the API no longer knows the export"),
        ("create", LOST, "No answer came"),
        ("fetch", FileGoneError(), "the store has no such file"),
    ],
    ids=["failed", "unknown", "answer lost", "file gone"],
)
def test_a_job_that_comes_to_nothing_is_created_once_more(
    one: Plant, told: Told, kind: str, answer: Any, why: str
) -> None:
    one.api.script(kind, answer)

    assert one.read() == {DAY: f"file of {SIZE}"}
    assert len(one.api.asked("create")) == 2
    assert told() == [f"Export of {DAY}: {why}"]


def test_a_failed_job_is_created_again_at_once_a_perhaps_lost_one_after_a_pause() -> None:
    failed, lost = Plant(DAY), Plant(DAY)
    failed.api.script("poll", FAILED)
    lost.api.script("create", LOST)

    failed.read()
    lost.read()

    assert failed.api.asked("create")[1] == failed.api.asked("poll")[0]
    assert lost.api.asked("create") == [0.0, pytest.approx(5.0, abs=0.1)]


def test_a_large_window_that_fails_twice_is_read_in_halves(one: Plant) -> None:
    one.api.script("poll", FAILED, FAILED)

    half = f"file of {SIZE // 2}"
    assert one.read() == {FIRST_HALF: half, SECOND_HALF: half}
    assert one.api.windows("create") == [DAY, DAY, FIRST_HALF, SECOND_HALF]


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
    plant = Plant(window)
    plant.api.script("poll", FAILED, FAILED)

    assert plant.read() == {window: "pages"}
    assert len(plant.api.asked("create")) == 2


def test_halves_take_the_place_of_their_window_and_no_more_exports_than_before() -> None:
    first, second = days(2)
    third = Window(second.end, second.end + timedelta(days=1), SIZE - 1)
    plant = Plant(first, second, third, parallel=2)
    plant.api.script("create", REJECTED, to=first)

    plant.turn_until(30.0)
    assert plant.api.windows("create")[2:] == list(first.halves())
    assert plant.api.windows("create")[1] == second
    assert list(plant.planner.cut) == [third]

    assert list(plant.read()) == [*first.halves(), second, third]


def test_three_failed_jobs_in_a_row_are_the_end(one: Plant) -> None:
    one.api.script("poll", *[FAILED] * 3)

    with pytest.raises(ExportError) as failure:
        one.read()

    assert str(failure.value) == (
        "Three exports in a row failed, the last one because the export failed "
        f"(contacts created {FIRST_HALF}). "
        "Set `extraction_mode` to auto or pagination, or ask Cometly's support."
    )


def test_two_failed_jobs_around_a_completed_one_are_not() -> None:
    windows = days(3, expected=THRESHOLD)
    plant = Plant(*windows, parallel=1)
    for window in windows[::2]:
        plant.api.script("poll", FAILED, FAILED, to=window)

    assert list(plant.read().values()) == ["pages", f"file of {THRESHOLD}", "pages"]


def test_jobs_that_fail_side_by_side_count_as_one_failure() -> None:
    plant = Plant(*days(4))
    plant.api.script("poll", *[FAILED] * 4)

    assert set(plant.read().values()) == {f"file of {SIZE}"}
    assert len(plant.api.asked("create")) == 8


# Windows that the API finds too large.


def test_a_refused_window_is_halved_at_once_and_so_are_others_of_its_size() -> None:
    first, second = days(2)
    plant = Plant(first, second, parallel=2)
    plant.api.script("create", REJECTED, to=first)
    plant.api.script("create", REJECTED, to=second)

    plant.read()

    halves = [*first.halves(), *second.halves()]
    created = plant.api.windows("create")
    assert created.count(first) == created.count(second) == 1
    assert [window for window in created if window in halves] == halves


def test_a_window_as_large_as_a_refused_one_is_not_even_asked_for() -> None:
    first, second = days(2)
    plant = Plant(first, second, parallel=1)
    plant.api.script("create", REJECTED)

    plant.read()

    assert plant.api.windows("create") == [first, *first.halves(), *second.halves()]


def test_a_smaller_window_than_the_refused_one_is_asked_for_as_it_is() -> None:
    first, second = DAY, Window(DAY.end, DAY.end + timedelta(days=1), SIZE - 1)
    plant = Plant(first, second, parallel=1)
    plant.api.script("create", REJECTED)

    plant.read()

    assert plant.api.windows("create") == [first, *first.halves(), second]


def test_a_window_is_halved_until_the_api_takes_it() -> None:
    plant = Plant(DAY, parallel=1)
    plant.api.script("create", REJECTED, REJECTED, REJECTED)

    read = plant.read()

    assert list(read.values()) == [f"file of {SIZE // 8}"] * 8
    assert len(plant.api.asked("create")) == 3 + 8


def test_a_refused_window_that_is_too_small_to_halve_is_left_to_pages_without_another_try(
    told: Told,
) -> None:
    [small] = days(1, expected=THRESHOLD)
    plant = Plant(small)
    plant.api.script("create", REJECTED)

    assert plant.read() == {small: "pages"}
    assert len(plant.api.asked("create")) == 1
    assert told() == [f"Export of {small}: The range is too large"]


def test_each_export_is_told_in_the_order_in_which_it_is_read() -> None:
    clock = FakeClock(START)
    # Given one of each stage, the oldest one ready
    line = Line(Limits(parallel=6, timeout=60, threshold=1), clock, logging.getLogger(__name__))
    for day in range(8):
        line.add(days(day + 1)[day])
    ready, fetching, processing, queued, creating, *_ = line
    ready.stage, fetching.stage, creating.stage = Stage.READY, Stage.FETCHING, Stage.CREATING
    processing.begun(1, clock.monotonic())
    clock.sleep(2)
    processing.still(PROCESSING, clock.monotonic())
    clock.sleep(39)
    queued.begun(2, clock.monotonic())
    clock.sleep(3)

    assert ", ".join(line.doing(clock.monotonic())) == (
        "reading, downloading, processing 42 s, queued 3 s, being created, waiting to be created"
    )


def test_the_words_of_the_api_are_not_passed_on() -> None:
    clock = FakeClock(START)
    job = Job(DAY)
    job.begun(1, clock.monotonic())
    job.still(Stage.RUNNING.value, clock.monotonic())

    assert job.doing(clock.monotonic()) == "running 0 s"
