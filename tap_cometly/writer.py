"""Contacts to RECORD lines, in blocks; STATE after them."""

from __future__ import annotations

import os
import sys
import typing as t
from datetime import datetime, timezone
from decimal import Decimal

import msgspec
from singer_sdk.singerlib.encoding.simple import Message, SimpleSingerWriter
from typing_extensions import override

from tap_cometly.errors import OutputError

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from singer_sdk.singerlib import RecordMessage

    from tap_cometly.record import Contact
    from tap_cometly.stopping import StopSignal


class LineWriter(SimpleSingerWriter):
    """Writes whole lines to standard output, finishing them even when told to stop."""

    def __init__(self, stop: StopSignal) -> None:
        """Prepare.

        Args:
            stop: Held while a line is on its way out.
        """
        super().__init__()
        self._stop = stop

    @override
    def write_message(self, message: Message) -> None:
        """Write one message."""
        self.write_lines(f"{self.format_message(message)}\n".encode())

    def write_lines(self, lines: bytes) -> None:
        """Write some whole lines at once.

        Raises:
            OutputError: Whoever reads them is gone, or there is no room for them.
        """
        try:
            with self._stop.hold():
                _write(lines)
        except OSError as error:
            _detach()
            msg = f"Standard output takes no more: {error.strerror}"
            advice = "Look at the target's log; run again, and the tap goes on from the last STATE."
            raise OutputError(msg, advice) from None


def _write(lines: bytes) -> None:
    out = sys.stdout
    binary = getattr(out, "buffer", None)
    if binary is None:  # somebody reads along in memory, as the SDK's own tests do
        out.write(lines.decode())
        return
    out.flush()
    binary.write(lines)
    binary.flush()


def _detach() -> None:
    """Send what is still buffered nowhere, or Python complains once more at its end."""
    if sys.__stdout__ is not None and sys.stdout is sys.__stdout__:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.__stdout__.fileno())
        os.close(nowhere)


class BlockLane:
    """The fast lane: a block of contacts is encoded in one go."""

    def __init__(self, stream: str, version: int | None) -> None:
        """Prepare for RECORDs of a stream, and of a table version when one is active."""
        self._encoder = msgspec.json.Encoder(decimal_format="number")
        self._before = f'{{"type":"RECORD","stream":"{stream}","record":'.encode()
        self._after = b"" if version is None else f',"version":{version}'.encode()

    def lines(self, contacts: Sequence[Contact]) -> bytes:
        """Give the contacts' RECORD lines."""
        if not contacts:
            return b""
        extracted = datetime.now(tz=timezone.utc).isoformat().encode()
        after = self._after + b',"time_extracted":"' + extracted + b'"}'
        records = self._encoder.encode_lines(contacts)
        # JSON has no raw newline, so each one stands between two records.
        between = after + b"\n" + self._before
        return self._before + records[:-1].replace(b"\n", between) + after + b"\n"


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

    def lines(self, contacts: Sequence[Contact]) -> bytes:
        """Give the RECORD lines that the SDK makes of the contacts."""
        made = (message for c in contacts for message in self._messages(as_record(c)))
        return "".join(f"{self._encode(message)}\n" for message in made).encode()


def as_record(contact: Contact) -> dict[str, t.Any]:
    """Give a contact as the SDK wants it: plain values, times as text, numbers exact."""
    record: dict[str, t.Any] = msgspec.to_builtins(contact, builtin_types=(Decimal,))
    return record
