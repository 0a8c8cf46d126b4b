"""The management port of a process that runs one service: /health, /health/<part>, /metrics."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING

from quarterdeck.cli.constants import EXIT_IN_USE
from quarterdeck.cli.errors import CliError
from quarterdeck.cli.startup_errors import explain_start
from quarterdeck.common.errors import Unavailable
from quarterdeck.common.management import management_app, watch_health
from quarterdeck.common.service import Platform, Service

if TYPE_CHECKING:
    import uvicorn

BACKLOG = 128
# The health check that fails until the service works.
STARTING = "start"

Build = Callable[[Platform], Awaitable[Service]]


class ManagedService:
    """A service and its management port, built, started and stopped together.

    The port opens first and closes last: a process that waits for its database, starts or drains can be
    asked how it does.
    """

    def __init__(self, platform: Platform, build: Build, host: str, port: int) -> None:
        self.platform = platform
        self.service: Service | None = None
        self._build = build
        self._address = (host, port)
        self._server: uvicorn.Server | None = None
        self._serving: asyncio.Task[None] | None = None
        self._closed = False
        self.port = port
        platform.checks[STARTING] = _starting

    async def start(self) -> None:
        """Listens, then builds and starts the service. Raises CliError if one of these fails."""
        try:
            await self._start()
        except Exception as error:
            raise explain_start(error, self.platform.settings.data_dir.absolute()) from error

    async def _start(self) -> None:
        try:
            listener = listen(*self._address)
            self.port = listener.getsockname()[1]
            self._server = _quiet_server(self.platform)
            self._serving = asyncio.create_task(self._server.serve(sockets=[listener]), name="management")
            self.platform.spawn(watch_health(self.platform), "health")
            service = await self._build(self.platform)
            await service.start()
            self.service = service
            del self.platform.checks[STARTING]
        except BaseException:
            await self._close()
            raise

    async def stop(self, grace: float) -> None:
        """Drains the service, then closes the port and the platform's parts."""
        try:
            if self.service is not None:
                await self.service.stop(grace)
        finally:
            await self._close()

    async def _close(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self._server is not None and self._serving is not None:
            self._server.should_exit = True
            await self._serving
        await self.platform.close()


async def _starting() -> None:
    raise Unavailable("the service has not started yet")


def listen(host: str, port: int) -> socket.socket:
    """Returns a listening socket. Raises CliError that names the address."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise CliError(
            f"cannot listen on {host}:{port}: {error.strerror}",
            hint="stop the process that has the port, or choose another with --management-port",
            code=EXIT_IN_USE,
        ) from None
    listener.setblocking(False)
    return listener


def _quiet_server(platform: Platform) -> uvicorn.Server:
    import uvicorn

    class QuietServer(uvicorn.Server):
        """Leaves the process's signals alone: they stop the service first."""

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

    config = uvicorn.Config(
        management_app(platform),
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=1,
    )
    return QuietServer(config)
