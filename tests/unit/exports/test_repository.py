"""What the works ask of the API: in which words, and how the answers are read."""

from __future__ import annotations

import gzip
import logging
from collections import deque
from datetime import datetime, timedelta, timezone
from io import BytesIO
from typing import TYPE_CHECKING, Any, NamedTuple
from unittest import mock

import pytest
from tap_cometly.contacts.page import PageReader

from tap_cometly.contacts.decoder import ContactDecoder
from tap_cometly.contacts.repair import RepairLog
from tap_cometly.contacts.schema import fields_asked
from tap_cometly.exceptions import GarbledError, RejectedError
from tap_cometly.exports.download import Downloader, SpoolFile
from tap_cometly.exports.repository import ExportRepository, ExportStatus
from tap_cometly.extract.pagination import LARGEST_PAGE, SURELY_SERVED, Listing
from tap_cometly.timeranges import Probe, Window
from tests.bench.simulation import settings_with

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_cometly.client.rate_limit import RateLimiter

START = datetime(2024, 1, 1, tzinfo=timezone.utc)
DAY = Window(START, START + timedelta(days=1))
MONTH = Window(START, START + timedelta(seconds=SURELY_SERVED))
REJECTED = RejectedError("The range is too large", "Ask for less.")
EMPTY, ONE = b'{"data":[],"next_cursor":null}', b'{"data":[{"id":7}],"next_cursor":null}'
OPTIONS = {"include_comet_tokens": 1}


class Asked(NamedTuple):
    """What the client was asked for."""

    what: Any
    how: dict[str, Any]


class Client:
    """Answers as a test scripts it."""

    def __init__(self, *answers: bytes | Exception) -> None:
        self.limiters: dict[str, RateLimiter] = {}
        self.asked: list[Asked] = []
        self._answers = deque(answers)

    def answer(self, what: object, read: Callable[[bytes], Any], **how: Any) -> Any:
        self.asked.append(Asked(what, how))
        answer = self._answers.popleft()
        if isinstance(answer, Exception):
            raise answer
        return read(answer)

    list_contacts = create_export = get_export = answer


def calls_to(scripted: Client, downloader: Downloader | None = None) -> ExportRepository:
    client: Any = scripted
    decoder = ContactDecoder(fields_asked([]), RepairLog(logging.getLogger("tests.calls")))
    return ExportRepository(
        client,
        Listing(client, PageReader(decoder), options={}),
        downloader or mock.create_autospec(Downloader, instance=True),
        decoder,
        settings_with(timezone="America/New_York"),
        options=OPTIONS,
    )


def test_calls_are_counted_with_the_clients() -> None:
    client = Client()

    assert calls_to(client).limiters is client.limiters


def test_an_export_is_asked_for_in_the_spaces_wall_time_with_its_options() -> None:
    client = Client(b'{"export_id":7,"status":"queued","message":"..."}')

    assert calls_to(client).create(DAY) == 7

    [asked] = client.asked
    wall = asked.what
    assert (wall.start, wall.end) == ("2023-12-31 19:00:00", "2024-01-01 19:00:00")
    assert asked.how == {"options": OPTIONS}


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (b'{"export_id":7,"status":"queued"}', ("queued", None)),
        (b'{"status":"completed","download_url":null}', ("completed", None)),
        (b'{"status":"completed","download_url":""}', ("completed", None)),
        (b'{"status":"completed","download_url":"https://s3/f"}', ("completed", "https://s3/f")),
    ],
)
def test_an_export_is_asked_after_by_its_id(answer: bytes, status: tuple[str, str | None]) -> None:
    client = Client(answer)

    assert calls_to(client).poll(7) == ExportStatus(*status)
    assert [asked.what for asked in client.asked] == [7]


@pytest.mark.parametrize(
    "garbled", [b"", b"<html>", b"[]", b"{}", b'{"status":"\xff"}', b"[" * 100_000]
)
def test_an_answer_about_an_export_that_makes_no_sense_is_garbled(garbled: bytes) -> None:
    calls = calls_to(Client(garbled, garbled))

    for ask in (lambda: calls.create(DAY), lambda: calls.poll(7)):
        with pytest.raises(GarbledError, match=r"^the answer about an export makes no sense$"):
            ask()


def test_a_probe_is_a_full_page_whose_slot_has_been_taken() -> None:
    client = Client(b'{"data":[{"id":9},{"id":5},{"id":2}],"next_cursor":"abc"}')

    assert calls_to(client).probe(DAY) == Probe(DAY, 3, more=True, ids=(9, 5, 2))

    [asked] = client.asked
    assert asked.what.start == "2023-12-31 19:00:00"
    assert (asked.how["per_page"], asked.how["slot_taken"]) == (LARGEST_PAGE, True)


def test_a_probe_of_a_window_that_the_list_refuses_tells_only_that_there_is_more() -> None:
    assert calls_to(Client(REJECTED)).probe(DAY) == Probe(DAY, 0, more=True, ids=None)


@pytest.mark.parametrize(("answer", "empty"), [(EMPTY, True), (ONE, False)])
def test_one_contact_tells_that_a_window_is_not_empty(answer: bytes, *, empty: bool) -> None:
    client = Client(answer)

    assert calls_to(client).is_empty(DAY) is empty

    [asked] = client.asked
    assert asked.what.start == "2023-12-31 19:00:00"
    assert (asked.how["per_page"], asked.how["slot_taken"]) == (1, False)


@pytest.mark.parametrize(
    ("answers", "empty"), [([EMPTY, EMPTY], True), ([EMPTY, ONE], False), ([ONE], False)]
)
def test_a_window_that_is_too_long_for_the_list_is_empty_when_its_halves_are(
    answers: list[bytes], *, empty: bool
) -> None:
    client = Client(REJECTED, *answers)

    assert calls_to(client).is_empty(MONTH) is empty
    assert len(client.asked) == 1 + len(answers)


def test_a_window_that_is_refused_though_it_is_short_is_an_error() -> None:
    short = Window(MONTH.start, MONTH.end - timedelta(seconds=1))

    with pytest.raises(RejectedError):
        calls_to(Client(REJECTED)).is_empty(short)


def test_a_file_is_fetched_and_decoded() -> None:
    spool = SpoolFile(BytesIO(gzip.compress(b'{"id":1}\n{"id":2}\n')), lines=2, size=50)
    downloader = mock.create_autospec(Downloader, instance=True)
    downloader.fetch.side_effect = {"https://s3/f": spool}.get
    calls = calls_to(Client(), downloader)

    fetched = calls.fetch("https://s3/f")

    assert [[contact.id for contact in block] for block in calls.contacts(fetched)] == [[1, 2]]
