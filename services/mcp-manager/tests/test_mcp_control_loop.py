"""The controller of MCPServers on a real API server. There are no nodes: tests say what a kubelet would."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from control_support import RELEASE, SPEC, Cluster, Replica, eventually

from hack.services.api_server import api_server
from quarterdeck.controller.api.resource import EVENTS, NAMESPACES
from quarterdeck.controller.objects import ObjectKey
from quarterdeck.controller.testing.control_plane import ControlPlane
from quarterdeck.mcp.control.kinds import (
    DEPLOYMENTS,
    MCP_SERVERS,
    NETWORK_POLICIES,
    OWNED,
    PODS,
    SERVICE_ACCOUNTS,
    SERVICES,
    TENANTS,
)
from quarterdeck.mcp.pods.names import POOL, SERVING


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    """An API server of its own: the controller looks at all that is in it."""
    with api_server() as made:
        yield made


async def test_a_server_becomes_its_objects(cluster: Cluster, controller: Replica) -> None:
    server = await cluster.server("ledger", SPEC)
    for resource in OWNED:
        thing = await cluster.made(resource, "mcp-ledger")
        owner = thing["metadata"]["ownerReferences"][0]
        assert (owner["uid"], owner["controller"]) == (server["metadata"]["uid"], True)
    await cluster.until("ledger", "Starting")
    assert (await cluster.condition("ledger", "Progressing"))["status"] == "True"
    account = await cluster.made(SERVICE_ACCOUNTS, "mcp-ledger")
    assert account["automountServiceAccountToken"] is False


async def test_what_a_kubelet_says_becomes_the_status(cluster: Cluster, controller: Replica) -> None:
    await cluster.server("ledger", SPEC)
    pulling = {"waiting": {"reason": "ErrImagePull", "message": "no such image"}}
    await cluster.play_kubelet("ledger", {"state": pulling})
    said = await cluster.until("ledger", "ImagePullFailed")
    assert said["status"] == "False"
    assert "no such image" in said["message"]
    running = {"state": {"running": {}}, "ready": True, "started": True, "imageID": "x/ledger@sha256:abc"}
    await cluster.play_kubelet("ledger", running)
    await cluster.play_deployment_controller("ledger", 1)
    assert (await cluster.until("ledger", "Available"))["status"] == "True"
    assert (await cluster.until("ledger", "Complete", "Progressing"))["status"] == "False"
    thing = await cluster.made(MCP_SERVERS, "ledger")
    assert thing["status"]["imageDigest"] == "sha256:abc"

    async def told() -> bool:
        events = await cluster.client.list_all(EVENTS)
        reasons = [each["reason"] for each in events if each["metadata"]["namespace"] == cluster.namespace]
        return {"ImagePullFailed", "Available"} <= set(reasons)

    await eventually(told)


async def test_drift_is_corrected_and_then_nothing_is_written(cluster: Cluster, controller: Replica) -> None:
    await cluster.server("ledger", SPEC)
    policy = await cluster.made(NETWORK_POLICIES, "mcp-ledger")
    await cluster.made(DEPLOYMENTS, "mcp-ledger")
    opened = {"spec": {"egress": [{}]}}
    await cluster.client.merge(NETWORK_POLICIES, "mcp-ledger", opened, cluster.namespace)

    async def closed() -> bool:
        found = await cluster.made(NETWORK_POLICIES, "mcp-ledger")
        return not found["spec"].get("egress")

    await eventually(closed)
    await cluster.client.delete(SERVICES, "mcp-ledger", cluster.namespace)
    again = await cluster.made(SERVICES, "mcp-ledger")
    assert again["metadata"]["uid"] != policy["metadata"]["uid"]
    await cluster.until("ledger", "Starting")
    await asyncio.sleep(0.5)

    async def versions() -> list[str]:
        things = [await cluster.made(resource, "mcp-ledger") for resource in OWNED]
        things.append(await cluster.made(MCP_SERVERS, "ledger"))
        return [json.dumps(thing) for thing in things]

    before = await versions()
    await asyncio.sleep(1)
    assert await versions() == before


async def test_how_many_pods_run_is_not_the_controllers_where_none_may_be_enough(
    cluster: Cluster, controller: Replica
) -> None:
    await cluster.server("ledger", SPEC)
    await cluster.made(DEPLOYMENTS, "mcp-ledger")
    scaled = {"spec": {"replicas": 0}}
    await cluster.client.merge(DEPLOYMENTS, "mcp-ledger", scaled, cluster.namespace, "scale")
    said = await cluster.until("ledger", "Asleep")
    assert said["status"] == "True"
    assert (await cluster.made(DEPLOYMENTS, "mcp-ledger"))["spec"]["replicas"] == 0
    await cluster.server("ledger", {**SPEC, "scaling": {"minReplicas": 2, "maxReplicas": 2}})

    async def two() -> bool:
        return bool((await cluster.made(DEPLOYMENTS, "mcp-ledger"))["spec"]["replicas"] == 2)

    await eventually(two)


async def test_what_an_earlier_spec_had_goes(cluster: Cluster, controller: Replica) -> None:
    await cluster.server("ledger", {**SPEC, "scaling": {"warmPool": 1}})
    await cluster.made(DEPLOYMENTS, "mcpwarm-ledger")
    await cluster.server("ledger", SPEC)

    async def gone() -> bool:
        return await cluster.get(DEPLOYMENTS, "mcpwarm-ledger") is None

    await eventually(gone)
    assert await cluster.get(DEPLOYMENTS, "mcp-ledger") is not None
    await cluster.server("ledger", {"remote": {"url": "http://elsewhere/mcp"}})

    async def all_gone() -> bool:
        return all([await cluster.get(resource, "mcp-ledger") is None for resource in OWNED])

    await eventually(all_gone)
    await cluster.until("ledger", "NoContainer", "Progressing")


async def test_hosts_without_a_proxy_and_a_namespace_without_a_tenant_get_no_pods(
    cluster: Cluster, controller: Replica
) -> None:
    await cluster.server("open", {**SPEC, "egress": ["api.example.com"]})
    assert "spec.egress" in (await cluster.until("open", "EgressUnenforceable"))["message"]
    assert await cluster.get(DEPLOYMENTS, "mcp-open") is None
    meta = {"name": f"x-{uuid.uuid4().hex[:8]}"}
    await cluster.client.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": meta})
    nobodys = Cluster(cluster.client, meta["name"])
    await nobodys.server("stray", SPEC)
    await nobodys.until("stray", "NoTenant")
    tenant = {"apiVersion": TENANTS.api_version, "kind": "Tenant", "metadata": {"name": meta["name"]}}
    await cluster.client.create(TENANTS, {**tenant, "spec": {"namespace": meta["name"]}})
    said = {"status": {"id": "2", "namespace": meta["name"]}}
    await cluster.client.merge(TENANTS, meta["name"], said, subresource="status")
    await asyncio.sleep(0.5)
    assert (await nobodys.condition("stray"))["reason"] == "NoTenant", "a Tenant's word alone is none"
    assert await nobodys.get(DEPLOYMENTS, "mcp-stray") is None
    labelled = {"metadata": {"labels": {"quarterdeck.dev/tenant": meta["name"]}}}
    await cluster.client.merge(NAMESPACES, meta["name"], labelled)
    await nobodys.made(DEPLOYMENTS, "mcp-stray")


async def test_hosts_are_reached_by_the_proxy_as_soon_as_there_is_one(
    cluster: Cluster, controller: Replica
) -> None:
    await cluster.server("out", {**SPEC, "egress": ["api.example.com"]})
    await cluster.until("out", "EgressUnenforceable")
    meta = {"name": "egress-proxy", "namespace": RELEASE}
    spec = {"selector": {"app.kubernetes.io/name": "egress-proxy"}, "ports": [{"port": 3128}]}
    thing = {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec}
    service = await cluster.client.create(SERVICES, thing)
    try:
        pod = (await cluster.made(DEPLOYMENTS, "mcp-out"))["spec"]["template"]
        values = {one["name"]: one.get("value") for one in pod["spec"]["containers"][0]["env"]}
        assert values["HTTPS_PROXY"] == f"http://{service['spec']['clusterIP']}:3128"
        assert pod["metadata"]["annotations"]["quarterdeck.dev/egress"] == "api.example.com"
        (way,) = (await cluster.made(NETWORK_POLICIES, "mcp-out"))["spec"]["egress"]
        assert way["to"][0]["podSelector"]["matchLabels"] == spec["selector"]
    finally:
        await cluster.client.delete(SERVICES, "egress-proxy", RELEASE)
    await cluster.until("out", "EgressUnenforceable")


async def test_an_image_that_the_tenant_may_not_run_gets_no_pods(
    cluster: Cluster, controller: Replica
) -> None:
    """Where the API server's policy did not refuse it, as an object that was there before."""
    await cluster.client.merge(
        TENANTS, cluster.namespace.removeprefix("qd-"), {"spec": {"images": {"places": ["example.dev"]}}}
    )
    await cluster.server("ledger", SPEC)
    refused = await cluster.until("ledger", "ImageRefused")
    assert refused["status"] == "False"
    assert refused["message"].startswith("spec.container.image: 'ledger:1' is in none of the places")
    assert await cluster.get(DEPLOYMENTS, "mcp-ledger") is None
    await cluster.client.merge(
        TENANTS, cluster.namespace.removeprefix("qd-"), {"spec": {"images": {"places": ["ledger"]}}}
    )
    await cluster.made(DEPLOYMENTS, "mcp-ledger")


async def test_a_pod_that_waits_takes_the_place_of_one_that_is_not_ready(
    cluster: Cluster, controller: Replica
) -> None:
    await cluster.server("ledger", {**SPEC, "scaling": {"warmPool": 1}})
    template = (await cluster.made(DEPLOYMENTS, "mcpwarm-ledger"))["spec"]["template"]
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "warm-1", "uid": str(uuid.uuid4())}
    await cluster.pod(
        "waits", template, "warm-1", ready=True, ownerReferences=[{**owner, "controller": True}]
    )
    template = (await cluster.made(DEPLOYMENTS, "mcp-ledger"))["spec"]["template"]
    serves = {**owner, "name": "serving-1", "uid": str(uuid.uuid4()), "controller": True}
    await cluster.pod(
        "pending", template, "serving-1", ready=False, ownerReferences=[serves | {"blockOwnerDeletion": True}]
    )

    async def claimed() -> dict[str, Any] | None:
        found = await cluster.made(PODS, "waits")
        return found if found["metadata"]["labels"][POOL] == SERVING else None

    found = await eventually(claimed)
    assert found["metadata"]["labels"]["pod-template-hash"] == "serving-1"
    assert found["metadata"]["ownerReferences"] == [serves], (
        "it goes with whom it serves, from the first moment"
    )
    await cluster.pod("second", template, "warm-1", ready=True)
    await asyncio.sleep(0.5)
    assert (await cluster.made(PODS, "second"))["metadata"]["labels"]["pod-template-hash"] == "warm-1"


async def test_nothing_is_made_again_for_a_server_of_whose_end_we_have_not_heard(
    cluster: Cluster, controller: Replica
) -> None:
    thing = await cluster.server("ledger", SPEC)
    await cluster.made(DEPLOYMENTS, "mcp-ledger")
    await cluster.client.delete(MCP_SERVERS, "ledger", cluster.namespace)
    for resource in OWNED:  # as the garbage collector does, which is not here
        await cluster.client.delete(resource, "mcp-ledger", cluster.namespace)
    keeper = controller.service.keeper

    async def heard() -> bool:
        return keeper._lacks(
            [{"kind": "Deployment", "metadata": {"name": "mcp-ledger", "namespace": cluster.namespace}}]
        )

    await eventually(heard)
    await keeper.reconcile(ObjectKey(cluster.namespace, "ledger"), thing)
    assert [await cluster.get(resource, "mcp-ledger") for resource in OWNED] == [None] * 4


async def test_a_paused_server_is_left_alone_until_it_is_not(cluster: Cluster, controller: Replica) -> None:
    await cluster.server("ledger", SPEC, annotations={"quarterdeck.dev/paused": "true"})
    await asyncio.sleep(0.5)
    assert await cluster.get(DEPLOYMENTS, "mcp-ledger") is None
    await cluster.server("ledger", SPEC)
    await cluster.made(DEPLOYMENTS, "mcp-ledger")


async def test_an_object_of_somebody_else_is_not_taken(cluster: Cluster, controller: Replica) -> None:
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "o", "uid": str(uuid.uuid4())}
    meta = {
        "name": "mcp-ledger",
        "namespace": cluster.namespace,
        "ownerReferences": [{**owner, "controller": True}],
    }
    theirs = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta}
    await cluster.client.create(SERVICE_ACCOUNTS, theirs)
    await cluster.server("ledger", SPEC)
    assert "controlled by ConfigMap o" in (await cluster.until("ledger", "NameTaken"))["message"]


async def test_what_was_there_before_is_taken_only_when_it_is_given(
    cluster: Cluster, controller: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quarterdeck.mcp.control.keeper.REFUSED_AGAIN", 0.2)
    meta = {"name": "mcp-ledger", "namespace": cluster.namespace, "labels": {"app": "shop"}}
    spec = {"selector": {"app": "shop"}, "ports": [{"name": "web", "port": 80}]}
    theirs = {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec}
    await cluster.client.create(SERVICES, theirs)
    await cluster.server("ledger", SPEC)
    said = (await cluster.until("ledger", "NameTaken"))["message"]
    assert f"kubectl annotate -n {cluster.namespace} service mcp-ledger quarterdeck.dev/applied=given" in said
    untouched = await cluster.made(SERVICES, "mcp-ledger")
    assert untouched["spec"]["selector"] == {"app": "shop"} and "ownerReferences" not in untouched["metadata"]
    # Nobody tells the controller of what bears no label of ours: it looks again by itself.
    await cluster.client.delete(SERVICES, "mcp-ledger", cluster.namespace)
    await cluster.made(DEPLOYMENTS, "mcp-ledger")
    assert (await cluster.made(SERVICES, "mcp-ledger"))["spec"]["selector"] != {"app": "shop"}


async def test_what_is_held_in_deletion_is_named_and_made_anew_afterwards(
    cluster: Cluster, controller: Replica
) -> None:
    await cluster.server("ledger", SPEC)
    old = await cluster.made(DEPLOYMENTS, "mcp-ledger")
    hold = {"metadata": {"finalizers": ["example.org/backup"]}}
    await cluster.client.merge(DEPLOYMENTS, "mcp-ledger", hold, cluster.namespace)
    await cluster.client.delete(DEPLOYMENTS, "mcp-ledger", cluster.namespace)
    said = await cluster.until("ledger", "BeingDeleted", "Progressing")
    assert "held by example.org/backup" in said["message"]
    let_go = {"metadata": {"finalizers": None}}
    await cluster.client.merge(DEPLOYMENTS, "mcp-ledger", let_go, cluster.namespace)

    async def anew() -> bool:
        found = await cluster.get(DEPLOYMENTS, "mcp-ledger")
        return found is not None and found["metadata"]["uid"] != old["metadata"]["uid"]

    await eventually(anew)
    await cluster.until("ledger", "RollingOut", "Progressing")


async def test_a_server_that_is_held_in_deletion_says_by_whom_and_goes_on(
    cluster: Cluster, controller: Replica
) -> None:
    await cluster.server("ledger", SPEC, finalizers=["example.org/audit"])
    await cluster.until("ledger", "Starting")
    made = await cluster.made(DEPLOYMENTS, "mcp-ledger")
    await cluster.client.delete(MCP_SERVERS, "ledger", cluster.namespace)
    said = await cluster.until("ledger", "BeingDeleted", "Progressing")
    assert "MCPServer" in said["message"] and "held by example.org/audit" in said["message"]
    assert (await cluster.condition("ledger"))["reason"] == "Starting", "what its pods say stays said"
    assert await cluster.made(DEPLOYMENTS, "mcp-ledger") == made
    await cluster.client.merge(MCP_SERVERS, "ledger", {"metadata": {"finalizers": None}}, cluster.namespace)


async def test_the_next_replica_goes_on(cluster: Cluster, controller: Replica, tmp_path: Path) -> None:
    await eventually(lambda: _leads(controller))
    second = Replica(tmp_path / "second")
    await second.start()
    try:
        await controller.service.stop(5)
        await cluster.server("later", SPEC)
        await cluster.made(DEPLOYMENTS, "mcp-later")
        assert second.service.leader.leading
    finally:
        await second.stop()


async def _leads(replica: Replica) -> bool:
    return replica.service.leader.leading
