"""Windows cover their range whatever the probes say, and are even where these tell the truth."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tap_cometly.extract.planner import WindowPlanner
from tap_cometly.timeranges import Probe, Window
from tests.bench.sizing import answer, contacts_in, size, whole
from tests.bench.spaces import (
    BURSTY,
    FLAT,
    GROWING,
    HOUR,
    LATE,
    SEASONAL,
    SHAPES,
    STEADY,
    YEAR,
    Shape,
    Space,
    bursty,
)

if TYPE_CHECKING:
    from collections.abc import Callable

START = datetime(2024, 2, 28, 23, 59, 59, tzinfo=timezone.utc)
TARGET = 250_000

any_id = st.integers(0, 2**63)
counts = st.sampled_from([0, 1, 4_999, 5_000, 10**9]) | st.integers(0, 5_000)


def of_seconds(seconds: int, start: datetime = START) -> Window:
    return Window(start, start + timedelta(seconds=seconds))


@st.composite
def pages(draw: st.DrawFn, window: Window) -> Probe:
    ids = draw(st.none() | st.tuples(any_id, any_id, any_id))
    return Probe(window, draw(counts), draw(st.booleans()), ids)


@st.composite
def unasked_windows(draw: st.DrawFn, seconds: int) -> Window:
    start = draw(st.integers(-10, seconds))
    return of_seconds(draw(st.integers(0, seconds + 20)), START + timedelta(seconds=start))


@dataclass
class Reading:
    """Somebody who uses a cutter as the tap does, for as long as it takes."""

    planner: WindowPlanner
    windows: list[Window]
    probes: int = 0

    def go_on(self, answers: Callable[[Window], Probe | None], at_most: int) -> None:
        while (window := self.planner.next_window()) is not None:
            self.windows.append(window)
        asked = self.planner.wanted(at_most)
        assert len(asked) <= at_most
        assert all(probe.seconds >= 1 and not probe.end.microsecond for probe in asked)
        assert asked or self.planner.done, "neither a window nor a probe: it would wait for ever"
        self.probes += len(asked)
        for probe in reversed(asked):
            page = answers(probe)
            if page is None:
                self.planner.forget(probe)
            else:
                self.planner.learn(page)


def read(space: Space, target: int, at_most: int = 12) -> Reading:
    """Cut a Space, one round of probes after the other."""
    reading = Reading(WindowPlanner(whole(space), target=target, horizon=6 * target), [])
    while not reading.planner.done:
        reading.go_on(lambda window: answer(space, window), at_most)
    return reading


@given(
    data=st.data(),
    seconds=st.integers(1, 60) | st.integers(1, 2_000),
    target=st.sampled_from([1, 10, 75_000]),
    at_most=st.sampled_from([1, 2, 12]),
)
@settings(max_examples=100, deadline=None)
def test_windows_cover_the_range_whatever_the_answers(
    data: st.DataObject, seconds: int, target: int, at_most: int
) -> None:
    # given: an API that answers nonsense, or nothing, to what was asked for and to what was not
    planner = WindowPlanner(of_seconds(seconds), target=target, horizon=6 * target)
    reading = Reading(planner, [])
    noise = data.draw(st.lists(unasked_windows(seconds), max_size=5))
    for window in noise:
        planner.learn(data.draw(pages(window)))

    # when: it is good for so many answers, and then repeats itself
    answers = data.draw(st.lists(st.none() | pages(of_seconds(1)), min_size=1, max_size=30))
    last = data.draw(pages(of_seconds(1)))

    def nonsense(window: Window) -> Probe | None:
        page = answers.pop() if answers else last
        return page and Probe(window, page.count, page.more, page.ids)

    finished = data.draw(st.lists(st.integers(0, 10**9), max_size=5))
    while not planner.done:
        reading.go_on(nonsense, at_most)
        if finished and reading.windows:
            planner.finished(reading.windows[-1], finished.pop())

    # then: no hole, no overlap beyond the boundary second, no window without a second
    windows = reading.windows
    assert windows[0].start == START
    assert windows[-1].end == START + timedelta(seconds=seconds)
    assert all(window.start < window.end for window in windows)
    assert all(older.end == newer.start for older, newer in pairwise(windows))
    assert reading.probes <= 150 * len(windows) + 50


@given(
    contacts=st.integers(0, 5_000_000),
    bursts=st.dictionaries(st.floats(0.0, 0.99), st.floats(0.0, 0.3), max_size=3),
    length=st.sampled_from([60, HOUR, 30 * HOUR]),
    first_id=st.sampled_from([1, 10**7]),
    share=st.sampled_from([1.0, 0.1]),
    target=st.sampled_from([75_000, TARGET]),
    at_most=st.sampled_from([1, 5, 12]),
)
@settings(max_examples=150, deadline=None)
def test_no_window_holds_twice_the_target(
    contacts: int,
    bursts: dict[float, float],
    length: int,
    first_id: int,
    share: float,
    target: int,
    at_most: int,
) -> None:
    # given: bursts anywhere, ids of this Space alone or of many, from the start or from later on
    shape = Shape("bursts", bursty(bursts, length))
    space = Space(contacts, shape, share=share, first_id=first_id)

    # when
    reading = read(space, target, at_most)

    # then
    held = [contacts_in(space, window) for window in reading.windows]
    assert sum(held) == contacts
    assert all(
        count <= 2 * target or window.seconds <= 2
        for window, count in zip(reading.windows, held, strict=True)
    )


@pytest.mark.parametrize("shape", STEADY, ids=lambda shape: shape.name)
def test_a_million_contacts_make_four_even_windows(shape: Shape) -> None:
    outcome = size(Space(1_000_000, shape))

    assert len(outcome.windows) == 4
    assert outcome.largest <= 1.15
    assert outcome.rounds_before_first <= 2
    assert outcome.wall <= 1.6 * outcome.bound


@pytest.mark.parametrize("contacts", [10_000_000, 100_000_000])
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_many_contacts_make_few_even_windows(shape: Shape, contacts: int) -> None:
    outcome = size(Space(contacts, shape))

    assert outcome.excess <= 1.08
    assert outcome.largest <= 1.25
    assert outcome.probes <= 3 * len(outcome.windows)
    assert outcome.wall <= 1.16 * outcome.bound


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_ids_shared_with_other_spaces_do_no_harm(shape: Shape) -> None:
    outcome = size(Space(10_000_000, shape, share=0.01, first_id=10**9))

    assert outcome.excess <= 1.08
    assert outcome.largest <= 1.25


@pytest.mark.parametrize("imported", [0.01, 0.05])
@pytest.mark.parametrize("contacts", [1_000_000, 10_000_000])
@pytest.mark.parametrize("shape", STEADY, ids=lambda shape: shape.name)
def test_imports_of_old_contacts_do_little_harm(
    shape: Shape, contacts: int, imported: float
) -> None:
    outcome = size(Space(contacts, shape, imported=imported))

    assert outcome.excess <= 1.25
    assert outcome.largest <= 2.0


@pytest.mark.parametrize("shape", [FLAT, GROWING, SEASONAL, LATE, BURSTY], ids=lambda s: s.name)
def test_page_windows_come_out_even_too(shape: Shape) -> None:
    outcome = size(Space(1_000_000, shape), target=75_000)

    assert outcome.excess <= 1.08
    assert outcome.largest <= 1.25


def test_few_contacts_are_one_window_after_one_page() -> None:
    # given
    space = Space(900, FLAT)

    # when
    reading = read(space, TARGET)

    # then
    assert reading.windows == [whole(space)]
    assert reading.windows[0].expected == 900
    assert reading.probes == 1


def test_an_end_without_contacts_makes_no_window_of_its_own() -> None:
    # given: everything within the first year of three
    space = Space(750_000, Shape("over", lambda passed: min(1.0, 3 * passed)))

    # when
    windows = read(space, TARGET).windows

    # then
    assert len(windows) == 3
    assert windows[-1].seconds > 2 * YEAR


def test_a_list_that_refuses_long_ranges_can_be_used_all_the_same() -> None:
    # given: no answer about more than 90 days
    space = Space(1_000_000, FLAT)
    reading = Reading(WindowPlanner(whole(space), target=TARGET, horizon=6 * TARGET), [])

    def picky(window: Window) -> Probe:
        refused = window.end - window.start > timedelta(days=90)
        return Probe(window, 0, more=True, ids=None) if refused else answer(space, window)

    # when
    while not reading.planner.done:
        reading.go_on(picky, 12)

    # then
    held = [contacts_in(space, window) for window in reading.windows]
    assert sum(held) == 1_000_000
    assert len(held) <= 5
    assert max(held) <= 1.15 * TARGET


def test_finished_windows_correct_those_to_come() -> None:
    # given: a list that shows half of the contacts there are
    space, shown = Space(10_000_000, FLAT), Space(5_000_000, FLAT)
    planner = WindowPlanner(whole(space), target=TARGET, horizon=6 * TARGET)
    reading = Reading(planner, [])

    # when
    while not planner.done:
        for probe in planner.wanted(12):
            planner.learn(answer(shown, probe))
        if (window := planner.next_window()) is not None:
            reading.windows.append(window)
            planner.finished(window, contacts_in(space, window))

    # then
    held = [contacts_in(space, window) for window in reading.windows]
    assert held[0] > 1.9 * TARGET
    assert max(held[8:]) < 1.2 * TARGET


def test_a_probe_is_wanted_once_unless_it_is_forgotten() -> None:
    # given
    planner = WindowPlanner(of_seconds(1_000), target=10, horizon=60)
    asked = planner.wanted(5)

    # then
    assert asked == [of_seconds(1_000)]
    assert planner.wanted(5) == []

    # when
    planner.forget(asked[0])

    # then
    assert planner.wanted(5) == asked


def test_what_has_been_told_in_the_meantime_may_be_forgotten() -> None:
    # given
    planner = WindowPlanner(of_seconds(1_000), target=10, horizon=60)
    (asked,) = planner.wanted(5)

    # when
    planner.learn(Probe(asked, 7, more=False, ids=(7, 4, 1)))
    planner.forget(asked)

    # then
    assert planner.wanted(5) == []
    assert planner.next_window() == asked


def test_smaller_pages_than_asked_for_are_fine() -> None:
    # given: an API that caps a page at 200 contacts
    space = Space(1_000_000, GROWING)
    reading = Reading(WindowPlanner(whole(space), target=TARGET, horizon=6 * TARGET), [])

    # when
    while not reading.planner.done:
        reading.go_on(lambda window: answer(space, window, size=200), 12)

    # then
    assert len(reading.windows) == 4


def test_a_page_is_summed_up_by_three_ids_and_order_is_no_matter() -> None:
    window = of_seconds(60)

    assert Probe.of(window, [7, 9, 8, 5], more=True) == Probe(window, 4, more=True, ids=(9, 7, 5))
    assert Probe.of(window, [], more=False) == Probe(window, 0, more=False, ids=None)


def test_a_refusal_counts_as_an_empty_page_with_a_cursor() -> None:
    window = of_seconds(60)

    assert Probe.refused(window) == Probe.of(window, [], more=True)


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
    assert Window(START, START, 7) == Window(START, START)
