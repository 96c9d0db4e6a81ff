"""Writes a selection as gzipped NDJSON."""

from __future__ import annotations

import gzip
import hashlib
from array import array
from io import BytesIO
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from tests.sandbox.contact import Contact, to_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.sandbox.contact import Columns
    from tests.sandbox.options import Options
    from tests.sandbox.partial import Keeps
    from tests.sandbox.space import Selection

_BLOCK = 500


class Stopped(Exception):  # noqa: N818 - nothing is broken
    """The sandbox closes; nobody will fetch this file."""


class ExportFile(NamedTuple):
    """The bytes in the store."""

    content: bytes
    etag: str
    rows: int


def write(
    selection: Selection,
    columns: Columns,
    options: Options,
    stopped: Callable[[], bool],
    keeps: Keeps | None = None,
) -> ExportFile:
    if keeps:
        selection = selection.keeping(keeps)
    file = BytesIO()
    _write_members(file, selection, columns, options, stopped)
    digest = hashlib.md5(file.getvalue(), usedforsecurity=False)
    return ExportFile(file.getvalue(), f'"{digest.hexdigest()}"', selection.count())


def _write_members(
    file: BytesIO,
    selection: Selection,
    columns: Columns,
    options: Options,
    stopped: Callable[[], bool],
) -> None:
    lines = _lines(selection, columns, options)
    members, rows = options.gzip_members, selection.count()
    for member in range(members):
        with gzip.GzipFile("", "wb", compresslevel=1, fileobj=file, mtime=0) as zipped:
            share = rows * (member + 1) // members - rows * member // members
            while share and not stopped():
                block = [next(lines) for _ in range(min(share, _BLOCK))]
                zipped.write(b"".join(block))
                share -= len(block)
        if member == 0 and options.empty_member:
            file.write(gzip.compress(b"", mtime=0))
        if stopped():
            raise Stopped


def _lines(selection: Selection, columns: Columns, options: Options) -> Iterator[bytes]:
    """One a contact, the line break included."""
    end = b"\r\n" if options.crlf else b"\n"
    last = selection.count() - 1
    for index, contact in enumerate(_in_order(selection, options)):
        line = to_json(columns.row(contact), escaped=options.unicode_escaped)
        if index == last and not options.last_newline:
            yield line
        else:
            yield line + (end * 2 if options.blank_lines and index % 2 else end)


def _in_order(selection: Selection, options: Options) -> Iterator[Contact]:
    if options.file_order == "newest":
        return selection.newest_first()
    if options.file_order == "oldest":
        return selection.oldest_first()
    return _shuffled(selection)


def _shuffled(selection: Selection) -> Iterator[Contact]:
    ids = array("q", (contact.id for contact in selection.oldest_first()))
    Random(len(ids)).shuffle(ids)  # noqa: S311 - reproducible, not secret
    return (contact for contact in map(selection.get, ids) if contact)
