"""First pages tell how many contacts lie where: by ids or, where these mislead, by density."""

from __future__ import annotations

import pytest

from tap_cometly.extract.survey import Estimate, Ground, Page, Survey, Tile

Known = tuple[int, int, int, Ground]  # from when to when, how many contacts, and on what ground


def holding(start: int, end: int, rows: int, newest: int = 0) -> Tile:
    """A tile that holds no more than its page, with one id after the other."""
    ids = (newest, newest - (rows - 1) // 2, newest - rows + 1) if rows else None
    return Tile(start, end, Page.measured(rows, ids, more=False))


def full(start: int, end: int, newest: int, *, rows: int = 50, stride: int = 1) -> Tile:
    """A tile that holds more than its page; one in `stride` ids is this Space's."""
    span = rows * stride - 1
    return Tile(
        start, end, Page.measured(rows, (newest, newest - span // 2, newest - span), more=True)
    )


def refused(start: int, end: int) -> Tile:
    """A tile for which the list did not answer."""
    return Tile(start, end, Page.measured(0, None, more=True))


def surveyed(*tiles: Tile, end: int = 1_000) -> Survey:
    survey = Survey(0, end)
    for tile in tiles:
        survey.learn(tile)
    return survey


def known(survey: Survey) -> list[Known]:
    return [
        (each.tile.start, each.tile.end, round(each.contacts), each.ground)
        for each in survey.estimates()
    ]


def last(survey: Survey) -> Estimate:
    return list(survey.estimates())[-1]


# Pages.


def test_the_ids_on_a_page_tell_what_share_of_them_is_this_spaces() -> None:
    assert Page.measured(50, (149, 125, 100), more=True).share == 1.0
    assert Page.measured(50, (199, 150, 100), more=True).share == 0.5
    assert Page.measured(50, (1, 1, 1), more=True).share == 1.0


def test_a_few_imported_contacts_on_a_page_do_not_mislead() -> None:
    # given: ids 100 to 149, and one from an import
    page = Page.measured(50, (10**9, 125, 100), more=True)

    assert page.newest == 150
    assert page.share == pytest.approx(50 / 51)


def test_ids_in_no_order_are_read_as_far_as_they_can_be() -> None:
    assert Page.measured(50, (9, 3, 7), more=True).newest == 7


def test_an_empty_page_tells_no_ids() -> None:
    assert Page.measured(0, None, more=True).newest is None
    assert Page.measured(0, (3, 2, 1), more=True).newest is None
    assert not Page.measured(0, None, more=True).tells_about_end


# Estimates.


def test_at_first_nothing_is_known() -> None:
    survey = surveyed()

    assert known(survey) == [(0, 1_000, 0, Ground.NOTHING)]
    assert last(survey).unasked


def test_a_page_without_a_cursor_is_a_count() -> None:
    assert known(surveyed(holding(0, 1_000, 7))) == [(0, 1_000, 7, Ground.COUNT)]


def test_a_tile_holds_as_many_contacts_as_ids_were_given_out_in_it() -> None:
    survey = surveyed(holding(0, 400, 10, newest=10), full(400, 1_000, 210))

    assert known(survey) == [(0, 400, 10, Ground.COUNT), (400, 1_000, 200, Ground.MEASURE)]
    assert not last(survey).unasked


def test_ids_of_other_spaces_do_not_count() -> None:
    # given: every fourth id is this Space's
    survey = surveyed(holding(0, 400, 10, newest=10), full(400, 1_000, 1_010, stride=4))

    assert last(survey).contacts == pytest.approx(250, rel=0.02)


def test_the_share_of_ids_is_taken_from_both_ends_of_a_tile() -> None:
    # given: first every id, in the end every second one
    survey = surveyed(
        holding(0, 100, 10, newest=10), full(100, 400, 210), full(400, 1_000, 1_210, stride=2)
    )

    assert last(survey).contacts == pytest.approx(750, rel=0.02)


def test_a_tile_between_keeps_what_the_ids_before_it_told() -> None:
    # given: a count and an emptiness between two full tiles
    survey = surveyed(
        holding(0, 100, 10, newest=10),
        full(100, 400, 210),
        holding(400, 500, 20, newest=230),
        holding(500, 600, 0),
        full(600, 1_000, 1_230, stride=2),
    )

    assert last(survey).contacts == pytest.approx(750, rel=0.02)


def test_before_any_other_id_is_known_there_is_but_a_bound() -> None:
    assert known(surveyed(full(0, 1_000, 900))) == [(0, 1_000, 900, Ground.BOUND)]
    assert known(surveyed(full(0, 1_000, 9, rows=50)))[0][2:] == (50, Ground.BOUND)


def test_a_bound_takes_the_share_of_ids_into_account() -> None:
    survey = surveyed(full(0, 1_000, 1_000, stride=2))

    assert known(survey)[0][2] == pytest.approx(500, rel=0.02)


def test_where_the_list_refuses_nothing_is_known_but_that_there_may_be_something() -> None:
    # given
    survey = surveyed(refused(0, 1_000))

    # then
    assert known(survey) == [(0, 1_000, 1, Ground.NOTHING)]
    assert not last(survey).unasked


def test_a_second_about_which_the_list_says_nothing_is_taken_as_it_is() -> None:
    assert known(surveyed(refused(0, 1), end=1)) == [(0, 1, 1, Ground.MEASURE)]
    assert known(surveyed(refused(0, 2), end=2)) == [(0, 2, 1, Ground.NOTHING)]


def test_an_unknown_tile_is_thought_to_be_as_dense_as_the_one_before() -> None:
    survey = surveyed(holding(0, 100, 20, newest=20))

    assert known(survey) == [(0, 100, 20, Ground.COUNT), (100, 1_000, 180, Ground.NOTHING)]


def test_the_density_of_a_tile_without_ids_is_passed_on_too() -> None:
    survey = surveyed(holding(0, 100, 20, newest=20), holding(100, 200, 0))

    assert known(survey)[-1] == (200, 1_000, 0, Ground.NOTHING)


# Learning.


@pytest.mark.parametrize(
    ("start", "end"), [(-1, 500), (500, 1_001), (500, 500), (600, 500), (-500, 0)]
)
def test_what_does_not_lie_within_the_range_is_not_learned(start: int, end: int) -> None:
    assert known(surveyed(holding(start, end, 7, 7))) == [(0, 1_000, 0, Ground.NOTHING)]


def test_a_count_replaces_all_that_was_known_of_its_part() -> None:
    # given
    survey = surveyed(holding(0, 300, 30, newest=30), full(300, 700, 130), full(700, 1_000, 230))

    # when
    survey.learn(holding(200, 800, 40, newest=100))

    # then: of the count on its left nothing is left, the page on its right is known to its end
    assert known(survey) == [
        (0, 200, 0, Ground.NOTHING),
        (200, 800, 40, Ground.COUNT),
        (800, 1_000, 130, Ground.MEASURE),
    ]


def test_the_page_of_several_tiles_is_that_of_the_last_one() -> None:
    # given
    survey = surveyed(holding(0, 300, 30, newest=30), full(300, 500, 130))

    # when
    survey.learn(full(0, 1_000, 930))

    # then: that it holds more is not news of the first ones
    assert known(survey) == [
        (0, 300, 30, Ground.COUNT),
        (300, 500, 100, Ground.MEASURE),
        (500, 1_000, 800, Ground.MEASURE),
    ]


def test_the_page_of_several_tiles_does_not_replace_that_of_the_last_one() -> None:
    survey = surveyed(holding(0, 300, 30, newest=30), full(300, 1_000, 930))

    survey.learn(full(0, 1_000, 5_000))

    assert known(survey)[-1] == (300, 1_000, 900, Ground.MEASURE)


@pytest.mark.parametrize("newest", [20, 30])
def test_where_by_ids_nothing_is_left_of_a_larger_tile_nothing_is_known(newest: int) -> None:
    # given: the last one of two is what is left of a larger tile
    survey = surveyed(holding(0, 300, 30, newest=30), full(0, 1_000, newest))

    assert known(survey)[-1] == (300, 1_000, 0, Ground.NOTHING)
    assert last(survey).unasked


def test_a_page_is_no_contradiction_because_it_is_that_of_a_larger_tile() -> None:
    # given
    survey = surveyed(holding(0, 300, 30, newest=30), full(500, 1_000, 900))

    # when: all but one of the contacts on the page lie in the first one of two tiles
    survey.learn(full(0, 500, 31))

    # then
    assert not survey.contradicted
    assert known(survey)[1] == (300, 500, 1, Ground.MEASURE)


def test_where_by_ids_a_single_contact_is_left_of_a_larger_tile_it_is_known() -> None:
    survey = surveyed(holding(0, 300, 30, newest=30), full(0, 1_000, 31))

    assert known(survey)[-1] == (300, 1_000, 1, Ground.MEASURE)


def test_a_part_that_was_probed_again_is_known_by_its_newer_page() -> None:
    survey = surveyed(holding(0, 300, 30, newest=30), full(300, 1_000, 930))

    survey.learn(full(300, 1_000, 1_030))

    assert known(survey)[-1] == (300, 1_000, 1_000, Ground.MEASURE)


def test_halves_of_an_empty_tile_are_empty() -> None:
    survey = surveyed(holding(0, 600, 0))

    survey.learn(holding(200, 400, 0))

    assert known(survey)[:3] == [
        (0, 200, 0, Ground.COUNT),
        (200, 400, 0, Ground.COUNT),
        (400, 600, 0, Ground.COUNT),
    ]


def test_what_was_foretold_of_a_tile_is_not_said_of_its_parts() -> None:
    page = Page.measured(50, (930, 905, 881), more=True)
    survey = surveyed(holding(0, 300, 30, newest=30), Tile(300, 1_000, page, foretold=10))

    survey.learn(full(300, 600, 330))

    assert last(survey).tile.foretold is None


# Contradictions.


def test_pages_full_of_imported_contacts_make_ids_count_no_more() -> None:
    # given
    survey = surveyed(
        holding(0, 300, 30, newest=5_000), holding(600, 700, 9, newest=5_100), full(700, 900, 9_000)
    )
    believed = not survey.contradicted

    # when: more contacts than ids
    survey.learn(full(300, 500, 5_010))

    # then: what was counted is kept, all else has to be found out again
    assert believed
    assert survey.contradicted
    assert [row[:2] for row in known(survey)] == [(0, 300), (300, 600), (600, 700), (700, 1_000)]
    assert [row[3] for row in known(survey)] == [Ground.COUNT, Ground.NOTHING] * 2
    assert [each.unasked for each in survey.estimates()] == [False, True] * 2


def test_ids_are_believed_as_long_as_they_make_most_of_a_page() -> None:
    counted = holding(0, 300, 30, newest=100)

    assert not surveyed(counted, full(300, 1_000, 140)).contradicted
    assert surveyed(counted, full(300, 1_000, 139)).contradicted
    assert surveyed(counted, holding(300, 400, 0), full(400, 1_000, 139)).contradicted


def test_contacts_of_the_boundary_second_may_be_on_both_pages() -> None:
    # given: ten contacts a second, and so ten ids fewer than there are rows
    counted = holding(0, 3, 30, newest=100)

    assert not surveyed(counted, full(3, 1_000, 130)).contradicted
    assert surveyed(counted, full(3, 1_000, 129)).contradicted


def test_after_a_contradiction_density_tells_how_many_contacts_there_are() -> None:
    # given
    survey = surveyed(holding(0, 300, 30, newest=100), full(300, 1_000, 100))

    # when: 0.3 contacts a second at its end, after 0.1 before it
    survey.learn(Tile(300, 1_000, Page(50, more=True, density=0.3)))

    # then
    assert known(survey)[1] == (300, 1_000, 140, Ground.MEASURE)


def test_density_at_the_front_is_taken_as_it_is() -> None:
    survey = surveyed(Tile(0, 500, Page(50, more=True, density=0.3)))

    assert known(survey) == [(0, 500, 150, Ground.MEASURE), (500, 1_000, 150, Ground.NOTHING)]


def test_density_tells_about_the_end_of_its_tile() -> None:
    # given: growing; 0.2 a second on the average, 0.3 at the end
    survey = surveyed(holding(0, 300, 30, newest=100), full(300, 600, 100))
    survey.learn(Tile(300, 600, Page(50, more=True, density=0.3)))

    assert known(survey)[1:] == [
        (300, 600, 60, Ground.MEASURE),
        (600, 1_000, 120, Ground.NOTHING),
    ]


def test_contradictions_are_noted_once() -> None:
    # given
    survey = surveyed(holding(0, 300, 30, newest=100), full(300, 1_000, 100))

    # when: another page that says the same
    survey.learn(full(300, 1_000, 100))

    # then: it is kept, so that it is not asked for again and again
    assert known(survey)[1] == (300, 1_000, 51, Ground.CONTRADICTION)
    assert not last(survey).unasked


# Cutting off.


def test_what_is_cut_off_still_tells_about_what_is_left() -> None:
    # given
    survey = surveyed(
        holding(0, 100, 10, newest=10), full(100, 400, 210), full(400, 1_000, 1_210, stride=2)
    )
    left = known(survey)[-1]

    # when
    survey.drop(400)

    # then
    assert survey.start == 400
    assert known(survey) == [left]


def test_of_a_tile_that_is_cut_the_newer_part_is_left() -> None:
    # given
    survey = surveyed(holding(0, 400, 10, newest=10), full(400, 1_000, 610))

    # when
    survey.drop(600)

    # then: two thirds of its contacts
    assert known(survey) == [(600, 1_000, 400, Ground.MEASURE)]


def test_of_a_cut_tile_that_was_counted_nobody_knows_what_is_left() -> None:
    survey = surveyed(holding(0, 1_000, 100, newest=100))

    survey.drop(400)

    assert known(survey) == [(400, 1_000, 60, Ground.MEASURE)]


def test_of_an_empty_tile_that_is_cut_an_empty_one_is_left() -> None:
    survey = surveyed(holding(0, 600, 0))

    survey.drop(200)

    assert known(survey)[0] == (200, 600, 0, Ground.COUNT)


def test_ids_that_fall_back_do_not_take_back_what_was_known() -> None:
    # given: a counted tile with older ids than the one before it
    survey = surveyed(
        holding(0, 300, 30, newest=500), holding(300, 600, 10, newest=200), full(600, 1_000, 700)
    )

    assert last(survey).contacts == 200


def test_nothing_is_left_when_all_has_been_cut_off() -> None:
    survey = surveyed(holding(0, 500, 10, newest=10), full(500, 1_000, 300))

    survey.drop(1_000)

    assert (survey.start, known(survey)) == (1_000, [])


def test_empty_tiles_are_passed_over() -> None:
    survey = surveyed(
        holding(0, 200, 5, newest=5),
        holding(200, 400, 0),
        holding(400, 700, 0),
        holding(700, 800, 1, newest=6),
        holding(800, 1_000, 0),
    )

    assert survey.past_emptiness(200) == 700
    assert survey.past_emptiness(400) == 700
    assert survey.past_emptiness(700) == 700
    assert survey.past_emptiness(300) == 300
