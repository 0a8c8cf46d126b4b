"""Objects over gRPC: what a write does, and what is refused."""

import asyncio
import json

import pytest
from registry_support import agent, body, condition, manifest, server

from quarterdeck.common.errors import (
    AlreadyExists,
    Conflict,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
)
from quarterdeck.v1 import resources_pb2 as pb

CREATED = pb.ApplyObjectResponse.OUTCOME_CREATED
CONFIGURED = pb.ApplyObjectResponse.OUTCOME_CONFIGURED
UNCHANGED = pb.ApplyObjectResponse.OUTCOME_UNCHANGED


async def test_create_read_delete(admin):
    applied = await admin.apply(agent("a"))
    assert applied.outcome == CREATED
    assert applied.object.revision.startswith("Agent/a@")
    found = await admin.get("Agent", "a")
    metadata = body(found)["metadata"]
    assert metadata["generation"] == 1
    assert metadata["resourceVersion"] == found.resource_version
    assert metadata["uid"] and metadata["creationTimestamp"].endswith("Z")
    assert body(found)["spec"]["instructions"] == "Help."
    deleted = await admin.delete("Agent", "a")
    assert int(deleted.resource_version) > int(found.resource_version)
    with pytest.raises(NotFound, match="Agent/a does not exist"):
        await admin.get("Agent", "a")
    again = await admin.apply(agent("a"))
    assert body(again.object)["metadata"]["uid"] != metadata["uid"]


async def test_a_write_of_the_same_is_none(admin):
    await admin.apply(agent("a"))
    await admin.until("Agent", "a", "Ready", "False")
    before = await admin.get("Agent", "a")
    applied = await admin.apply(agent("a", description=""))
    assert applied.outcome == UNCHANGED
    assert applied.object.resource_version == before.resource_version


async def test_generation_grows_with_the_spec_alone(admin):
    await admin.apply(agent("a"))
    labelled = await admin.apply(agent("a") | {"metadata": {"name": "a", "labels": {"team": "x"}}})
    assert labelled.outcome == CONFIGURED
    assert body(labelled.object)["metadata"]["generation"] == 1
    changed = await admin.apply(agent("a", description="new"))
    assert body(changed.object)["metadata"]["generation"] == 2
    assert "labels" not in body(changed.object)["metadata"]


async def test_status_in_a_manifest_changes_nothing(admin):
    await admin.apply(agent("a"))
    item = agent("a", description="x") | {"status": {"observedGeneration": 77, "conditions": []}}
    applied = await admin.apply(item)
    assert body(applied.object)["status"].get("observedGeneration") != 77
    assert condition(applied.object, "Accepted")["status"] == "True"


async def test_what_was_read_can_be_applied(admin):
    await admin.apply(agent("a"))
    await admin.until("Agent", "a", "Ready", "False")
    found = body(await admin.get("Agent", "a"))
    assert (await admin.apply(found)).outcome == UNCHANGED
    found["spec"]["description"] = "edited"
    assert (await admin.apply(found)).outcome == CONFIGURED
    found["spec"]["description"] = "edited again, from an old copy"
    with pytest.raises(Conflict, match="changed meanwhile"):
        await admin.apply(found)


async def test_two_writers_one_wins(admin):
    await admin.apply(agent("a"))
    await admin.until("Agent", "a", "Ready", "False")
    version = (await admin.get("Agent", "a")).resource_version
    writes = [admin.apply(agent("a", description=f"by {n}"), resource_version=version) for n in range(10)]
    results = await asyncio.gather(*writes, return_exceptions=True)
    winners = [result for result in results if not isinstance(result, Exception)]
    assert len(winners) == 1
    assert all(isinstance(result, Conflict) for result in results if isinstance(result, Exception))
    assert body(await admin.get("Agent", "a"))["spec"] == body(winners[0].object)["spec"]


async def test_create_only_and_uid(admin):
    uid = body((await admin.apply(agent("a"), create_only=True)).object)["metadata"]["uid"]
    with pytest.raises(AlreadyExists):
        await admin.apply(agent("a"), create_only=True)
    await admin.delete("Agent", "a")
    await admin.apply(agent("a"))
    stale = agent("a", description="x")
    stale["metadata"]["uid"] = uid
    with pytest.raises(Conflict, match="another object"):
        await admin.apply(stale)


async def test_delete_with_an_old_version(admin):
    first = await admin.apply(agent("a"))
    await admin.apply(agent("a", description="x"))
    with pytest.raises(Conflict):
        await admin.delete("Agent", "a", resource_version=first.object.resource_version)
    with pytest.raises(NotFound):
        await admin.delete("Agent", "nobody")


async def test_dry_run_writes_nothing(admin, world):
    await admin.until("Tenant", "default", "Ready")
    version = world.feed.version
    answer = await admin.apply(agent("a"), dry_run=True)
    assert answer.outcome == CREATED
    assert condition(answer.object, "Accepted")["status"] == "True"
    assert world.feed.version == version
    with pytest.raises(NotFound):
        await admin.get("Agent", "a")
    await admin.apply(agent("a"))
    answer = await admin.apply(agent("a", description="x"), dry_run=True)
    assert answer.outcome == CONFIGURED
    assert body(await admin.get("Agent", "a"))["spec"]["description"] == ""


@pytest.mark.parametrize(
    ("item", "field"),
    [
        (agent("a") | {"spce": {}}, "spce"),
        (agent("a", instruction="x"), "spec.instruction"),
        (agent("Not A Name"), "metadata.name"),
        (manifest("Agnet", "a"), "kind"),
        (server("a", remote={"url": "http://x"}), "spec"),
        ([], "object"),
    ],
)
async def test_the_schema_refuses(admin, item, field):
    with pytest.raises(InvalidArgument) as caught:
        await admin.apply(item)
    assert caught.value.field == field


async def test_every_violation_is_named(admin):
    with pytest.raises(InvalidArgument) as caught:
        await admin.apply(agent("a", bad=1, worse=2, limits={"turns": 0}))
    fields = {path for path, _ in caught.value.violations}
    assert {"spec.bad", "spec.worse", "spec.limits.turns"} <= fields


async def test_bytes_that_are_no_manifest(admin):
    for data, words in ((b"{", "not valid JSON"), (b"[" + b" " * 1024 * 1024 + b"]", "bytes, more than")):
        with pytest.raises(InvalidArgument, match=words):
            await admin.call("ApplyObject", pb.ApplyObjectRequest(tenant="default", object_json=data))


async def test_tenants_must_exist(admin):
    with pytest.raises(NotFound, match="no tenant 'nobody'"):
        await admin.apply(agent("a"), tenant="nobody")
    with pytest.raises(InvalidArgument, match="name one"):
        await admin.apply(agent("a"), tenant="")
    with pytest.raises(InvalidArgument, match="there is no kind"):
        await admin.get("Agnet", "a")


async def test_default_tenant_is_there(admin, world):
    found = body(await admin.get("Tenant", "default", tenant="ignored"))
    record = await world.client("memory").call("GetTenant", pb.GetTenantRequest(tenant="default"))
    assert found["status"]["id"] == record.id and len(record.id) == 36
    assert found["status"]["namespace"] == record.namespace == "qd-default"
    assert not record.suspended
    await admin.until("Tenant", "default", "Ready")


async def test_a_tenants_id_is_never_reused(admin, world):
    async def record():
        return await world.client("memory").call("GetTenant", pb.GetTenantRequest(tenant="acme"))

    await admin.apply(manifest("Tenant", "acme"))
    first = await record()
    await admin.apply(agent("a"), tenant="acme")
    with pytest.raises(FailedPrecondition, match="still has 1 objects"):
        await admin.delete("Tenant", "acme")
    await admin.delete("Agent", "a", tenant="acme")
    await admin.delete("Tenant", "acme")
    with pytest.raises(NotFound):
        await record()
    await admin.apply(manifest("Tenant", "acme"))
    assert (await record()).id != first.id


async def test_tenants_do_not_see_each_other(admin):
    await admin.apply(manifest("Tenant", "acme"))
    await admin.apply(agent("a", description="ours"))
    await admin.apply(agent("a", description="theirs"), tenant="acme")
    assert body(await admin.get("Agent", "a"))["spec"]["description"] == "ours"
    assert body(await admin.get("Agent", "a", tenant="acme"))["spec"]["description"] == "theirs"
    await admin.delete("Agent", "a")
    assert (await admin.list("Agent", tenant="acme")).objects


async def test_a_namespace_has_one_tenant(admin):
    await admin.apply(manifest("Tenant", "a", {"namespace": "shared"}))
    await admin.apply(manifest("Tenant", "b", {"namespace": "shared"}))
    await admin.until("Tenant", "b", "Accepted", "False", "NamespaceTaken")
    with pytest.raises(NotFound):
        await admin.apply(agent("x"), tenant="b")
    await admin.delete("Tenant", "a")
    await admin.until("Tenant", "b", "Accepted")
    await admin.apply(agent("x"), tenant="b")


async def test_a_tenants_namespace_stays(admin):
    await admin.apply(manifest("Tenant", "a", {"namespace": "one"}))
    answer = await admin.apply(manifest("Tenant", "a", {"namespace": "two"}))
    assert condition(answer.object, "Accepted")["status"] == "False"
    assert body(answer.object)["status"]["namespace"] == "one"


async def test_suspended_is_said(admin, world):
    await admin.apply(manifest("Tenant", "a", {"suspended": True}))
    record = await world.client("memory").call("GetTenant", pb.GetTenantRequest(tenant="a"))
    assert record.suspended
    await admin.until("Tenant", "a", "Ready", "False", "Suspended")


async def test_a_foreign_namespace_is_refused(admin):
    item = agent("a")
    item["metadata"]["namespace"] = "qd-other"
    with pytest.raises(InvalidArgument) as caught:
        await admin.apply(item)
    assert caught.value.field == "metadata.namespace"
    item["metadata"]["namespace"] = "qd-default"
    await admin.apply(item)


async def test_everything_survives_a_restart(admin, world):
    await admin.apply(agent("a"))
    await admin.until("Agent", "a", "Ready", "False")
    before, tenant = await admin.get("Agent", "a"), await admin.get("Tenant", "default")
    await world.restart()
    assert await world.admin.get("Agent", "a") == before
    assert await world.admin.get("Tenant", "default") == tenant
    applied = await world.admin.apply(agent("b"))
    assert int(applied.object.resource_version) > int(before.resource_version)


async def test_a_deleted_default_tenant_stays_deleted(admin, world):
    await admin.delete("Tenant", "default")
    await world.restart()
    with pytest.raises(NotFound):
        await world.admin.get("Tenant", "default")


async def test_a_cancelled_writer_is_published_all_the_same(admin, world):
    from quarterdeck.registry import manifests, store
    from quarterdeck.registry.decisions import Precondition
    from quarterdeck.registry.records import Key, Scope

    tenant = world.feed.mirror.tenant("default")
    scope, wanted = Scope(tenant.id, "default"), manifests.of_object(agent("a"))
    task = asyncio.create_task(world.feed.write(store.apply, scope, wanted, Precondition(), 0.0))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await admin.apply(agent("b"))
    assert world.feed.mirror.get(Key(tenant.id, "Agent", "a")) is not None


async def test_revisions_are_immutable_and_outlive_their_object(admin):
    texts = ("one", "two", "one", "three")
    names = [(await admin.apply(agent("a", description=text))).object.revision for text in texts]
    assert names[0] == names[2] and len(set(names)) == 3
    await admin.delete("Agent", "a")
    request = pb.ListRevisionsRequest(tenant="default", kind="Agent", name="a", page_size=2)
    page = await admin.call("ListRevisions", request)
    request.page_token = page.next_page_token
    rest = await admin.call("ListRevisions", request)
    found = [item.revision for item in [*page.revisions, *rest.revisions]]
    assert found == [names[3], names[1], names[0]] and not rest.next_page_token
    one = await admin.call("GetRevision", pb.GetRevisionRequest(tenant="default", revision=names[0]))
    assert json.loads(one.spec_json)["description"] == "one"
    with pytest.raises(NotFound):
        await admin.call("GetRevision", pb.GetRevisionRequest(tenant="default", revision="Agent/a@000"))


async def test_only_owners_write_status(admin, world):
    await admin.apply(server("s"))
    await admin.apply(agent("a"))
    with pytest.raises(PermissionDenied, match="mcp-manager does"):
        await world.client("memory").report("MCPServer", "s", {"toolCount": 1})
    manager = world.client("mcp-manager")
    for status, field in (
        ({"id": "x"}, "status.id"),
        ({"conditions": [{"type": "Accepted", "status": "True"}]}, "status.conditions[0].type"),
        ({"conditions": [{"type": "Ready", "status": "yes"}]}, "status.conditions[0]"),
        ({"wrong": 1}, "status.wrong"),
    ):
        with pytest.raises(InvalidArgument) as caught:
            await manager.report("MCPServer", "s", status)
        assert caught.value.field == field
    with pytest.raises(InvalidArgument):
        ready = {"conditions": [{"type": "Ready", "status": "True"}]}
        await world.client("agent-runtime").report("Agent", "a", ready)


async def test_status_reports_are_merged(admin, world):
    await admin.apply(server("s"))
    manager = world.client("mcp-manager")
    down = {"conditions": [{"type": "Ready", "status": "False", "reason": "Starting"}], "restarts": 2}
    first = await manager.report("MCPServer", "s", down, observed_generation=1)
    up = {"conditions": [{"type": "Ready", "status": "True", "reason": "Connected"}], "restarts": None}
    second = await manager.report("MCPServer", "s", up, observed_generation=1)
    assert "restarts" not in body(second)["status"]
    before, after = condition(first, "Ready"), condition(second, "Ready")
    assert after["reason"] == "Connected" and after["observedGeneration"] == 1
    assert before["lastTransitionTime"] <= after["lastTransitionTime"]
    same = await manager.report("MCPServer", "s", up, observed_generation=1)
    assert condition(same, "Ready")["lastTransitionTime"] == after["lastTransitionTime"]
    assert body(second)["metadata"]["generation"] == 1
    await admin.apply(server("s", description="new"))
    await manager.report("MCPServer", "s", down, observed_generation=2)
    late = await manager.report("MCPServer", "s", up, observed_generation=1)
    assert condition(late, "Ready")["status"] == "False"
