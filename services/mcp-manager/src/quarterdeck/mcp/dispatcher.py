"""JSON-RPC with a server process, as the `Dispatcher` that `mcp.ClientSession` runs on.

The SDK's own dispatcher sits behind four in-memory streams; a call passes a task at each of them. This one
writes to the pipe and resolves the waiting request from the pipe's callback.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import anyio
from mcp_types import CONNECTION_CLOSED, INTERNAL_ERROR, REQUEST_TIMEOUT
from opentelemetry.propagate import inject

from mcp.shared.dispatcher import as_request_id, coerce_request_id, run_notify_intercept
from mcp.shared.exceptions import MCPError
from quarterdeck.common import codec
from quarterdeck.mcp.constants import UNREADABLE
from quarterdeck.mcp.exchange import Exchange, RequestId
from quarterdeck.mcp.inbound import Inbound
from quarterdeck.mcp.inflow import Inflow
from quarterdeck.mcp.noise import LineLog
from quarterdeck.mcp.process import ServerProcess

if TYPE_CHECKING:
    from anyio.abc import TaskStatus

    from mcp.shared.dispatcher import CallOptions, OnNotify, OnNotifyIntercept, OnRequest, ProgressFnT

# Notices of a server that may wait to be handled, and its requests that are handled at once; more are lost
# or refused.
_NOTICES, _REQUESTS = 1000, 16

Work = Callable[[], Awaitable[None]]


@dataclass(slots=True)
class _Pending:
    """A request that waits for its answer."""

    answer: asyncio.Future[dict[str, Any]]
    on_progress: ProgressFnT | None


class StdioDispatcher:
    """Requests and notifications over a process's pipes.

    Args:
        process: a running server; it is left running.
        exchange: the connection's requests in flight.
        stray: takes the lines on standard output that are no messages.
    """

    def __init__(self, process: ServerProcess, exchange: Exchange, stray: LineLog) -> None:
        self._process = process
        self._exchange = exchange
        self._inflow = Inflow(process, exchange, stray, self._on_message)
        self._pending: dict[RequestId, _Pending] = {}
        self._last_id = 0
        self._closed = False
        self._work: asyncio.Queue[Work] = asyncio.Queue(_NOTICES)
        self._requests: set[asyncio.Task[None]] = set()

    # What we ask.

    async def send_raw_request(
        self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None
    ) -> dict[str, Any]:
        """See `mcp.shared.dispatcher.Outbound`. Raises MCPError."""
        if self._closed:
            raise _closed()
        options: CallOptions = opts or {}
        self._last_id += 1
        request = self._last_id
        on_progress = options.get("on_progress")
        line = document(method, with_meta(params, request if on_progress else None), request)
        pending = _Pending(asyncio.get_running_loop().create_future(), on_progress)
        self._pending[request] = pending
        self._exchange.sent(request, method, str((params or {}).get("name", "")))
        try:
            async with asyncio.timeout(options.get("timeout")):
                await self._process.drain()
                if not self._process.write(line):
                    raise _closed()
                return await pending.answer
        except TimeoutError:
            self._give_up(request, options, "timed out")
            raise MCPError(REQUEST_TIMEOUT, f"Request {method!r} timed out") from None
        except asyncio.CancelledError:
            self._give_up(request, options, "cancelled")
            raise
        finally:
            del self._pending[request]
            self._exchange.settled(request)

    def _give_up(self, request: RequestId, options: CallOptions, reason: str) -> None:
        """Tells the server that nobody waits for the answer any more."""
        self._exchange.abandoned(request)
        if options.get("cancel_on_abandon", True):
            params = {"requestId": request, "reason": reason}
            self._process.write(document("notifications/cancelled", params))

    async def notify(
        self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None
    ) -> None:
        """See `mcp.shared.dispatcher.Outbound`."""
        await self._process.drain()
        self._process.write(document(method, params))

    # What comes in.

    async def run(
        self,
        on_request: OnRequest,
        on_notify: OnNotify,
        on_notify_intercept: OnNotifyIntercept | None = None,
        *,
        task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED,
    ) -> None:
        """See `mcp.shared.dispatcher.Dispatcher`."""
        self._on_request, self._on_notify, self._intercept = on_request, on_notify, on_notify_intercept
        working = asyncio.create_task(self._do_work())
        task_status.started()
        try:
            await self._inflow.run()
        finally:
            self._closed = True
            working.cancel()
            for task in self._requests:
                task.cancel()
            for pending in self._pending.values():
                if not pending.answer.done():
                    pending.answer.set_exception(_closed())

    async def _do_work(self) -> None:
        """Handles what comes in besides answers, one after the other."""
        while True:
            work = await self._work.get()
            await work()

    def _later(self, work: Work) -> None:
        if not self._work.full():
            self._work.put_nowait(work)

    def _on_message(self, message: dict[str, Any]) -> None:
        method, request = message.get("method"), as_request_id(message.get("id"))
        if isinstance(method, str):
            raw = message.get("params")
            params = raw if isinstance(raw, dict) else None
            if request is None:
                self._on_notice(method, params)
            else:
                self._on_asked(request, method, params)
        elif request is not None:
            self._on_answer(coerce_request_id(request), message)

    def _on_answer(self, request: RequestId, message: dict[str, Any]) -> None:
        pending = self._pending.get(request)
        if pending is None:
            return
        if self._work.empty():
            _settle(pending, message)
            return

        async def settle() -> None:
            _settle(pending, message)

        # Behind the notices that came before it.
        self._later(settle)

    def _on_notice(self, method: str, params: dict[str, Any] | None) -> None:
        if method == "notifications/progress" and params is not None:
            self._on_progress(params)
        elif not run_notify_intercept(self._intercept, method, params):
            self._later(lambda: self._on_notify(Inbound(None), method, params))

    def _on_progress(self, params: dict[str, Any]) -> None:
        token, progress = as_request_id(params.get("progressToken")), params.get("progress")
        pending = self._pending.get(coerce_request_id(token)) if token is not None else None
        if pending is None or pending.on_progress is None or not isinstance(progress, int | float):
            return
        total, text, notice = params.get("total"), params.get("message"), pending.on_progress
        known_total = float(total) if isinstance(total, int | float) else None
        self._later(lambda: notice(float(progress), known_total, text if isinstance(text, str) else None))

    def _on_asked(self, request: RequestId, method: str, params: dict[str, Any] | None) -> None:
        if len(self._requests) >= _REQUESTS:
            self._refuse(request, MCPError(INTERNAL_ERROR, "too many requests at once"))
            return
        task = asyncio.create_task(self._answer(request, method, params))
        self._requests.add(task)
        task.add_done_callback(self._requests.discard)

    async def _answer(self, request: RequestId, method: str, params: dict[str, Any] | None) -> None:
        try:
            result = await self._on_request(Inbound(request), method, params)
        except MCPError as error:
            self._refuse(request, error)
        except Exception as error:
            self._refuse(request, MCPError(INTERNAL_ERROR, type(error).__name__))
        else:
            self._process.write(_line({"jsonrpc": "2.0", "id": request, "result": result}))

    def _refuse(self, request: RequestId, error: MCPError) -> None:
        document = {"code": error.code, "message": error.message}
        self._process.write(_line({"jsonrpc": "2.0", "id": request, "error": document}))


def _settle(pending: _Pending, message: dict[str, Any]) -> None:
    if pending.answer.done():
        return
    try:
        pending.answer.set_result(result_of(message))
    except MCPError as error:
        pending.answer.set_exception(error)


def result_of(message: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the result that an answer has. Raises MCPError for one that has none."""
    result, error = message.get("result"), message.get("error")
    if isinstance(result, dict):
        return result
    if isinstance(error, dict) and isinstance(error.get("code"), int):
        raise MCPError(error["code"], str(error.get("message", "")), error.get("data"))
    raise MCPError(UNREADABLE, "the tool server's answer has neither a result nor an error")


def with_meta(params: Mapping[str, Any] | None, token: RequestId | None) -> dict[str, Any] | None:
    """Adds the progress token and the trace to a request's parameters."""
    meta = dict((params or {}).get("_meta") or {})
    if token is not None:
        meta["progressToken"] = token
    inject(meta)
    if not meta:
        return None if params is None else dict(params)
    return {**(params or {}), "_meta": meta}


def document(method: str, params: Mapping[str, Any] | None, request: RequestId | None = None) -> bytes:
    """Returns a request, or a notification, as a line of JSON."""
    message: dict[str, Any] = {"jsonrpc": "2.0", "method": method}
    if request is not None:
        message["id"] = request
    if params is not None:
        message["params"] = params
    return _line(message)


def _line(message: dict[str, Any]) -> bytes:
    return codec.dumps(message) + b"\n"


def _closed() -> MCPError:
    return MCPError(CONNECTION_CLOSED, "Connection closed")
