"""What a run pins."""

import json

import pytest
from registry_support import agent, route, server, workflow

from quarterdeck.common.errors import FailedPrecondition, NotFound


def names(closure):
    return [f"{item.kind}/{item.name}" for item in closure.revisions]


async def test_everything_that_can_be_reached_is_pinned_once(admin, world):
    await admin.apply(route())
    await admin.apply(agent("a", agents=[{"name": "b"}]))
    await admin.apply(agent("b", agents=[{"name": "a"}]))
    await admin.apply(agent("c"))
    await admin.apply(agent("alone"))
    await admin.apply(workflow("child", {"name": "x", "agent": {"name": "c"}}))
    await admin.apply(
        workflow(
            "root",
            {"name": "m", "map": {"items": "${input}", "workflow": "child"}, "next": [{"to": "p"}]},
            {
                "name": "p",
                "parallel": {"branches": [{"name": "l", "agent": {"name": "a"}}]},
                "next": [{"to": "s"}],
            },
            {"name": "s", "workflow": {"name": "root"}},
        )
    )
    closure = await world.client("agent-runtime").closure("Workflow", "root")
    assert names(closure) == ["Workflow/root", "Workflow/child", "Agent/a", "Agent/c", "Agent/b"]
    assert list(closure.missing) == []
    assert all(item.revision.startswith(f"{item.kind}/{item.name}@") for item in closure.revisions)
    assert json.loads(closure.revisions[0].spec_json)["nodes"][0]["name"] == "m"


async def test_what_is_missing_is_named_and_heals(admin, world):
    runtime = world.client("agent-runtime")
    node = {"name": "t", "tool": {"server": "ledger", "name": "book"}, "next": [{"to": "a"}]}
    await admin.apply(workflow("w", node, {"name": "a", "agent": {"name": "helper"}}))
    closure = await runtime.closure("Workflow", "w")
    assert "Agent/helper (Workflow/w spec.nodes[1].agent.name)" in closure.missing
    assert "MCPServer/ledger (Workflow/w spec.nodes[0].tool.server)" in closure.missing
    await admin.apply(agent("helper"))
    await admin.apply(server("ledger"))
    assert list((await runtime.closure("Workflow", "w")).missing) == [
        "ModelRoute/default/standard (Agent/helper spec.model.route)"
    ]
    await world.client("mcp-manager").report("MCPServer", "ledger", {"tools": [{"name": "list"}]})
    assert (
        "MCPServer/ledger/book (Workflow/w spec.nodes[0].tool.name)"
        in (await runtime.closure("Workflow", "w")).missing
    )


async def test_the_accepted_revision_is_pinned(admin, world):
    runtime = world.client("agent-runtime")
    with pytest.raises(NotFound):
        await runtime.closure("Workflow", "w")
    await admin.apply(workflow("w", {"name": "a", "transform": {"output": "${"}}))
    with pytest.raises(FailedPrecondition, match="accepted"):
        await runtime.closure("Workflow", "w")
    good = await admin.apply(workflow("w", {"name": "a", "transform": {"output": "x"}}))
    await admin.apply(workflow("w", {"name": "a", "transform": {"output": "${"}}))
    closure = await runtime.closure("Workflow", "w")
    assert closure.revisions[0].revision == good.object.revision
    await world.restart()
    assert (await world.client("agent-runtime").closure("Workflow", "w")) == closure
