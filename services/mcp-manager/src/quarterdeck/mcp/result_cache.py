"""Results of calls that only read, kept for as long as the server's author says.

A result is found again by the tenant's id, the server's identity and generation, the tool with its pin,
and the arguments: never by another tenant, and not after the server or the tool has changed. Policies are
asked before, for each call.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter

from quarterdeck.common.cache import Cache, key
from quarterdeck.common.errors import QuarterdeckError
from quarterdeck.mcp.call import Call
from quarterdeck.mcp.catalog import Tool
from quarterdeck.mcp.constants import CACHED_RESULT_BYTES
from quarterdeck.mcp.definition import Definition
from quarterdeck.mcp.outcome import Outcome, Status


class ResultCache:
    """See the module. A cache that does not answer has nothing and keeps nothing."""

    def __init__(self, cache: Cache, registry: CollectorRegistry) -> None:
        self._cache = cache
        self._hits = Counter(
            "mcp_tool_cache_hit", "Calls answered from the cache.", ["server"], registry=registry
        )

    async def find(self, call: Call, server: Definition, tool: Tool) -> Outcome | None:
        """Returns the outcome that an equal call had not long ago, or None."""
        if not tool.cache_ttl:
            return None
        try:
            kept = await self._cache.get(name_of(call, server, tool))
        except QuarterdeckError:
            return None
        if kept is None:
            return None
        self._hits.labels(call.server).inc()
        return Outcome(Status.OK, kept, answered=True)

    async def keep(self, call: Call, server: Definition, tool: Tool, outcome: Outcome) -> None:
        """Keeps an outcome if it may be given again: a small result of a tool that did not fail."""
        usable = outcome.status is Status.OK and 0 < len(outcome.value_json) <= CACHED_RESULT_BYTES
        if not tool.cache_ttl or not usable:
            return
        try:
            await self._cache.set(name_of(call, server, tool), outcome.value_json, tool.cache_ttl)
        except QuarterdeckError:
            return


def name_of(call: Call, server: Definition, tool: Tool) -> str:
    """Returns the name in the cache."""
    revision = f"{server.uid}@{server.generation}"
    return key(call.tenant_id, "tool-result", server.name, revision, tool.name, tool.pin, call.arguments_hash)
