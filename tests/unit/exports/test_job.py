"""A window's way through its export jobs, as data."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_cometly.exports.download import SpoolFile
from tap_cometly.exports.job import FAILED_IN_A_ROW, Durations, Job, Stage, Streak
from tap_cometly.timeranges import Window

START = datetime(2024, 1, 1, tzinfo=timezone.utc)
WINDOW = Window(START, START + timedelta(days=1), expected=250_000)

ages = st.floats(0, 7_200)
sizes = st.integers(0, 5_000_000)
seconds = st.floats(0.1, 3_600)
samples = st.lists(st.tuples(sizes, seconds), max_size=12)


def learned(pairs: list[tuple[int, float]]) -> Durations:
    durations = Durations()
    for contacts, took in pairs:
        durations.learn(contacts, took)
    return durations


def test_another_job_for_a_window_starts_with_a_clean_slate() -> None:
    job = Job(WINDOW)
    job.begin()
    job.begun(7, now=100.0)
    job.bad_files, job.refused_urls, job.looks_without_url = 2, 3, 4

    job.begin()

    assert (job.tries, job.stage) == (2, Stage.CREATING)
    assert (job.bad_files, job.refused_urls, job.looks_without_url) == (0, 0, 0)


def test_a_job_that_exists_runs_from_then_on() -> None:
    job = Job(WINDOW)
    job.begin()

    job.begun(7, now=100.0)

    assert (job.export_id, job.stage) == (7, Stage.RUNNING)
    assert (job.created, job.looked_at) == (100.0, 100.0)


def test_what_a_job_is_doing_is_told_with_how_long_it_has_been_doing_it() -> None:
    job = Job(WINDOW)
    told = [job.doing(100.0)]
    job.begin()
    told.append(job.doing(100.0))
    job.begun(7, now=100.0)
    told.append(job.doing(103.0))
    job.still("processing", now=110.0)
    told.append(job.doing(112.0))
    job.still("processing", now=120.0)
    job.stage = Stage.POLLING
    told.append(job.doing(125.0))
    job.begin()
    job.begun(8, now=200.0)
    told.append(job.doing(200.0))

    assert told == [
        "waiting to be created",
        "being created",
        "queued 3 s",
        "processing 2 s",
        "processing 15 s",
        "queued 0 s",
    ]
    assert job.looked_at == 200.0


def test_what_a_window_holds_is_counted_once_its_file_is_here() -> None:
    job = Job(WINDOW)
    assert job.holds == 250_000

    job.spool = SpoolFile(BytesIO(b"x"), lines=3, size=1)

    assert job.holds == 3


def test_a_window_of_unknown_size_counts_as_a_small_one() -> None:
    assert Job(Window(WINDOW.start, WINDOW.end)).expected == 1
    assert Job(WINDOW).expected == 250_000


@given(pairs=samples, age=ages, contacts=sizes, scout=st.booleans())
def test_the_next_look_is_always_later(
    *, pairs: list[tuple[int, float]], age: float, contacts: int, scout: bool
) -> None:
    assert learned(pairs).next_look(age, contacts, scout=scout) > age


@given(samples, ages, sizes)
def test_looks_become_rarer_with_age_so_that_polls_stay_few(
    pairs: list[tuple[int, float]], age: float, contacts: int
) -> None:
    durations, looks, hour = learned(pairs), 0, 3_600.0
    now = age

    while now < age + hour:
        now = durations.next_look(now, contacts, scout=True)
        looks += 1

    assert looks < 150


@given(st.integers(1, 5_000_000), seconds)
def test_a_job_like_one_before_is_expected_to_take_as_long(contacts: int, took: float) -> None:
    durations = learned([(contacts, took)])

    assert durations.expect(contacts) == pytest.approx(took)
    assert durations.next_look(0.0, contacts, scout=False) <= max(took, 0.25)


@given(samples.filter(bool), st.integers(1, 4_000_000))
def test_a_larger_job_is_not_expected_to_be_quicker_than_the_nearest_known_one(
    pairs: list[tuple[int, float]], contacts: int
) -> None:
    durations = learned(pairs[-1:])

    less, more = durations.expect(contacts), durations.expect(contacts + 1_000_000)

    assert less is not None
    assert more is not None
    assert less < more


@pytest.mark.parametrize(
    ("seen_running", "took"),
    [
        (109.5, 9.75),  # between that look and the one that found it done
        (100.0, 9.5),  # never looked at: but jobs are looked at when they are due
    ],
)
def test_a_job_took_until_between_the_last_two_looks(seen_running: float, took: float) -> None:
    job, durations = Job(WINDOW), Durations()
    job.begun(7, now=100.0)
    job.looked_at = seen_running

    durations.learn_from(job, now=110.0)

    assert durations.expect(job.expected) == pytest.approx(took)


def test_of_known_jobs_the_nearest_in_size_counts_and_of_equal_ones_the_latest() -> None:
    durations = learned([(100, 50.0), (1_000, 10.0), (1_000, 20.0), (9_000, 5.0)])

    assert durations.expect(1_000) == pytest.approx(20.0)
    assert durations.expect(100) == pytest.approx(50.0)


def test_only_the_latest_eight_jobs_are_remembered() -> None:
    durations = learned([(10, 1.0), (20, 2.0), *[(1_000_000, 100.0)] * 7])

    assert durations.expect(20) == pytest.approx(2.0)
    durations.learn(1_000_000, 100.0)
    assert durations.expect(20) == pytest.approx(30.0, abs=0.1)


def test_a_job_is_looked_at_shortly_before_it_is_expected_to_be_done() -> None:
    durations = learned([(1_000, 100.0)])

    assert durations.next_look(0.0, 1_000, scout=False) == pytest.approx(90.0)
    assert durations.next_look(100.0, 1_000, scout=False) == pytest.approx(106.0)


def test_nothing_is_expected_before_a_job_has_completed() -> None:
    assert not Durations().known
    assert Durations().expect(10) is None
    assert learned([(10, 1.0)]).known


def test_only_the_scout_looks_often_while_nothing_is_known() -> None:
    nothing = Durations()

    assert nothing.next_look(60.0, 10, scout=True) < nothing.next_look(60.0, 10, scout=False)


def test_exports_are_given_up_after_three_failures_in_a_row() -> None:
    streak = Streak()

    given_up = [streak.failed(created=now, now=now + 5.0) for now in (0.0, 10.0, 20.0)]

    assert given_up == [False] * (FAILED_IN_A_ROW - 1) + [True]


def test_a_job_created_the_moment_another_failed_counts() -> None:
    streak = Streak()

    given_up = [streak.failed(created=now, now=now + 5.0) for now in (0.0, 5.0, 10.0)]

    assert given_up == [False, False, True]


def test_a_completed_job_between_failures_counts_anew() -> None:
    streak = Streak()
    streak.failed(0.0, 1.0)
    streak.failed(2.0, 3.0)

    streak.completed()

    assert not streak.failed(4.0, 5.0)
    assert not streak.failed(6.0, 7.0)
    assert streak.failed(8.0, 9.0)


def test_jobs_that_ran_side_by_side_fail_as_one() -> None:
    streak = Streak()

    given_up = [streak.failed(created=float(number), now=100.0 + number) for number in range(4)]

    assert given_up == [False] * 4


def test_closing_a_job_closes_its_file_once() -> None:
    job, spool = Job(WINDOW), SpoolFile(BytesIO(b"x"), lines=1, size=1)
    job.spool = spool

    job.close()
    job.close()

    assert spool.file.closed
    assert job.spool is None
