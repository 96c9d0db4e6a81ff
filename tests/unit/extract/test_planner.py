"""Windows cover their range whatever probes say, and are even where these tell the truth."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from itertools import pairwise, product
from math import ceil
from random import Random
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tap_cometly.extract.density import Probe
from tap_cometly.extract.planner import WindowPlanner
from tap_cometly.timeranges import Window, repeated
from tests.bench.spaces import (
    DAY,
    FLAT,
    HOUR,
    SHAPES,
    STEADY,
    YEAR,
    Shape,
    Space,
    bursty,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import tzinfo

START = datetime(2024, 2, 28, 23, 59, 59, tzinfo=timezone.utc)
TARGET = 250_000
BERLIN = ZoneInfo("Europe/Berlin")  # repeats 00:00 to 02:00 UTC of 2024-10-27
REPEATED = datetime(2024, 10, 27, tzinfo=timezone.utc)
MILLION = 1_000_000

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

    def to_the_end(
        self,
        answers: Callable[[Window], Probe | None],
        at_most: int = 12,
        holds: Callable[[Window], int] = lambda _: TARGET,
    ) -> Run:
        """Cut windows, add what probes show, and read windows that hold so much."""
        while not self.planner.done:
            while (window := self.planner.next_window()) is not None:
                self.windows.append(window)
                self.planner.window_read(window, holds(window))
            asked = self.planner.next_probes(at_most)
            assert len(asked) <= at_most
            assert asked or self.planner.done, "neither a window nor a probe: it would never end"
            self.probes += len(asked)
            for probed in reversed(asked):
                probe = answers(probed)
                if probe is None:
                    self.planner.probe_failed(probed)
                else:
                    self.planner.add_probe(probe)
        return self


def cut(space: Space, target: int = TARGET, *, at_most: int = 12) -> Run:
    run = Run(planner_of(space.whole, target))
    return run.to_the_end(space.answer, at_most, space.held)


def largest(space: Space, windows: list[Window], target: int = TARGET) -> float:
    return max(map(space.held, windows)) / target


def covers(windows: list[Window], window: Window) -> bool:
    """Whether there is no hole, no overlap but the boundaries, and no window without a second."""
    meet = all(older.end == newer.start for older, newer in pairwise(windows))
    last = all(part.start < part.end for part in windows)
    return meet and last and (windows[0].start, windows[-1].end) == (window.start, window.end)


# Whatever the answers are.

any_id = st.integers(-1, 2**63)
some_ids = st.lists(any_id, max_size=40) | st.builds(
    lambda first, step: range(first, first + 500 * step, step), any_id, st.integers(1, 10**6)
)


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
    pages = st.tuples(some_ids, st.booleans())
    script = st.sampled_from(["refused", "none"]) | pages
    answers = data.draw(st.lists(script, min_size=1, max_size=30))
    for window in data.draw(st.lists(stray_windows(seconds), max_size=5)):
        ids, more = data.draw(pages)
        planner.add_probe(Probe.of(window, ids, more=more))
    guesses = data.draw(st.lists(st.booleans(), min_size=1, max_size=10))
    contacts = data.draw(st.lists(st.integers(0, 10 * target), min_size=1, max_size=10))
    windows: list[Window] = []
    probes = 0

    # when
    for step in range(1_000):
        taken = planner.next_window(guess=guesses[step % len(guesses)])
        if taken is not None:
            windows.append(taken)
            planner.window_read(taken, contacts[step % len(contacts)])
        for window in planner.next_probes(at_most):
            probes += 1
            match answers[probes % len(answers)]:
                case (ids, more):
                    planner.add_probe(Probe.of(window, ids, more=more))
                case answer:
                    planner.probe_failed(window, refused=answer == "refused")
        if planner.done:
            break

    # then
    assert probes <= 200 + 10 * len(windows) + at_most
    assert len(windows) >= 50 or planner.done
    assert all(older.end == newer.start for older, newer in pairwise(windows))
    assert not planner.done or covers(windows, of_seconds(seconds))


@given(ids=st.lists(some_ids, min_size=1, max_size=20))
@settings(max_examples=30, deadline=None)
def test_misleading_ids_add_few_windows(ids: list[list[int]]) -> None:
    # given: hardly any contacts, and ids that say otherwise
    run = Run(planner_of(of_seconds(10 * YEAR)))

    # when
    def page(window: Window) -> Probe:
        return Probe.of(window, ids[window.seconds % len(ids)], more=True)

    run.to_the_end(page, holds=lambda _: 1)

    # then
    assert covers(run.windows, of_seconds(10 * YEAR))
    assert len(run.windows) <= 200


def test_ten_thousand_windows_of_nonsense_take_less_than_ten_seconds_of_cpu() -> None:
    """In one of three tries: what else the machine does only adds to a time."""
    assert any(seconds_for_nonsense(seed) < 10 for seed in range(3))


def seconds_for_nonsense(seed: int) -> float:
    """Cut windows that hold what they should, with ids that change with each answer."""
    random = Random(seed)  # noqa: S311, no secret
    planner = planner_of(of_seconds(10 * YEAR))

    def page(window: Window) -> Probe:
        first, step = random.randrange(2**60), random.randrange(1, 10**6)
        ids = range(first, first + step * random.randrange(1, 50), step)
        return Probe.of(window, ids, more=random.random() < 0.5)

    before = time.process_time()
    windows = 0
    while windows < 10_000:
        if (window := planner.next_window()) is not None:
            windows += 1
            planner.window_read(window, TARGET)
        for probe in planner.next_probes(12):
            planner.add_probe(page(probe))
    return time.process_time() - before


# Few probes, even windows.


@shapes
@pytest.mark.parametrize("contacts", [MILLION, 10 * MILLION])
@pytest.mark.parametrize(("share", "first_id"), [(1.0, 1), (0.01, 10**9)], ids=["", "shared ids"])
def test_windows_are_few_and_even(shape: Shape, contacts: int, share: float, first_id: int) -> None:
    space = Space(contacts, shape, share=share, first_id=first_id)

    run = cut(space)

    assert len(run.windows) <= 1.03 * ceil(contacts / TARGET)
    assert largest(space, run.windows) <= 1.3
    assert run.probes <= 2.5 * len(run.windows) + 12


@pytest.mark.parametrize(
    ("shape", "contacts", "imported", "in_date_order"),
    [
        *product(SHAPES, [MILLION, 10 * MILLION], [0.1, 0.5, 0.9], [True]),
        *product(STEADY, [10 * MILLION], [0.01, 0.1, 0.5, 0.8], [False]),
    ],
    ids=lambda value: getattr(value, "name", str(value)),
)
def test_an_import_under_new_ids_makes_no_window_large(
    shape: Shape, contacts: int, imported: float, *, in_date_order: bool
) -> None:
    space = Space(contacts, shape, imported=imported, in_date_order=in_date_order)

    run = cut(space)

    assert len(run.windows) <= 1.3 * ceil(contacts / TARGET)
    assert largest(space, run.windows) <= 2
    assert run.probes <= 2.5 * len(run.windows) + 20 or not in_date_order


@given(
    contacts=st.integers(0, 5_000_000),
    bursts=st.dictionaries(st.floats(0.0, 0.99), st.floats(0.0, 0.3), max_size=3),
    length=st.sampled_from([60, HOUR, 30 * HOUR]),
    share=st.sampled_from([1.0, 0.1]),
    target=st.sampled_from([75_000, TARGET]),
    at_most=st.sampled_from([1, 5, 12]),
)
@settings(max_examples=100, deadline=None)
@example(
    contacts=879_319,
    bursts={0.0: 0.265625, 0.25: 0.2911589159677514, 0.5: 0.25},
    length=60,
    share=1.0,
    target=75_000,
    at_most=5,
)
@example(
    contacts=4_455_218,
    bursts={0.25: 0.25, 0.3552448363360843: 0.3, 0.8614163652329646: 0.11296896029939141},
    length=60,
    share=0.1,
    target=75_000,
    at_most=12,
)
@example(
    contacts=2_925_935,
    bursts={0.25: 0.3, 0.5920193370196729: 0.15638562989522595, 0.75: 0.3},
    length=60,
    share=1.0,
    target=75_000,
    at_most=12,
)
@example(
    contacts=5_000_000,
    bursts={0.1875: 0.25, 0.1586: 0.182},
    length=60,
    share=0.1,
    target=TARGET,
    at_most=5,
)
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

    assert sum(map(space.held, windows)) == contacts
    assert all(space.held(window) <= 2 * target or window.seconds <= 2 for window in windows)


@pytest.mark.parametrize(
    ("bursts", "length", "imported", "in_date_order"),
    [
        ({0.6025: 0.23}, HOUR, 0.3, False),
        ({0.3856: 0.11, 0.5888: 0.11, 0.9384: 0.2}, HOUR, 0.05, False),
        ({0.2329: 0.23, 0.7722: 0.14, 0.1778: 0.14}, 60, 0.05, True),
    ],
)
@pytest.mark.parametrize("share", [1.0, 0.1])
def test_no_burst_among_imported_contacts_makes_a_window_large(
    *, bursts: dict[float, float], length: int, imported: float, in_date_order: bool, share: float
) -> None:
    shape = Shape("bursts", bursty(bursts, length))
    space = Space(20 * MILLION, shape, share, imported, in_date_order=in_date_order)

    run = cut(space)

    assert all(space.held(window) <= 2 * TARGET or window.seconds <= 2 for window in run.windows)


def test_few_contacts_after_many_ids_of_other_spaces_take_few_probes() -> None:
    # given: a list that answers for a week at most, a contact a day, the first one after a week
    first_id = 10**6
    seconds = 3_000 * DAY

    def answer(window: Window) -> Probe:
        days = range(0, seconds, DAY)
        since, until = ((at - START).total_seconds() for at in (window.start, window.end))
        ids = [first_id + day // DAY for day in days if since <= day < until and day >= 7 * DAY]
        return Probe.of(window, ids, more=False)

    def page(window: Window) -> Probe | None:
        return answer(window) if window.seconds <= 7 * DAY else None

    planner = planner_of(of_seconds(seconds))
    planner.probe_failed(of_seconds(56 * DAY), refused=True)
    planner.add_probe(answer(of_seconds(7 * DAY, START + timedelta(seconds=seconds - 7 * DAY))))

    # when
    run = Run(planner).to_the_end(page)

    # then
    assert run.probes <= 4
    assert len(run.windows) <= 2


# What a window says.


def test_a_window_on_one_page_is_counted() -> None:
    # given
    planner = planner_of(of_seconds(1_000))
    (probe,) = planner.next_probes(12)
    assert probe == of_seconds(1_000)

    # when
    planner.add_probe(Probe.of(probe, range(7), more=False))

    # then
    assert planner.remaining == 7
    window = planner.next_window()
    assert window is not None
    assert (window, window.expected, window.counted) == (of_seconds(1_000), 7, 7)
    assert planner.done
    assert planner.remaining == 0
    assert (planner.next_window(), planner.next_probes(12)) == (None, [])


def test_a_window_of_several_pages_is_estimated() -> None:
    # given: two pages that may share contacts of their boundary second
    planner = planner_of(of_seconds(1_000))
    planner.add_probe(Probe.of(of_seconds(400), range(7), more=False))
    newer = of_seconds(600, START + timedelta(seconds=400))
    planner.add_probe(Probe.of(newer, range(6, 12), more=False))

    # then
    window = planner.next_window()
    assert window is not None
    assert (window.expected, window.counted) == (13, None)


def test_what_remains_is_unknown_before_the_oldest_contacts_have_been_seen() -> None:
    planner = planner_of(of_seconds(1_000))

    planner.add_probe(Probe.of(of_seconds(1_000), range(10**9 - 5_000, 10**9), more=True))

    assert planner.remaining is None
    assert planner.next_window() is None


def test_a_probe_is_not_wanted_twice_while_it_is_in_flight() -> None:
    planner = planner_of(of_seconds(1_000))

    asked = planner.next_probes(5)
    assert planner.next_probes(5) == []

    planner.probe_failed(asked[0])
    assert planner.next_probes(5) == asked


# Guessing.


@pytest.mark.parametrize(
    ("held", "days"),
    [
        (lambda window: window.seconds, [1, 2, 4, 8, 8]),  # the target is ten days' worth
        (lambda _: 30 * DAY, [1, 0.5, 0.25]),
    ],
    ids=["little", "much"],
)
def test_without_probes_windows_follow_what_those_before_held(
    held: Callable[[Window], int], days: list[float]
) -> None:
    planner = planner_of(of_seconds(10 * YEAR), target=10 * DAY)

    for length in days:
        window = planner.next_window(guess=True)
        assert window is not None
        assert (window.seconds / DAY, window.expected) == (length, None)
        planner.window_read(window, held(window))


@pytest.mark.parametrize("contacts", [0, 10**9])
def test_guessing_ends_whatever_windows_hold(contacts: int) -> None:
    planner = planner_of(of_seconds(100 * YEAR))
    windows = []

    while (window := planner.next_window(guess=True)) is not None:
        windows.append(window)
        planner.window_read(window, contacts)

    assert covers(windows, of_seconds(100 * YEAR))
    assert len(windows) <= (17_000 if contacts else 20)


@pytest.mark.parametrize("guessed", [1, 5, 8])
def test_after_guessed_windows_few_probes_plan_the_rest(guessed: int) -> None:
    # given: a list that answers once, and then again when some windows have been cut
    space = Space(MILLION, FLAT)
    run = Run(planner_of(space.whole))
    run.planner.add_probe(space.answer(space.whole))
    for _ in range(guessed):
        window = run.planner.next_window(guess=True)
        assert window is not None
        run.planner.window_read(window, space.held(window))
        run.windows.append(window)

    # when
    run.to_the_end(space.answer, holds=space.held)

    # then
    assert run.probes <= 20
    assert covers(run.windows, space.whole)
    assert largest(space, run.windows[guessed:]) <= 1.15


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

    def page(asked: Window) -> Probe:
        newest = 5 * int((asked.end - window.start).total_seconds())
        rows = min(5 * asked.seconds, 5_000)
        return Probe.of(asked, range(newest - rows, newest), more=rows < 5 * asked.seconds)

    # when
    windows = Run(planner_of(window, target, zone)).to_the_end(page).windows

    # then
    assert covers(windows, window)
    assert not any(repeated(part.end, zone) for part in windows[:-1])
