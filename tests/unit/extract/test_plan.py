"""Windows end where estimates put them, and what is not known well enough is probed first."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest

from tap_cometly.extract.plan import steps
from tap_cometly.extract.survey import Estimate, Ground, Tile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tap_cometly.extract.plan import Step
    from tap_cometly.extract.survey import Second

TARGET = 100
EACH = 1_000  # seconds a tile is long, unless it says otherwise

Row = list[Estimate]
End = tuple[int, int]  # when a window ends, and how many contacts it holds


class Held(NamedTuple):
    """A tile, as far as planning is concerned."""

    contacts: float
    seconds: int = EACH
    ground: Ground = Ground.MEASURE
    foretold: float | None = None


def row(*tiles: Held | float) -> Row:
    """Tiles one after the other; a number is one that holds so many contacts."""
    estimates, start = [], 0
    for each in tiles:
        held = each if isinstance(each, Held) else Held(each)
        tile = Tile(start, start + held.seconds, foretold=held.foretold)
        estimates.append(Estimate(tile, held.contacts, held.ground))
        start += held.seconds
    return estimates


def plan(tiles: Row, *, patient: bool = True, hurried: bool = False) -> list[Step]:
    return list(steps(tiles, TARGET, patient=patient, hurried=hurried))


def ends(planned: Sequence[Step]) -> list[End]:
    """Where windows end; what is left at the very end is none when it holds nothing."""
    placed = [(step.at, round(step.contacts)) for step in planned]
    return placed if placed[-1][1] else placed[:-1]


def places(planned: Sequence[Step], tile: Estimate) -> list[Second]:
    """Where a tile has to be probed."""
    return [step.at for step in planned if step.probe == tile]


def test_a_window_ends_at_an_edge_that_is_close_to_the_target() -> None:
    planned = plan(row(50, 45, 50, 55, 100))

    assert ends(planned) == [(2_000, 95), (4_000, 105), (5_000, 100)]
    assert not any(step.probe for step in planned)


def test_a_window_ends_unseen_inside_a_tile_too_small_to_spoil_it() -> None:
    planned = plan(row(40, 40, 40, 40, 40))

    assert ends(planned) == [(2_500, 100), (5_000, 100)]
    assert not any(step.probe for step in planned)


def test_a_large_tile_is_probed_wherever_a_window_would_end_in_it() -> None:
    tiles = row(50, Held(300, seconds=3_000), 50)

    planned = plan(tiles)

    assert ends(planned) == [(1_500, 100), (2_500, 100), (3_500, 100), (5_000, 100)]
    assert places(planned, tiles[1]) == [1_500, 2_500, 3_500]
    assert not any(step.evenly for step in planned)


def test_a_tile_of_six_tenths_of_the_target_is_still_cut_unseen() -> None:
    tiles = row(60, 60, 80)

    planned = plan(tiles)

    assert ends(planned) == [(1_667, 100), (3_000, 100)]
    assert not any(step.probe for step in planned)
    assert plan(row(60, 61, 79))[0].probe is not None


@pytest.mark.parametrize(
    ("contacts", "windows", "each"),
    [
        (0, 1, 0),
        (120, 1, 120),
        (121, 2, 60.5),
        (210, 2, 105),
        (230, 3, 230 / 3),
        (8_000, 78, 8_000 / 78),  # two windows fewer, for some percent more in each
    ],
)
def test_the_last_windows_share_what_would_make_a_small_one(
    contacts: int, windows: int, each: float
) -> None:
    planned = plan(row(contacts), patient=False)

    held = [step.contacts for step in planned if step.contacts] or [0]
    assert held == pytest.approx([each] * windows)


def test_few_contacts_are_one_window_though_nearly_all_are_at_its_front() -> None:
    assert ends(plan(row(70, 2))) == [(2_000, 72)]


def test_nothing_is_planned_behind_a_tile_that_may_hold_anything() -> None:
    # given
    unknown = Held(50, ground=Ground.NOTHING)
    contradictory = Held(50, ground=Ground.CONTRADICTION)
    tiles = row(100, unknown, 300, contradictory)

    # when
    planned = plan(tiles)

    # then: what can be cut is, and all that is unknown may be found out at once
    assert ends(planned)[:3] == [(1_000, 100), (2_000, 50), (4_000, 50)]
    assert [step.probe for step in planned] == [None, tiles[1], tiles[3], None]
    assert [step.evenly for step in planned] == [False, True, True, False]
    assert planned[-1].at == 4_000


def test_windows_hold_the_target_as_long_as_the_whole_is_not_known() -> None:
    unknown = Held(0, ground=Ground.NOTHING)

    assert ends(plan(row(65, 65, unknown)))[0] == (1_538, 100)
    assert ends(plan(row(65, 65)))[0] == (1_000, 65)


@pytest.mark.parametrize(
    ("tile", "vague"),
    [
        (Held(100, ground=Ground.BOUND), False),
        (Held(101, ground=Ground.BOUND), True),
        (Held(101, ground=Ground.BOUND, seconds=1), False),
        (Held(101, ground=Ground.BOUND, seconds=2), True),
        (Held(0, ground=Ground.NOTHING), True),
        (Held(0, ground=Ground.CONTRADICTION), True),
        (Held(0, ground=Ground.COUNT), False),
        (Held(0, ground=Ground.MEASURE), False),
    ],
)
def test_a_bound_will_do_for_a_tile_that_is_no_window(tile: Held, *, vague: bool) -> None:
    tiles = row(tile)

    assert (plan(tiles)[0].probe == tiles[0]) is vague


def test_when_patience_is_over_windows_are_cut_from_what_is_known() -> None:
    tiles = row(50, Held(50, ground=Ground.NOTHING), 300)

    planned = plan(tiles, patient=False)

    assert ends(planned) == [(2_000, 100), (2_333, 100), (2_667, 100), (3_000, 100)]
    assert not any(step.probe for step in planned)


def test_a_tile_that_holds_far_more_than_foretold_is_split_evenly() -> None:
    # given
    tiles = row(Held(300, foretold=199), 300)

    # when
    planned = plan(tiles)

    # then: nobody knows where its contacts lie, nor where the windows behind it would end
    assert places(planned, tiles[0])[:1] == [333]
    assert planned[0].evenly
    assert not places(planned, tiles[1])


def test_a_tile_that_holds_what_was_foretold_is_probed_where_windows_end() -> None:
    tiles = row(Held(300, foretold=200), 300)

    planned = plan(tiles)

    assert places(planned, tiles[0]) == [333, 667]
    assert places(planned, tiles[1]) == [1_333, 1_667]
    assert not any(step.evenly for step in planned)


def test_a_small_tile_may_hold_more_than_foretold() -> None:
    planned = plan(row(50, 30, Held(60, foretold=1), 60))

    assert ends(planned) == [(2_333, 100), (4_000, 100)]
    assert not any(step.evenly for step in planned)


def test_a_second_is_never_cut() -> None:
    # given: more contacts in one second than a window should hold
    tiles = row(80, Held(190, seconds=1), 90)

    # when
    planned = plan(tiles)

    # then: it is a window of its own
    assert ends(planned) == [(1_000, 80), (1_001, 190), (2_001, 90)]
    assert not any(step.probe for step in planned)


def test_a_full_second_joins_the_window_that_it_brings_nearer_to_the_target() -> None:
    assert ends(plan(row(20, Held(115, seconds=1), 65)))[0] == (1_001, 135)
    assert ends(plan(row(70, Held(115, seconds=1), 15)))[0] == (1_000, 70)


def test_a_full_second_at_the_front_is_a_window() -> None:
    planned = plan(row(Held(300, seconds=1), 0))

    assert ends(planned) == [(1, 300)]


def test_windows_within_a_tile_are_a_second_long_at_least() -> None:
    # given: three seconds with as many contacts as ten windows
    planned = plan(row(Held(1_000, seconds=3)), patient=False)

    assert [step.at for step in planned[:9]] == [1] * 5 + [2] * 4
    assert planned[-1].at == 3


def test_where_probes_are_not_to_be_had_a_window_of_less_than_twice_the_target_is_guessed() -> None:
    # given: tiles that would be probed if there were time
    tiles = row(195, 105)
    assert plan(tiles)[0].probe == tiles[0]

    # when
    planned = plan(tiles, hurried=True)

    # then
    assert planned[0].probe is None
    assert ends(planned)[0] == (513, 100)


def test_where_a_guess_might_be_twice_the_target_a_smaller_window_is_cut_first() -> None:
    # given: with the contacts before it, the second tile might make a window of 200
    tiles = row(60, 140)

    # when
    planned = plan(tiles, hurried=True)

    # then
    assert ends(planned) == [(1_000, 60), (1_714, 100), (2_000, 40)]
    assert not any(step.probe for step in planned)


def test_where_a_guess_cannot_do_harm_the_tile_is_cut_though_a_window_has_begun() -> None:
    planned = plan(row(60, 130, 110), hurried=True)

    assert ends(planned)[0] == (1_308, 100)
    assert not any(step.probe for step in planned)


def test_a_window_far_too_small_waits_for_its_probe() -> None:
    tiles = row(59, 141)

    planned = plan(tiles, hurried=True)

    assert planned[0].probe == tiles[1]


def test_a_tile_of_many_windows_waits_for_its_probe() -> None:
    tiles = row(196, 104)

    planned = plan(tiles, hurried=True)

    assert planned[0].probe == tiles[0]
