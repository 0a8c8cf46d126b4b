"""What mcp-manager says about tools, remembered for a moment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from quarterdeck.common import codec
from quarterdeck.common.clock import Clock
from quarterdeck.common.errors import NotFound, Unavailable
from quarterdeck.common.rpc_client import Peer, act_for
from quarterdeck.runtime.engine import Engine
from quarterdeck.runtime.execution.unit import RunFacts
from quarterdeck.runtime.planner.agent_tools import PinnedTool, model_name, platform_tools, server_tools
from quarterdeck.v1 import tools_pb2, tools_pb2_grpc

FRESH_SECONDS = 2.0


class ToolDirectory:
    """Lists tools; many runs of one agent that start together ask once."""

    def __init__(self, manager: Peer, clock: Clock) -> None:
        self._manager = manager
        self._stub = manager.stub(tools_pb2_grpc.ToolServiceStub)
        self._clock = clock
        self._listed: dict[tuple[str, str], tuple[float, list[tools_pb2.Tool]]] = {}
        self.engine: Engine | None = None

    async def tools_of(self, tenant: str, server: str) -> list[tools_pb2.Tool]:
        """Returns a server's tools. Raises Unavailable when it cannot be asked."""
        listed_at, tools = self._listed.get((tenant, server), (0.0, []))
        if self._clock.now() - listed_at < FRESH_SECONDS:
            return tools
        act_for(None)
        request = tools_pb2.ListToolsRequest(tenant=tenant, server=server)
        answer = await self._manager.call(self._stub.ListTools, request)
        if answer.unavailable:
            raise Unavailable(f"tools of {answer.unavailable[0]}")
        tools = list(answer.tools)
        self._listed[tenant, server] = (self._clock.now(), tools)
        return tools

    async def find(self, tenant: str, server: str, tool: str) -> tools_pb2.Tool | None:
        """Returns one tool, or None while it or its server is not there or cannot be asked."""
        try:
            return next((t for t in await self.tools_of(tenant, server) if t.name == tool), None)
        except (Unavailable, NotFound):
            return None

    async def schema_of(self, tenant: str, server: str, tool: str) -> Mapping[str, Any] | None:
        """See `answers.Schemas`."""
        found = await self.find(tenant, server, tool)
        schema: dict[str, Any] | None = (
            codec.loads(found.input_schema_json) if found and found.input_schema_json else None
        )
        return schema

    async def pin(
        self, facts: RunFacts, spec: Mapping[str, Any], revisions: Mapping[str, str]
    ) -> list[dict[str, Any]]:
        """See `ToolLister.pin`: the servers' tools the agent declares, its agents, and the platform's own."""
        listed = []
        for wanted in spec.get("tools") or ():
            names = wanted.get("names")
            for tool in await self.tools_of(facts.tenant, wanted["server"]):
                if not names or tool.name in names:
                    schema = (
                        codec.loads(tool.input_schema_json) if tool.input_schema_json else {"type": "object"}
                    )
                    listed.append((tool.server, tool.name, tool.description, schema))
        tools = server_tools(listed) + platform_tools(spec)
        tools += [await self._agent(facts, agent, revisions) for agent in spec.get("agents") or ()]
        return [tool.to_json() for tool in tools]

    async def _agent(
        self, facts: RunFacts, agent: Mapping[str, Any], revisions: Mapping[str, str]
    ) -> PinnedTool:
        assert self.engine is not None
        spec = await self.engine.spec(facts.tenant_id, revisions[f"Agent/{agent['name']}"])
        schema = (spec.get("input") or {}).get("schema") or _MESSAGE_SCHEMA
        description = agent.get("description") or spec.get("description") or ""
        return PinnedTool(model_name(agent["name"]), "agent", description, schema, tool=agent["name"])


_MESSAGE_SCHEMA = {
    "type": "object",
    "properties": {"message": {"type": "string"}},
    "required": ["message"],
    "additionalProperties": False,
}
