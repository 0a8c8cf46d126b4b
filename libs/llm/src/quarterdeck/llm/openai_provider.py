"""Chat Completions through the `openai` SDK, at OpenAI or at any server that speaks the same form."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from quarterdeck.llm.constants import OPENAI
from quarterdeck.llm.errors import AuthenticationFailed, ModelError, ModelTimeout
from quarterdeck.llm.sdk import Connection, http_client, load, told, transport_error
from quarterdeck.llm.status_errors import Failure, retry_after, to_error
from quarterdeck.llm.types import ModelRequest, ModelResponse, OnDelta

if TYPE_CHECKING:
    from openai import AsyncOpenAI

    from quarterdeck.llm.openai_stream import OpenAIStream

OWN_LIMIT_FIELD = "max_completion_tokens"
COMPATIBLE_LIMIT_FIELD = "max_tokens"
"""What other servers call the bound of an answer."""


class OpenAIProvider:
    """Streams every answer. Tools, parallel tools and `response_format` are used.

    A key may be absent when `base_url` is set: local servers often need none. `limit_field` overrides what
    the bound of the answer is called.
    """

    name = OPENAI

    def __init__(self, connection: Connection, *, limit_field: str | None = None) -> None:
        self._connection = connection
        self._limit_field = limit_field or (
            COMPATIBLE_LIMIT_FIELD if connection.base_url else OWN_LIMIT_FIELD
        )
        self._client: AsyncOpenAI | None = None
        self._making = asyncio.Lock()

    async def generate(self, request: ModelRequest, on_delta: OnDelta | None = None) -> ModelResponse:
        """One attempt; see `Provider`."""
        from quarterdeck.llm.openai_stream import OpenAIStream

        client = await self._get_client()
        answer = OpenAIStream(request)
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
            raise told(_translate(problem, answer), answer.usage, self._connection) from problem

    async def aclose(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.close()

    async def _stream(
        self, client: AsyncOpenAI, request: ModelRequest, answer: OpenAIStream, on_delta: OnDelta | None
    ) -> ModelResponse:
        from quarterdeck.llm.openai_wire import to_wire

        create: Any = client.chat.completions.create  # its overloads cannot be chosen by a mapping
        stream = await create(**to_wire(request, self._limit_field))
        async with stream:
            async for chunk in stream:
                for delta in answer.feed(chunk):
                    if on_delta is not None:
                        on_delta(delta)
        return answer.response()

    async def _get_client(self) -> AsyncOpenAI:
        if not self._connection.api_key and not self._connection.base_url:
            raise AuthenticationFailed("no key is set", provider=self.name, hint="set OPENAI_API_KEY")
        async with self._making:
            if self._client is None:
                self._client = _make_client(await load("openai"), self._connection)
        return self._client


def _make_client(sdk: Any, connection: Connection) -> AsyncOpenAI:
    client: AsyncOpenAI = sdk.AsyncOpenAI(
        api_key=connection.api_key or "none",
        base_url=connection.base_url,
        timeout=sdk.Timeout(connection.idle, connect=connection.connect),
        max_retries=0,
        default_headers=dict(connection.headers),
        http_client=http_client(connection),
    )
    return client


def _translate(problem: Exception, answer: OpenAIStream) -> Exception:
    import openai

    match problem:
        case openai.APIStatusError():
            return to_error(_failure(problem, problem.status_code))
        case openai.APITimeoutError():
            return ModelTimeout("no answer in time", provider=OPENAI)
        case openai.APIConnectionError():
            cause = problem.__cause__ if isinstance(problem.__cause__, Exception) else problem
            return transport_error(cause, OPENAI, streaming=answer.started) or problem
        case openai.APIError():
            return to_error(_failure(problem, 200))
        case _:
            return transport_error(problem, OPENAI, streaming=True) or problem


def _failure(problem: Any, status: int) -> Failure:
    headers = getattr(getattr(problem, "response", None), "headers", {})
    body = problem.body if isinstance(problem.body, dict) else {}
    return Failure(
        OPENAI,
        status,
        kind=problem.type or "",
        code=problem.code or "",
        message=str(body.get("message") or problem.message),
        retry_after=retry_after(headers),
    )
