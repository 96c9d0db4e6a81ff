"""Both applications on uvicorn, on one event loop in one thread."""

from __future__ import annotations

import asyncio
import socket
from concurrent.futures import Future
from threading import Thread
from typing import TYPE_CHECKING, Any

import uvicorn
from typing_extensions import override
from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from tests.sandbox.sandbox import Sandbox

_HOST = "127.0.0.1"
_KEEP_ALIVE = 60


class Servers:
    """Starts with `start`; `stop` ends every answer that is still on its way."""

    def __init__(self, sandbox: Sandbox, apps: list[Starlette], ports: list[int]) -> None:
        self._sandbox = sandbox
        self._sockets = [_listen(port) for port in ports]
        self._servers = [_Server(_config(app)) for app in apps]
        self._loop: Future[asyncio.AbstractEventLoop] = Future()
        self._thread = Thread(target=self._run, name="sandbox-server", daemon=True)

    @property
    def urls(self) -> list[str]:
        return [f"http://{_HOST}:{listening.getsockname()[1]}" for listening in self._sockets]

    def start(self) -> None:
        self._thread.start()
        self._loop.result()

    def stop(self) -> None:
        """Once or more often, whether it was started or not."""
        if self._thread.is_alive():
            self._loop.result().call_soon_threadsafe(self._sandbox.closing.set)
            self._thread.join()
        for listening in self._sockets:
            listening.close()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            if self._loop.done():
                raise
            self._loop.set_exception(error)

    async def _serve(self) -> None:
        closing = self._sandbox.closing = asyncio.Event()
        for server in self._servers:
            server.closing = closing
        self._loop.set_result(asyncio.get_running_loop())
        pairs = zip(self._servers, self._sockets, strict=True)
        await asyncio.gather(*(server.serve([listening]) for server, listening in pairs))


class _Server(uvicorn.Server):
    """Stops at once, not at the next tenth of a second."""

    closing: asyncio.Event

    @override
    async def main_loop(self) -> None:
        await self.closing.wait()

    @override
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drop every connection: a reader that has stopped reading must not hold us up."""
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        if self.server_state.tasks:
            await asyncio.wait(self.server_state.tasks)
        for server in self.servers:
            await server.wait_closed()


class _Protocol(H11Protocol):
    """Gives the application its connection, so that it can break it."""

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state: dict[str, Any] = {**self.app_state, "transport": transport}


def _listen(port: int) -> socket.socket:
    # The protocol is named, or asyncio leaves Nagle on: 40 ms for each answer.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind((_HOST, port))
    listening.listen(128)
    return listening


def _config(app: Starlette) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=_Protocol,
        ws="none",
        loop="asyncio",
        lifespan="off",
        log_config=None,
        access_log=False,
        date_header=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE,
    )
