"""A gzip NDJSON file to blocks of contacts."""

from __future__ import annotations

import typing as t
import zlib

from isal import igzip

from tap_cometly.client.responses import ZipError
from tap_cometly.exceptions import BadFileError

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_cometly.contacts.decoder import ContactDecoder
    from tap_cometly.contacts.schema import Contact

_BLOCK = 64 * 2**10  # bytes; measured: neither smaller nor larger blocks are faster
_LONGEST_LINE = 8 * 2**20  # bytes; a contact has some hundred
_BOM = b"\xef\xbb\xbf"


def verify(file: t.BinaryIO) -> int:
    """Unzip a whole file and check the length of its lines; parse no JSON.

    Returns:
        About how many lines it holds.

    Raises:
        BadFileError: It is not a complete gzip file, or no lines of sane length.
    """
    size = first_chunk = newlines = since_newline = 0
    for chunk in _unzipped(file):
        size += len(chunk)
        if not first_chunk:  # measured: to count all newlines takes a third of the time
            first_chunk, newlines = len(chunk), chunk.count(b"\n")
        last = chunk.rfind(b"\n")
        since_newline = len(chunk) - last - 1 if last >= 0 else since_newline + len(chunk)
        if since_newline > _LONGEST_LINE:
            msg = "a line of it is longer than any contact"
            raise BadFileError(msg)
    file.seek(0)
    return newlines * size // first_chunk + (since_newline > 0) if first_chunk else 0


def blocks(file: t.BinaryIO, decoder: ContactDecoder) -> Iterator[list[Contact]]:
    """Read a verified file: its contacts in order, some hundreds at a time.

    Raises:
        RecordError: A line is not a contact.
    """
    line = 1
    for block in _whole_lines(_unzipped(file)):
        contacts = decoder.lines(block, line)
        line += len(contacts)  # blank lines do not count; to count all takes a twentieth longer
        yield contacts


def _whole_lines(chunks: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    first = True
    for chunk in chunks:
        text = chunk.removeprefix(_BOM) if first else chunk
        first = False
        end = text.rfind(b"\n") + 1
        if end:
            yield rest + text[:end]
            rest = text[end:]
        else:
            rest += text
    if rest:
        yield rest + b"\n"


def _unzipped(file: t.BinaryIO) -> Iterator[bytes]:
    file.seek(0)
    if not file.read(1):  # gzip readers take a file of 0 bytes for a complete one
        msg = "it has 0 bytes"
        raise BadFileError(msg)
    file.seek(0)
    unzipped = igzip.IGzipFile(fileobj=file, mode="rb")  # type: ignore[no-untyped-call]
    try:
        while chunk := unzipped.read(_BLOCK):
            yield chunk
    except (EOFError, OSError, zlib.error, ZipError) as error:
        msg = f"it is not a complete gzip file ({type(error).__name__})"
        raise BadFileError(msg) from None
    finally:
        unzipped.close()
