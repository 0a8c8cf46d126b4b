"""The registry where a real API server keeps the objects: kubectl's side and our API's side say the same."""

import asyncio
import json
import uuid

import pytest
from registry_cluster import RESOURCES, eventually, tenant_row
from registry_support import ADMIN, agent, body, condition, manifest

from quarterdeck.common.errors import AlreadyExists, Conflict, InvalidArgument, NotFound, PermissionDenied
from quarterdeck.common.identity import Principal
from quarterdeck.common.service import open_platform
from quarterdeck.common.settings import PlatformSettings
from quarterdeck.controller.api.client import Scope
from quarterdeck.controller.api.resource import NAMESPACES
from quarterdeck.registry import control
from quarterdeck.v1 import resources_pb2 as pb


async def test_what_kubectl_creates_is_served_and_its_status_is_said_there(cluster):
    await cluster.created(agent("a", description="one"))
    found = await eventually(lambda: cluster.served("Agent", "a"))
    assert body(found)["spec"]["description"] == "one"
    assert found.revision.startswith("Agent/a@")

    async def ready():
        thing = await cluster.in_cluster("Agent", "a")
        said = {item["type"]: item["status"] for item in thing.get("status", {}).get("conditions", [])}
        return said if set(said) == {"Accepted", "ResolvedRefs", "Ready"} else None

    said = await eventually(ready)
    assert said["Accepted"] == "True"
    thing = await cluster.in_cluster("Agent", "a")
    assert thing["status"]["revision"] == found.revision
    assert thing["status"]["observedGeneration"] == thing["metadata"]["generation"]
    assert thing["metadata"]["uid"] == body(found)["metadata"]["uid"]


async def test_an_edit_is_served_within_a_second(cluster):
    await cluster.created(agent("a", description="one"))
    await eventually(lambda: cluster.served("Agent", "a"))
    patch = {"spec": {"description": "two"}}
    await cluster.kube.merge(RESOURCES["Agent"], "a", patch, cluster.namespace)

    async def description():
        return body(await cluster.served("Agent", "a"))["spec"]["description"]

    await eventually(description, lambda text: text == "two", seconds=1)


async def test_what_our_rules_refuse_says_where_and_the_last_accepted_spec_stays(cluster):
    good = manifest("Workflow", "w", {"nodes": [{"name": "n", "transform": {"output": "x"}}]})
    await cluster.created(good)
    first = await eventually(lambda: cluster.served("Workflow", "w"))
    bad = {"spec": {"nodes": [{"name": "n", "transform": {"output": "${1 +}"}}]}}
    await cluster.kube.merge(RESOURCES["Workflow"], "w", bad, cluster.namespace)

    async def verdict():
        thing = await cluster.in_cluster("Workflow", "w")
        items = thing.get("status", {}).get("conditions", [])
        return next((item for item in items if item["type"] == "Accepted"), None)

    said = await eventually(verdict, lambda item: item and item["status"] == "False", seconds=2)
    assert said["reason"] == "InvalidSpec"
    assert "spec.nodes[0].transform.output" in said["message"]
    in_force = await cluster.served("Workflow", "w", cluster.client("agent-runtime"))
    assert in_force.revision == first.revision


async def test_what_our_api_writes_is_written_there_with_the_caller(cluster):
    answer = await cluster.admin.apply(agent("b", description="one"), cluster.tenant)
    assert answer.outcome == pb.ApplyObjectResponse.OUTCOME_CREATED
    thing = await cluster.in_cluster("Agent", "b")
    assert thing["metadata"]["annotations"]["quarterdeck.dev/written-by"] == ADMIN.subject
    assert thing["metadata"]["managedFields"][0]["manager"] == "quarterdeck-api"
    assert condition(answer.object, "Accepted")["status"] == "True"
    again = await cluster.admin.apply(agent("b", description="one"), cluster.tenant)
    assert again.outcome == pb.ApplyObjectResponse.OUTCOME_UNCHANGED
    other = await cluster.admin.apply(agent("b", description="two"), cluster.tenant)
    assert other.outcome == pb.ApplyObjectResponse.OUTCOME_CONFIGURED
    with pytest.raises(AlreadyExists):
        await cluster.admin.apply(agent("b"), cluster.tenant, create_only=True)
    with pytest.raises(Conflict):
        await cluster.admin.apply(agent("b"), cluster.tenant, resource_version="1")
    await cluster.admin.until("Agent", "b", "Ready", "False", tenant=cluster.tenant)
    seen = (await cluster.served("Agent", "b")).resource_version
    await cluster.admin.apply(agent("b", description="three"), cluster.tenant, resource_version=seen)


async def test_a_dry_run_writes_nothing(cluster):
    answer = await cluster.admin.apply(agent("dry"), cluster.tenant, dry_run=True)
    assert answer.outcome == pb.ApplyObjectResponse.OUTCOME_CREATED
    assert await cluster.kube.list_all(RESOURCES["Agent"]) == []


async def test_deleting_works_from_both_sides(cluster):
    await cluster.admin.apply(agent("a"), cluster.tenant)
    await cluster.admin.apply(agent("b"), cluster.tenant)
    await cluster.admin.delete("Agent", "a", cluster.tenant)
    assert await cluster.served("Agent", "a") is None
    await cluster.kube.delete(RESOURCES["Agent"], "b", cluster.namespace)
    await eventually(lambda: cluster.served("Agent", "b"), lambda found: found is None)
    with pytest.raises(NotFound):
        await cluster.admin.delete("Agent", "b", cluster.tenant)


async def test_the_caller_is_reviewed_and_not_the_registry(cluster):
    nobody = cluster.client("gateway", Principal("mallory", ("quarterdeck:platform-admins",)))
    with pytest.raises(PermissionDenied) as refused:
        await nobody.apply(agent("m"), cluster.tenant)
    assert "mallory may not create agents.quarterdeck.dev/m" in refused.value.message
    await cluster.admin.apply(agent("kept"), cluster.tenant)
    with pytest.raises(PermissionDenied):
        await nobody.delete("Agent", "kept", cluster.tenant)
    assert await cluster.served("Agent", "kept") is not None


async def test_what_was_deleted_while_the_controller_was_away_goes(cluster):
    for name in ("stays", "goes"):
        await cluster.admin.apply(agent(name), cluster.tenant)
    await cluster.stop_controller()
    await cluster.kube.delete(RESOURCES["Agent"], "goes", cluster.namespace)
    await cluster.created(agent("comes"))
    await cluster.start_controller()
    await eventually(lambda: cluster.served("Agent", "comes"))
    await eventually(lambda: cluster.served("Agent", "goes"), lambda found: found is None)
    assert await cluster.served("Agent", "stays") is not None


async def test_an_object_in_nobodys_namespace_is_told_so_and_taken_over_when_somebody_owns_it(cluster):
    name = f"t-{uuid.uuid4().hex[:8]}"
    namespace = {"name": f"qd-{name}", "labels": {"quarterdeck.dev/tenant": name}}
    await cluster.kube.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": namespace})
    thing = agent("orphan")
    thing["metadata"]["namespace"] = f"qd-{name}"
    await cluster.kube.create(RESOURCES["Agent"], thing)

    async def verdict():
        found = await cluster.kube.get(RESOURCES["Agent"], "orphan", f"qd-{name}")
        items = found.get("status", {}).get("conditions", [])
        return next((item["reason"] for item in items if item["type"] == "Accepted"), None)

    await eventually(verdict, lambda reason: reason == "NoTenant", seconds=5)
    await cluster.kube.create(RESOURCES["Tenant"], manifest("Tenant", name))
    await eventually(verdict, lambda reason: reason == "Accepted", seconds=5)


async def test_what_belongs_to_nobody_is_told_so_once_and_not_at_every_start(cluster):
    home = {"name": f"nobodys-{uuid.uuid4().hex[:8]}"}
    await cluster.kube.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": home})
    for number in range(20):
        thing = agent(f"orphan-{number}")
        thing["metadata"]["namespace"] = home["name"]
        await cluster.kube.create(RESOURCES["Agent"], thing)

    async def told():
        found = await cluster.kube.list_all(RESOURCES["Agent"], Scope(home["name"]))
        return [thing["metadata"]["resourceVersion"] for thing in found if thing.get("status")]

    versions = await eventually(told, lambda versions: len(versions) == 20)
    await cluster.stop_controller()
    await cluster.start_controller()
    looks = cluster.controller._projecting
    await eventually(lambda: asyncio.sleep(0, cluster.controller.leader.leading))
    label = {"metadata": {"labels": {"quarterdeck.dev/tenant": "unknown"}}}
    await cluster.kube.merge(NAMESPACES, home["name"], label)
    await asyncio.sleep(1)
    await eventually(lambda: asyncio.sleep(0, looks.idle))
    assert await told() == versions


async def test_a_tenant_keeps_its_id_when_the_registry_loses_its_database(cluster):
    async def given():
        thing = await cluster.kube.get(RESOURCES["Tenant"], cluster.tenant)
        return thing.get("status", {}).get("id")

    tenant_id = await eventually(given)
    assert tenant_id == (await tenant_row(cluster)).id


POD = {"container": {"image": "ledger:1", "command": ["serve"]}}


async def test_how_the_pods_of_a_tool_server_are_is_another_controllers_to_say(cluster):
    made = await cluster.created(manifest("MCPServer", "pods", POD))
    said = {"type": "Ready", "status": "False", "reason": "ImagePullFailed", "message": "no such image"}
    said |= {"observedGeneration": 1, "lastTransitionTime": "2026-01-01T00:00:00Z"}
    theirs = {"imageDigest": "sha256:1", "conditions": [said]}
    names = {name: made["metadata"][name] for name in ("name", "namespace")}
    body_of = {"apiVersion": made["apiVersion"], "kind": "MCPServer", "metadata": names, "status": theirs}
    await cluster.kube.apply(RESOURCES["MCPServer"], body_of, manager="pods", subresource="status")

    async def served():
        found = await cluster.served("MCPServer", "pods")
        ready = (found and condition(found, "Ready")) or {}
        return body(found) if ready.get("reason") == "ImagePullFailed" else None

    assert (await eventually(served))["status"]["imageDigest"] == "sha256:1"

    async def accepted():
        thing = await cluster.in_cluster("MCPServer", "pods")
        found = {item["type"]: item for item in thing["status"]["conditions"]}
        return "Accepted" in found and found

    assert (await eventually(accepted))["Ready"] == said, "it stays as it was said"
    await cluster.kube.delete(RESOURCES["MCPServer"], "pods", cluster.namespace)


async def test_nothing_is_written_while_nothing_changes(cluster):
    await cluster.admin.apply(agent("a"), cluster.tenant)

    async def ready():
        thing = await cluster.in_cluster("Agent", "a")
        items = thing.get("status", {}).get("conditions", [])
        return any(item["type"] == "Ready" for item in items)

    await eventually(ready)
    await asyncio.sleep(0.5)
    before = json.dumps(await cluster.in_cluster("Agent", "a"))
    version = cluster.service._feed.version
    await asyncio.sleep(1.5)
    assert json.dumps(await cluster.in_cluster("Agent", "a")) == before
    assert cluster.service._feed.version == version


async def test_a_manifest_that_the_schema_refuses_is_refused_by_us(cluster):
    with pytest.raises(InvalidArgument):
        await cluster.admin.apply(manifest("Agent", "x", {"instructions": 5}), cluster.tenant)


async def test_another_replica_of_the_controller_goes_on(cluster, tmp_path):
    platform = open_platform("registry", PlatformSettings(data_dir=tmp_path / "second"))
    second = await control.build(platform)
    await second.start()
    try:
        assert cluster.controller.leader.leading
        assert not second.leader.leading
        await cluster.stop_controller()
        await cluster.created(agent("later"))
        await eventually(lambda: cluster.served("Agent", "later"), seconds=30)
        assert second.leader.leading
    finally:
        await second.stop(5)
        await platform.close()
        await cluster.start_controller()
