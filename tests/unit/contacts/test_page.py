"""Answers of the list: what is none is refused at once, and cutting them loses no contact."""

from __future__ import annotations

import json
import logging
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_cometly.contacts import glimpse
from tap_cometly.contacts import page as module
from tap_cometly.contacts.decoder import ContactDecoder
from tap_cometly.contacts.page import PageReader
from tap_cometly.contacts.repair import ContactRepairer, NoContactError, RepairLog
from tap_cometly.contacts.schema import FIELDS
from tap_cometly.exceptions import GarbledError, RecordError

if TYPE_CHECKING:
    from tap_cometly.contacts.page import Page

LOGGER = logging.getLogger("tests.page")
NOON = datetime(2024, 6, 1, 12, tzinfo=timezone.utc)


@pytest.fixture
def reader(repairs: RepairLog) -> PageReader:
    return PageReader(ContactDecoder(FIELDS, repairs))


def body(contacts: bytes, cursor: object = None) -> bytes:
    return b'{"data":[%s],"next_cursor":%s}' % (contacts, json.dumps(cursor).encode())


def contacts_on(page: Page) -> list[Any]:
    return [contact for block in page.blocks() for contact in block]


def ids(contacts: Any) -> list[int]:
    return [contact.id for contact in contacts]


def test_a_plain_page_goes_the_quick_way(reader: PageReader) -> None:
    contacts = b'{"id":2,"name":"Ada","created_at":"2024-06-01T12:00:00Z"},{"id":1}'

    with (
        mock.patch.object(ContactRepairer, "contact") as mended,
        mock.patch("tap_cometly.contacts.glimpse.parse") as parsed,
    ):
        page = reader.read(body(contacts, "x")[:-1] + b',"path":"y"}')

        assert (ids(contacts_on(page)), page.next_cursor) == ([2, 1], "x")
        assert [(seen.id, seen.created_at) for seen in page.glimpses] == [(2, NOON), (1, None)]
        assert not mended.called
        assert not parsed.called


def test_a_page_that_is_odd_only_in_its_bytes_is_read_and_what_was_mended_is_counted(
    reader: PageReader, repairs: RepairLog, caplog: pytest.LogCaptureFixture
) -> None:
    page = reader.read(body(b'{"id":2,"name":"a\x1f\xff"},{"id":1}', "x"))

    assert page.next_cursor == "x"
    assert [(contact.id, contact.name) for contact in contacts_on(page)] == [
        (2, "a\x1f\ufffd"),
        (1, None),
    ]
    assert ids(page.glimpses) == [2, 1]
    repairs.summarize()
    assert caplog.messages == ["Mended values: 1 places with invalid UTF-8"]


def test_a_cursor_that_is_no_utf8_is_still_a_cursor(reader: PageReader) -> None:
    assert reader.read(b'{"data":[],"next_cursor":"x\xff"}').next_cursor == "x\ufffd"


TEXTS = st.sampled_from(
    ["},{", "]},{[", '"},{"', "\\", '\\"', "{", "Ada", "\u2028", "\0", "\ud800"]
)
TAGS = st.lists(st.dictionaries(TEXTS, TEXTS, max_size=2), max_size=3)


@given(
    st.lists(st.fixed_dictionaries({"name": TEXTS}, optional={"tags": TAGS}), max_size=12),
    st.sampled_from([0, 1, 30, 100]),
    st.sampled_from([(",", ":"), (", ", ": ")]),
)
def test_wherever_a_page_is_cut_no_contact_is_lost(
    contacts: list[dict[str, Any]], block: int, separators: tuple[str, str]
) -> None:
    reader = PageReader(ContactDecoder(FIELDS, RepairLog(LOGGER)))
    text = json.dumps([{"id": n, **c} for n, c in enumerate(contacts)], separators=separators)

    with mock.patch.object(module, "_BLOCK", block):
        page = reader.read(body(text[1:-1].encode()))
        found = contacts_on(page)

    assert ids(found) == ids(page.glimpses) == list(range(len(contacts)))
    mended = [contact["name"].replace("\0", "").replace("\ud800", "\ufffd") for contact in contacts]
    assert [contact.name for contact in found] == mended


def test_a_large_page_comes_in_several_blocks(reader: PageReader) -> None:
    contacts = b",".join(b'{"id":%d,"name":"%s"}' % (n, b"x" * 90) for n in range(5_000))

    blocks = list(reader.read(body(contacts)).blocks())

    assert 5 < len(blocks) < 10
    assert ids(contact for block in blocks for contact in block) == list(range(5_000))


def test_after_an_unknown_field_the_quick_way_is_taken_again(
    reader: PageReader, caplog: pytest.LogCaptureFixture
) -> None:
    with mock.patch.object(
        ContactRepairer, "contact", autospec=True, side_effect=ContactRepairer.contact
    ) as mended:
        for _ in range(2):
            contacts_on(reader.read(body(b'{"id":1,"new":2}')))

    assert mended.call_count == 1
    assert len([line for line in caplog.messages if "`new`" in line]) == 1


def test_a_glimpse_counts_nothing(
    reader: PageReader, repairs: RepairLog, caplog: pytest.LogCaptureFixture
) -> None:
    contacts = (
        b'{"id":3,"created_at":"soon"},{"id":2,"name":7},{"id":1,"created_at":"2024-06-01 12:00"}'
    )

    seen = reader.read(body(contacts)).glimpses

    assert [(glimpse.id, glimpse.created_at) for glimpse in seen] == [
        (3, None),
        (2, None),
        (1, NOON),
    ]
    repairs.summarize()
    assert caplog.messages == []


@pytest.mark.parametrize("created", ["2024-06-01T12:00:00+00:00", "2024-06-01T17:45:00+05:45"])
def test_a_glimpse_shows_the_time_in_utc(reader: PageReader, created: str) -> None:
    [seen] = reader.read(body(b'{"id":1,"created_at":"%s"}' % created.encode())).glimpses

    assert seen.created_at == NOON
    assert seen.created_at.tzinfo is timezone.utc


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"<html>", "no JSON"),
        (b"", "no JSON"),
        (b"[]", "no list `data`"),
        (b'{"next_cursor":null}', "no list `data`"),
        (b'{"data":{},"next_cursor":null}', "no list `data`"),
        (b'{"data":null,"next_cursor":null}', "no list `data`"),
        (b'{"data":[]}', "no `next_cursor`"),
        (b'{"data":[],"next_cursor":7}', "no `next_cursor`"),
        (b'{"data":[],"next_cursor":false}', "no `next_cursor`"),
        (b'{"data":[{"id":1}],"next_cursor":nul', "no JSON"),
        (b'{"data":[{"id":1},{"id":tru}],"next_cursor":null}', "no JSON"),
        pytest.param(body(b"[" * 100_000 + b"]" * 100_000), "no JSON", id="nested too deeply"),
    ],
)
def test_what_is_no_page_is_refused_at_once_and_says_why(
    reader: PageReader, answer: bytes, why: str
) -> None:
    with pytest.raises(GarbledError, match=why):
        reader.read(answer)


def test_a_page_nested_too_deeply_for_a_glimpse_is_an_error_that_says_so(
    reader: PageReader,
) -> None:
    page = reader.read(body(b'{"id":"2"}'))

    with (
        mock.patch.object(glimpse, "parse", side_effect=NoContactError("it is no JSON object")),
        pytest.raises(RecordError, match="no JSON object"),
    ):
        _ = page.glimpses


@pytest.mark.parametrize(
    "contact", [b'{"id":"2"}', b"{}", b"null", b"7", b"[1]", b'{"id":18446744073709551616}']
)
@pytest.mark.parametrize("odd", [b"", b'{"id":1,"name":"\x00"},'], ids=["plain", "forgiving"])
def test_something_on_a_page_that_is_no_contact_is_loud(
    reader: PageReader, contact: bytes, odd: bytes
) -> None:
    page = reader.read(body(odd + contact))

    with pytest.raises(RecordError, match="page of the list"):
        contacts_on(page)
    with pytest.raises(RecordError, match="page of the list"):
        _ = page.glimpses


def test_a_block_that_cannot_be_read_is_never_left_out(reader: PageReader) -> None:
    page = reader.read(body(b'{"id":1}'))

    with (
        mock.patch.object(ContactDecoder, "listed", side_effect=NoContactError("it is no JSON")),
        pytest.raises(RecordError, match="page of the list is no contact: it is no JSON"),
    ):
        contacts_on(page)
