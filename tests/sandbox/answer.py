"""An answer before it is sent."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol
from xml.sax.saxutils import escape

from tests.sandbox.contact import to_json

if TYPE_CHECKING:
    from collections.abc import Mapping


class Body(Protocol):
    """Bytes that several readers read at once, anywhere within its size."""

    @property
    def size(self) -> int: ...

    def read(self, offset: int, length: int) -> bytes: ...


class MemoryBody:
    """Bytes at hand."""

    def __init__(self, content: bytes = b"") -> None:
        self.size = len(content)
        self._content = content

    def read(self, offset: int, length: int) -> bytes:
        return self._content[offset : offset + length]


class FileBody:
    """A file, read without moving its position."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self.size = size
        self._file = file

    def read(self, offset: int, length: int) -> bytes:
        return os.pread(self._file.fileno(), length, offset)


@dataclass(frozen=True)
class PartOf:
    """A stretch of another body."""

    whole: Body
    start: int
    size: int

    def read(self, offset: int, length: int) -> bytes:
        return self.whole.read(self.start + offset, length)


@dataclass(frozen=True)
class Transfer:
    """How the bytes travel."""

    delay: float = 0.0
    bytes_per_second: float | None = None
    cut_after: int | None = None
    """Bytes of the body after which the connection dies."""
    reset: bool = True
    hang_up: bool = False


@dataclass(frozen=True)
class Answer:
    """Status, headers, body, and how it is sent."""

    status: int
    headers: Mapping[str, str]
    body: Body
    rows: int = 0
    content_length: bool = True
    transfer: Transfer = field(default_factory=Transfer)

    @property
    def content(self) -> bytes:
        return self.body.read(0, self.body.size)

    def with_content(self, content: bytes) -> Answer:
        return replace(self, body=MemoryBody(content))

    def sent(self, **how: Any) -> Answer:
        """Sent otherwise, by the fields of `Transfer`."""
        return replace(self, transfer=replace(self.transfer, **how))

    def with_headers(self, headers: Mapping[str, str | None]) -> Answer:
        """None removes a header."""
        names = {name.lower() for name in headers}
        kept = {key: value for key, value in self.headers.items() if key.lower() not in names}
        added = {key: value for key, value in headers.items() if value is not None}
        return replace(self, headers={**kept, **added})


def json_answer(
    status: int, payload: Mapping[str, Any], *, rows: int = 0, escaped: bool = True
) -> Answer:
    body = MemoryBody(to_json(payload, escaped=escaped))
    return Answer(status, {"Content-Type": "application/json"}, body, rows)


def html_answer(status: int, text: str) -> Answer:
    page = f"<!DOCTYPE html><html><head><title>{text}</title></head><body>{text}</body></html>"
    body = MemoryBody(page.encode())
    return Answer(status, {"Content-Type": "text/html; charset=UTF-8"}, body)


def xml_answer(status: int, code: str, message: str, **more: str) -> Answer:
    """As S3 answers errors."""
    parts = {"Code": code, "Message": message, **more}
    inner = "".join(f"<{name}>{escape(text)}</{name}>" for name, text in parts.items())
    content = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{inner}</Error>'
    return Answer(status, {"Content-Type": "application/xml"}, MemoryBody(content.encode()))


class Refusal(Exception):  # noqa: N818 - the API refuses; nothing is broken
    """An answer with an error status, raised from wherever it is found out."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        errors: Mapping[str, list[str]] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.errors = errors
        self.headers = headers or {}

    def answer(self, *, as_json: bool = True) -> Answer:
        """In JSON to those who accept it, as Laravel does; a web page to others."""
        if not as_json:
            page = html_answer(self.status, HTTPStatus(self.status).phrase)
            return page.with_headers(self.headers)
        payload: dict[str, object] = {"message": self.message}
        if self.errors:
            payload["errors"] = self.errors
        return json_answer(self.status, payload).with_headers(self.headers)
