"""Which ids the list is asked for, that an export file has to hold."""

from __future__ import annotations

from unittest import mock

import pytest

from tap_cometly.contacts.decoder import Page
from tap_cometly.contacts.schema import Contact
from tap_cometly.exports.completeness import ids_shown
from tests.support.exports import DAY, Exports


def page(*ids: int, more: bool = False) -> Page:
    return Page([Contact(id=number) for number in ids], "abc" if more else None)


OLDEST, MIDDLE = range(1, 11), [40, 41]
MANY = page(90, more=True)


@pytest.mark.parametrize(
    ("pages", "ids"),
    [
        ([None], None),
        ([page()], []),
        ([page(9, 8)], [8, 9]),
        ([MANY, page(*OLDEST), page(*MIDDLE)], [*OLDEST, *MIDDLE, 90]),
        ([MANY, page(1), page(*OLDEST), page(*MIDDLE)], [*OLDEST, *MIDDLE, 90]),
        ([MANY, page(), page(), page(), page(*MIDDLE)], [*MIDDLE, 90]),
        ([MANY, page(*OLDEST), None], [*OLDEST, 90]),
        ([MANY, None], [90]),
    ],
    ids=[
        *("no answer", "empty", "small", "large", "few old", "nothing old", "no third answer"),
        "no second answer",
    ],
)
def test_a_sample_is_the_newest_ids_of_a_window_some_of_its_oldest_and_some_between(
    pages: list[Page | None], ids: list[int] | None
) -> None:
    newest = mock.Mock(side_effect=pages)

    shown = ids_shown(newest, DAY)

    assert (None if shown is None else sorted(shown)) == ids
    whole, *others = (call.args[0] for call in newest.mock_calls)
    assert whole == DAY
    assert all(each.start == DAY.start for each in others)
    assert [each.seconds for each in others[:1]] == [DAY.seconds // 64] * len(others[:1])
    assert len([whole, *others]) == len(pages)


def test_ids_that_the_first_page_of_a_window_has_shown_are_not_asked_for() -> None:
    exports = Exports(DAY)
    exports.orchestrator.completeness.remember(DAY, page(80, 90))
    exports.repository.script("poll", ("failed", None))

    assert exports.sample() == frozenset({80, 90})
    assert exports.repository.asked("newest") == []


@pytest.mark.parametrize("places", [(1 / 2,), (0.2, 0.4, 0.6, 0.8)])
def test_the_list_is_asked_in_more_places_where_a_file_seems_to_lack_many(
    places: tuple[float, ...],
) -> None:
    between = range(50, 50 + len(places))
    newest = mock.Mock(side_effect=[MANY, page(*OLDEST), *map(page, between)])

    shown = ids_shown(newest, DAY, places=places)

    assert shown == frozenset({90, *OLDEST, *between})
    parts = [call.args[0].seconds / DAY.seconds for call in newest.mock_calls[2:]]
    assert parts == pytest.approx(list(places), abs=1e-4)
