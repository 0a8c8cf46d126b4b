"""Conditions: what a spec gets that the schema lets through, and how it heals."""

import asyncio

import pytest
from registry_support import agent, body, condition, manifest, route, server, workflow

from quarterdeck.common.errors import InvalidArgument
from quarterdeck.v1 import resources_pb2 as pb

TOOL = {"name": "t", "tool": {"server": "ledger", "name": "book"}}


async def test_a_bad_expression_leaves_the_last_accepted_in_force(admin, world):
    good = await admin.apply(workflow("w", {"name": "a", "transform": {"output": "${input.x}"}}))
    bad = await admin.apply(workflow("w", {"name": "a", "transform": {"output": "${input.x +}"}}))
    accepted = condition(bad.object, "Accepted")
    assert (accepted["status"], accepted["reason"]) == ("False", "InvalidSpec")
    assert "spec.nodes[0].transform.output" in accepted["message"]
    assert good.object.revision in accepted["message"]
    assert accepted["observedGeneration"] == 2
    assert bad.object.revision == good.object.revision
    ready = await admin.until("Workflow", "w", "Ready", "False", "NotAccepted")
    assert ready["observedGeneration"] == 2
    # People see what they wrote, services what is in force.
    assert "+}" in body(await admin.get("Workflow", "w"))["spec"]["nodes"][0]["transform"]["output"]
    seen = body(await world.client("agent-runtime").get("Workflow", "w"))
    assert seen["spec"]["nodes"][0]["transform"]["output"] == "${input.x}"
    assert seen["metadata"]["generation"] == 1
    await admin.apply(workflow("w", {"name": "a", "transform": {"output": "${input.y}"}}))
    await admin.until("Workflow", "w", "Accepted")
    await admin.until("Workflow", "w", "Ready")


async def test_expressions_without_a_type_are_named_and_forgotten(admin):
    node = {"name": "a", "transform": {"output": {"n": "${input.n}", "s": "${string(input.n)}"}}}
    await admin.apply(workflow("w", node))
    await admin.until("Workflow", "w", "Ready")
    assert body(await admin.get("Workflow", "w"))["status"]["untyped"] == ["spec.nodes[0].transform.output.n"]
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
    await admin.apply(workflow("w", node, input={"schema": schema}))
    for _ in range(500):
        status = body(await admin.get("Workflow", "w"))["status"]
        if "untyped" not in status:
            break
        await asyncio.sleep(0.01)
    assert "untyped" not in status
    assert {item["status"] for item in status["conditions"]} == {"True"}


async def test_many_untyped_expressions_do_not_burst_the_status(admin):
    await admin.apply(workflow("w", {"name": "a", "transform": {"output": ["${input.n}"] * 600}}))
    await admin.until("Workflow", "w", "Ready")
    assert len(body(await admin.get("Workflow", "w"))["status"]["untyped"]) == 512


async def test_services_do_not_see_what_was_never_accepted(admin, world):
    await admin.apply(workflow("w", {"name": "a", "transform": {"output": "${}"}}))
    assert (await admin.list("Workflow")).objects
    runtime = world.client("agent-runtime")
    assert not (await runtime.list("Workflow")).objects
    watch = runtime.watch(kind="Workflow")
    assert (await anext(watch)).type == pb.WatchEvent.TYPE_BOOKMARK
    await admin.apply(workflow("w", {"name": "a", "transform": {"output": "x"}}))
    event = await anext(watch)
    assert (event.type, event.object.name) == (pb.WatchEvent.TYPE_ADDED, "w")
    await watch.aclose()


async def test_each_missing_reference_is_named_with_its_path(admin):
    await admin.apply(agent("a", tools=[{"server": "ledger"}], memory=[{"collection": "m"}]))
    refs = await admin.until("Agent", "a", "ResolvedRefs", "False", "ReferenceNotFound")
    for words in ("spec.model.route", "'default'", "spec.tools[0].server", "'ledger'", "spec.memory[0]"):
        assert words in refs["message"]
    await admin.until("Agent", "a", "Ready", "False", "ReferencesUnresolved")


async def test_references_heal_and_break_again(admin, world):
    await admin.apply(agent("a", tools=[{"server": "ledger", "names": ["book"]}]))
    await admin.apply(route())
    await admin.apply(server("ledger"))
    # The server has said nothing of its tools: nobody knows.
    await admin.until("Agent", "a", "ResolvedRefs", "Unknown", "ToolsNotListed")
    await admin.until("Agent", "a", "Ready", "Unknown", "ReferencesPending")
    manager = world.client("mcp-manager")
    await manager.report("MCPServer", "ledger", {"tools": [{"name": "other"}]})
    refs = await admin.until("Agent", "a", "ResolvedRefs", "False", "ReferenceNotFound")
    assert "spec.tools[0].names[0]" in refs["message"] and "'book'" in refs["message"]
    await manager.report("MCPServer", "ledger", {"tools": [{"name": "other"}, {"name": "book"}]})
    await admin.until("Agent", "a", "Ready")
    await admin.apply(server("ledger", allowedTools=["other"]))
    refs = await admin.until("Agent", "a", "ResolvedRefs", "False")
    assert "does not allow" in refs["message"]
    await admin.apply(server("ledger"))
    await admin.until("Agent", "a", "Ready")
    await admin.delete("MCPServer", "ledger")
    await admin.until("Agent", "a", "Ready", "False", "ReferencesUnresolved")


async def test_a_tier_that_is_missing_heals(admin):
    await admin.apply(route())
    await admin.apply(agent("a", model={"tier": "large"}))
    refs = await admin.until("Agent", "a", "ResolvedRefs", "False")
    assert "no tier 'large'" in refs["message"]
    tiers = [{"name": "large", "providers": [{"provider": "playbook", "model": "p", "playbook": "p.yaml"}]}]
    await admin.apply(manifest("ModelRoute", "default", {"tiers": tiers}))
    await admin.until("Agent", "a", "Ready")


async def test_what_is_not_enforced_is_not_ready(admin, world):
    await admin.apply(manifest("ApprovalPolicy", "p", {"approvers": [{"principal": "x"}], "quorum": 2}))
    ready = await admin.until("ApprovalPolicy", "p", "Ready", "False", "NotEnforced")
    assert "spec.quorum" in ready["message"]
    await admin.apply(manifest("ApprovalPolicy", "p", {"approvers": [{"principal": "x"}]}))
    await admin.until("ApprovalPolicy", "p", "Ready")
    await admin.apply(manifest("Tenant", "t", {"quota": {"objects": 5}, "region": "eu"}), tenant="")
    ready = await admin.until("Tenant", "t", "Ready", "False", "NotEnforced", tenant="")
    assert "spec.quota.objects" in ready["message"] and "spec.region" in ready["message"]
    await admin.apply(manifest("Tenant", "t"), tenant="")
    await admin.until("Tenant", "t", "Ready", tenant="")
    cached = route()
    cached["spec"]["cache"] = {"responses": True}
    await admin.apply(cached)
    await admin.until("ModelRoute", "default", "Ready", "False", "NotEnforced")
    # An owner's report does not hide it either, until the spec changes.
    await admin.apply(server("s", egress=["example.org"]))
    await admin.until("MCPServer", "s", "Ready", "False", "NotEnforced")
    up = {"conditions": [{"type": "Ready", "status": "True", "reason": "Connected"}]}
    await world.client("mcp-manager").report("MCPServer", "s", up, observed_generation=1)
    assert condition(await admin.get("MCPServer", "s"), "Ready")["reason"] == "NotEnforced"
    await admin.apply(server("s"))
    await world.client("mcp-manager").report("MCPServer", "s", up, observed_generation=2)
    await admin.until("MCPServer", "s", "Ready", "True", "Connected")


async def test_the_registry_leaves_an_owners_ready_alone(admin, world):
    await admin.apply(server("s"))
    await admin.until("MCPServer", "s", "ResolvedRefs")
    assert condition(await admin.get("MCPServer", "s"), "Ready") is None
    down = {"conditions": [{"type": "Ready", "status": "False", "reason": "CrashLoop", "message": "5 times"}]}
    await world.client("mcp-manager").report("MCPServer", "s", down)
    await admin.apply(server("s") | {"metadata": {"name": "s", "labels": {"a": "b"}}})
    await asyncio.sleep(0.05)
    assert condition(await admin.get("MCPServer", "s"), "Ready")["reason"] == "CrashLoop"


async def test_transition_time_moves_with_the_status_alone(admin):
    await admin.apply(route())
    await admin.apply(agent("a"))
    first = await admin.until("Agent", "a", "Ready")
    await admin.apply(agent("a", description="new"))
    for _ in range(500):
        later = condition(await admin.get("Agent", "a"), "Ready")
        if later["observedGeneration"] == 2:
            break
        await asyncio.sleep(0.01)
    assert later["observedGeneration"] == 2
    assert later["lastTransitionTime"] == first["lastTransitionTime"]
    status = body(await admin.get("Agent", "a"))["status"]
    assert status["observedGeneration"] == 2 and status["revision"].startswith("Agent/a@")


async def test_it_comes_to_rest(admin, world):
    await admin.apply(agent("a", agents=[{"name": "b"}]))
    await admin.apply(agent("b", agents=[{"name": "a"}]))
    await admin.apply(route())
    await admin.until("Agent", "a", "Ready")
    await admin.until("Agent", "b", "Ready")
    for _ in range(100):
        await asyncio.sleep(0.01)
        if world.service.background.idle:
            break
    version = world.feed.version
    await asyncio.sleep(0.1)
    assert world.feed.version == version
    await world.restart()
    for _ in range(200):
        await asyncio.sleep(0.01)
        if world.service.background.idle:
            break
    assert world.feed.version == version


def trigger(name, path, method="POST"):
    spec = {"target": {"kind": "Workflow", "name": "w"}, "http": {"path": path, "method": method}}
    return manifest("Trigger", name, spec)


async def test_a_route_has_one_trigger_in_the_platform(admin):
    await admin.apply(manifest("Tenant", "acme"))
    await admin.apply(trigger("first", "/api/v1/accounts/{id}/analyze"))
    await admin.apply(trigger("get", "/api/v1/accounts/{id}/analyze", "GET"))
    await admin.until("Trigger", "get", "Accepted")
    await admin.apply(trigger("second", "/api/v1/accounts/{account}/analyze"))
    refused = await admin.until("Trigger", "second", "Accepted", "False", "RouteTaken")
    assert "spec.http.path" in refused["message"] and "Trigger/first" in refused["message"]
    await admin.apply(trigger("third", "/api/v1/accounts/all/analyze"), tenant="acme")
    foreign = await admin.until("Trigger", "third", "Accepted", "False", "RouteTaken", tenant="acme")
    assert "another tenant" in foreign["message"] and "first" not in foreign["message"]
    await admin.delete("Trigger", "first")
    # Exactly one of the two gets the route, whichever looks first.
    for _ in range(500):
        accepted = [await _accepted(admin, "second", "default"), await _accepted(admin, "third", "acme")]
        if "True" in accepted:
            break
        await asyncio.sleep(0.01)
    assert sorted(accepted) == ["False", "True"]


async def _accepted(admin, name, tenant):
    return condition(await admin.get("Trigger", name, tenant), "Accepted")["status"]


@pytest.mark.parametrize(
    "path",
    ["/metrics", "/health/db", "/docs", "/console/", "/api/v1/tenants/acme/runs", "/api/v1/approvals/7"],
)
async def test_a_path_of_the_gateway_is_refused(admin, path):
    with pytest.raises(InvalidArgument) as refused:
        await admin.apply(trigger("mine", path))
    assert "spec.http.path" in [field for field, _ in refused.value.violations]
    assert "gateway" in refused.value.message and "/hooks/" in str(refused.value.violations)
    await admin.apply(trigger("mine", "/api/v1/accounts/{id}/analyze"))


async def test_a_trigger_that_moves_frees_its_route(admin):
    await admin.apply(trigger("a", "/hooks/x"))
    await admin.apply(trigger("b", "/hooks/x"))
    await admin.until("Trigger", "b", "Accepted", "False")
    await admin.apply(trigger("a", "/hooks/y"))
    await admin.until("Trigger", "b", "Accepted")


async def test_platform_policies_have_no_tenant(admin):
    rule = {"name": "r", "match": {}, "effect": "requireApproval", "approval": "somebody"}
    await admin.apply(manifest("PlatformPolicy", "p", {"rules": [rule]}), tenant="")
    await admin.until("PlatformPolicy", "p", "Ready", tenant="")


async def test_reconciles_are_counted(admin, world):
    await admin.apply(route())
    await admin.until("ModelRoute", "default", "Ready")
    value = world.platforms["registry"].telemetry.registry.get_sample_value
    assert value("controller_runtime_reconcile_total", {"controller": "objects", "result": "success"}) > 0
    assert value("workqueue_depth", {"name": "objects"}) is not None


async def test_a_binding_waits_for_its_role_and_a_role_speaks_of_what_there_is(admin):
    binding = {"role": "looker", "subjects": [{"principal": "corp:anna"}]}
    await admin.apply(manifest("AccessBinding", "b", binding))
    missing = await admin.until("AccessBinding", "b", "ResolvedRefs", "False", "ReferenceNotFound")
    assert missing["message"].startswith("spec.role: there is no AccessRole 'looker'")
    wrong = {"rules": [{"verbs": ["get"], "kinds": ["agents", "agentz"]}]}
    refused = await admin.apply(manifest("AccessRole", "looker", wrong))
    accepted = condition(refused.object, "Accepted")
    assert (accepted["status"], accepted["reason"]) == ("False", "InvalidSpec")
    assert "spec.rules[0].kinds[1]: there is nothing called 'agentz'" in accepted["message"]
    await admin.apply(manifest("AccessRole", "looker", {"rules": [{"verbs": ["get"], "kinds": ["agents"]}]}))
    await admin.until("AccessRole", "looker", "Ready")
    await admin.until("AccessBinding", "b", "Ready")
    await admin.delete("AccessRole", "looker")
    await admin.until("AccessBinding", "b", "Ready", "False")


async def test_a_playbook_that_cannot_be_followed_is_refused_with_its_path(admin):
    rule = {"name": "r", "when": "turn >", "say": "hello"}
    playbook = {"kind": "Playbook", "name": "p", "agents": {"a": {"rules": [rule]}}}
    provider = {"provider": "playbook", "model": "m", "playbook": playbook}
    spec = {"tiers": [{"name": "standard", "providers": [provider]}]}
    refused = await admin.apply(manifest("ModelRoute", "wrong", spec))
    accepted = condition(refused.object, "Accepted")
    assert (accepted["status"], accepted["reason"]) == ("False", "InvalidSpec")
    assert "spec.tiers[0].providers[0].playbook.agents.a.rules[0].when: " in accepted["message"]
    await admin.until("ModelRoute", "wrong", "Ready", "False")
    rule["when"] = "turn > 0"
    await admin.apply(manifest("ModelRoute", "wrong", spec))
    await admin.until("ModelRoute", "wrong", "Ready")
