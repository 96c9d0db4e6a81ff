"""When export jobs are polled: the oldest every few seconds, never over the limit, evenly."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from tests.support.clock import busiest_minute
from tests.support.exports import Exports, days

if TYPE_CHECKING:
    from tap_cometly.timeranges import Window


def gaps(exports: Exports, window: Window) -> list[float]:
    """Seconds between the polls of a job, the first one counted from its creation."""
    [created] = exports.repository.asked("create", window)
    times = [created, *exports.repository.asked("poll", window)]
    return [later - earlier for earlier, later in itertools.pairwise(times)]


def test_a_single_job_is_polled_every_two_seconds_at_first_and_every_five_later() -> None:
    [window] = days(1)
    exports = Exports(window, seconds=100.0)

    exports.next()

    seconds = gaps(exports, window)
    assert seconds[:3] == [pytest.approx(2.1, abs=0.1)] * 3
    assert seconds == pytest.approx(sorted(seconds), abs=0.1)
    assert seconds[-1] == pytest.approx(5.1, abs=0.1)


def test_twenty_jobs_are_polled_within_the_limit() -> None:
    windows = days(20)
    exports = Exports(*windows, parallel=20, seconds=600.0)

    exports.next()

    assert busiest_minute(exports.repository.asked("poll")) <= 30
    assert max(gaps(exports, windows[0])) < 10.0
    assert max(max(gaps(exports, window)) for window in windows[1:]) < 70.0


def test_a_job_is_polled_no_more_often_than_a_small_share_of_the_limit_allows_evenly() -> None:
    [window] = days(1)
    exports = Exports(window, seconds=300.0, share=0.1)

    exports.next()

    assert gaps(exports, window) == pytest.approx([20.1] * 15, abs=0.1)
    assert exports.repository.limiters["poll"].waited == 0


@pytest.mark.parametrize("seconds", [2.0, 5.0, 25.0, 40.0, 55.0, 58.0, 120.0, 600.0])
def test_of_four_jobs_each_completed_one_is_noticed_within_ten_seconds(seconds: float) -> None:
    windows = days(4)
    exports = Exports(*windows, seconds=seconds)

    exports.next()
    exports.advance_until(seconds + 11.0)

    assert exports.repository.asked("download", windows[0])[0] - seconds < 5.3
    assert max(exports.repository.asked("download")) - seconds < 10.3
    assert busiest_minute(exports.repository.asked("poll")) <= 30


def test_of_several_jobs_the_oldest_has_what_the_others_leave_of_a_small_share() -> None:
    windows = days(4)
    exports = Exports(*windows, seconds=550.0, share=0.2)

    exports.next()

    assert max(gaps(exports, windows[0])) < 31.0
    assert max(max(gaps(exports, window)) for window in windows[1:]) < 65.0
    assert exports.repository.limiters["poll"].waited < 60.0
