"""Windows cover their range whatever probes say, and are even where these tell the truth."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from itertools import count, pairwise
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tap_cometly.extract.planner import Probe, WindowPlanner
from tap_cometly.timeranges import Window, repeated
from tests.bench.sizing import answer, contacts_in, size, whole
from tests.bench.spaces import (
    FLAT,
    GROWING,
    HOUR,
    IMPORTED,
    LATE,
    SHAPES,
    STEADY,
    YEAR,
    YEARS,
    Shape,
    Space,
    bursty,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import tzinfo

START = datetime(2024, 2, 28, 23, 59, 59, tzinfo=timezone.utc)
TARGET = 250_000
DAY = 86_400
BERLIN = ZoneInfo("Europe/Berlin")  # repeats 00:00 to 02:00 UTC of 2024-10-27
REPEATED = datetime(2024, 10, 27, tzinfo=timezone.utc)

shapes = pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)


def of_seconds(seconds: int, start: datetime = START) -> Window:
    return Window(start, start + timedelta(seconds=seconds))


def planner_of(window: Window, target: int = TARGET, zone: tzinfo = timezone.utc) -> WindowPlanner:
    return WindowPlanner(window, target=target, horizon=6 * target, zone=zone)


@dataclass
class Run:
    """Somebody who uses a planner as the tap does, until the range is cut."""

    planner: WindowPlanner
    windows: list[Window] = field(default_factory=list)
    probes: int = 0

    def take(self, *, guess: bool = False) -> list[Window]:
        taken = []
        while (window := self.planner.next_window(guess=guess)) is not None:
            taken.append(window)
            if guess:
                break
        self.windows += taken
        return taken

    def to_the_end(self, answers: Callable[[Window], Probe | None], at_most: int = 12) -> Run:
        while not self.planner.done:
            self.take()
            asked = self.planner.wanted(at_most)
            assert len(asked) <= at_most
            assert asked or self.planner.done, "neither a window nor a probe: it would never end"
            self.probes += len(asked)
            for window in reversed(asked):
                probe = answers(window)
                if probe is None:
                    self.planner.unanswered(window)
                else:
                    self.planner.learn(probe)
        return self


def cut(space: Space, target: int = TARGET, *, at_most: int = 12) -> Run:
    planner = planner_of(whole(space), target)
    return Run(planner).to_the_end(lambda window: answer(space, window), at_most)


def held(space: Space, windows: list[Window]) -> list[int]:
    return [contacts_in(space, window) for window in windows]


def covers(windows: list[Window], window: Window) -> bool:
    """Whether there is no hole, no overlap but the boundaries, and no window without a second."""
    meet = all(older.end == newer.start for older, newer in pairwise(windows))
    last = all(part.start < part.end for part in windows)
    return meet and last and (windows[0].start, windows[-1].end) == (window.start, window.end)


# Whatever the answers are.

any_id = st.integers(-1, 2**63)
counts = st.sampled_from([0, 1, 4_999, 5_000, 10**9]) | st.integers(0, 5_000)


@st.composite
def pages(draw: st.DrawFn) -> Probe:
    ids = draw(st.none() | st.tuples(any_id, any_id, any_id))
    return Probe(of_seconds(1), draw(counts), more=draw(st.booleans()), ids=ids)


@st.composite
def stray_windows(draw: st.DrawFn, seconds: int) -> Window:
    start = draw(st.integers(-10, seconds))
    return of_seconds(draw(st.integers(0, seconds + 20)), START + timedelta(seconds=start))


@given(
    data=st.data(),
    seconds=st.integers(1, 60) | st.integers(1, 3_000) | st.just(10 * YEAR),
    target=st.sampled_from([1, 10, 75_000]),
    at_most=st.sampled_from([1, 2, 12]),
)
@settings(max_examples=100, deadline=None)
def test_it_ends_and_covers_the_range_whatever_the_answers(
    data: st.DataObject, seconds: int, target: int, at_most: int
) -> None:
    # given: pages of all kinds, none, refusals; and pages that nobody asked for
    planner = planner_of(of_seconds(seconds), target)
    run = Run(planner)
    script = st.sampled_from(["refused", "none"]) | pages()
    answers = data.draw(st.lists(script, min_size=1, max_size=30))
    for window in data.draw(st.lists(stray_windows(seconds), max_size=5)):
        page = data.draw(pages())
        planner.learn(Probe(window, page.count, page.more, page.ids))
    guesses = data.draw(st.lists(st.booleans(), min_size=1, max_size=10))
    contacts = data.draw(st.lists(st.integers(0, 10 * target), min_size=1, max_size=10))

    # when
    for turn in count():
        if planner.done or turn == 1_000:
            break
        taken = planner.next_window(guess=guesses[turn % len(guesses)])
        if taken is not None:
            run.windows.append(taken)
            planner.finished(taken, contacts[turn % len(contacts)])
        for window in planner.wanted(at_most):
            run.probes += 1
            given_answer = answers[run.probes % len(answers)]
            if isinstance(given_answer, str):
                planner.unanswered(window, refused=given_answer == "refused")
            else:
                page = given_answer
                planner.learn(Probe(window, page.count, page.more, page.ids))

    # then
    windows = run.windows
    assert all(older.end == newer.start for older, newer in pairwise(windows))
    assert run.probes <= 100 + 10 * len(windows) + at_most
    assert len(windows) >= 50 or planner.done
    if planner.done:
        assert covers(windows, of_seconds(seconds))


@given(ids=st.lists(st.tuples(any_id, any_id, any_id), min_size=1, max_size=20))
@settings(max_examples=30, deadline=None)
def test_misleading_ids_add_few_windows_and_probes(
    ids: list[tuple[int, int, int]],
) -> None:
    # given: hardly any contacts, and ids that say otherwise
    planner = planner_of(of_seconds(10 * YEAR))
    windows: list[Window] = []
    probes = 0

    # when
    while not planner.done:
        window = planner.next_window()
        if window is not None:
            windows.append(window)
            planner.finished(window, 1)
        for probe in planner.wanted(12):
            planner.learn(Probe(probe, 5_000, more=True, ids=ids[probes % len(ids)]))
            probes += 1

    # then
    assert covers(windows, of_seconds(10 * YEAR))
    assert len(windows) <= 200


def test_probes_without_information_do_not_stall_the_planner() -> None:
    run = Run(planner_of(of_seconds(10 * YEAR)))

    run.to_the_end(lambda window: Probe(window, 0, more=True, ids=None))

    assert covers(run.windows, of_seconds(10 * YEAR))
    assert run.probes <= 100 + 10 * len(run.windows)


def test_ten_thousand_windows_take_less_than_ten_seconds() -> None:
    before = time.process_time()

    run = cut(Space(100_000_000, FLAT), target=10_000)

    assert len(run.windows) >= 9_000
    assert time.process_time() - before < 10


# Few probes, even windows.


@shapes
@pytest.mark.parametrize(("contacts", "goal"), [(1_000_000, 2.0), (10_000_000, 1.25)])
def test_windows_are_few_and_even(shape: Shape, contacts: int, goal: float) -> None:
    outcome = size(Space(contacts, shape))

    assert outcome.excess <= 1.03
    assert outcome.largest <= 1.3
    assert outcome.wall <= goal * outcome.bound


@shapes
def test_a_hundred_million_contacts_are_cut_while_exports_run(shape: Shape) -> None:
    outcome = size(Space(100_000_000, shape))

    assert outcome.largest <= 2
    assert outcome.probes <= 2.5 * len(outcome.windows)
    assert outcome.wall <= 1.05 * outcome.bound


@shapes
@pytest.mark.parametrize("imported", IMPORTED)
@pytest.mark.parametrize("contacts", [1_000_000, 10_000_000])
def test_an_import_in_date_order_under_new_ids_makes_no_window_large(
    shape: Shape, imported: float, contacts: int
) -> None:
    outcome = size(Space(contacts, shape, imported=imported, in_date_order=True))

    assert outcome.largest <= 2
    assert outcome.excess <= 1.3


@pytest.mark.parametrize("imported", [0.01, 0.1, 0.5, 0.8])
@pytest.mark.parametrize("shape", STEADY, ids=lambda shape: shape.name)
def test_an_import_in_random_order_makes_no_window_large(shape: Shape, imported: float) -> None:
    outcome = size(Space(10_000_000, shape, imported=imported))

    assert outcome.largest <= 2
    assert outcome.excess <= 1.3


@shapes
def test_ids_shared_with_other_spaces_do_no_harm(shape: Shape) -> None:
    outcome = size(Space(10_000_000, shape, share=0.01, first_id=10**9))

    assert outcome.excess <= 1.03
    assert outcome.largest <= 1.3


@given(
    contacts=st.integers(0, 5_000_000),
    bursts=st.dictionaries(st.floats(0.0, 0.99), st.floats(0.0, 0.3), max_size=3),
    length=st.sampled_from([60, HOUR, 30 * HOUR]),
    share=st.sampled_from([1.0, 0.1]),
    target=st.sampled_from([75_000, TARGET]),
    at_most=st.sampled_from([1, 5, 12]),
)
@settings(max_examples=100, deadline=None)
def test_no_burst_makes_a_window_large(
    contacts: int,
    bursts: dict[float, float],
    length: int,
    share: float,
    target: int,
    at_most: int,
) -> None:
    space = Space(contacts, Shape("bursts", bursty(bursts, length)), share=share)

    windows = cut(space, target, at_most=at_most).windows

    assert sum(held(space, windows)) == contacts
    assert all(
        contacts_in(space, window) <= 2 * target or window.seconds <= 2 for window in windows
    )


@pytest.mark.parametrize("contacts", [10_001, 60_000])
@pytest.mark.parametrize("shape", [FLAT, GROWING, LATE], ids=lambda shape: shape.name)
def test_what_fits_one_export_takes_two_probes_at_most_after_the_first_page(
    contacts: int, shape: Shape
) -> None:
    # given
    space = Space(contacts, shape)

    # when
    run = Run(planner_of(whole(space)))
    run.planner.learn(answer(space, whole(space)))
    run.to_the_end(lambda window: answer(space, window))

    # then
    assert run.windows == [whole(space)]
    assert run.probes <= 2


def test_a_list_that_refuses_long_ranges_is_asked_for_shorter_ones() -> None:
    # given: no answer about more than 31 days
    space = Space(1_000_000, FLAT)
    planner = planner_of(whole(space))
    asked: list[Window] = []

    # when
    run = Run(planner)
    while not planner.done:
        run.take()
        for window in planner.wanted(12):
            asked.append(window)
            if window.seconds > 31 * DAY:
                planner.unanswered(window, refused=True)
            else:
                planner.learn(answer(space, window))

    # then
    assert sum(window.seconds > 31 * DAY for window in asked) <= 6
    assert len(run.windows) <= 5
    assert max(held(space, run.windows)) <= 1.15 * TARGET


# What a window says.


def test_a_window_on_one_page_is_counted() -> None:
    # given
    planner = planner_of(of_seconds(1_000))
    (probe,) = planner.wanted(12)
    assert probe == of_seconds(1_000)

    # when
    planner.learn(Probe.of(probe, range(7), more=False))

    # then
    assert planner.remaining == 7
    window = planner.next_window()
    assert window is not None
    assert (window, window.expected, window.counted) == (of_seconds(1_000), 7, 7)
    assert planner.done
    assert planner.remaining == 0
    assert (planner.next_window(), planner.wanted(12)) == (None, [])


def test_a_window_of_several_pages_is_estimated() -> None:
    # given: two pages that may share contacts of their boundary second
    planner = planner_of(of_seconds(1_000))
    planner.learn(Probe.of(of_seconds(400), range(7), more=False))
    newer = of_seconds(600, START + timedelta(seconds=400))
    planner.learn(Probe.of(newer, range(6, 12), more=False))

    # then
    window = planner.next_window()
    assert window is not None
    assert (window.expected, window.counted) == (13, None)


def test_what_remains_is_unknown_before_the_oldest_contacts_have_been_seen() -> None:
    planner = planner_of(of_seconds(1_000))

    planner.learn(Probe(of_seconds(1_000), 5_000, more=True, ids=(10**9, 10**9 - 9, 10**9 - 18)))

    assert planner.remaining is None
    assert planner.next_window() is None


def test_a_page_is_summed_up_by_three_ids_in_any_order() -> None:
    window = of_seconds(60)

    assert Probe.of(window, [7, 9, 8, 5], more=True) == Probe(window, 4, more=True, ids=(9, 7, 5))
    assert Probe.of(window, [], more=False) == Probe(window, 0, more=False, ids=None)


def test_a_probe_is_not_wanted_twice_while_it_is_in_flight() -> None:
    planner = planner_of(of_seconds(1_000))

    asked = planner.wanted(5)
    assert planner.wanted(5) == []

    planner.unanswered(asked[0])
    assert planner.wanted(5) == asked


# Guessing.


def test_without_probes_windows_follow_what_those_before_held() -> None:
    # given: a contact a second, so that 1,000 seconds would do
    planner = planner_of(of_seconds(10 * YEAR), target=10 * DAY)
    lengths = []

    # when
    while (window := planner.next_window(guess=True)) is not None:
        assert window.expected is None
        lengths.append(window.seconds)
        planner.finished(window, window.seconds)

    # then
    assert [length // DAY for length in lengths[:5]] == [1, 2, 4, 8, 8]
    assert planner.done


def test_guessed_windows_get_shorter_where_much_is_found() -> None:
    planner = planner_of(of_seconds(10 * YEAR))
    lengths = []

    for _ in range(3):
        window = planner.next_window(guess=True)
        assert window is not None
        lengths.append(window.seconds)
        planner.finished(window, 3 * TARGET)

    assert lengths == [DAY, DAY // 2, DAY // 4]


@pytest.mark.parametrize("contacts", [0, 10**9])
def test_guessing_ends_whatever_windows_hold(contacts: int) -> None:
    planner = planner_of(of_seconds(100 * YEAR))
    windows = []

    while (window := planner.next_window(guess=True)) is not None:
        windows.append(window)
        planner.finished(window, contacts)

    assert covers(windows, of_seconds(100 * YEAR))
    assert len(windows) <= (17_000 if contacts else 20)


def test_a_guess_uses_what_probes_have_told() -> None:
    # given: a million contacts, evenly spread; one page at each end
    space = Space(1_000_000, FLAT)
    planner = planner_of(whole(space))
    while (probes := planner.wanted(1)) and probes[0].start == whole(space).start:
        planner.learn(answer(space, probes[0]))

    # when
    run = Run(planner)
    while not planner.done:
        run.take(guess=True)

    # then: rather smaller windows than large ones
    assert max(held(space, run.windows)) <= 1.3 * TARGET
    assert len(run.windows) <= 10


# The hour that occurs twice.


@given(
    shift=st.integers(-4 * HOUR, 4 * HOUR),
    target=st.sampled_from([1_000, 10_000]),
    zone=st.sampled_from([BERLIN, ZoneInfo("Australia/Lord_Howe"), timezone.utc]),
)
@settings(max_examples=50, deadline=None)
def test_no_window_ends_at_a_wall_time_that_occurs_twice(
    shift: int, target: int, zone: tzinfo
) -> None:
    # given: five contacts a second
    window = of_seconds(12 * HOUR, REPEATED - timedelta(seconds=6 * HOUR + shift))
    planner = planner_of(window, target, zone)

    def page(asked: Window) -> Probe:
        newest = 5 * int((asked.end - window.start).total_seconds())
        rows = min(5 * asked.seconds, 5_000)
        return Probe.of(asked, range(newest - rows, newest), more=rows < 5 * asked.seconds)

    # when
    windows = Run(planner).to_the_end(page).windows

    # then
    assert covers(windows, window)
    assert not any(repeated(part.end, zone) for part in windows[:-1])


def test_an_import_within_the_repeated_hour_is_one_window() -> None:
    # given: 300,000 contacts in half an hour, 10,000 around it
    length = YEARS * YEAR
    start = REPEATED - timedelta(seconds=length // 2)
    at = (length // 2 + HOUR // 2) / length
    space = Space(310_000, Shape("import", bursty({at: 30 / 31}, HOUR // 2)))
    shift = start - whole(space).start

    def page(window: Window) -> Probe:
        there = Window(window.start - shift, window.end - shift)
        probe = answer(space, there)
        return Probe(window, probe.count, probe.more, probe.ids)

    # when
    planner = planner_of(of_seconds(length, start), 10_000, BERLIN)
    windows = Run(planner).to_the_end(page).windows

    # then
    counts = held(space, [Window(window.start - shift, window.end - shift) for window in windows])
    assert sum(counts) == 310_000
    assert max(counts) >= 300_000
    assert len(windows) <= 5


def test_nothing_is_guessed_inside_a_burst_as_long_as_the_list_answers() -> None:
    # given: a hundred contacts on the first day and on the last, a million in between
    window = of_seconds(100 * DAY)
    planner = planner_of(window)
    first, last = of_seconds(DAY), Window(window.end - timedelta(days=1), window.end)
    planner.learn(Probe.of(first, range(1, 101), more=False))
    planner.learn(Probe.of(last, range(999_901, 1_000_001), more=False))

    # when
    guesses = [planner.next_window(guess=True)]
    planner.unanswered(planner.wanted(1)[0])
    guesses.append(planner.next_window(guess=True))

    # then
    assert guesses[0] is None
    assert guesses[1] is not None
    assert guesses[1].guessed
