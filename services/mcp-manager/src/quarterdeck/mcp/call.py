"""One tool call as it is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from quarterdeck.mcp.catalog import Tool
from quarterdeck.mcp.policy import CallFacts


@dataclass(frozen=True, slots=True)
class Call:
    """A request to call a tool.

    Args:
        size: bytes of the arguments as JSON.
        arguments_hash: SHA-256 over the canonical JSON of the arguments, in hex.
        timeout: seconds, 0 for the tool's or server's own.
        session: what shares a session of an isolated server.
        cost: US dollars that the run has cost so far.
        approval_id: the approval that lets this very call through, "" for none.
        approved_hash: the `arguments_hash` that was approved.
    """

    tenant: str
    tenant_id: str
    call_id: str
    server: str
    tool: str
    arguments: dict[str, Any]
    size: int
    arguments_hash: str
    principal: str
    timeout: float = 0.0
    session: str = ""
    run: str = ""
    agent: str = ""
    workflow: str = ""
    cost: float = 0.0
    approval_id: str = ""
    approved_hash: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """What identifies it: the tenant's id and the call id."""
        return self.tenant_id, self.call_id

    @property
    def approved(self) -> bool:
        """Whether an approval of exactly these arguments comes with it."""
        return bool(self.approval_id) and self.approved_hash == self.arguments_hash

    def asks_the_same(self, server: str, tool: str, arguments_hash: str) -> bool:
        """Whether a repeat under the same id is one."""
        return (self.server, self.tool, self.arguments_hash) == (server, tool, arguments_hash)

    def facts(self, tool: Tool, now: float) -> CallFacts:
        """Returns what policies may look at."""
        return CallFacts(
            tenant=self.tenant,
            principal=self.principal,
            server=self.server,
            tool=self.tool,
            effect=tool.effect,
            arguments=self.arguments,
            agent=self.agent,
            workflow=self.workflow,
            run=self.run,
            cost=self.cost,
            now=now,
        )
