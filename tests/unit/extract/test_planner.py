"""What a cutter asks for, in which order, and what it makes of the answers."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from tap_cometly.extract.planner import WindowPlanner
from tap_cometly.timeranges import Probe, Window

START = datetime(2024, 2, 29, tzinfo=timezone.utc)
TARGET = 100
LONG = 1_000  # seconds

Span = tuple[int, int]  # seconds after the start


def window(start: int, end: int) -> Window:
    return Window(START + timedelta(seconds=start), START + timedelta(seconds=end))


def span(window: Window) -> Span:
    start, end = ((end - START) // timedelta(seconds=1) for end in (window.start, window.end))
    return start, end


def cutting(seconds: int = LONG, *, windows_ahead: int = 6) -> WindowPlanner:
    return WindowPlanner(window(0, seconds), target=TARGET, horizon=windows_ahead * TARGET)


def holding(start: int, end: int, rows: int, newest: int = 0) -> Probe:
    """A part that holds no more than its page, with one id after the other."""
    ids = range(newest - rows + 1, newest + 1)
    return Probe.of(window(start, end), ids, more=False)


def full(start: int, end: int, newest: int, *, rows: int = 50) -> Probe:
    """A part that holds more than its page."""
    return Probe.of(window(start, end), range(newest - rows + 1, newest + 1), more=True)


def refused(start: int, end: int) -> Probe:
    return Probe.refused(window(start, end))


def told(*probes: Probe, seconds: int = LONG, windows_ahead: int = 6) -> WindowPlanner:
    planner = cutting(seconds, windows_ahead=windows_ahead)
    for probe in probes:
        planner.learn(probe)
    return planner


def wanted(planner: WindowPlanner, at_most: int = 12) -> list[Span]:
    return [span(probe) for probe in planner.wanted(at_most)]


def cut(planner: WindowPlanner, *, hurried: bool = False) -> list[Span]:
    """All windows that can be cut."""
    windows = []
    while (cut_off := planner.next_window(hurried=hurried)) is not None:
        windows.append(span(cut_off))
    return windows


# Asking.


def test_the_whole_range_is_asked_for_first() -> None:
    assert wanted(cutting()) == [(0, LONG)]


def test_of_a_range_with_many_contacts_all_parts_are_asked_for_at_once() -> None:
    # given: no more is known of its end than its first page told
    planner = told(full(0, LONG, newest=10_000))

    # then: that page is the last part's, too
    assert wanted(planner) == [(0, 250), (250, 500), (500, 750)]


def test_of_a_range_that_the_list_refuses_the_last_part_is_asked_for_too() -> None:
    assert wanted(told(refused(0, LONG))) == [(0, 250), (250, 500), (500, 750), (750, LONG)]


@pytest.mark.parametrize(
    ("at_most", "parts"),
    [(1, [(0, 500)]), (2, [(0, 333), (333, 666)]), (3, [(0, 250), (250, 500)])],
)
def test_no_more_is_asked_for_than_may_be(at_most: int, parts: list[Span]) -> None:
    probes = wanted(told(refused(0, LONG)), at_most)

    assert len(probes) == at_most
    assert probes[: len(parts)] == parts


def test_of_the_first_part_so_little_is_asked_for_that_it_can_be_counted() -> None:
    # given: ids begin to tell how many there are where some have been counted
    planner = told(full(0, 8_192, newest=10_000), seconds=20_000)

    # then
    assert wanted(planner)[0] == (0, 2)


def test_seconds_are_not_split() -> None:
    assert wanted(told(refused(0, 2), seconds=2)) == [(0, 1), (1, 2)]


def test_nothing_is_asked_twice_but_what_lies_beside_it_is() -> None:
    # given
    planner = told(refused(0, 500))
    older = [(0, 125), (125, 250), (250, 375), (375, 500)]
    assert wanted(planner, 4) == older
    assert wanted(planner) == [(500, LONG)]
    assert wanted(planner) == []

    # when: the older part was not answered
    for start, end in older:
        planner.forget(window(start, end))

    # then
    assert wanted(planner, 4) == older


def test_a_large_part_is_asked_for_where_windows_should_end_in_it() -> None:
    # given: a counted front, and 400 contacts behind it
    planner = told(holding(0, 200, 20, newest=20), full(200, LONG, newest=400))

    # then
    assert cut(planner) == []
    assert wanted(planner) == [(200, 368), (368, 579), (579, 789)]


def test_beyond_the_horizon_nothing_is_asked_for() -> None:
    ahead = 2
    planner = told(
        holding(0, 200, 20, newest=20), full(200, LONG, newest=2_000), windows_ahead=ahead
    )

    probes = wanted(planner)

    assert len(probes) == ahead + 1
    assert planner.next_window() is None


def test_what_is_asked_for_says_what_it_should_hold() -> None:
    planner = told(holding(0, 200, 20, newest=20), full(200, LONG, newest=400))

    held = [probe.expected for probe in planner.wanted(12)]

    assert held == pytest.approx([80, 100, 100], abs=1)


def test_of_what_nothing_is_known_nothing_is_foretold() -> None:
    assert cutting().wanted(12)[0].expected is None
    assert {probe.expected for probe in told(refused(0, LONG)).wanted(12)} == {None}
    assert {probe.expected for probe in told(full(0, LONG, 10_000)).wanted(12)} == {None}


def test_a_part_with_far_more_than_foretold_is_split_evenly() -> None:
    # given
    planner = told(holding(0, 200, 20, newest=20), full(200, LONG, newest=400))
    asked = wanted(planner)

    # when: all of the contacts are in the first of the parts asked for
    planner.learn(full(*asked[0], newest=390))

    # then
    first, last = asked[0]
    assert wanted(planner)[0] == (first, first + (last - first) // 4)


def test_when_all_has_been_cut_nothing_is_asked_for() -> None:
    planner = told(holding(0, LONG, 7, newest=7))

    assert cut(planner) == [(0, LONG)]
    assert planner.done
    assert wanted(planner) == []
    assert planner.next_window() is None


# Cutting.


def test_windows_are_cut_as_far_as_it_is_known_where_they_end() -> None:
    # given: a window's worth, two unknown parts, another window's worth
    planner = told(holding(0, 300, 98, newest=98), holding(600, 900, 98, newest=400))

    assert cut(planner) == [(0, 300)]
    assert not planner.done
    assert wanted(planner) == [(300, 600), (900, LONG)]


def test_a_window_says_what_it_is_expected_to_hold() -> None:
    planner = told(holding(0, LONG, 7, newest=7))

    window = planner.next_window()

    assert window is not None
    assert window.expected == 7


def test_empty_time_belongs_to_the_window_before_it() -> None:
    planner = told(
        holding(0, 300, 98, newest=98), holding(300, 600, 0), holding(600, LONG, 98, 196)
    )

    assert cut(planner) == [(0, 600), (600, LONG)]


def test_in_a_hurry_a_window_is_guessed() -> None:
    # given: 180 contacts, which are two windows
    probes = holding(0, 200, 20, newest=20), full(200, LONG, newest=180)

    assert cut(told(*probes)) == []
    assert cut(told(*probes), hurried=True) == [(0, 550), (550, LONG)]


def refuse_all(planner: WindowPlanner, *, at_most: int = 1_000) -> int:
    """How many probes were refused before a window was cut."""
    for probes in range(at_most):
        if planner.next_window() is not None:
            return probes
        (probe,) = planner.wanted(1)
        planner.learn(Probe.refused(probe))
    return at_most


def test_after_a_hundred_answers_that_lead_nowhere_a_window_is_cut_as_it_is() -> None:
    planner = cutting(2**37)

    assert refuse_all(planner) == 100
    assert planner.done


def test_every_window_may_take_a_hundred_answers() -> None:
    # given: a first window that took some
    planner = cutting(2**37)
    refuse_all(planner, at_most=60)
    planner.learn(holding(0, 2**20, 98, newest=98))
    assert planner.next_window() == window(0, 2**20)

    # then
    assert refuse_all(planner) == 100


def test_what_is_left_is_known_when_all_parts_are() -> None:
    # given
    planner = told(holding(0, 200, 98, newest=98))
    unknown = planner.left

    # when
    planner.learn(full(200, LONG, newest=398))
    known = planner.left
    planner.next_window()

    # then
    assert unknown is None
    assert known == pytest.approx(398, abs=2)
    assert planner.left == pytest.approx(300, abs=2)


def test_a_bound_does_not_tell_what_is_left() -> None:
    assert told(full(0, LONG, newest=398)).left is None


# Learning from windows that have been read.


def even(*, counted: bool = False) -> WindowPlanner:
    """One contact a second, probed in parts that are a window each."""
    parts = [
        holding(at, at + 100, 100, newest=at + 100)
        if counted or not at
        else full(at, at + 100, newest=at + 100)
        for at in range(0, 2_000, 100)
    ]
    return told(*parts, seconds=2_000)


def next_length(planner: WindowPlanner) -> int:
    """How long the next window is, cut without further probes."""
    cut_off = planner.next_window(hurried=True)
    assert cut_off is not None
    return cut_off.seconds


def cut_and_read(planner: WindowPlanner, *counts: int) -> None:
    """Cut the next windows, and only then learn how many contacts were in them."""
    windows = [planner.next_window() for _ in counts]
    for cut_off, count in zip(windows, counts, strict=True):
        assert cut_off is not None
        planner.finished(cut_off, count)


@pytest.mark.parametrize(("held", "length"), [(100, 100), (200, 63), (50, 136)])
def test_windows_that_hold_more_make_the_next_ones_shorter(held: int, length: int) -> None:
    planner = even()

    cut_and_read(planner, held)

    assert next_length(planner) == pytest.approx(length, abs=2)


def test_what_has_been_counted_is_not_corrected() -> None:
    planner = even(counted=True)

    cut_and_read(planner, 200)

    assert next_length(planner) == 100


def test_windows_of_someone_else_teach_nothing() -> None:
    planner = even()

    planner.finished(window(0, 50), 10_000)

    assert next_length(planner) == 100


def test_a_window_teaches_once() -> None:
    # given
    planner = even()
    cut_and_read(planner, 200)

    # when
    planner.finished(window(0, 100), 10_000)

    # then
    assert next_length(planner) == pytest.approx(63, abs=1)


def test_a_correction_that_proves_right_stays() -> None:
    # given: a window that held twice as much as expected
    planner = even()
    cut_and_read(planner, 125)

    # when: one that was cut accordingly
    corrected = planner.next_window(hurried=True)
    assert corrected is not None
    assert corrected.expected == pytest.approx(100, abs=2)
    planner.finished(corrected, corrected.expected or 0)

    # then
    assert next_length(planner) == pytest.approx(corrected.seconds, abs=1)


def test_windows_read_later_count_for_more() -> None:
    older, newer = even(), even()

    cut_and_read(older, 200, 100, 100)
    cut_and_read(newer, 100, 100, 200)

    assert next_length(newer) < next_length(older) < 100


def test_whatever_windows_hold_the_next_one_is_no_more_than_four_times_as_long() -> None:
    planner = even()

    cut_and_read(planner, 0, 0, 0, 0, 0, 0)

    assert 300 <= next_length(planner) <= 400


def test_whatever_windows_hold_the_next_one_is_no_less_than_a_quarter_as_long() -> None:
    planner = even()

    cut_and_read(planner, 10_000, 10_000)

    start, end = wanted(planner)[0]
    assert 24 <= end - start <= 26


# Where ids mislead.


def contradictory(*probes: Probe) -> WindowPlanner:
    """A counted front, behind which imports have made ids worthless."""
    front = holding(0, 300, 30, newest=5_000)
    return told(front, full(300, LONG, newest=5_010), *probes)


def test_where_ids_mislead_thin_slices_are_asked_for() -> None:
    assert wanted(contradictory()) == [(473, 475), (648, 650), (823, 825), (998, LONG)]


def test_a_slice_tells_how_dense_its_part_is() -> None:
    # given
    planner = contradictory()
    slices = planner.wanted(12)

    # when: half a contact a second
    for each in slices:
        planner.learn(Probe.of(each, [7], more=False))

    # then: 30 are counted, the first part has 53, and the others have 88 each
    assert cut(planner) == [(0, 475), (475, 650), (650, 825), (825, LONG)]


def test_a_slice_with_more_than_a_page_is_replaced_by_a_thinner_one() -> None:
    # given
    planner = contradictory()
    slices = planner.wanted(12)

    # when
    planner.learn(Probe.of(slices[1], range(50), more=True))

    # then
    assert wanted(planner) == [(649, 650)]
    assert wanted(planner) == []


def test_a_second_with_more_than_a_page_is_dense_at_least_like_this() -> None:
    # given
    planner = contradictory()
    slices = planner.wanted(12)
    planner.learn(Probe.of(slices[0], range(50), more=True))
    (second,) = planner.wanted(12)

    # when
    planner.learn(Probe.of(second, range(50), more=True))

    # then: 25 contacts a second on the average, so that windows end every four seconds
    assert wanted(planner)[:3] == [(302, 303), (306, 307), (310, 311)]


def test_where_ids_mislead_a_count_is_still_a_count() -> None:
    planner = contradictory(holding(300, LONG, 60, newest=9_000))

    assert cut(planner) == [(0, LONG)]
