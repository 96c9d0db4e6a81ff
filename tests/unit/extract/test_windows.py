"""A window: its halves, its name, and what makes two of them equal."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

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
    assert (older.can_halve, newer.can_halve) == (False, True)


@pytest.mark.parametrize(("seconds", "expected"), [(2, None), (7, 3), (8, 0)])
def test_halves_are_of_equal_length_and_hold_as_much(seconds: int, expected: int | None) -> None:
    # given
    window = Window(START, START + timedelta(seconds=seconds), expected)

    # when
    older, newer = window.halves()

    # then
    assert newer.seconds - older.seconds in {0, 1}
    assert older.expected == newer.expected == (None if expected is None else (expected + 1) // 2)


def test_a_window_is_named_by_its_ends() -> None:
    assert str(of_seconds(2)) == "2024-02-28T23:59:59Z to 2024-02-29T00:00:01Z"


def test_a_window_is_the_same_whatever_it_is_thought_to_hold() -> None:
    assert Window(START, START, 7, counted=7) == Window(START, START)
