"""uvicorn as a part of this process: it starts, serves and ends when told, and takes no signals."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import Generator

import uvicorn
from starlette.types import ASGIApp

from quarterdeck.common.errors import Unavailable
from quarterdeck.gateway.edges.connections import BoundedProtocol


class _Server(uvicorn.Server):
    """uvicorn without signal handlers: who composes the process owns its signals."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Captures nothing."""
        yield


def bind(host: str, port: int, setting: str) -> socket.socket:
    """Returns a bound socket.

    Raises:
        Unavailable: the port is in use or may not be used; it names the port and the setting.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named, asyncio switches off Nagle's algorithm on accepted connections;
    # without it every answer waits 40 ms for the client's acknowledgement.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise cannot_listen(host, port, setting, error) from error
    listener.setblocking(False)
    return listener


def cannot_listen(host: str, port: int, setting: str, error: OSError) -> Unavailable:
    """Returns the one error that says which port it is and what to do."""
    if error.errno == errno.EADDRINUSE:
        return Unavailable(
            f"port {port} on {host} is in use",
            field=setting,
            hint=f"end the other process, or choose another port with {setting}",
            reason="PortInUse",
        )
    return Unavailable(
        f"cannot listen on {host}:{port}: {error.strerror or error}",
        field=setting,
        hint=f"choose another address with QD_GATEWAY_HOST or another port with {setting}",
        reason="CannotListen",
    )


class HttpServer:
    """Serves an application on a socket that is bound already."""

    def __init__(self, app: ASGIApp, listener: socket.socket) -> None:
        self.port: int = listener.getsockname()[1]
        self._listener = listener
        self._server = _Server(
            uvicorn.Config(
                app,
                http=BoundedProtocol,
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                ws="none",
                proxy_headers=False,
                timeout_keep_alive=75,
            )
        )
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Returns when connections are accepted."""
        self._task = asyncio.create_task(self._server.serve([self._listener]), name="http")
        while not self._server.started:
            if self._task.done():
                await self._task
                raise Unavailable("the HTTP server ended while it started")
            await asyncio.sleep(0.001)

    async def stop(self, grace: float) -> None:
        """Takes no new requests; those being served have `grace` seconds."""
        self._server.config.timeout_graceful_shutdown = max(1, round(grace))
        self._server.should_exit = True
        if self._task is None:  # never started
            self._listener.close()
        else:
            await self._task
