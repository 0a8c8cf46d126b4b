"""AccessBindings in a cluster: what they give, the API server answers; and it is taken back with them."""

import asyncio
import uuid
from pathlib import Path

import pytest
import yaml
from registry_cluster import RESOURCES, eventually, there
from registry_rights import BASE, may
from registry_support import manifest

from quarterdeck.controller.api.resource import NAMESPACES, ROLE_BINDINGS, ROLES
from quarterdeck.controller.caching.cache import ObjectCache
from quarterdeck.registry.constants import TOOL_SECRETS
from quarterdeck.registry.kube.tenants.slots import NAMES, Slots
from quarterdeck.resources.constants import GROUP

CASES = yaml.safe_load((Path(__file__).parents[2] / "gateway" / "tests" / "access_cases.yaml").read_text())
BINDINGS = [one for one in CASES["bindings"] if one["tenant"]]


async def written(client, namespace, name, *rules):
    thing = manifest("AccessRole", name, {"rules": list(rules)})
    thing["metadata"]["namespace"] = namespace
    await client.apply(RESOURCES["AccessRole"], thing, manager="author")


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
    """The table's questions, but those about the platform's administrator: no tenant's object makes one."""
    return [case for case in CASES["questions"] if case[0] != "paul"]


async def test_the_table_of_cases_holds_for_bindings_of_ours(least, client, other):
    spaces = {"acme": least.namespace, "other": other, "": ""}
    for name, rules in CASES["roles"].items():
        await written(client, least.namespace, name, *rules)
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

    assert {case[-1] for case in questions()} == {True, False} and len(questions()) > 60
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


async def test_a_role_of_the_tenants_own_is_followed_and_taken_back(least, client):
    async def anna():
        return [
            verb
            for verb in ("get", "delete")
            if await may(client, "anna", verb, "runs", least.namespace, group=GROUP)
        ]

    await written(client, least.namespace, "clerks", {"verbs": ["get"], "kinds": ["runs"]})
    await bound(client, least.namespace, "b", "clerks", ["anna"])
    await eventually(anna, lambda found: found == ["get"])
    role = await client.get(ROLES, "quarterdeck-own-0", least.namespace)
    assert role["metadata"]["annotations"]["quarterdeck.dev/access-role"] == "clerks"
    await written(client, least.namespace, "clerks", {"verbs": ["delete"], "kinds": ["runs"]})
    await eventually(anna, lambda found: found == ["delete"])
    await written(client, least.namespace, "clerks", {"verbs": ["delete"], "kinds": ["runs/*"]})
    await eventually(anna, lambda found: found == [])
    await written(client, least.namespace, "clerks", {"verbs": ["get"], "kinds": ["runs"]})
    await eventually(anna, lambda found: found == ["get"])
    await client.delete(RESOURCES["AccessRole"], "clerks", least.namespace)
    await eventually(anna, lambda found: found == [])


async def test_a_new_leader_finds_each_role_where_it_was(least, client):
    for name in ("b", "a"):
        await written(client, least.namespace, name, {"verbs": ["get"], "kinds": ["runs"]})
        await bound(client, least.namespace, name, name, [name])
        await eventually(lambda name=name: may(client, name, "get", "runs", least.namespace, group=GROUP))

    async def where():
        found = [await client.get(ROLES, f"quarterdeck-own-{at}", least.namespace) for at in (0, 1)]
        return [role["metadata"]["annotations"]["quarterdeck.dev/access-role"] for role in found]

    assert await where() == ["b", "a"]
    await least.stop_controller()
    await least.start_controller()
    await written(client, least.namespace, "a", {"verbs": ["list"], "kinds": ["runs"]})
    await eventually(lambda: may(client, "a", "list", "runs", least.namespace, group=GROUP))
    assert await where() == ["b", "a"]
    assert await may(client, "b", "get", "runs", least.namespace, group=GROUP)


def test_a_name_that_is_given_back_is_given_last():
    slots = Slots(ObjectCache())
    first = slots.given("qd-a", ["a", "b"])
    assert first == {"a": NAMES[0], "b": NAMES[1]}
    assert slots.given("qd-a", ["b"]) == {"b": NAMES[1]}
    many = [f"r{number}" for number in range(20)]
    found = slots.given("qd-a", ["b", *many])
    assert found["b"] == NAMES[1] and found["r0"] == NAMES[2]
    assert found["r14"] == NAMES[0], "the one that was given back"
    assert set(found) == {"b", *many[:15]} and len(set(found.values())) == len(NAMES)
    assert slots.given("qd-b", ["z"]) == {"z": NAMES[0]}


async def test_more_roles_than_there_is_room_for_are_named(least, client):
    for number in range(17):
        await written(client, least.namespace, f"r{number:02}", {"verbs": ["get"], "kinds": ["runs"]})
        await bound(client, least.namespace, f"r{number:02}", f"r{number:02}", [f"u{number:02}"])

    async def housed():
        thing = await client.get(RESOURCES["Tenant"], least.tenant)
        items = thing.get("status", {}).get("conditions", [])
        return next((item for item in items if item["type"] == "NamespaceReady"), {})

    told = await eventually(housed, lambda found: found.get("reason") == "TooManyRoles")
    assert told["message"].startswith("16 AccessRoles are bound already; without effect: r")


def test_the_manifests_name_every_role_that_is_written():
    roles = yaml.safe_load_all((BASE / "roles.yaml").read_text())
    (tenants,) = [
        one for one in roles if one["kind"] == "ClusterRole" and one["metadata"]["name"].endswith("-tenants")
    ]
    (rule,) = [rule for rule in tenants["rules"] if "escalate" in rule["verbs"]]
    assert rule["resourceNames"] == [TOOL_SECRETS, *NAMES]


async def test_what_a_cluster_does_not_say_gives_nothing(least, client):
    await bound(client, least.namespace, "p", "platform-admin", ["anna"])
    ready = await eventually(lambda: said(client, least.namespace, "p"))
    assert (ready["status"], ready["reason"]) == ("False", "NotEnforced")
    for name, rule in (
        ("patterns", {"verbs": ["get"], "kinds": ["runs"], "names": ["a-*"]}),
        ("givers", {"verbs": ["create"], "kinds": ["accessbindings"]}),
    ):
        await written(client, least.namespace, name, {"verbs": ["get"], "kinds": ["agents"]}, rule)
        await bound(client, least.namespace, name, name, ["anna"])
    await asyncio.sleep(1)
    there = [one["metadata"] for one in await client.list_all(ROLE_BINDINGS)]
    assert not [one["name"] for one in there if one["namespace"] == least.namespace]
    assert not await may(client, "anna", "update", "tenants", group=GROUP)
    assert not await may(client, "anna", "get", "agents", least.namespace, group=GROUP)
