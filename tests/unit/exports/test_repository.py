"""What is asked of the API and the file store for an export."""

from __future__ import annotations

import gzip
from io import BytesIO
from typing import Any
from unittest import mock

import pytest

from tap_cometly.client.client import CometlyClient, ExportStatus
from tap_cometly.contacts.decoder import ContactDecoder, Page
from tap_cometly.contacts.repair import RepairLog
from tap_cometly.contacts.schema import Contact, fields_asked
from tap_cometly.exports.download import Downloader, SpoolFile
from tap_cometly.exports.repository import ExportRepository
from tests.support.exports import DAY

OPTIONS = {"include_comet_tokens": 1}


class Asked:
    """A repository, and what it asks."""

    def __init__(self, *pages: Page | None) -> None:
        self.client: Any = mock.create_autospec(CometlyClient, instance=True, limiters={})
        self.downloader: Any = mock.create_autospec(Downloader, instance=True)
        self.advise = mock.Mock(side_effect=pages)
        decoder = ContactDecoder(fields_asked([]), RepairLog())
        self.repository = ExportRepository(
            self.client, self.downloader, decoder, self.advise, options=OPTIONS
        )


OLDEST = range(1, 11)


def page(*ids: int, more: bool = False) -> Page:
    return Page([Contact(id=number) for number in ids], "abc" if more else None)


def test_an_export_is_created_with_its_options_and_polled_by_its_id() -> None:
    asked = Asked()
    asked.client.create_export.return_value = 7
    asked.client.get_export.return_value = ExportStatus("queued", None)

    assert asked.repository.create(DAY) == 7
    assert asked.repository.poll(7) == ExportStatus("queued")
    assert asked.repository.limiters is asked.client.limiters
    asked.client.create_export.assert_called_once_with(DAY, options=OPTIONS)
    asked.client.get_export.assert_called_once_with(7)


def test_a_file_is_downloaded_and_decoded() -> None:
    asked = Asked()
    file = BytesIO(gzip.compress(b'{"id":1}\n{"id":2}\n'))
    asked.downloader.fetch.side_effect = {"https://s3/f": SpoolFile(file, 2, 50)}.get

    spool = asked.repository.download("https://s3/f")

    assert [[c.id for c in block] for block in asked.repository.contacts(spool)] == [[1, 2]]


@pytest.mark.parametrize(
    ("pages", "ids"),
    [
        ([page()], []),
        ([page(9, 8)], [8, 9]),
        ([page(90, more=True), page(*OLDEST)], [*OLDEST, 90]),
        ([page(90, more=True), page(1), page(*OLDEST)], [*OLDEST, 90]),
        ([page(90, more=True), page(), page(), page()], [90]),
        ([page(90, more=True), None], [90]),
    ],
    ids=["empty", "small", "large", "few old", "nothing old", "no second answer"],
)
def test_a_sample_is_the_newest_ids_of_a_window_and_some_of_its_oldest(
    pages: list[Page | None], ids: list[int]
) -> None:
    asked = Asked(*pages)

    assert sorted(asked.repository.sample(DAY) or ()) == ids
    assert asked.advise.call_count == len(pages)


def test_the_oldest_are_asked_for_in_a_short_stretch_from_the_start() -> None:
    asked = Asked(page(90, more=True), page(*OLDEST))

    asked.repository.sample(DAY)

    newest, oldest = (call.args[0] for call in asked.advise.mock_calls)
    assert newest == DAY
    assert (oldest.start, oldest.seconds) == (DAY.start, DAY.seconds // 64)


def test_without_an_answer_of_the_list_there_is_no_sample() -> None:
    assert Asked(None).repository.sample(DAY) is None
