"""A window: its halves, its name, and what makes two of them equal."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from tap_cometly.timeranges import Window

START = datetime(2024, 2, 28, 23, 59, 59, tzinfo=timezone.utc)


def of_seconds(seconds: int, expected: int | None = None) -> Window:
    return Window(START, START + timedelta(seconds=seconds), expected)


@pytest.mark.parametrize(
    ("seconds", "expected", "half"), [(2, None, None), (3, 11, 6), (7, 3, 2), (8, 0, 0)]
)
def test_halves_meet_in_one_second_and_hold_as_much(
    seconds: int, expected: int | None, half: int | None
) -> None:
    window = of_seconds(seconds, expected)

    older, newer = window.halves(timezone.utc)

    assert (older.start, older.end, newer.end) == (window.start, newer.start, window.end)
    assert newer.seconds - older.seconds in {0, 1}
    assert older.expected == newer.expected == half


def test_a_second_has_no_halves() -> None:
    assert len(of_seconds(1).halves(timezone.utc)) == 0


@pytest.mark.parametrize(
    ("start", "end", "boundary"),
    [
        ("2024-10-26 21:00", "2024-10-27 04:30", "2024-10-26 23:59:59"),
        ("2024-10-26 23:59", "2024-10-27 03:57", "2024-10-27 02:00:00"),  # not in the middle
        ("2024-10-26 23:50", "2024-10-27 01:40", "2024-10-26 23:59:59"),
        ("2024-10-27 00:00", "2024-10-27 01:40", None),
    ],
)
def test_a_window_is_not_halved_in_an_hour_that_occurs_twice(
    start: str, end: str, boundary: str | None
) -> None:
    """In Berlin the hours from 00:00 and from 01:00 UTC are both called two o'clock."""
    first, last = (datetime.fromisoformat(f"{text}:00+00:00") for text in (start, end))

    halves = Window(first, last).halves(ZoneInfo("Europe/Berlin"))

    boundaries = [str(half.end.replace(tzinfo=None)) for half in halves[:1]]
    assert boundaries == ([boundary] if boundary else [])


def test_a_window_is_named_by_its_ends_and_equal_whatever_its_size() -> None:
    assert str(of_seconds(2)) == "2024-02-28T23:59:59Z to 2024-02-29T00:00:01Z"
    assert Window(START, START, 7, counted=7) == Window(START, START)
