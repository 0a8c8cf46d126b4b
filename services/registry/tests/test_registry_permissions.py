"""The registry and its controller with the rights that the manifests give them, and no others."""

import uuid

import pytest
from registry_cluster import RESOURCES, eventually, there
from registry_rights import RBAC, client_of, refused
from registry_support import agent, manifest

from quarterdeck.controller.api.errors import Forbidden
from quarterdeck.controller.api.resource import NAMESPACES, RESOURCE_QUOTAS, ROLE_BINDINGS


async def test_all_that_they_do_is_allowed(least, client):
    spec = {"admins": [{"group": "ops"}]}
    await client.apply(RESOURCES["Tenant"], manifest("Tenant", least.tenant, spec), manager="test")
    await eventually(lambda: there(client, ROLE_BINDINGS, "quarterdeck-admins", least.namespace))
    await client.apply(RESOURCES["Tenant"], manifest("Tenant", least.tenant, {}), manager="test")

    async def said(kind="Ready"):
        thing = await client.get(RESOURCES["Tenant"], least.tenant)
        items = thing.get("status", {}).get("conditions", [])
        return next((item["status"] for item in items if item["type"] == kind), None)

    await eventually(said, lambda status: status == "True")
    left = lambda: there(client, ROLE_BINDINGS, "quarterdeck-admins", least.namespace)  # noqa: E731
    await eventually(left, lambda found: found is None)
    await least.admin.apply(agent("a"), least.tenant)
    assert await least.served("Agent", "a") is not None
    await least.admin.delete("Agent", "a", least.tenant)


async def test_the_controller_gives_away_roles_of_a_tenant_and_no_others(least, client):
    kube = await client_of(least, "registry-controller")
    try:
        for role, may in (
            ("quarterdeck-admin", True),
            ("cluster-admin", False),
            ("quarterdeck-platform-admin", False),
            ("quarterdeck-developer", True),
        ):
            thing = {
                "apiVersion": f"{RBAC}/v1",
                "kind": "RoleBinding",
                "metadata": {"name": f"x-{uuid.uuid4().hex[:6]}", "namespace": least.namespace},
                "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role},
                "subjects": [{"apiGroup": RBAC, "kind": "User", "name": "eve"}],
            }
            if may:
                await kube.create(ROLE_BINDINGS, thing)
                continue
            with pytest.raises(Forbidden):
                await kube.create(ROLE_BINDINGS, thing)
    finally:
        await kube.close()


async def test_the_controller_writes_in_tenants_namespaces_and_nowhere_else(least, client):
    kube = await client_of(least, "registry-controller")
    space = f"theirs-{uuid.uuid4().hex[:8]}"
    await client.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space}})
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "x", "namespace": space},
        "spec": {"hard": {"pods": "1"}},
    }

    def namespace(name, **labels):
        return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}

    mark = {"quarterdeck.dev/tenant": "eve"}
    try:
        # The API server takes a moment to know of a policy.
        said = await eventually(lambda: refused(kube, RESOURCE_QUOTAS, quota))
        assert f"namespace {space} is no tenant's" in said
        assert "was given to no tenant" in await eventually(
            lambda: refused(kube, NAMESPACES, namespace(space, **mark))
        )
        assert "says whose it is" in await refused(kube, NAMESPACES, namespace(f"{space}-b", a="b"))
        assert await refused(kube, NAMESPACES, namespace("kube-system", **mark))
        await client.merge(NAMESPACES, space, {"metadata": {"labels": mark}})

        async def may():
            return not await refused(kube, RESOURCE_QUOTAS, quota)

        await eventually(may)
        assert not await refused(kube, NAMESPACES, namespace(space, **mark))
    finally:
        await kube.close()
