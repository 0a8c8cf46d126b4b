"""A session with a pod, as the `Dispatcher` that `mcp.ClientSession` runs on.

The SDK's own passes each message through four streams, a task for each and a general HTTP client, which takes
longer than most tools. So calls of tools, which is nearly all there is, go over connections of our own. The
handshake, the listings and the listening stream stay with the SDK.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any

import anyio
from mcp_types import CONNECTION_CLOSED, INTERNAL_ERROR, INVALID_REQUEST

from mcp.shared.dispatcher import as_request_id, coerce_request_id, run_notify_intercept
from mcp.shared.exceptions import MCPError
from quarterdeck.common import codec
from quarterdeck.mcp.constants import LOST, UNREACHABLE
from quarterdeck.mcp.direct import answers
from quarterdeck.mcp.direct.client import PodClient, Unreached
from quarterdeck.mcp.direct.wire import Broken, Wire
from quarterdeck.mcp.dispatcher import document, result_of, with_meta
from quarterdeck.mcp.exchange import CALL, Exchange, RequestId
from quarterdeck.mcp.inbound import Inbound

if TYPE_CHECKING:
    from anyio.abc import TaskStatus

    from mcp.shared.dispatcher import (
        CallOptions,
        Dispatcher,
        OnNotify,
        OnNotifyIntercept,
        OnRequest,
        ProgressFnT,
    )

# Ours are beyond those that the SDK gives in the same session.
_FIRST_ID = 1_000_000_000
# How often a stream is asked for again that brings nothing more.
_RESUMES = 2
_HEADERS = {
    "Accept": "application/json, text/event-stream",
    "Accept-Encoding": "identity",
    "Content-Type": "application/json",
}


class DirectDispatcher:
    """See the module.

    Args:
        inner: the SDK's, for all but calls.
        client: posts to the pod.
        exchange: the requests in flight.
        session: returns the session's id; empty if the server gives none.
    """

    def __init__(
        self, inner: Dispatcher[Any], client: PodClient, exchange: Exchange, session: Callable[[], str]
    ) -> None:
        self._inner = inner
        self._client = client
        self._exchange = exchange
        self._session = session
        self._last_id = _FIRST_ID
        self._elsewhere = False
        self._closed = False
        self._background: set[asyncio.Task[None]] = set()

    async def send_raw_request(
        self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None
    ) -> dict[str, Any]:
        """See `mcp.shared.dispatcher.Outbound`. Raises MCPError."""
        if method != CALL or self._elsewhere:
            return await self._inner.send_raw_request(method, params, opts)
        if self._closed:
            raise MCPError(CONNECTION_CLOSED, "Connection closed")
        options: CallOptions = opts or {}
        self._last_id += 1
        call = _Call(self._last_id, method, dict(params or {}), options)
        self._exchange.sent(call.id, CALL, str((params or {}).get("name", "")))
        try:
            return await self._ask(call)
        except asyncio.CancelledError:
            self._exchange.abandoned(call.id)
            if options.get("cancel_on_abandon", True):
                self._later(self._tell_cancelled(call.id))
            raise
        finally:
            self._exchange.settled(call.id)

    async def _ask(self, call: _Call) -> dict[str, Any]:
        try:
            async with self._client.send("POST", self._headers(call.options), call.body) as wire:
                if not 300 <= wire.status < 400:
                    return result_of(await self._answer(call, wire))
        except Unreached as error:
            raise MCPError(UNREACHABLE, f"cannot reach {self._client.place}: {error}") from None
        except Broken as error:
            return await self._resume(call, error)
        # It was not taken; where the server wants it, the SDK knows how to go to.
        self._elsewhere = True
        return await self._inner.send_raw_request(call.method, call.params, call.options)

    def _headers(self, options: CallOptions) -> dict[str, str]:
        session = self._session()
        known = {"Mcp-Session-Id": session} if session else {}
        return {**_HEADERS, **known, **options.get("headers", {})}

    async def _answer(self, call: _Call, wire: Wire) -> answers.Message:
        """Returns the message that answers a call, or says why none does. Raises Broken."""
        kind = answers.media_type(wire)
        if wire.status >= 400:
            return await answers.refusal(wire, self._client.place)
        if kind == answers.EVENTS:
            return await self._among_events(call, wire)
        if kind == "application/json":
            found = await answers.document(wire, self._exchange, call.id)
            return found or _error(LOST, f"{self._client.place} answered without a message")
        said = kind or f"status {wire.status} and nothing else"
        return _error(INVALID_REQUEST, f"{self._client.place} answered a call with {said}")

    async def _among_events(self, call: _Call, wire: Wire) -> answers.Message:
        async for message in answers.events(wire, self._exchange, call.id, call.position):
            if "method" not in message:
                return message
            await self._take(call, message)
        raise Broken("the stream ended without an answer")

    async def _resume(self, call: _Call, error: Exception) -> dict[str, Any]:
        """Asks for the rest of a stream that broke off, if the server numbers what it sends."""
        tries = _RESUMES
        while call.position.event and tries and not self._closed:
            await asyncio.sleep(call.position.retry)
            seen = call.position.event
            try:
                headers = {**self._headers(call.options), "Last-Event-ID": seen}
                async with self._client.send("GET", headers) as wire:
                    if wire.status == 200 and answers.media_type(wire) == answers.EVENTS:
                        return result_of(await self._among_events(call, wire))
            except (Unreached, Broken) as again:
                error = again
            tries = tries - 1 if call.position.event == seen else _RESUMES
        raise MCPError(LOST, f"{self._client.place} broke off: {error}") from None

    async def _tell_cancelled(self, request: RequestId) -> None:
        await self._inner.notify("notifications/cancelled", {"requestId": request, "reason": "cancelled"})

    # What else comes in with an answer.

    async def _take(self, call: _Call, message: answers.Message) -> None:
        method, params = str(message["method"]), message.get("params")
        given = params if isinstance(params, dict) else None
        asked = as_request_id(message.get("id"))
        if asked is not None:
            self._later(self._reply(asked, method, given))
        elif method == "notifications/progress" and given is not None:
            await call.progress(given)
        elif not run_notify_intercept(self._intercept, method, given):
            await self._on_notify(Inbound(None), method, given)

    async def _reply(self, asked: RequestId, method: str, params: dict[str, Any] | None) -> None:
        try:
            said: dict[str, Any] = {"result": await self._on_request(Inbound(asked), method, params)}
        except MCPError as error:
            said = _error(error.code, error.message)
        except Exception as error:
            said = _error(INTERNAL_ERROR, type(error).__name__)
        try:
            body = codec.dumps({"jsonrpc": "2.0", "id": asked, **said})
            async with self._client.send("POST", self._headers({}), body):
                return
        except (Unreached, Broken):
            return  # its call will fail, too

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    # The SDK's part.

    async def notify(
        self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None
    ) -> None:
        """See `mcp.shared.dispatcher.Outbound`."""
        await self._inner.notify(method, params, opts)

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
        try:
            await self._inner.run(on_request, on_notify, on_notify_intercept, task_status=task_status)
        finally:
            self._closed = True
            for task in self._background:
                task.cancel()
            self._client.close()


class _Call:
    """A call under way, and how far its answer has come."""

    def __init__(self, request: RequestId, method: str, params: dict[str, Any], options: CallOptions) -> None:
        self.id = request
        self.method = method
        self.params = params
        self.options = options
        self.position = answers.Position()
        self._notice: ProgressFnT | None = options.get("on_progress")
        self.body = document(method, with_meta(params, request if self._notice else None), request)

    async def progress(self, params: dict[str, Any]) -> None:
        """Passes a notice of progress on, if it is this call's."""
        token, done, total = (params.get(name) for name in ("progressToken", "progress", "total"))
        known = as_request_id(token)
        mine = known is not None and coerce_request_id(known) == self.id
        if not mine or self._notice is None or not isinstance(done, int | float):
            return
        whole = float(total) if isinstance(total, int | float) else None
        text = params.get("message")
        await self._notice(float(done), whole, text if isinstance(text, str) else None)


def _error(code: int, message: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message}}
