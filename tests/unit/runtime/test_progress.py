"""What is told of a run while it runs, in virtual time."""

from __future__ import annotations

import json
import logging
import threading
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_cometly.client.rate_limit import RateLimiter
from tap_cometly.exports.job import PROCESSING, Job, Stage
from tap_cometly.exports.line import Limits, Line
from tap_cometly.runtime import metrics as metering
from tap_cometly.runtime.clock import Clock, ClosedError
from tap_cometly.runtime.log_progress import LONGEST_SILENCE, LOOK_EVERY, LogProgress
from tap_cometly.runtime.progress import EXPORT, Opened, Progress
from tap_cometly.runtime.tasks import done
from tap_cometly.timeranges import Window
from tests.support.clock import FakeClock

if TYPE_CHECKING:
    from tap_cometly.client.client import Endpoint

BEGAN = datetime(2024, 6, 1, tzinfo=timezone.utc)
DAY = timedelta(days=1)
WHOLE = Window(BEGAN - 10 * DAY, BEGAN)
LOGGER = logging.getLogger("tests.progress")


def days(first: int, last: int, expected: int | None = None) -> Window:
    return Window(WHOLE.start + first * DAY, WHOLE.start + last * DAY, expected)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(BEGAN)


@pytest.fixture
def progress(clock: FakeClock) -> Progress:
    started = Progress(clock)
    started.begin(WHOLE)
    return started


# How much is done.


def test_nothing_is_done_before_the_range_is_known(clock: FakeClock) -> None:
    assert Progress(clock).share == 0.0


def test_without_counts_the_share_is_that_of_the_time(progress: Progress) -> None:
    progress.enter(days(0, 4))
    progress.wrote(100)
    before = progress.share
    progress.leave(days(0, 4))

    assert (before, progress.share) == (0.0, 0.4)


def test_within_a_window_the_share_grows_with_its_contacts(progress: Progress) -> None:
    progress.enter(days(0, 4, expected=200))
    progress.wrote(100)

    assert progress.share == pytest.approx(0.2)


def test_where_contacts_can_be_counted_time_does_not_count(progress: Progress) -> None:
    # Given nine empty days, and a thousand contacts on the tenth
    progress.opened = Opened(EXPORT, holds=250, left=750)
    progress.enter(days(0, 9))
    progress.wrote(250)
    progress.leave(days(0, 9))

    assert progress.share == pytest.approx(0.25)


def test_a_window_that_holds_more_than_was_thought_is_not_more_than_all(
    progress: Progress,
) -> None:
    progress.enter(days(0, 10, expected=10))
    progress.wrote(100)

    assert progress.share == 1.0


_WINDOWS = st.lists(
    st.tuples(
        st.integers(0, 1000),
        st.none() | st.integers(0, 1000),
        st.none() | st.floats(0, 1e7),
    ),
    min_size=1,
    max_size=10,
)


@given(_WINDOWS)
def test_the_share_never_shrinks_whatever_is_foretold(
    windows: list[tuple[int, int | None, float | None]],
) -> None:
    progress = Progress(FakeClock(BEGAN))
    progress.begin(WHOLE)
    shares = [progress.share]
    for day, (contacts, holds, left) in enumerate(windows):
        progress.opened = Opened(EXPORT, holds, left)
        progress.enter(days(day, day + 1))
        for part in (contacts // 2, contacts - contacts // 2):
            progress.wrote(part)
            shares.append(progress.share)
        progress.leave(days(day, day + 1))
        shares.append(progress.share)

    assert all(earlier <= later for earlier, later in pairwise(shares))
    assert shares[0] >= 0
    assert shares[-1] <= 1


# How it is told.


def test_rate_and_time_left_are_those_of_the_whole_run(
    progress: Progress, clock: FakeClock
) -> None:
    progress.opened = Opened(EXPORT, holds=250_000, left=750_000)
    progress.enter(days(0, 1))
    clock.sleep(50)
    progress.wrote(250_000)

    assert progress.summary() == "250,000 contacts, 5,000/s, 0:02:30 left"


def test_nothing_is_foretold_of_the_first_moments(progress: Progress) -> None:
    assert progress.summary() == "0 contacts, 0/s"


def test_a_window_is_summed_up_with_the_seconds_since_the_one_before(
    progress: Progress, clock: FakeClock
) -> None:
    clock.sleep(10)
    progress.enter(days(0, 1))
    progress.leave(days(0, 1))
    clock.sleep(2.5)
    progress.opened = Opened(EXPORT)
    progress.enter(days(1, 2))
    progress.wrote(1_234)

    assert progress.leave(days(1, 2)) == (
        "2024-05-23T00:00:00Z to 2024-05-24T00:00:00Z: 1,234 contacts through an export in 2.5 s"
    )


def test_each_export_is_told_in_the_order_in_which_it_is_read(clock: FakeClock) -> None:
    # Given one of each stage, the oldest one ready
    line = Line(Limits(parallel=6, timeout=60, threshold=1), clock, LOGGER)
    for day in range(8):
        line.add(days(day, day + 1))
    ready, fetching, processing, queued, creating, *_ = line
    ready.stage, fetching.stage, creating.stage = Stage.READY, Stage.FETCHING, Stage.CREATING
    processing.begun(1, clock.monotonic())
    clock.sleep(2)
    processing.still(PROCESSING, clock.monotonic())
    clock.sleep(39)
    queued.begun(2, clock.monotonic())
    clock.sleep(3)
    progress = Progress(clock)
    progress.exports = line.doing

    assert progress.doing() == (
        "6 exports: reading, downloading, processing 42 s, queued 3 s, being created, "
        "waiting to be created"
    )


def test_the_words_of_the_api_are_not_passed_on(clock: FakeClock) -> None:
    job = Job(days(0, 1))
    job.begun(1, clock.monotonic())
    job.still(Stage.RUNNING.value, clock.monotonic())

    assert job.doing(clock.monotonic()) == "running 0 s"


def test_calls_that_have_not_been_answered_are_told(progress: Progress, clock: FakeClock) -> None:
    progress.limiters = limiters(clock)
    idle = progress.doing()
    progress.limiters["list"].try_acquire()

    assert (idle, progress.doing()) == ("waiting", "asking the list")


def test_a_target_that_takes_its_time_is_told(progress: Progress, clock: FakeClock) -> None:
    progress.write()
    at_once = progress.doing()
    clock.sleep(1200)
    later = progress.doing()
    progress.wrote(1)

    assert at_once == progress.doing() == "waiting"
    assert later == "waiting 1200 s for the target"


def test_calls_and_waiting_are_summed_up(progress: Progress, clock: FakeClock) -> None:
    none = progress.spent()
    progress.limiters = limiters(clock)
    progress.limiters["poll"].try_acquire()
    progress.limiters["create"].waited = 12.4

    assert none == "API calls: none; 0 s of waiting for limits"
    assert progress.spent() == ("API calls: list 0, create 0, poll 1; 12 s of waiting for limits")


def limiters(clock: Clock) -> dict[Endpoint, RateLimiter]:
    kinds: tuple[Endpoint, ...] = ("list", "create", "poll")
    return {kind: RateLimiter(5, share=1.0, clock=clock) for kind in kinds}


# A log that does not fall silent.


def test_silence_is_broken_before_it_lasts_too_long(
    progress: Progress, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    told = [clock.monotonic()]

    def note(_record: logging.LogRecord) -> bool:
        told.append(clock.monotonic())
        return True

    log_progress = LogProgress(progress, clock, LOGGER)
    clock.every(LOOK_EVERY, log_progress.show)
    LOGGER.addFilter(note)

    for _ in range(7):
        clock.sleep(19)
    LOGGER.info("something else")
    clock.sleep(600)
    clock.close()
    log_progress.close()
    clock.ahead(timedelta()).sleep(600)
    LOGGER.removeFilter(note)

    assert told[-1] <= 733
    assert max(later - earlier for earlier, later in pairwise(told)) <= LONGEST_SILENCE
    assert len(told) <= 733 / (LONGEST_SILENCE - 2 * LOOK_EVERY) + 1
    assert caplog.messages[0] == "0%, 0 contacts, 0/s; waiting"


def test_a_clock_does_something_every_so_often_until_it_is_closed() -> None:
    clock, rung = Clock(), threading.Semaphore(0)
    clock.every(0.001, rung.release)

    assert all(rung.acquire(timeout=5) for _ in range(3))
    clock.close()
    for ticking in [each for each in threading.enumerate() if each.name == "tap-cometly"]:
        ticking.join(5)
        assert not ticking.is_alive()


# Work and its outcome.


def test_work_hands_on_its_result_or_its_error_and_nothing_once_closed() -> None:
    outcomes: list[object] = []
    failure = ValueError("no")

    def fail(error: Exception) -> int:
        raise error

    done(lambda: 7, outcomes.append)()
    done(lambda: fail(failure), outcomes.append)()
    done(lambda: fail(ClosedError()), outcomes.append)()

    assert outcomes == [7, failure]


# Metrics.


@pytest.fixture
def metrics(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "singer_sdk.metrics")
    return caplog


def points(metrics: pytest.LogCaptureFixture) -> list[object]:
    assert all(message.startswith("METRIC: {") for message in metrics.messages)
    return [json.loads(message.removeprefix("METRIC: ")) for message in metrics.messages]


def test_answers_are_told_as_the_sdk_does_for_rest_streams(
    metrics: pytest.LogCaptureFixture,
) -> None:
    metering.answered("poll", 429, 0.25)

    assert points(metrics) == [
        {
            "type": "timer",
            "metric": "http_request_duration",
            "value": 0.25,
            "tags": {
                "stream": "contacts",
                "endpoint": "/contacts/exports/{export_id}",
                "http_status_code": 429,
                "status": "failed",
            },
        }
    ]


def test_a_job_is_timed_once_from_its_creation(
    clock: FakeClock, metrics: pytest.LogCaptureFixture
) -> None:
    job = Job(days(0, 1))
    metering.export_ended(job, clock.monotonic(), completed=False)  # there is none yet
    job.begun(1, clock.monotonic())
    clock.sleep(42)
    metering.export_ended(job, clock.monotonic(), completed=True)
    metering.export_ended(job, clock.monotonic(), completed=False)

    assert points(metrics) == [
        {
            "type": "timer",
            "metric": "job_duration",
            "value": 42.0,
            "tags": {
                "stream": "contacts",
                "job_type": "export",
                "status": "succeeded",
                "window": str(job.window),
            },
        }
    ]


def test_virtual_time_stops_where_something_is_to_be_done() -> None:
    clock, looks = FakeClock(BEGAN), list[float]()
    clock.every(2.0, lambda: looks.append(clock.monotonic()))

    for _ in range(4):
        clock.sleep(1.5)

    assert looks == [2.0, 4.0, 6.0]
