"""What is asked of the API and the file store for an export."""

from __future__ import annotations

from unittest import mock

import pytest

from tap_cometly.contacts.decoder import Page
from tap_cometly.contacts.schema import Contact
from tap_cometly.exports.repository import ExportRepository
from tests.support.exports import DAY


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
    advise, repository = repository_of(pages)

    sample = repository.sample(DAY)

    assert (None if sample is None else sorted(sample)) == ids
    newest, *others = (call.args[0] for call in advise.mock_calls)
    assert newest == DAY
    assert all(each.start == DAY.start for each in others)
    assert [each.seconds for each in others[:1]] == [DAY.seconds // 64] * len(others[:1])
    assert len([newest, *others]) == len(pages)


def test_the_first_page_of_a_window_spares_its_sample_a_call_once() -> None:
    advise, repository = repository_of([page(*OLDEST), page(*MIDDLE), None])
    repository.remember(DAY, page(80, 90, more=True))

    assert repository.sample(DAY) == frozenset({*OLDEST, *MIDDLE, 80, 90})
    assert repository.sample(DAY) is None
    assert advise.call_count == 3


@pytest.mark.parametrize(
    ("everywhere", "between"), [(False, [1 / 2]), (True, [0.2, 0.4, 0.6, 0.8])]
)
def test_a_file_that_lacks_much_is_compared_in_more_places(
    between: list[float], *, everywhere: bool
) -> None:
    advise, repository = repository_of([MANY, page(*OLDEST), *(page(n) for n in range(50, 54))])

    sample = repository.sample_again(DAY, everywhere=everywhere)

    assert sample == frozenset({90, *OLDEST, *range(50, 50 + len(between))})
    parts = [call.args[0].seconds / DAY.seconds for call in advise.mock_calls[2:]]
    assert parts == pytest.approx(between, abs=1e-4)


def repository_of(pages: list[Page | None]) -> tuple[mock.Mock, ExportRepository]:
    """The list's answers, one after the other, and what asks for them."""
    advise, unused = mock.Mock(side_effect=pages), mock.Mock(limiters={})
    return advise, ExportRepository(unused, unused, unused, advise, options={})
