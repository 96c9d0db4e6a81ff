"""Sends an answer, well or badly."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress
from typing import TYPE_CHECKING

from starlette.responses import Response
from typing_extensions import override

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from tests.sandbox.answer import Answer
    from tests.sandbox.sandbox import Request

_CHUNK = 64 * 1024
_TICK = 0.05
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


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
            headers["Content-Length"] = str(self._answer.body.size)
        pairs = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        return {"type": "http.response.start", "status": self._answer.status, "headers": pairs}

    async def _send_body(self, send: Send, transport: asyncio.Transport) -> bool:
        """Answer whether all of it was sent."""
        body, way = self._answer.body, self._answer.transfer
        stop = body.size if way.cut_after is None else way.cut_after
        step = max(1, int(way.bytes_per_second * _TICK)) if way.bytes_per_second else _CHUNK
        for offset in range(0, stop, step):
            if self._closing.is_set() or transport.is_closing():
                return False
            chunk = body.read(offset, min(step, stop - offset))
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
