"""AccessBindings in a cluster: what they give, the API server answers; and it is taken back with them."""

import asyncio
import uuid
from pathlib import Path

import pytest
import yaml
from registry_cluster import RESOURCES, eventually, there
from registry_rights import may
from registry_support import manifest

from quarterdeck.controller.api.resource import NAMESPACES, ROLE_BINDINGS
from quarterdeck.resources.constants import GROUP, TENANT_ROLES

CASES = yaml.safe_load((Path(__file__).parents[2] / "gateway" / "tests" / "access_cases.yaml").read_text())
BINDINGS = [one for one in CASES["bindings"] if one["role"] in TENANT_ROLES]


async def bound(client, namespace, name, role, principals=(), groups=()):
    subjects = [*({"principal": who} for who in principals), *({"group": group} for group in groups)]
    thing = manifest("AccessBinding", name, {"role": role, "subjects": subjects})
    thing["metadata"]["namespace"] = namespace
    return await client.apply(RESOURCES["AccessBinding"], thing, manager="author")


async def said(client, namespace, name):
    thing = await client.get(RESOURCES["AccessBinding"], name, namespace)
    items = thing.get("status", {}).get("conditions", [])
    return next((item for item in items if item["type"] == "Ready"), None)


@pytest.fixture
async def other(least, client):
    """A second tenant's namespace."""
    name = f"t-{uuid.uuid4().hex[:8]}"
    await client.create(RESOURCES["Tenant"], manifest("Tenant", name, {}))
    await eventually(lambda: there(client, NAMESPACES, f"qd-{name}"))
    return f"qd-{name}"


def questions():
    """The table's questions about people whom built-in roles of tenants are all they have, and strangers."""
    elsewhere = [one for one in CASES["bindings"] if one not in BINDINGS]
    others = {who for one in elsewhere for who in one.get("principals", ())}
    return [case for case in CASES["questions"] if case[0] not in others]


async def test_the_table_of_cases_holds_for_bindings_of_ours(least, client, other):
    spaces = {"acme": least.namespace, "other": other, "": ""}
    for place, one in enumerate(BINDINGS):
        people = one.get("principals", ()), one.get("groups", ())
        await bound(client, spaces[one["tenant"]], f"case-{place}", one["role"], *people)

    async def wrong():
        found = []
        for case in questions():
            who, verb, resource, tenant, name, allowed = case
            who, _, group = who.partition(":")
            groups = [group] if group else []
            answer = await may(client, who, verb, resource, spaces[tenant], name, groups=groups, group=GROUP)
            if answer is not allowed:
                found.append(case)
        return found

    assert {case[-1] for case in questions()} == {True, False} and len(questions()) > 40
    await eventually(wrong, lambda found: not found, seconds=20)


async def test_a_binding_is_ready_follows_its_role_and_is_taken_back(least, client):
    async def anna():
        return [
            await may(client, "anna", verb, "agents", least.namespace, group=GROUP)
            for verb in ("get", "create")
        ]

    await bound(client, least.namespace, "b", "viewer", ["anna"])
    await eventually(anna, lambda found: found == [True, False])
    ready = await eventually(lambda: said(client, least.namespace, "b"))
    assert (ready["status"], ready["reason"]) == ("True", "Ready")
    await bound(client, least.namespace, "b", "developer", ["anna"])
    await eventually(anna, lambda found: found == [True, True])
    await eventually(
        lambda: there(client, ROLE_BINDINGS, "access-viewer-b", least.namespace), lambda found: found is None
    )
    await bound(client, least.namespace, "b", "developer", ["berta"])
    await eventually(anna, lambda found: found == [False, False])
    await bound(client, least.namespace, "b", "developer", ["anna"])
    await eventually(anna, lambda found: found == [True, True])
    await client.delete(RESOURCES["AccessBinding"], "b", least.namespace)
    await eventually(anna, lambda found: found == [False, False])


async def test_what_somebody_adds_to_it_is_set_back(least, client):
    await bound(client, least.namespace, "b", "admin", ["anna"])
    found = await eventually(lambda: there(client, ROLE_BINDINGS, "access-admin-b", least.namespace))
    intruder = {"subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "eve"}]}
    await client.merge(ROLE_BINDINGS, "access-admin-b", intruder, least.namespace)

    async def names():
        thing = await client.get(ROLE_BINDINGS, "access-admin-b", least.namespace)
        return [subject["name"] for subject in thing["subjects"]]

    await eventually(names, lambda found: found == ["anna"])
    (owner,) = found["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"]) == ("AccessBinding", "b"), "it goes with it while we are away, too"


async def test_a_binding_that_somebody_elses_object_is_in_the_way_of_holds_up_no_other(least, client):
    meta = {"name": "access-viewer-a", "namespace": least.namespace}
    ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"}
    theirs = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": meta}
    await client.create(ROLE_BINDINGS, {**theirs, "roleRef": ref})
    await bound(client, least.namespace, "b", "viewer", ["anna"])
    await bound(client, least.namespace, "a", "viewer", ["eve"])
    await bound(client, least.namespace, "c", "viewer", ["carl"])

    async def seen():
        return [
            await may(client, who, "get", "agents", least.namespace, group=GROUP)
            for who in ("anna", "eve", "carl")
        ]

    await eventually(seen, lambda found: found == [True, False, True])
    await client.delete(RESOURCES["AccessBinding"], "c", least.namespace)
    await eventually(seen, lambda found: found == [True, False, False])


async def test_other_roles_are_said_to_be_not_enforced(least, client):
    for role in ("clerks", "platform-admin"):
        await bound(client, least.namespace, role, role, ["anna"])
        ready = await eventually(lambda role=role: said(client, least.namespace, role))
        assert (ready["status"], ready["reason"]) == ("False", "NotEnforced")
    await asyncio.sleep(0.5)
    assert await there(client, ROLE_BINDINGS, "access-platform-admin-platform-admin", least.namespace) is None
    assert not await may(client, "anna", "update", "tenants", group=GROUP)
