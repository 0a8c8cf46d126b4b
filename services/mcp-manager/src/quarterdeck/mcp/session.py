"""One MCP session with one tool server, owned by one task from its beginning to its end.

The SDK's contexts must be left in the task that entered them, so a task of our own opens the connection,
shakes hands, waits until it is told to close or the server is gone, and closes everything. Requests are made
from any task: they touch only the session's streams, and many may be under way at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from quarterdeck.common import codec
from quarterdeck.mcp import sdk
from quarterdeck.mcp.connection import Connect, Connection
from quarterdeck.mcp.constants import (
    LIST_TIMEOUT,
    LOST,
    MAX_TOOLS,
    OVERSIZED,
    UNREACHABLE,
    UNREADABLE,
)
from quarterdeck.mcp.exchange import Exchange
from quarterdeck.mcp.failures import CallFailed, Lost, NotSent, Refused, TimedOut, Unusable
from quarterdeck.mcp.handshake import shake_hands, with_reason
from quarterdeck.mcp.results import error_text, result_value
from quarterdeck.mcp.schema import Problem

if TYPE_CHECKING:
    from mcp import ClientSession
    from mcp.shared.exceptions import MCPError


class OnProgress(Protocol):
    """Takes what a server says about its progress with a call."""

    async def __call__(self, progress: float, total: float | None, message: str | None) -> None:
        """Called for each notice."""


# How long to wait for the reason once a connection has closed under a call.
_REASON_TIMEOUT = 3.0
# What the SDK says of a connection that closed under a request.
_CLOSED = "Connection closed"
# How the SDK begins when an HTTP answer ended before it was complete.
_BROKEN_STREAM = "SSE stream"


@dataclass(frozen=True, slots=True)
class Reply:
    """What a tool answered.

    Args:
        is_error: the tool says that it failed.
        value_json: the result's value as JSON, see `results.result_value`.
        value: the same as an object, when it was small enough to be read here; else None.
        text: what a failed tool says.
        problem: set by the worker process if a large result breaks the tool's output schema.
        seconds: time until the answer.
    """

    is_error: bool
    value_json: bytes
    value: Any
    text: str
    problem: Problem | None
    seconds: float


class Session:
    """A session.

    Args:
        connect: opens the connection.
        exchange: the connection's requests in flight.
        on_tools_changed: called when the server says that its tools are not what they were.
    """

    def __init__(
        self, connect: Connect, exchange: Exchange, on_tools_changed: Callable[[], None] = lambda: None
    ) -> None:
        self._connect = connect
        self._exchange = exchange
        self._on_tools_changed = on_tools_changed
        self._stop = asyncio.Event()
        self._over = asyncio.Event()
        self._why = "was closed"
        self._client: ClientSession | None = None
        self._connection: Connection | None = None
        self._owner: asyncio.Task[None] | None = None
        self.in_flight = 0
        self.free = asyncio.Event()
        """Set while no call is under way."""
        self.free.set()
        self.retired = False
        loop = asyncio.get_running_loop()
        self._ready: asyncio.Future[None] = loop.create_future()
        self.ended: asyncio.Future[str] = loop.create_future()
        self.started_at = 0.0

    @property
    def incarnation(self) -> str:
        """Names the server process, empty for a remote server."""
        return self._connection.incarnation if self._connection else ""

    @property
    def pid(self) -> int:
        """Process id of the server's launcher, 0 for a remote server."""
        return self._connection.pid if self._connection else 0

    @property
    def usable(self) -> bool:
        """Whether a new call may be made on it."""
        return self._client is not None and not (self.retired or self._stop.is_set() or self.ended.done())

    @property
    def asked_to_close(self) -> bool:
        """Whether its end is our doing."""
        return self._stop.is_set()

    async def start(self) -> None:
        """Connects and shakes hands. Raises NotSent with the reason if that fails."""
        self.started_at = time.monotonic()
        self._owner = asyncio.create_task(self._own())
        try:
            await asyncio.shield(self._ready)
        except asyncio.CancelledError:
            self._stop.set()
            raise

    async def close(self) -> None:
        """Ends the session and its server process. May be called from any task, more than once."""
        self._stop.set()
        if self._owner is not None:
            await asyncio.wait([self._owner])

    async def _own(self) -> None:
        try:
            await sdk.load()
            async with self._connect(self._exchange) as connection:
                self._connection = connection
                try:
                    await self._serve(connection)
                finally:
                    self._note_end(connection)
        except Exception as error:
            self._why = _explain(error)
        finally:
            self._over.set()
            if not self._ready.done():
                self._ready.set_exception(NotSent(self._why))
            # Nobody need be waiting: a start that was given up is told to no one.
            self._ready.exception()
            self.ended.set_result(self._why)

    def _note_end(self, connection: Connection) -> None:
        """Tells calls in flight why they are over, before the server process has been waited for."""
        self._client = None
        if connection.ended.done():
            self._why = connection.ended.result()
        self._over.set()

    async def _serve(self, connection: Connection) -> None:
        from mcp_types import Implementation

        from mcp import ClientSession

        info = Implementation(name="quarterdeck", version="0.1.0")
        client = ClientSession(**connection.channel, message_handler=self._on_message, client_info=info)
        async with client:
            stopping: asyncio.Future[Any] = asyncio.ensure_future(self._stop.wait())
            shaking: asyncio.Future[Any] = asyncio.ensure_future(shake_hands(client))
            ended: asyncio.Future[Any] = connection.ended
            try:
                await asyncio.wait({ended, stopping, shaking}, return_when=asyncio.FIRST_COMPLETED)
                if connection.ended.done() or self._stop.is_set():
                    return
                await with_reason(shaking, connection)
                self._client = client
                self._ready.set_result(None)
                await asyncio.wait({ended, stopping}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                stopping.cancel()
                shaking.cancel()

    async def _on_message(self, message: Any) -> None:
        from mcp_types import ToolListChangedNotification

        if isinstance(message, ToolListChangedNotification):
            self._on_tools_changed()

    async def list_tools(self) -> list[dict[str, Any]]:
        """Returns the server's tools as they come over the wire. Raises CallFailed."""
        from mcp_types import PaginatedRequestParams

        client = self._require()
        tools: list[dict[str, Any]] = []
        cursor: str | None = None
        while True:
            params = PaginatedRequestParams(cursor=cursor) if cursor else None
            page = await self._ask(client.list_tools(params=params), LIST_TIMEOUT)
            tools += [tool.model_dump(by_alias=True, mode="json", exclude_none=True) for tool in page.tools]
            cursor = page.next_cursor
            if not cursor or len(tools) > MAX_TOOLS:
                return tools[:MAX_TOOLS]

    async def ping(self, timeout: float) -> bool:
        """Returns whether the server answers at all."""
        try:
            await self._ask(self._require().send_ping(), timeout)
        except Refused:
            return True
        except CallFailed:
            return False
        return True

    async def call(
        self, tool: str, arguments: dict[str, Any], timeout: float, on_progress: OnProgress | None = None
    ) -> Reply:
        """Calls a tool and waits at most `timeout` seconds. Raises CallFailed.

        Cancelling the calling task tells the server to stop.
        """
        client = self._require()
        from mcp_types import CallToolRequest, CallToolRequestParams

        request = CallToolRequest(params=CallToolRequestParams(name=tool, arguments=arguments))
        began = time.perf_counter()
        self._begin()
        try:
            asking = client.send_request(request, sdk.answer_type(), progress_callback=on_progress)
            answer = await self._ask(asking, timeout)
        finally:
            self._end()
        return self._reply(answer, time.perf_counter() - began)

    def _begin(self) -> None:
        self.in_flight += 1
        self.free.clear()

    def _end(self) -> None:
        self.in_flight -= 1
        if not self.in_flight:
            self.free.set()

    def _reply(self, answer: Any, seconds: float) -> Reply:
        from mcp_types import CallToolResult

        if not isinstance(answer, CallToolResult):
            raise Refused("the tool asks for further input, which is not supported")
        payload = self._exchange.take(answer.meta)
        if payload is not None:
            return Reply(payload.is_error, payload.value_json, None, payload.text, payload.problem, seconds)
        raw = answer.model_dump(by_alias=True, mode="json", exclude_none=True)
        value = result_value(raw)
        text = error_text(raw) if answer.is_error else ""
        return Reply(answer.is_error, codec.dumps(value), value, text, None, seconds)

    def _require(self) -> ClientSession:
        if self._client is None or self.ended.done():
            raise NotSent("the tool server's session is closed")
        return self._client

    async def _ask(self, asking: Awaitable[Any], timeout: float) -> Any:
        from pydantic import ValidationError

        from mcp.shared.exceptions import MCPError

        try:
            async with asyncio.timeout(timeout):
                return await asking
        except TimeoutError:
            raise TimedOut(f"no answer within {timeout:g} s") from None
        except MCPError as error:
            raise await self._failure(error) from error
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            raise Unusable(f"the server's answer breaks the protocol at {where}: {first['msg']}") from None

    async def _failure(self, error: MCPError) -> CallFailed:
        from mcp_types import CONNECTION_CLOSED

        kinds = {OVERSIZED: Unusable, UNREADABLE: Unusable, UNREACHABLE: NotSent, LOST: Lost}
        if error.code in kinds:
            return kinds[error.code](error.message)
        if error.code == CONNECTION_CLOSED and error.message.startswith(_BROKEN_STREAM):
            return Lost(error.message)
        # A server may use the SDK's code for a closed connection itself; only a session that ends is one.
        if (error.code, error.message) == (CONNECTION_CLOSED, _CLOSED) and await self._ends():
            return Lost(f"the tool server {self._why}")
        return Refused(f"{error.message} (code {error.code})")

    async def _ends(self) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_REASON_TIMEOUT):
                await self._over.wait()
        return self._over.is_set()


def _explain(error: BaseException) -> str:
    """Returns the sentence of the first real error in a group of them."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, OSError) and error.filename is not None:
        return f"cannot be started: {error.strerror}: {error.filename}"
    return str(error) or type(error).__name__
