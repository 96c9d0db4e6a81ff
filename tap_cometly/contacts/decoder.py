"""Bytes to contacts: a whole block or page at once, and one value at a time where that fails."""

from __future__ import annotations

import re
import typing as t
from datetime import datetime, timezone
from operator import attrgetter

import msgspec

from tap_cometly.contacts.repair import (
    ContactRepairer,
    RepairLog,
    fits_a_double,
    parse,
)
from tap_cometly.contacts.schema import REFUSED, Contact, Field, contact_type
from tap_cometly.exceptions import GarbledError, NoContactError, RecordError

if t.TYPE_CHECKING:
    from collections.abc import Sequence

_ADVICE = "Run again; if it stays, ask Cometly's support about it. The bookmark is kept."
_NUL = re.compile(rb"\\u0000")  # measured: twice as fast as `in`
_MORE_ON_THE_LINE = re.compile(rb"\}[^\n]")
# A `created_at` beyond these is a mistake, and too near the calendar's ends for other zones.
_EARLIEST = datetime(1000, 1, 1, tzinfo=timezone.utc)
_LATEST = datetime(9000, 1, 1, tzinfo=timezone.utc)


class Page(t.NamedTuple):
    """One page of the list.

    Attributes:
        contacts: The newest id comes first.
        next_cursor: Where the next page begins; None on the last one.
    """

    contacts: list[Contact]
    next_cursor: str | None


class ContactDecoder:
    """Decodes pages and export files into contacts of one shape.

    An unknown field is an error to the fast decoders until the first one has been named; from then
    on they skip unknown fields.

    Args:
        fields: The fields of a contact.
        repairs: Receives what had to be repaired.
    """

    def __init__(self, fields: Sequence[Field], repairs: RepairLog) -> None:
        self._fields = fields
        self._repairs = repairs
        self._repairer = ContactRepairer(fields, repairs)
        self._numbers = [field.name for field in fields if field.kind == "number"]
        self._make_decoders(strict=True)

    def _make_decoders(self, *, strict: bool) -> None:
        self._strict = strict
        contact = contact_type(self._fields, strict=strict)
        answer = msgspec.defstruct(
            "Answer",
            [("data", list[contact]), ("next_cursor", str | None)],  # type: ignore[valid-type]  # made at run time
        )
        self._line_decoder = msgspec.json.Decoder(contact)
        self._page_decoder: msgspec.json.Decoder[t.Any] = msgspec.json.Decoder(answer)

    def page(self, body: bytes) -> Page:
        """Decode an answer of the list.

        Raises:
            GarbledError: The answer is not a page.
            RecordError: Something in its list is not a contact.
        """
        try:
            answer = self._page_decoder.decode(body)
        except REFUSED:
            return self._repaired_page(body)
        if _has_nul(body):
            return self._repaired_page(body)
        return Page(self._normalized(answer.data), answer.next_cursor)

    def _repaired_page(self, body: bytes) -> Page:
        try:
            answer = parse(body, self._repairs)
        except NoContactError:
            msg = "the answer is not valid JSON"
            raise GarbledError(msg) from None
        if not isinstance(answer, dict) or not isinstance(answer.get("data"), list):
            msg = "the answer has no list `data`"
            raise GarbledError(msg)
        cursor = answer.get("next_cursor", 0)
        if cursor is not None and not isinstance(cursor, str):
            msg = "the answer has no `next_cursor`"
            raise GarbledError(msg)
        try:
            contacts = [self._repairer.contact(raw) for raw in answer["data"]]
        except NoContactError as reason:
            msg = f"Something on a page of the list is not a contact: {reason}"
            raise RecordError(msg, _ADVICE) from None
        self._skip_unknown_fields()
        return Page(self._normalized(contacts), cursor)

    def lines(self, block: bytes, first_line: int) -> list[Contact]:
        """Decode a block of NDJSON that ends with a whole line.

        Args:
            block: The lines.
            first_line: The number of its first line in the file, for errors.

        Raises:
            RecordError: A line is not a contact.
        """
        if b"\r" in block:
            block = block.replace(b"\r\n", b"\n")
        try:
            contacts = self._line_decoder.decode_lines(block)
        except REFUSED:
            return self._repaired_lines(block, first_line)
        if not _one_a_line(block, len(contacts)) or _has_nul(block):
            return self._repaired_lines(block, first_line)
        return self._normalized(contacts)

    def _repaired_lines(self, block: bytes, first_line: int) -> list[Contact]:
        contacts = []
        for number, line in enumerate(block.split(b"\n"), first_line):
            if not line.strip(b" \t\r\xef\xbb\xbf"):
                continue
            try:
                contacts.append(self._repairer.contact(parse(line, self._repairs)))
            except NoContactError as reason:
                msg = f"Line {number} of an export file is not a contact: {reason}"
                raise RecordError(msg, _ADVICE) from None
        self._skip_unknown_fields()
        return self._normalized(contacts)

    def _skip_unknown_fields(self) -> None:
        """Make the lenient decoders once an unknown field has been named."""
        if self._strict and self._repairer.unknown_fields:
            self._make_decoders(strict=False)

    def _normalized(self, contacts: list[Contact]) -> list[Contact]:
        """Move times to UTC, and make null what nobody means or no warehouse can hold."""
        zones = {
            time.tzinfo if _EARLIEST < time < _LATEST else None
            for contact in contacts
            if (time := contact.created_at) is not None
        }
        if zones - {timezone.utc}:
            for contact in contacts:
                self._to_utc(contact)
        for name in self._numbers:
            for contact, number in zip(contacts, map(attrgetter(name), contacts), strict=True):
                if number is None or number is msgspec.UNSET or fits_a_double(number):
                    continue
                self._repairs.count("numbers beyond any range")
                setattr(contact, name, None)
        return contacts

    def _to_utc(self, contact: Contact) -> None:
        if contact.created_at is None:
            return
        if _EARLIEST < contact.created_at < _LATEST:
            contact.created_at = contact.created_at.astimezone(timezone.utc)
        else:
            self._repairs.count("unreadable values of created_at")
            contact.created_at = None


def _one_a_line(block: bytes, objects: int) -> bool:
    """Return whether each line holds one object; `decode_lines` also takes two of them."""
    if _MORE_ON_THE_LINE.search(block) is None:
        return True
    return objects == block.count(b"}\n") == block.count(b"\n")  # the brace may be in a text


def _has_nul(text: bytes) -> bool:
    return b"\\" in text and _NUL.search(text) is not None
