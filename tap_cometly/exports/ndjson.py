"""A gzip NDJSON file to blocks of contacts."""

from __future__ import annotations

import itertools
import typing as t
import zlib

from isal import igzip, isal_zlib

from tap_cometly.exceptions import BadFileError, RecordError

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_cometly.contacts.decoder import ContactDecoder
    from tap_cometly.contacts.schema import Contact

_BLOCK = 64 * 2**10  # bytes; measured: neither smaller nor larger blocks are faster
_VERIFIED_AT_ONCE = 2**16  # bytes
_LONGEST_LINE = 8 * 2**20  # bytes; a contact has some hundred
_IsalError = t.cast("type[Exception]", isal_zlib.error)
_BOM = b"\xef\xbb\xbf"
_BLANK = b" \t\r\n" + _BOM


def verify(file: t.BinaryIO) -> int:
    """Unzip a whole file and check the length of its lines; parse no JSON.

    Args:
        file: Positioned anywhere; left at its start.

    Returns:
        About how many lines it holds; 0 if there is nothing on them.

    Raises:
        BadFileError: It is no complete gzip file, or no lines of sane length.
    """
    size = sample = newlines = since_newline = 0
    blank = True
    for chunk in _unzipped(file, _VERIFIED_AT_ONCE):
        size += len(chunk)
        if not sample:  # measured: to count all newlines takes a third of the time
            sample, newlines = len(chunk), chunk.count(b"\n")
        blank = blank and not chunk.strip(_BLANK)
        last = chunk.rfind(b"\n")
        since_newline = len(chunk) - last - 1 if last >= 0 else since_newline + len(chunk)
        if since_newline > _LONGEST_LINE:
            msg = "a line of it is longer than any contact"
            raise BadFileError(msg)
    file.seek(0)
    return 0 if blank else max(1, newlines * size // sample + (since_newline > 0))


def blocks(file: t.BinaryIO, decoder: ContactDecoder) -> Iterator[list[Contact]]:
    """Read a verified file.

    Args:
        file: Positioned anywhere.
        decoder: Makes contacts of its lines.

    Yields:
        Its contacts in order, some hundreds at a time.

    Raises:
        RecordError: A line is no contact.
    """
    for number, block in enumerate(_whole_lines(_unzipped(file, _BLOCK))):
        try:
            contacts = decoder.lines(block, 1)
        except RecordError:  # it names a line, and now counting them is worth its time
            contacts = decoder.lines(block, 1 + _lines_before(file, number))
        yield contacts


def _lines_before(file: t.BinaryIO, number: int) -> int:
    before = itertools.islice(_whole_lines(_unzipped(file, _BLOCK)), number)
    return sum(block.count(b"\n") for block in before)


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


def _unzipped(file: t.BinaryIO, at_once: int) -> Iterator[bytes]:
    file.seek(0)
    if not file.read(1):  # gzip readers take a file of 0 bytes for a complete one
        msg = "it has 0 bytes"
        raise BadFileError(msg)
    file.seek(0)
    unzipped = igzip.IGzipFile(fileobj=file, mode="rb")  # type: ignore[no-untyped-call]
    try:
        while chunk := unzipped.read(at_once):
            yield chunk
    except (EOFError, OSError, zlib.error, _IsalError) as error:
        msg = f"it is no whole gzip file ({type(error).__name__})"
        raise BadFileError(msg) from None
    finally:
        unzipped.close()
