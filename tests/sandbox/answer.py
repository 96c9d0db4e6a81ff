"""An answer, and how it is sent, well or badly."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from starlette.responses import Response
from typing_extensions import override

from tests.sandbox.contact import to_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import Receive, Scope, Send

    from tests.sandbox.sandbox import Request

_CHUNK = 64 * 1024
_TICK = 0.05
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


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
    content: bytes = b""
    rows: int = 0
    content_length: bool = True
    transfer: Transfer = field(default_factory=Transfer)

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
    content = to_json(payload, escaped=escaped)
    return Answer(status, {"Content-Type": "application/json"}, content, rows)


def html_answer(status: int, text: str) -> Answer:
    page = f"<!DOCTYPE html><html><head><title>{text}</title></head><body>{text}</body></html>"
    return Answer(status, {"Content-Type": "text/html; charset=UTF-8"}, page.encode())


def xml_answer(status: int, code: str, message: str, **more: str) -> Answer:
    """As S3 answers errors."""
    parts = {"Code": code, "Message": message, **more}
    inner = "".join(f"<{name}>{escape(text)}</{name}>" for name, text in parts.items())
    content = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{inner}</Error>'
    return Answer(status, {"Content-Type": "application/xml"}, content.encode())


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


class Delivery(Response):
    """Starlette's response over an `Answer`; `closing` cuts every wait short."""

    def __init__(self, answer: Answer, closing: asyncio.Event, request: Request) -> None:
        super().__init__()
        self._answer = answer
        self._closing = closing
        self._request = request

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        transport: asyncio.Transport = scope["state"]["transport"]
        way = self._answer.transfer
        await self._pause(way.delay)
        self._request.rows = self._answer.rows
        if way.hang_up or self._closing.is_set():
            return await _close(transport, receive, reset=False)
        self._request.status = self._answer.status
        await send(self._head())
        whole = await self._send_body(send, transport)
        if not whole:
            await _close(transport, receive, reset=way.reset)
        return None

    def _head(self) -> dict[str, object]:
        headers = dict(self._answer.headers)
        if self._answer.content_length:
            headers["Content-Length"] = str(len(self._answer.content))
        pairs = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        return {"type": "http.response.start", "status": self._answer.status, "headers": pairs}

    async def _send_body(self, send: Send, transport: asyncio.Transport) -> bool:
        """Answer whether all of it was sent."""
        content, way = self._answer.content, self._answer.transfer
        stop = len(content) if way.cut_after is None else way.cut_after
        step = max(1, int(way.bytes_per_second * _TICK)) if way.bytes_per_second else _CHUNK
        for offset in range(0, stop, step):
            if self._closing.is_set() or transport.is_closing():
                return False
            chunk = content[offset : min(offset + step, stop)]
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
            if way.bytes_per_second:
                await self._pause(len(chunk) / way.bytes_per_second)
        if way.cut_after is not None:
            return False
        await send({"type": "http.response.body", "body": b""})
        return True

    async def _pause(self, seconds: float) -> None:
        if seconds:
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._closing.wait(), seconds)


async def _close(transport: asyncio.Transport, receive: Receive, *, reset: bool) -> None:
    """Close the connection when what was written has left this process."""
    while transport.get_write_buffer_size() and not transport.is_closing():  # noqa: ASYNC110
        await asyncio.sleep(0.002)
    if reset and not transport.is_closing():
        connection: socket.socket = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    transport.abort()
    while (await receive())["type"] != "http.disconnect":
        pass
