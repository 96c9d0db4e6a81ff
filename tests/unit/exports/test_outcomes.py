"""What becomes of a job by what the API and the store answer."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from tap_cometly.exceptions import (
    AccessError,
    FileError,
    OutputError,
    RejectedError,
    TapError,
    UnavailableError,
)
from tap_cometly.exports.download import UrlRefusedError
from tap_cometly.exports.ndjson import BadFileError
from tests.support.export_api import AS_USUAL
from tests.support.plant import DAY, SIZE, TIMEOUT, Plant, Told, days

FAILED = ("failed", None)
METRICS = "singer_sdk.metrics"


# What ends everything.


@pytest.mark.parametrize("kind", ["probe", "create", "poll", "fetch", "is_empty"])
@pytest.mark.parametrize(
    "error",
    [
        AccessError("The key is wrong", "Check it."),
        UnavailableError("No answer", "Run again."),
        OutputError("The disk is full", "Free some space."),
    ],
    ids=["access", "unavailable", "disk full"],
)
def test_what_another_export_would_not_mend_ends_the_works(kind: str, error: TapError) -> None:
    plant = Plant(DAY, questions=1)
    plant.api.holds[DAY] = 0
    plant.api.script(kind, error)

    with pytest.raises(type(error)) as failure:
        plant.head()
    assert failure.value is error
    assert len(plant.api.asked("create")) <= 1


def test_the_first_reason_to_end_counts_and_nothing_new_begins() -> None:
    plant = Plant(*days(9), parallel=4)
    plant.api.script("create", AS_USUAL, AccessError("One", "-"), AccessError("Two", "-"))
    plant.works.turn()
    plant.works.turn()

    with pytest.raises(AccessError, match="One"):
        plant.head()
    calls, now = len(plant.api.calls), plant.clock.monotonic()
    plant.works.turn()

    assert len(plant.api.calls) == calls
    assert plant.clock.monotonic() == now


def test_what_is_here_already_is_handed_out_before_the_end() -> None:
    first, second = days(2)
    plant = Plant(first, second)
    plant.api.seconds[first] = 0.0
    plant.api.script("poll", AS_USUAL, UnavailableError("No answer", "Run again."), to=second)
    job = plant.head()
    while len(plant.api.asked("poll", second)) < 2:
        plant.works.turn()

    plant.works.turn()
    assert plant.head() is job
    plant.works.taken(job, SIZE)

    with pytest.raises(UnavailableError):
        plant.head()


# Jobs that take long, or answer oddly.


def test_a_job_that_never_ends_is_created_anew_after_its_timeout(one: Plant, told: Told) -> None:
    one.api.seconds[DAY] = 1e9
    one.turn_until(TIMEOUT)
    one.api.seconds[DAY] = 10.0

    assert one.read() == {DAY: f"file of {SIZE}"}
    assert one.api.asked("create")[1] == pytest.approx(TIMEOUT + 1, abs=0.1)
    assert told() == [f"Export of {DAY}: the export took longer than {TIMEOUT:.0f} s"]


def test_a_job_that_is_completed_after_its_timeout_is_taken_all_the_same(one: Plant) -> None:
    one.api.seconds[DAY] = TIMEOUT + 0.5

    one.read()

    assert len(one.api.asked("create")) == 1


@pytest.mark.parametrize(
    "odd", [[("paused", None)], [("completed", None), ("processing", None)], [("completed", None)]]
)
def test_an_odd_status_counts_as_running(one: Plant, odd: list[Any]) -> None:
    one.api.script("poll", *odd)

    assert one.read() == {DAY: f"file of {SIZE}"}
    assert len(one.api.asked("create")) == 1


@pytest.mark.parametrize(
    ("statuses", "times"),
    [
        ([("queued", None), ("processing", None), ("queued", None)], 0),
        ([("paused", None)] * 3, 1),
        ([("completed", None), ("processing", None), ("processing", None)], 1),
    ],
)
def test_a_status_that_makes_no_sense_is_told_once(
    one: Plant, told: Told, statuses: list[Any], times: int
) -> None:
    one.api.seconds[DAY] = 100.0
    one.api.script("poll", *statuses)

    one.read()

    why = "An export's status makes no sense; waiting until its timeout"
    assert told() == [why] * times


@pytest.mark.parametrize(("looks", "failures"), [(7, 0), (8, 1)])
def test_a_job_that_is_completed_but_has_no_file_for_long_is_created_again(
    one: Plant, told: Told, looks: int, failures: int
) -> None:
    one.api.seconds[DAY] = 0.0
    one.api.script("poll", *[("completed", None)] * looks)

    assert one.read() == {DAY: f"file of {SIZE}"}
    assert len(one.api.asked("create")) == 1 + failures
    assert told() == [f"Export of {DAY}: the export is completed but has no file"] * failures


@pytest.mark.parametrize(
    ("status", "doing"),
    [
        ("queued", "queued 99 s"),
        ("processing", "processing 98 s"),
        ("\x1b[31mcanary@example.com", "running 98 s"),
    ],
)
def test_what_a_job_is_doing_is_told_but_never_in_words_that_nobody_knows(
    one: Plant, status: str, doing: str
) -> None:
    one.api.seconds[DAY] = 100.0
    one.api.script("poll", (status, None))

    while not one.api.asked("poll"):
        one.works.turn()
    one.works.turn(wait=False)

    assert one.works.doing(99.0) == [doing]


def test_a_download_is_told_as_one(one: Plant) -> None:
    while not one.api.asked("fetch"):
        one.works.turn()

    assert one.works.doing(99.0) == ["downloading"]


def test_each_job_and_each_download_is_timed_once(
    one: Plant, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, METRICS)
    one.api.script("poll", FAILED)
    one.api.script("fetch", BadFileError("it ended early"))
    one.api.fetch_seconds = 3.0

    one.read()

    points = [json.loads(text.split(": ", 1)[1]) for text in caplog.messages if "METRIC" in text]
    told = [(p["tags"]["job_type"], p["tags"]["status"], round(p["value"])) for p in points]
    assert told == [
        ("export", "failed", 1),
        ("export", "succeeded", 10),
        ("download", "failed", 0),
        ("download", "succeeded", 3),
    ]
    assert {point["tags"]["window"] for point in points} == {str(DAY)}
    assert points[-1]["tags"]["bytes"] == one.api.spools[-1].size


def test_a_job_that_never_was_is_not_timed(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, METRICS)
    plant = Plant(*days(1, expected=1))
    plant.api.script("create", RejectedError("The range is too large", "Ask for less."))

    assert list(plant.read().values()) == ["pages"]
    assert not [text for text in caplog.messages if "METRIC" in text]


# Files.


def test_a_refused_url_is_asked_for_anew_after_growing_pauses_and_then_the_job(
    one: Plant, told: Told
) -> None:
    one.api.script("fetch", *[UrlRefusedError()] * 4)

    assert one.read() == {DAY: f"file of {SIZE}"}

    first, *others = one.api.asked("fetch")[:4]
    assert [at - first for at in others] == [pytest.approx(at, abs=0.1) for at in (1.0, 3.0, 7.0)]
    assert len(one.api.asked("create")) == 2
    assert told() == [f"Export of {DAY}: the store refuses the file's URL"]


def test_a_broken_file_is_fetched_again_then_made_again_and_then_that_is_the_end(
    one: Plant, told: Told
) -> None:
    one.api.script("fetch", *[BadFileError("it ended early")] * 6)

    with pytest.raises(FileError, match=f"{DAY}.*it ended early"):
        one.read()

    at = one.api.asked("fetch")
    assert [at[1] - at[0], at[2] - at[1]] == [
        pytest.approx(1.0, abs=0.1),
        pytest.approx(2.0, abs=0.1),
    ]
    assert len(at) == 6
    assert len(one.api.asked("create")) == 2
    again = f"The file of {DAY}: it ended early; fetching it again"
    assert told() == [again, again, f"Export of {DAY}: it ended early", again, again]


def test_how_long_a_job_took_is_not_learned_from_fetching_its_file_again() -> None:
    first, second = days(2)
    plant = Plant(first, second, parallel=1)
    plant.api.script("fetch", *[UrlRefusedError()] * 3, BadFileError("-"), BadFileError("-"))

    plant.read()

    created, fetched = plant.api.asked("create", second)[0], plant.api.asked("fetch", second)[0]
    assert fetched - created < 11.0
    assert len(plant.api.asked("poll", second)) <= 4


def test_an_empty_file_counts_once_the_list_agrees(one: Plant) -> None:
    one.api.holds[DAY] = 0

    assert one.read() == {DAY: "file of 0"}
    assert len(one.api.asked("is_empty")) == 1
    assert one.planner.counts == {DAY: 0}


def test_a_file_with_contacts_is_not_compared_with_the_list(one: Plant) -> None:
    one.api.holds[DAY] = 1

    one.read()

    assert one.api.asked("is_empty") == []


def test_an_empty_file_of_a_window_with_contacts_is_a_broken_one(one: Plant, told: Told) -> None:
    one.api.script("fetch", 0)

    assert one.read() == {DAY: f"file of {SIZE}"}
    assert len(one.api.asked("fetch")) == 2
    assert one.api.spools[0].file.closed
    why = "it is empty, but the list has contacts"
    assert told() == [f"The file of {DAY}: {why}; fetching it again"]


# Files that turn out to hold something else.


def test_a_file_is_fetched_again_at_once_when_its_reader_asks_for_it(one: Plant) -> None:
    job = one.head()
    before = one.clock.monotonic()

    one.works.fetch_again(job)
    assert one.works.head() is None

    assert one.head() is job
    assert len(one.api.asked("fetch")) == 2
    assert len(one.api.asked("create")) == 1
    assert one.clock.monotonic() == pytest.approx(before, abs=0.1)
    assert one.api.spools[0].file.closed
    assert not one.api.spools[1].file.closed


def test_a_window_that_is_being_read_is_not_halved_but_left_to_pages(one: Plant) -> None:
    job = one.head()
    one.api.script("poll", FAILED, FAILED)

    one.works.fetch_again(job)

    assert one.head() is job
    assert job.spool is None
    assert one.read() == {DAY: "pages"}
