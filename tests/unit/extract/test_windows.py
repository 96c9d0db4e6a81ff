"""A window: its halves, its name, and what makes two of them equal."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from tap_cometly.timeranges import Window

START = datetime(2024, 2, 28, 23, 59, 59, tzinfo=timezone.utc)


def of_seconds(seconds: int) -> Window:
    return Window(START, START + timedelta(seconds=seconds))


def test_halves_meet_in_one_second() -> None:
    # given
    window = Window(START, START + timedelta(seconds=3), expected=11)

    # when
    older, newer = window.halves()

    # then
    assert (older.start, newer.end) == (window.start, window.end)
    assert older.end == newer.start
    assert (older.seconds, newer.seconds) == (1, 2)
    assert (older.expected, newer.expected) == (6, 6)
    assert (len(older.halves()), len(newer.halves())) == (0, 2)


@pytest.mark.parametrize(("seconds", "expected"), [(2, None), (7, 3), (8, 0)])
def test_halves_are_of_equal_length_and_hold_as_much(seconds: int, expected: int | None) -> None:
    # given
    window = Window(START, START + timedelta(seconds=seconds), expected)

    # when
    older, newer = window.halves()

    # then
    assert newer.seconds - older.seconds in {0, 1}
    assert older.expected == newer.expected == (None if expected is None else (expected + 1) // 2)


@pytest.mark.parametrize(
    ("start", "end", "boundary"),
    [
        ("2024-10-26 21:00", "2024-10-27 04:30", "2024-10-26 23:45:00"),
        ("2024-10-26 23:59", "2024-10-27 03:57", "2024-10-27 02:58:00"),  # not in the middle
        ("2024-10-26 23:50", "2024-10-27 01:40", None),
    ],
)
def test_a_window_is_not_halved_in_an_hour_that_occurs_twice(
    start: str, end: str, boundary: str | None
) -> None:
    # given: in Berlin the hours from 00:00 and from 01:00 UTC are both called two o'clock
    utc = [datetime.fromisoformat(text).replace(tzinfo=timezone.utc) for text in (start, end)]
    window = Window(utc[0], utc[1])

    # when
    halves = window.halves(ZoneInfo("Europe/Berlin"))

    # then
    boundaries = [str(half.end.replace(tzinfo=None)) for half in halves[:1]]
    assert boundaries == ([] if boundary is None else [boundary])


def test_a_window_is_named_by_its_ends() -> None:
    assert str(of_seconds(2)) == "2024-02-28T23:59:59Z to 2024-02-29T00:00:01Z"


def test_windows_of_the_same_range_are_equal_whatever_their_size() -> None:
    assert Window(START, START, 7, counted=7) == Window(START, START)
