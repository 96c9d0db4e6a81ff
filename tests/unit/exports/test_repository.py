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


OLDEST = range(1, 11)


@pytest.mark.parametrize(
    ("pages", "ids"),
    [
        ([None], None),
        ([page()], []),
        ([page(9, 8)], [8, 9]),
        ([page(90, more=True), page(*OLDEST)], [*OLDEST, 90]),
        ([page(90, more=True), page(1), page(*OLDEST)], [*OLDEST, 90]),
        ([page(90, more=True), page(), page(), page()], [90]),
        ([page(90, more=True), None], [90]),
    ],
    ids=["no answer", "empty", "small", "large", "few old", "nothing old", "no second answer"],
)
def test_a_sample_is_the_newest_ids_of_a_window_and_some_of_its_oldest(
    pages: list[Page | None], ids: list[int] | None
) -> None:
    advise, unused = mock.Mock(side_effect=pages), mock.Mock(limiters={})
    repository = ExportRepository(unused, unused, unused, advise, options={})

    sample = repository.sample(DAY)

    assert (None if sample is None else sorted(sample)) == ids
    newest, *oldest = (call.args[0] for call in advise.mock_calls)
    assert newest == DAY
    assert all(each.start == DAY.start for each in oldest)
    assert [each.seconds for each in oldest[:1]] == [DAY.seconds // 64] * len(oldest[:1])
    assert len([newest, *oldest]) == len(pages)
