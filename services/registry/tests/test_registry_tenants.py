"""Tenants in a cluster: what is made for one, kept so, refused and left.

No controller manager is at work here: nothing is collected when its owner goes, and a namespace that is
deleted stays as it is.
"""

import asyncio
import uuid

import pytest
from registry_cluster import RESOURCES, eventually, there
from registry_support import agent, manifest

from quarterdeck.controller.api.errors import Forbidden
from quarterdeck.controller.api.resource import (
    LIMIT_RANGES,
    NAMESPACES,
    NETWORK_POLICIES,
    RESOURCE_QUOTAS,
    ROLE_BINDINGS,
    Resource,
)
from quarterdeck.controller.objects import ObjectKey, annotations_of, labels_of, uid_of
from quarterdeck.registry.kube.tenants.claims import belongs_to, obstacle

LABEL = "quarterdeck.dev/tenant"


@pytest.fixture
def kube(cluster):
    return cluster.kube


@pytest.fixture
def name():
    return f"t-{uuid.uuid4().hex[:8]}"


async def applied(kube, name, **spec):
    return await kube.apply(RESOURCES["Tenant"], manifest("Tenant", name, spec), manager="test")


async def said(kube, name, kind="NamespaceReady"):
    """A condition of the Tenant that is about the spec as it is now."""
    thing = await kube.get(RESOURCES["Tenant"], name)
    items = thing.get("status", {}).get("conditions", [])
    present = thing["metadata"]["generation"]
    return next((i for i in items if i["type"] == kind and i["observedGeneration"] == present), None)


async def housed(kube, name, reason="NamespaceReady"):
    return await eventually(
        lambda: said(kube, name), lambda found: found is not None and found["reason"] == reason
    )


async def own_namespace(kube, name, **labels):
    meta = {"name": name, "labels": labels}
    return await kube.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": meta})


async def test_a_tenant_gets_a_namespace_with_limits_that_is_closed(kube, name):
    await applied(kube, name, quota={"toolServers": 3}, admins=[{"principal": "anna"}, {"group": "ops"}])
    await housed(kube, name)
    ready = await eventually(lambda: said(kube, name, "Ready"), lambda found: found["status"] == "True")
    assert ready["reason"] == "Ready"
    space = f"qd-{name}"
    labels = labels_of(await kube.get(NAMESPACES, space))
    assert labels[LABEL] == name
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    hard = (await kube.get(RESOURCE_QUOTAS, "quarterdeck", space))["spec"]["hard"]
    assert hard["count/mcpservers.quarterdeck.dev"] == "3" and hard["pods"] == "100"
    (limits,) = (await kube.get(LIMIT_RANGES, "quarterdeck", space))["spec"]["limits"]
    assert limits["default"]["memory"] == "512Mi"
    closed = (await kube.get(NETWORK_POLICIES, "default-deny", space))["spec"]
    assert closed == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    opened = (await kube.get(NETWORK_POLICIES, "names-and-platform", space))["spec"]
    (unlabelled,) = opened["podSelector"]["matchExpressions"]
    assert unlabelled == {"key": "quarterdeck.dev/mcp-server", "operator": "DoesNotExist"}
    binding = await kube.get(ROLE_BINDINGS, "quarterdeck-admins", space)
    assert binding["roleRef"]["name"] == "quarterdeck-admin"
    assert [(subject["kind"], subject["name"]) for subject in binding["subjects"]] == [
        ("User", "anna"),
        ("Group", "ops"),
    ]


async def test_a_pod_that_is_not_restricted_is_refused_there(kube, name):
    await applied(kube, name)
    await housed(kube, name)
    account = {"name": "default", "namespace": f"qd-{name}"}
    pods = Resource("", "v1", "pods", "Pod")
    accounts = Resource("", "v1", "serviceaccounts", "ServiceAccount")
    await kube.create(accounts, {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account})
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p", "namespace": f"qd-{name}"},
        "spec": {"hostNetwork": True, "containers": [{"name": "c", "image": "i"}]},
    }
    with pytest.raises(Forbidden) as refused:
        await kube.create(pods, pod)
    assert "PodSecurity" in str(refused.value)


async def test_what_somebody_changed_or_deleted_is_put_right(kube, name):
    await applied(kube, name, admins=[{"group": "ops"}])
    await housed(kube, name)
    space = f"qd-{name}"
    patch = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "privileged"}}}
    await kube.merge(NAMESPACES, space, patch)
    await kube.delete(NETWORK_POLICIES, "default-deny", space)
    intruder = {"subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "eve"}]}
    await kube.merge(ROLE_BINDINGS, "quarterdeck-admins", intruder, space)

    async def state():
        labels = labels_of(await kube.get(NAMESPACES, space))
        binding = await kube.get(ROLE_BINDINGS, "quarterdeck-admins", space)
        closed = await there(kube, NETWORK_POLICIES, "default-deny", space)
        names = [subject["name"] for subject in binding["subjects"]]
        return labels["pod-security.kubernetes.io/enforce"], names, closed is not None

    await eventually(state, lambda found: found == ("restricted", ["ops"], True))


async def test_a_paused_tenant_is_left_alone_until_it_is_not(cluster, kube, name):
    seen = cluster.controller._informers.of(RESOURCES["Tenant"]).cache

    async def annotations():
        return annotations_of(seen.get(ObjectKey("", name)))

    await applied(kube, name)
    await housed(kube, name)
    paused = {"metadata": {"annotations": {"quarterdeck.dev/paused": "true"}}}
    await kube.merge(RESOURCES["Tenant"], name, paused)
    await eventually(annotations)
    await kube.delete(NETWORK_POLICIES, "default-deny", f"qd-{name}")
    # Its neighbour's turn comes, so its own has been.
    await applied(kube, f"{name}-b")
    await housed(kube, f"{name}-b")
    assert await there(kube, NETWORK_POLICIES, "default-deny", f"qd-{name}") is None
    await kube.merge(
        RESOURCES["Tenant"], name, {"metadata": {"annotations": {"quarterdeck.dev/paused": None}}}
    )
    await eventually(lambda: there(kube, NETWORK_POLICIES, "default-deny", f"qd-{name}"))


async def test_administrators_that_a_tenant_names_no_more_are_none(kube, name):
    await applied(kube, name, admins=[{"group": "ops"}])
    await housed(kube, name)
    await applied(kube, name)

    async def binding():
        return await there(kube, ROLE_BINDINGS, "quarterdeck-admins", f"qd-{name}")

    await eventually(binding, lambda found: found is None)


async def test_a_namespace_of_somebody_else_is_refused_until_it_is_labelled(cluster, kube, name):
    space = f"theirs-{name}"
    await own_namespace(kube, space)
    await applied(kube, name, namespace=space)
    refused = await housed(kube, name, "NamespaceNotLabelled")
    assert f"kubectl label namespace {space} {LABEL}={name}" in refused["message"]
    ready = await eventually(lambda: said(kube, name, "Ready"), lambda found: found["status"] == "False")
    assert ready["reason"] == "NamespaceNotLabelled"
    assert await there(kube, RESOURCE_QUOTAS, "quarterdeck", space) is None
    thing = agent("theirs")
    thing["metadata"]["namespace"] = space
    await kube.create(RESOURCES["Agent"], thing)

    async def accepted():
        found = (await kube.get(RESOURCES["Agent"], "theirs", space)).get("status", {})
        return next((i["reason"] for i in found.get("conditions", []) if i["type"] == "Accepted"), None)

    await eventually(accepted, lambda reason: reason == "NoTenant")
    await kube.merge(NAMESPACES, space, {"metadata": {"labels": {LABEL: name}}})
    await housed(kube, name)
    assert await there(kube, RESOURCE_QUOTAS, "quarterdeck", space)
    await eventually(accepted, lambda reason: reason == "Accepted")
    await kube.merge(NAMESPACES, space, {"metadata": {"labels": {LABEL: None}}})
    await housed(kube, name, "NamespaceNotLabelled")
    await eventually(accepted, lambda reason: reason == "NoTenant")
    before = await kube.get(RESOURCES["Agent"], "theirs", space)
    await asyncio.sleep(0.5)
    assert await kube.get(RESOURCES["Agent"], "theirs", space) == before, "one says so, and nobody else"


async def test_what_somebody_keeps_in_a_given_namespace_is_not_taken(kube, name):
    space = f"theirs-{name}"
    await own_namespace(kube, space, **{LABEL: name})
    meta = {"name": "default-deny", "namespace": space}
    theirs = {"podSelector": {"matchLabels": {"app": "shop"}}, "policyTypes": ["Ingress"]}
    policy = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": meta, "spec": theirs}
    await kube.create(NETWORK_POLICIES, policy)
    await applied(kube, name, namespace=space)
    said = await housed(kube, name, "ControlledByOther")
    assert f"kubectl annotate -n {space} networkpolicy default-deny" in said["message"]
    assert (await kube.get(NETWORK_POLICIES, "default-deny", space))["spec"] == theirs


async def test_what_is_held_in_deletion_is_named_and_made_anew_afterwards(kube, name):
    await applied(kube, name)
    await housed(kube, name)
    space = f"qd-{name}"
    hold = {"metadata": {"finalizers": ["example.org/audit"]}}
    await kube.merge(NETWORK_POLICIES, "default-deny", hold, space)
    await kube.delete(NETWORK_POLICIES, "default-deny", space)
    said = await housed(kube, name, "BeingDeleted")
    assert "default-deny" in said["message"] and "example.org/audit" in said["message"]
    await kube.merge(NETWORK_POLICIES, "default-deny", {"metadata": {"finalizers": None}}, space)
    await housed(kube, name)
    assert await there(kube, NETWORK_POLICIES, "default-deny", space)


async def test_a_namespace_of_another_tenant_is_refused(kube, name):
    space = f"theirs-{name}"
    await own_namespace(kube, space, **{LABEL: "another"})
    await applied(kube, name, namespace=space)
    refused = await housed(kube, name, "NamespaceTaken")
    assert "'another'" in refused["message"]


@pytest.mark.parametrize("space", ["default", "kube-public", "the-release"])
def test_namespaces_of_the_cluster_and_of_the_release_are_no_tenants(space):
    assert obstacle(space, None, "t", "the-release").reason == "NamespaceForbidden"
    labelled = {"metadata": {"name": space, "labels": {LABEL: "t"}}}
    assert not belongs_to(labelled, "t", "the-release")


async def test_what_a_deleted_tenant_leaves(kube, name):
    await applied(kube, name, admins=[{"group": "ops"}])
    await housed(kube, name)
    tenant, space = await kube.get(RESOURCES["Tenant"], name), f"qd-{name}"

    async def owners(resource, thing, where=""):
        meta = (await kube.get(resource, thing, where))["metadata"]
        return [owner["uid"] for owner in meta.get("ownerReferences", [])]

    assert await owners(NAMESPACES, space) == []
    assert await owners(NETWORK_POLICIES, "default-deny", space) == []
    assert await owners(ROLE_BINDINGS, "quarterdeck-admins", space) == [uid_of(tenant)]
    await applied(kube, name, deletionPolicy="Delete", admins=[{"group": "ops"}])
    await eventually(lambda: owners(NAMESPACES, space), lambda found: found == [uid_of(tenant)])
    await applied(kube, name, deletionPolicy="Retain", admins=[{"group": "ops"}])
    await eventually(lambda: owners(NAMESPACES, space), lambda found: found == [])


async def test_a_namespace_that_was_given_is_never_deleted_with_its_tenant(kube, name):
    space = f"theirs-{name}"
    await own_namespace(kube, space, **{LABEL: name})
    await applied(kube, name, namespace=space, deletionPolicy="Delete")
    await housed(kube, name)
    assert "ownerReferences" not in (await kube.get(NAMESPACES, space))["metadata"]


async def test_a_tenant_made_anew_gets_its_namespace_back(kube, name):
    await applied(kube, name)
    await housed(kube, name)
    before = uid_of(await kube.get(NAMESPACES, f"qd-{name}"))
    await kube.delete(RESOURCES["Tenant"], name)
    await eventually(lambda: there(kube, RESOURCES["Tenant"], name), lambda found: found is None)
    await applied(kube, name)
    await housed(kube, name)
    assert uid_of(await kube.get(NAMESPACES, f"qd-{name}")) == before


async def test_a_namespace_that_is_being_deleted_is_waited_for(kube, name):
    await applied(kube, name)
    await housed(kube, name)
    await kube.delete(NAMESPACES, f"qd-{name}")
    refused = await housed(kube, name, "NamespaceTerminating")
    assert refused["status"] == "False"
