"""When export jobs are polled: the oldest every few seconds, never over the limit, evenly."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from tests.support.exports import Exports, busiest_minute, days

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
    exports = Exports(*days(20), parallel=20, seconds=600.0)

    exports.next()

    assert busiest_minute(exports.repository.asked("poll")) <= 30


def test_a_job_is_polled_no_more_often_than_a_small_share_of_the_limit_allows_evenly() -> None:
    [window] = days(1)
    exports = Exports(window, seconds=300.0, share=0.1)

    exports.next()

    assert gaps(exports, window) == pytest.approx([20.1] * 15, abs=0.1)
    assert exports.repository.limiters["poll"].waited == 0
