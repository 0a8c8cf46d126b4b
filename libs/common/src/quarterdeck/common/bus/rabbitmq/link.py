"""One connection to the broker that comes back."""

from __future__ import annotations

import asyncio
import contextlib
import time

import aio_pika
import aio_pika.exceptions
import structlog
from aio_pika.abc import AbstractChannel, AbstractConnection

from quarterdeck.common.bus.instruments import BusInstruments
from quarterdeck.common.errors import Unavailable
from quarterdeck.common.troubles import Troubles

log = structlog.get_logger("bus")

CONNECT_TIMEOUT = 10.0
CLOSE_TIMEOUT = 2.0
PAUSE_FIRST = 0.2
PAUSE_MOST = 3.0
# How often a connection is asked whether the broker blocks it.
LOOK_PERIOD = 0.25


class Link:
    """A connection that is opened on first use and again whenever it is lost.

    Args:
        name: shown in the broker's list of connections, and what the troubles are about.
    """

    def __init__(self, url: str, name: str, troubles: Troubles, instruments: BusInstruments) -> None:
        self._url = url
        self._name = name
        self._troubles = troubles
        self._instruments = instruments
        self._connection: AbstractConnection | None = None
        self._opened = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._useless_since: float | None = None

    async def channel(self, *, confirms: bool = False) -> AbstractChannel:
        """Returns a new channel, as soon as there is a connection and the broker does not block it."""
        connection = await self.ready()
        channel = connection.channel(publisher_confirms=confirms, on_return_raises=confirms)
        await channel.initialize()
        return channel

    async def ready(self) -> AbstractConnection:
        """Returns the connection, as soon as there is one and the broker does not block it."""
        if self._task is None:
            self._task = asyncio.create_task(self._keep(), name=f"bus-link-{self._name}")
        await self._opened.wait()
        connection = self._connection
        if connection is None or connection.transport is None:
            raise Unavailable("the connection to the broker was just lost")
        await connection.transport.ready()
        return connection

    @property
    def used(self) -> bool:
        """Says whether anybody has asked for it."""
        return self._task is not None

    @property
    def useless_for(self) -> float:
        """Seconds for which it has been away or blocked; 0 while it is neither, or was never tried."""
        return 0.0 if self._useless_since is None else time.monotonic() - self._useless_since

    @property
    def why(self) -> str:
        """What is wrong, empty when nothing is known to be."""
        return self._troubles.about(self._name)

    async def close(self) -> None:
        """Closes it for good."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _keep(self) -> None:
        pause = PAUSE_FIRST
        while True:
            try:
                connection = await aio_pika.connect(
                    self._url, timeout=CONNECT_TIMEOUT, client_properties={"connection_name": self._name}
                )
            except Exception as error:
                self._useless(f"RabbitMQ cannot be reached: {say(error)}")
                await asyncio.sleep(pause)
                pause = min(pause * 2, PAUSE_MOST)
                continue
            pause = PAUSE_FIRST
            try:
                await self._while_open(connection)
            finally:
                self._connection = None
                self._opened.clear()
                await _shut(connection)
            self._instruments.reconnects.inc()
            self._useless("the connection to RabbitMQ was lost")

    async def _while_open(self, connection: AbstractConnection) -> None:
        """Returns when the connection has ended; notes meanwhile whether the broker blocks it."""
        lost = asyncio.Event()
        connection.close_callbacks.add(lambda *_: lost.set())
        self._connection = connection
        self._opened.set()
        self._useful()
        while not lost.is_set():
            if await _is_blocked(connection):
                self._instruments.blocked.set(1)
                self._useless("RabbitMQ takes no messages: it is short of memory or disk")
            else:
                self._instruments.blocked.set(0)
                self._useful()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_PERIOD):
                    await lost.wait()
        self._instruments.blocked.set(0)

    def _useful(self) -> None:
        self._useless_since = None
        self._troubles.clear(self._name)

    def _useless(self, why: str) -> None:
        if self._useless_since is None:
            self._useless_since = time.monotonic()
        self._troubles.note(self._name, why)


async def _is_blocked(connection: AbstractConnection) -> bool:
    """Says whether the broker blocks a connection: it is then not ready at once."""
    if connection.transport is None:
        return False
    ready = asyncio.ensure_future(connection.transport.ready())
    await asyncio.wait({ready}, timeout=0.001)
    blocked = not ready.done()
    ready.cancel()
    return blocked


async def _shut(connection: AbstractConnection) -> None:
    """Closes a connection, whatever state it is in. One that is blocked would wait for ever."""
    with contextlib.suppress(Exception):
        async with asyncio.timeout(CLOSE_TIMEOUT):
            await connection.close()


def say(error: BaseException) -> str:
    """Returns an error of the client library as a sentence."""
    match error:
        case aio_pika.exceptions.ProbableAuthenticationError():
            return "it refuses the user name, the password or the virtual host of the bus URL"
        case TimeoutError():
            return "no answer in time"
        case _:
            return str(error) or type(error).__name__
