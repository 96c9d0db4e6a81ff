"""Bytes to contacts: whole blocks at once where they are as they should be, mended otherwise."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass
from datetime import timezone
from operator import attrgetter

import msgspec

from tap_cometly.errors import ColumnError
from tap_cometly.mending import (
    Findings,
    Mender,
    NoContactError,
    is_finite,
    line_error,
    page_error,
    parse,
)
from tap_cometly.record import FIELDS, Contact, Field, contact_type

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_REFUSED = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_NUL = re.compile(rb"\\u0000")  # measured: twice as fast as `in`
_MORE_ON_THE_LINE = re.compile(rb"\}[^\n]")


class GarbledError(Exception):
    """An answer that cannot be read; asking again may help."""


@dataclass(frozen=True)
class Page:
    """One page of the list.

    Attributes:
        contacts: Newest id first.
        next_cursor: Where the next page begins; None on the last one.
    """

    contacts: list[Contact]
    next_cursor: str | None


class ContactDecoder:
    """Decodes pages and export files into contacts of one shape."""

    def __init__(self, fields: Sequence[Field], findings: Findings) -> None:
        """Prepare for contacts with these fields; until an unknown one is seen, it is an error."""
        self.findings = findings
        self._fields = fields
        self._mender = Mender(fields, contact_type(fields, strict=False), findings)
        self._numbers = [field.name for field in fields if field.kind == "number"]
        self._use(strict=True)

    def _use(self, *, strict: bool) -> None:
        self._strict = strict
        made = contact_type(self._fields, strict=strict)
        body = msgspec.defstruct("_Body", [("data", list[made]), ("next_cursor", str | None)])  # type: ignore[valid-type]  # made at run time
        self._lines = msgspec.json.Decoder(made)
        self._page: msgspec.json.Decoder[t.Any] = msgspec.json.Decoder(body)

    def lines(self, block: bytes, first_line: int) -> list[Contact]:
        """Decode a block of NDJSON that ends with a whole line.

        Args:
            block: The lines.
            first_line: The number of its first line in the file, for errors.

        Returns:
            The contacts, in order.

        Raises:
            RecordError: A line is no contact.
        """
        if b"\r" in block:
            block = block.replace(b"\r\n", b"\n")
        try:
            contacts = self._lines.decode_lines(block)
        except _REFUSED:
            contacts = None
        if contacts is None or not _one_a_line(block, len(contacts)) or _has_nul(block):
            contacts = self._lines_mended(block, first_line)
        return self._finish(contacts)

    def _lines_mended(self, block: bytes, first_line: int) -> list[Contact]:
        contacts = []
        for number, line in enumerate(block.split(b"\n"), first_line):
            if not line.strip(b" \t\r\xef\xbb\xbf"):
                continue
            try:
                contacts.append(self._mender.contact(parse(line, self.findings)))
            except NoContactError as reason:
                raise line_error(number, reason) from None
        if self._strict:
            self._use(strict=False)
        return contacts

    def page(self, body: bytes) -> Page:
        """Decode an answer of the list.

        Raises:
            GarbledError: It is not what the list answers with.
            RecordError: A contact on it is none.
        """
        try:
            page = self._page.decode(body)
        except _REFUSED:
            page = None
        if page is None or _has_nul(body):
            return self._page_mended(body)
        return Page(self._finish(page.data), page.next_cursor)

    def _page_mended(self, body: bytes) -> Page:
        try:
            answer = parse(body, self.findings)
        except NoContactError:
            msg = "the answer is no JSON"
            raise GarbledError(msg) from None
        if not isinstance(answer, dict) or not isinstance(answer.get("data"), list):
            msg = "the answer has no list `data`"
            raise GarbledError(msg)
        cursor = answer.get("next_cursor", 0)
        if cursor is not None and not isinstance(cursor, str):
            msg = "the answer has no `next_cursor`"
            raise GarbledError(msg)
        try:
            contacts = [self._mender.contact(raw) for raw in answer["data"]]
        except NoContactError as reason:
            raise page_error(reason) from None
        if self._strict:
            self._use(strict=False)
        return Page(self._finish(contacts), cursor)

    def _finish(self, contacts: list[Contact]) -> list[Contact]:
        zones = {c.created_at.tzinfo for c in contacts if c.created_at is not None}
        if zones - {timezone.utc}:
            for contact in contacts:
                self._to_utc(contact)
        for name in self._numbers:
            for contact in contacts:
                number = getattr(contact, name)
                if isinstance(number, msgspec.UnsetType) or number is None or is_finite(number):
                    continue
                self.findings.count("numbers beyond any range")
                setattr(contact, name, None)
        return contacts

    def _to_utc(self, contact: Contact) -> None:
        if contact.created_at is None:
            return
        try:
            contact.created_at = contact.created_at.astimezone(timezone.utc)
        except OverflowError:
            self.findings.count("unreadable values of created_at")
            contact.created_at = None


class Columns:
    """Sees to it that a way of reading delivers each column that was asked for."""

    def __init__(self, fields: Sequence[Field], way: str) -> None:
        """Prepare for one way of reading, e.g. `The list`, whose first contacts decide."""
        self._way = way
        self._optional = [field for field in fields if field.option]
        self._undecided = bool(self._optional)

    def fill(self, contacts: list[Contact]) -> list[Contact]:
        """Write null where a delivered column is missing from a contact.

        Raises:
            ColumnError: The first contacts have none of the columns that an option asks for.
        """
        if not self._optional or not contacts:
            return contacts
        if self._undecided:
            self._decide(contacts)
        for field in self._optional:
            if msgspec.UNSET not in map(attrgetter(field.name), contacts):
                continue
            for contact in contacts:
                if getattr(contact, field.name) is msgspec.UNSET:
                    setattr(contact, field.name, None)
        return contacts

    def _decide(self, contacts: list[Contact]) -> None:
        asked = {field.option for field in self._optional}
        given = {f.option for f in self._optional if _has(contacts, f.name)}
        if missing := sorted(option for option in asked - given if option):
            msg = f"{self._way} of this Space's API does not deliver what {_and(missing)} asks for"
            raise ColumnError(msg, f"Set {_and(missing)} to false, or another `extraction_mode`.")
        self._undecided = False


def _one_a_line(block: bytes, objects: int) -> bool:
    """Tell whether each line holds one object; `decode_lines` also takes two of them."""
    if _MORE_ON_THE_LINE.search(block) is None:
        return True
    return objects == block.count(b"}\n") == block.count(b"\n")  # the brace may be in a text


def _has_nul(text: bytes) -> bool:
    return b"\\" in text and _NUL.search(text) is not None


def delivered_options(contacts: Sequence[Contact]) -> list[str]:
    """Name the options of which some contacts have a column."""
    given = (f.option for f in FIELDS if f.option and _has(contacts, f.name))
    return list(dict.fromkeys(given))


def _has(contacts: Iterable[Contact], name: str) -> bool:
    return any(getattr(contact, name, msgspec.UNSET) is not msgspec.UNSET for contact in contacts)


def _and(names: Iterable[str]) -> str:
    return " and ".join(f"`{name}`" for name in names)
