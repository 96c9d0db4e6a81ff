"""The quick way from bytes to contacts: taken where it can be, and never at the cost of a value."""

from __future__ import annotations

from datetime import datetime, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from unittest import mock

import msgspec
import pytest

from tap_cometly.contacts.decoder import ContactDecoder
from tap_cometly.contacts.repair import ContactRepairer, NoContactError, RepairLog
from tap_cometly.contacts.schema import FIELDS
from tap_cometly.exceptions import RecordError

if TYPE_CHECKING:
    from collections.abc import Iterator

TWO = b'{"id":1,"name":"Ada {Countess}"}\n{"id":2,"name":"Bob"}\n'


@pytest.fixture
def decoder(repairs: RepairLog) -> ContactDecoder:
    return ContactDecoder(FIELDS, repairs)


@pytest.fixture
def mended() -> Iterator[mock.Mock]:
    """Watches the slow way."""
    with mock.patch.object(
        ContactRepairer, "contact", autospec=True, side_effect=ContactRepairer.contact
    ) as watched:
        yield watched


def told(repairs: RepairLog, caplog: pytest.LogCaptureFixture) -> list[str]:
    repairs.summarize()
    return caplog.messages


def ids(contacts: list[Any]) -> list[int]:
    return [contact.id for contact in contacts]


@pytest.mark.parametrize(
    "block",
    [
        TWO,
        TWO.replace(b"\n", b"\r\n"),
        b'{"id":1,"name":"{}"}\n',
        rb'{"id":1,"name":"Ren\u00e9 \"\u0001\""}' + b"\n",
        b'{"id":1}\n\n{"id":2}',
    ],
    ids=["plain", "from Windows", "braces", "escapes", "a blank line, and none at the end"],
)
def test_plain_lines_go_the_quick_way(
    decoder: ContactDecoder, mended: mock.Mock, block: bytes
) -> None:
    assert ids(decoder.lines(block, 1)) == [1, 2][: block.count(b"\n")]
    assert not mended.called


def test_after_an_unknown_field_the_quick_way_is_taken_again(
    decoder: ContactDecoder, mended: mock.Mock, caplog: pytest.LogCaptureFixture
) -> None:
    decoder.lines(b'{"id":1,"new":2}\n', 1)
    decoder.lines(b'{"id":1,"new":2}\n', 1)

    assert mended.call_count == 1
    assert len([line for line in caplog.messages if "`new`" in line]) == 1


@pytest.mark.parametrize(
    "block",
    [
        b'{"id":1}{"id":2}\n',
        b'{"id":1} {"id":2}\n\n',
        b'{"id":1}\n{"id":2}{"id":3}\n\n',
    ],
)
def test_the_quick_way_does_not_take_two_contacts_on_a_line(
    decoder: ContactDecoder, block: bytes
) -> None:
    with pytest.raises(RecordError):
        decoder.lines(block, 1)


def test_the_line_that_is_none_is_counted_from_the_blocks_first(decoder: ContactDecoder) -> None:
    with pytest.raises(RecordError, match="Line 102 of"):
        decoder.lines(b'{"id":1}\n\nnull\n', 100)


@pytest.mark.parametrize(
    "blank", [b" ", b"\t", b"\r", b" \t \r", b"\xef\xbb\xbf", b"\xef\xbb\xbf\r"]
)
@pytest.mark.parametrize("odd", [b"", b',"new":2'], ids=["plain", "mended"])
def test_lines_with_nothing_to_see_are_no_contacts(
    decoder: ContactDecoder, blank: bytes, odd: bytes
) -> None:
    assert ids(decoder.lines(b'%s\n{"id":1%s}\n%s\n{"id":2}\n' % (blank, odd, blank), 1)) == [1, 2]


@pytest.mark.parametrize(
    ("written", "name", "counted"),
    [
        (b"a\xffb", "a\ufffdb", "2 places with invalid UTF-8"),
        (rb"a\u0000b", "ab", "2 values with NUL"),
    ],
    ids=["invalid UTF-8", "an escaped NUL"],
)
def test_what_no_warehouse_takes_is_mended_and_counted(
    decoder: ContactDecoder,
    repairs: RepairLog,
    caplog: pytest.LogCaptureFixture,
    written: bytes,
    name: str,
    counted: str,
) -> None:
    line = b'{"id":1,"name":"%s"}' % written

    [contact] = decoder.lines(line + b"\n", 1)
    [on_page] = decoder.listed(b"[%s]" % line)

    assert contact.name == on_page.name == name
    assert told(repairs, caplog) == [f"Mended values: {counted}"]


def test_times_of_another_zone_come_out_as_utc(decoder: ContactDecoder) -> None:
    lines = b'{"id":1,"created_at":"2024-06-01T12:00:00+05:45"}\n{"id":2,"created_at":null}\n'

    first, second = decoder.lines(lines, 1)

    assert first.created_at == datetime(2024, 6, 1, 6, 15, tzinfo=timezone.utc)
    assert first.created_at.tzinfo is timezone.utc
    assert second.created_at is None


@pytest.mark.parametrize("when", ["0001-01-01T00:00:00+05:00", "9999-12-31T23:00:00-05:00"])
def test_times_beyond_the_calendar_become_null_and_are_counted(
    decoder: ContactDecoder, repairs: RepairLog, caplog: pytest.LogCaptureFixture, when: str
) -> None:
    [contact] = decoder.lines(b'{"id":1,"created_at":"%s"}\n' % when.encode(), 1)

    assert contact.created_at is None
    assert told(repairs, caplog) == ["Mended values: 1 unreadable values of created_at"]


def test_of_numbers_only_those_beyond_any_range_become_null(
    decoder: ContactDecoder, repairs: RepairLog, caplog: pytest.LogCaptureFixture
) -> None:
    lines = b"".join(
        b'{"id":1,"profile_field_16":%s,"profile_field_17":%s}\n' % pair
        for pair in ((b"1.50", b"1e400"), (b'"1e400"', b"null"), (b"1e999999", b"7"))
    )

    read: list[Any] = [decoder.lines(line + b"\n", 1)[0] for line in lines.splitlines()]

    values = [(contact.profile_field_16, contact.profile_field_17) for contact in read]
    assert values == [(Decimal("1.50"), None), (None, None), (None, Decimal(7))]
    assert told(repairs, caplog) == ["Mended values: 3 numbers beyond any range"]


def test_each_contact_of_a_block_is_looked_at_for_numbers_beyond_any_range(
    decoder: ContactDecoder, repairs: RepairLog, caplog: pytest.LogCaptureFixture
) -> None:
    numbers = (b"1", b"1e400", b"null", b"-1e400", b"2")
    block = b"".join(b'{"id":1,"profile_field_16":%s}\n' % number for number in numbers)

    read: list[Any] = decoder.lines(block + b'{"id":1}\n{"id":1,"profile_field_16":1e999}\n', 1)

    values = [contact.profile_field_16 for contact in read]
    assert values == [Decimal(1), None, None, None, Decimal(2), msgspec.UNSET, None]
    assert told(repairs, caplog) == ["Mended values: 3 numbers beyond any range"]


def test_values_nested_too_deeply_are_no_contact(decoder: ContactDecoder) -> None:
    decoder.lines(b'{"id":1,"new":2}\n', 1)
    depth = 100_000
    contact = b'{"id":1,"new":%s}' % (b"[" * depth + b"]" * depth)

    with pytest.raises(RecordError):
        decoder.lines(contact + b"\n", 1)
    with pytest.raises(NoContactError):
        decoder.listed(b"[%s]" % contact)
