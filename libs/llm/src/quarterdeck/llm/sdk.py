"""Using a provider's SDK: importing it on first use, its transport errors, and what both streams share."""

from __future__ import annotations

import asyncio
import importlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import TYPE_CHECKING

from quarterdeck.llm.errors import (
    MalformedOutput,
    ModelError,
    ModelTimeout,
    ProviderUnavailable,
    StreamInterrupted,
)
from quarterdeck.llm.types import JsonValue, ToolUse, Usage

if TYPE_CHECKING:
    import httpx2

    from quarterdeck.common.outbound.policy import Outbound


# A shorter text is in too many others to be taken out of them.
SHORTEST_SECRET = 8


@dataclass(frozen=True)
class Connection:
    """How to reach a provider. Times are in seconds.

    `total` bounds a whole call, `idle` the silence between two pieces of a stream. `base_url` None means the
    provider's own address; where another one may be is for `outbound` to say, None: anywhere.
    """

    api_key: str = field(repr=False)
    base_url: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    total: float = 600.0
    idle: float = 90.0
    connect: float = 5.0
    outbound: Outbound | None = None


def http_client(connection: Connection) -> httpx2.AsyncClient | None:
    """The client for an address that users name; None where the SDK makes its own."""
    if connection.base_url is None or connection.outbound is None:
        return None
    import httpx2

    from quarterdeck.common.outbound.http_transport import GuardedTransport

    timeout = httpx2.Timeout(connection.idle, connect=connection.connect)
    guarded = GuardedTransport(connection.outbound)
    return httpx2.AsyncClient(transport=guarded, timeout=timeout, follow_redirects=True)


async def load(module: str) -> ModuleType:
    """Import an SDK without stopping the event loop: the first import takes a second or so."""
    return await asyncio.to_thread(importlib.import_module, module)


def transport_error(problem: Exception, provider: str, *, streaming: bool) -> ModelError | None:
    """The error for a broken connection, or None when `problem` is something else."""
    import httpx2

    if isinstance(problem, httpx2.ConnectTimeout):
        return ProviderUnavailable("cannot connect in time", provider=provider)
    if isinstance(problem, httpx2.TimeoutException):
        return ModelTimeout("no answer in time", provider=provider)
    if isinstance(problem, httpx2.TransportError | json.JSONDecodeError | UnicodeDecodeError):
        kind = StreamInterrupted if streaming else ProviderUnavailable
        return kind(f"the connection broke: {problem or type(problem).__name__}", provider=provider)
    return None


def told(problem: Exception, usage: Usage, connection: Connection) -> Exception:
    """The error with what was counted before it, so that a broken answer is paid for too; without secrets.

    Some providers say the key that they refuse, and errors are kept in journals.
    """
    if isinstance(problem, ModelError):
        problem.usage = usage
        for secret in (connection.api_key, *(value for _, value in connection.headers)):
            if len(secret) >= SHORTEST_SECRET:
                problem.redact(secret)
    return problem


def strict_json(text: str) -> JsonValue:
    """Read JSON without what Python adds to it (NaN and infinities). Raises ValueError or RecursionError."""

    def refuse(name: str) -> None:
        raise ValueError(f"{name} is not JSON")

    return json.loads(text, parse_constant=refuse)


@dataclass
class GrowingToolUse:
    """A tool call whose arguments arrive in pieces."""

    id: str
    name: str
    arguments: list[str] = field(default_factory=list)

    def finish(self, provider: str, usage: Usage) -> ToolUse:
        """The whole call; raises `MalformedOutput` when the arguments are no JSON object."""
        text = "".join(self.arguments)
        problem = f"the arguments of the tool call {self.name!r} are not a JSON object"
        try:
            arguments: JsonValue = strict_json(text) if text.strip() else {}
        except (ValueError, RecursionError) as reason:
            raise MalformedOutput(f"{problem}: {reason}", provider=provider, usage=usage) from reason
        if not isinstance(arguments, Mapping):
            raise MalformedOutput(problem, provider=provider, usage=usage)
        return ToolUse(self.id, self.name, arguments)
