"""The tool servers and policies of every tenant, as the registry's objects say."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from quarterdeck.mcp.definition import Definition
from quarterdeck.mcp.offload import Offload
from quarterdeck.mcp.policy import Rule
from quarterdeck.mcp.toolserver import Connector, Listings, Pins, ToolServer


class Servers:
    """Finds servers and rules by tenant.

    Args:
        connector: opens connections to servers.
        offload: the worker process.
        pins: where pins of first use are kept.
        on_change: called with a server whose state may have changed.
        listings: where the tools of servers that may sleep are kept; None where none does.
    """

    def __init__(
        self,
        connector: Connector,
        offload: Offload,
        pins: Pins,
        on_change: Callable[[ToolServer], None],
        listings: Listings | None = None,
    ) -> None:
        self._connector = connector
        self._offload = offload
        self._pins = pins
        self._on_change = on_change
        self._listings = listings
        self._servers: dict[tuple[str, str], ToolServer] = {}
        self._rules: dict[tuple[str, str, str], tuple[Rule, ...]] = {}

    def find(self, tenant: str, name: str) -> ToolServer | None:
        """Returns a tenant's server, or None."""
        return self._servers.get((tenant, name))

    def of_tenant(self, tenant: str) -> list[ToolServer]:
        """Returns a tenant's servers by name."""
        return [self._servers[key] for key in sorted(self._servers) if key[0] == tenant]

    def all(self) -> list[ToolServer]:
        """Returns the servers of all tenants."""
        return list(self._servers.values())

    def rules(self, tenant: str) -> list[Rule]:
        """Returns the rules that govern a tenant's calls: the platform's and its own."""
        return [
            rule for (owner, _, _), rules in self._rules.items() if owner in ("", tenant) for rule in rules
        ]

    async def put(self, definition: Definition) -> None:
        """Adds a server or changes it."""
        key = (definition.tenant, definition.name)
        present = self._servers.get(key)
        if present is not None:
            if present.definition != definition:
                await present.update(definition)
            return
        server = ToolServer(
            definition, self._connector, self._offload, self._pins, self._on_change, self._listings
        )
        self._servers[key] = server
        self._on_change(server)

    async def remove(self, tenant: str, name: str) -> None:
        """Ends a server that is gone; calls under way on it may end first."""
        server = self._servers.pop((tenant, name), None)
        if server is not None:
            await server.close(server.definition.call_timeout)

    def put_rules(self, tenant: str, kind: str, name: str, rules: tuple[Rule, ...]) -> None:
        """Adds a policy or changes it; `tenant` is empty for the platform's."""
        self._rules[tenant, kind, name] = rules

    def remove_rules(self, tenant: str, kind: str, name: str) -> None:
        """Drops a policy."""
        self._rules.pop((tenant, kind, name), None)

    async def close(self, grace: float) -> None:
        """Ends every server."""
        servers, self._servers = list(self._servers.values()), {}
        await asyncio.gather(*(server.close(grace) for server in servers))
