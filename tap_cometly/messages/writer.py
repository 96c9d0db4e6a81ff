"""Messages to standard output in whole lines, and which writer contacts go through."""

from __future__ import annotations

import contextlib
import io
import os
import select
import stat
import sys
import typing as t
from functools import partial

from singer_sdk.mapper import SameRecordTransform
from singer_sdk.singerlib.encoding.simple import Message, SimpleSingerWriter
from typing_extensions import override

from tap_cometly.exceptions import OutputError
from tap_cometly.messages.batch import BatchWriter, batch_config
from tap_cometly.messages.encoder import AT_ONCE, BlockEncoder, MappedEncoder

if t.TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from singer_sdk import Stream

    from tap_cometly.contacts.schema import Contact, Field
    from tap_cometly.messages.encoder import Encoder
    from tap_cometly.runtime.signals import StopSignal

_ADVICE = "Look at the target's log; run again, and the tap goes on from the last STATE."
_LONGEST_POLL = 1000  # milliseconds until a full pipe is tried again


class StdoutWriter(SimpleSingerWriter):
    """Writes whole lines to standard output, finishing them even when told to stop.

    Once it has written something, it notices within a second that the reader is gone, also while
    there is nothing to write.

    Args:
        stop: Held while a line is being written; runs the checks for the reader.
    """

    def __init__(self, stop: StopSignal) -> None:
        super().__init__()
        self._stop = stop
        self._checks_reader = False

    @override
    def write_message(self, message: Message) -> None:
        """Write one message."""
        self.write_lines(f"{self.format_message(message)}\n".encode())

    def write_lines(self, lines: bytes) -> None:
        """Write some whole lines at once.

        Raises:
            OutputError: Whoever reads them is gone, or there is no space for them.
        """
        if not self._checks_reader:
            self._checks_reader = True
            descriptor = _descriptor(sys.stdout)
            if descriptor is not None and _is_pipe_or_socket(descriptor):
                self._stop.check_regularly(partial(check_reader, descriptor))
        try:
            with self._stop.hold():
                _write(lines)
        except OSError as error:
            raise output_error(error) from None


def check_stdout() -> None:
    """Check that there is a standard output.

    Raises:
        OutputError: Whoever started the tap has closed it.
    """
    if sys.stdout is None:
        msg = "Standard output is closed"
        raise OutputError(msg, "Connect it to a target, or redirect it to a file.")


def is_tested_by_meltano() -> bool:
    """Return whether this is the sync by which `meltano config test` tests the connection.

    Meltano does not say so, but only then does it read messages and log through one pipe.
    """
    out, log = _descriptor(sys.stdout), _descriptor(sys.stderr)
    return (
        "MELTANO_EXTRACTOR_NAME" in os.environ
        and out is not None
        and log is not None
        and _is_pipe_or_socket(out)
        and os.path.sameopenfile(out, log)
    )


def output_error(error: OSError) -> OutputError:
    """Explain why standard output takes no more, and have Python not complain of it once more."""
    _detach()
    msg = f"Standard output takes no more: {error.strerror or type(error).__name__}"
    return OutputError(msg, _ADVICE)


def _write(lines: bytes) -> None:
    check_stdout()
    out = sys.stdout
    descriptor = _descriptor(sys.stdout)
    if descriptor is None:  # an object in memory, as the SDK's own tests have it
        binary = getattr(out, "buffer", None)
        if binary is None:
            out.write(lines.decode())
        else:
            out.flush()
            binary.write(lines)
            binary.flush()
        return
    out.flush()
    rest = memoryview(lines)
    while rest:  # a pipe may take a part only, and a signal cuts a write short
        rest = rest[_write_some(descriptor, rest) :]


def _write_some(descriptor: int, lines: memoryview) -> int:
    try:
        return os.write(descriptor, lines)
    except BlockingIOError:  # full, and whoever started the tap has made it non-blocking
        poll = select.poll()
        poll.register(descriptor, select.POLLOUT)
        poll.poll(_LONGEST_POLL)
        return 0


def _descriptor(stream: t.TextIO) -> int | None:
    try:
        return stream.fileno()
    except (AttributeError, io.UnsupportedOperation):
        return None


def _is_pipe_or_socket(descriptor: int) -> bool:
    """Return whether this is a pipe or a socket, whose other end may be closed."""
    try:
        mode = os.fstat(descriptor).st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def check_reader(descriptor: int) -> None:
    """Check that somebody still reads.

    Raises:
        OutputError: The other end of the pipe is closed.
    """
    poll = select.poll()
    poll.register(descriptor, 0)  # errors are always reported
    if any(events & (select.POLLERR | select.POLLHUP) for _, events in poll.poll(0)):
        raise output_error(BrokenPipeError(None, "Broken pipe"))


def _detach() -> None:
    """Send what is still buffered nowhere, or Python complains once more at its end."""
    if sys.__stdout__ is None or sys.stdout is not sys.__stdout__:
        return
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.__stdout__.fileno())
        os.close(nowhere)


class RecordWriter:
    """Writes contacts as RECORD messages.

    Args:
        encoder: Makes messages of contacts.
        out: Standard output.

    Attributes:
        wrote_any: Whether a record has been written; a stream map may let none through.
    """

    def __init__(self, encoder: Encoder, out: StdoutWriter) -> None:
        self.wrote_any = False
        self._encoder = encoder
        self._out = out

    def write(self, contacts: Sequence[Contact]) -> None:
        """Write some contacts.

        Raises:
            OutputError: Standard output takes no more.
        """
        for begin in range(0, len(contacts), AT_ONCE):
            lines = self._encoder.records(contacts[begin : begin + AT_ONCE])
            if lines:
                self.wrote_any = True
                self._out.write_lines(lines)

    def finish(self) -> None:
        """Do nothing: each record is written at once."""


def contact_writer(
    stream: Stream,
    fields: Sequence[Field],
    out: StdoutWriter,
    *,
    version: int | None,
    on_batch: Callable[[], None],
) -> RecordWriter | BatchWriter:
    """Choose what writes contacts, by settings and catalog.

    Args:
        stream: The stream, with its catalog applied.
        fields: Of a contact.
        out: Standard output.
        version: The table version, when one is active.
        on_batch: Called whenever a BATCH has been sent.

    Raises:
        SettingsError: `batch_config` makes no sense.
    """
    encoder = _encoder(stream, fields, version)
    config = batch_config(stream.config.get("batch_config"))
    if config is None or stream.ABORT_AT_RECORD_COUNT is not None:
        return RecordWriter(encoder, out)
    return BatchWriter(config, encoder, out.write_message, version=version, on_batch=on_batch)


def _encoder(stream: Stream, fields: Sequence[Field], version: int | None) -> Encoder:
    """Choose the encoder for blocks unless something has to see each record."""
    [*maps] = stream.stream_maps
    as_it_is = (
        len(maps) == 1 and type(maps[0]) is SameRecordTransform and not maps[0].flattening_enabled
    )
    columns = stream.effective_schema["properties"]
    left_out = [
        field.name
        for field in fields
        if field.name not in columns or not stream.mask[("properties", field.name)]
    ]
    if as_it_is and not left_out and columns == stream.schema["properties"]:
        return BlockEncoder(stream.name, version)
    return MappedEncoder(maps, left_out, version)
