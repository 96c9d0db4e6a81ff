"""What becomes of contacts on their way out: the fast lane for blocks, the SDK's for the rest."""

from __future__ import annotations

import typing as t
from datetime import datetime, timezone
from decimal import Decimal

import msgspec
from singer_sdk.exceptions import MapExpressionError
from singer_sdk.singerlib.json import serialize_json

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from singer_sdk.singerlib import RecordMessage

    from tap_cometly.record import Contact

_VERSION_COLUMN = "_sdc_table_version"  # without it, a target counts a BATCH's rows as old

# What expressions in stream maps raise beside what the SDK expects, e.g. for `md5(None)`.
_EXPRESSION_FAILED = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


class Rows(t.NamedTuple):
    """Plain JSON lines of one stream, for a file."""

    stream: str
    lines: bytes
    number: int


class Lane(t.Protocol):
    """Makes lines of contacts."""

    def records(self, contacts: Sequence[Contact]) -> bytes:
        """Give RECORD messages."""

    def rows(self, contacts: Sequence[Contact]) -> Iterable[Rows]:
        """Give the same records without messages around them."""


class BlockLane:
    """The fast lane: a block of contacts is encoded in one go."""

    def __init__(self, stream: str, version: int | None) -> None:
        """Prepare for records of a stream, and of a table version when one is active."""
        self._encoder = msgspec.json.Encoder(decimal_format="number")
        self._stream = stream
        self._before = f'{{"type":"RECORD","stream":"{stream}","record":'.encode()
        self._after = b"" if version is None else f',"version":{version}'.encode()
        self._column = b"" if version is None else f',"{_VERSION_COLUMN}":{version}'.encode()

    def records(self, contacts: Sequence[Contact]) -> bytes:
        """Give the contacts' RECORD messages."""
        if not contacts:
            return b""
        extracted = datetime.now(tz=timezone.utc).isoformat().encode()
        after = self._after + b',"time_extracted":"' + extracted + b'"}'
        lines = self._encoder.encode_lines(contacts)
        # JSON has no raw newline, so each one stands between two records.
        records = lines[:-1].replace(b"\n", after + b"\n" + self._before)
        return b"".join((self._before, records, after, b"\n"))

    def rows(self, contacts: Sequence[Contact]) -> Iterator[Rows]:
        """Give the contacts as plain lines."""
        lines = self._encoder.encode_lines(contacts)
        if self._column:
            lines = lines.replace(b"}\n", self._column + b"}\n")
        yield Rows(self._stream, lines, len(contacts))


class RecordLane:
    """The SDK's own lane, for what needs each record: maps, selection, flattening."""

    def __init__(
        self,
        messages: Callable[[dict[str, t.Any]], Iterable[RecordMessage]],
        encode: Callable[[RecordMessage], str],
    ) -> None:
        """Prepare.

        Args:
            messages: Makes RECORD messages of a record, as the SDK does.
            encode: Makes a line of a message.
        """
        self._messages = messages
        self._encode = encode

    def records(self, contacts: Sequence[Contact]) -> bytes:
        """Give the RECORD messages that the SDK makes of the contacts."""
        return "".join(f"{self._encode(message)}\n" for message in self._made(contacts)).encode()

    def rows(self, contacts: Sequence[Contact]) -> Iterator[Rows]:
        """Give the records in those messages as plain lines, stream by stream."""
        lines: dict[str, list[str]] = {}
        for message in self._made(contacts):
            record = message.record
            if message.version is not None:
                record = {**record, _VERSION_COLUMN: message.version}
            lines.setdefault(message.stream, []).append(serialize_json(record) + "\n")
        for stream, own in lines.items():
            yield Rows(stream, "".join(own).encode(), len(own))

    def _made(self, contacts: Sequence[Contact]) -> Iterator[RecordMessage]:
        for contact in contacts:
            try:
                made = list(self._messages(as_record(contact)))
            except _EXPRESSION_FAILED:  # its text may quote the record
                raise MapExpressionError from None
            yield from made


def as_record(contact: Contact) -> dict[str, t.Any]:
    """Give a contact as the SDK wants it: plain values, times as text, numbers exact."""
    record: dict[str, t.Any] = msgspec.to_builtins(contact, builtin_types=(Decimal,))
    return record
