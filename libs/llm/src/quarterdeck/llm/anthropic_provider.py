"""The Anthropic Messages API through the `anthropic` SDK, which is imported on the first call."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from quarterdeck.llm.constants import ANTHROPIC
from quarterdeck.llm.errors import AuthenticationFailed, ModelError, ModelTimeout
from quarterdeck.llm.sdk import Connection, http_client, load, told, transport_error
from quarterdeck.llm.status_errors import Failure, retry_after, to_error
from quarterdeck.llm.types import ModelRequest, ModelResponse, OnDelta

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic

    from quarterdeck.llm.anthropic_stream import AnthropicStream


class AnthropicProvider:
    """Streams every answer. Tools, parallel tools, prompt caching and native structured output are used.

    `temperature` is not sent: the API no longer takes it. The client is made once and shared.
    """

    name = ANTHROPIC

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._client: AsyncAnthropic | None = None
        self._making = asyncio.Lock()

    async def generate(self, request: ModelRequest, on_delta: OnDelta | None = None) -> ModelResponse:
        """One attempt; see `Provider`."""
        from quarterdeck.llm.anthropic_stream import AnthropicStream

        client = await self._get_client()
        answer = AnthropicStream()
        limit = min(self._connection.total, request.timeout or self._connection.total)
        try:
            async with asyncio.timeout(limit):
                return await self._stream(client, request, answer, on_delta)
        except TimeoutError as problem:
            message = f"no whole answer within {limit:g} s"
            raise ModelTimeout(message, provider=self.name, usage=answer.usage) from problem
        except ModelError:
            raise
        except Exception as problem:
            raise told(_translate(problem), answer.usage, self._connection) from problem

    async def aclose(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.close()

    async def _stream(
        self, client: AsyncAnthropic, request: ModelRequest, answer: AnthropicStream, on_delta: OnDelta | None
    ) -> ModelResponse:
        from quarterdeck.llm.anthropic_wire import to_wire

        create: Any = client.messages.create  # its overloads cannot be chosen by a mapping
        stream = await create(**to_wire(request))
        async with stream:
            async for event in stream:
                delta = answer.feed(event)
                if delta is not None and on_delta is not None:
                    on_delta(delta)
        return answer.response()

    async def _get_client(self) -> AsyncAnthropic:
        if not self._connection.api_key:
            raise AuthenticationFailed("no key is set", provider=self.name, hint="set ANTHROPIC_API_KEY")
        async with self._making:
            if self._client is None:
                self._client = _make_client(await load("anthropic"), self._connection)
        return self._client


def _make_client(sdk: Any, connection: Connection) -> AsyncAnthropic:
    client: AsyncAnthropic = sdk.AsyncAnthropic(
        api_key=connection.api_key,
        base_url=connection.base_url,
        timeout=sdk.Timeout(connection.idle, connect=connection.connect),
        max_retries=0,
        default_headers=dict(connection.headers),
        http_client=http_client(connection),
        open_telemetry=False,
    )
    return client


def _translate(problem: Exception) -> Exception:
    import anthropic

    match problem:
        case anthropic.APITimeoutError():
            return ModelTimeout("no answer in time", provider=ANTHROPIC)
        case anthropic.APIStatusError():
            return to_error(_failure(problem))
        case anthropic.APIConnectionError():
            cause = problem.__cause__ if isinstance(problem.__cause__, Exception) else problem
            return transport_error(cause, ANTHROPIC, streaming=False) or problem
        case _:
            return transport_error(problem, ANTHROPIC, streaming=True) or problem


def _failure(problem: Any) -> Failure:
    return Failure(
        ANTHROPIC,
        problem.status_code,
        kind=problem.type or "",
        code=problem.error_code or "",
        message=problem.api_message or problem.message,
        retry_after=retry_after(problem.response.headers),
    )
