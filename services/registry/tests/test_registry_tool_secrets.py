"""The Secrets that a tenant's tool servers name: who may read them, and for how long."""

import pytest
from registry_cluster import RESOURCES, eventually, there
from registry_rights import RBAC, RELEASE, client_of, may, refused
from registry_support import manifest

from quarterdeck.controller.api.resource import ROLE_BINDINGS, ROLES
from quarterdeck.registry.kube.tenants.secrets import named_by

NAME = "quarterdeck-tool-secrets"
READER = "system:serviceaccount:quarterdeck:mcp-controller"
BY_KEY = {"name": "KEY", "secretRef": {"secret": {"name": "keys", "key": "k"}}}
BY_FILE = {"path": "/etc/key", "secret": {"name": "files", "key": "k"}}


def server(name, secrets=(), files=()):
    container = {"image": "ledger:1", "command": ["ledger"], "secretFiles": list(files)}
    return manifest("MCPServer", name, {"container": container, "secrets": list(secrets)})


async def applied(least, thing):
    thing["metadata"]["namespace"] = least.namespace
    await least.kube.apply(RESOURCES["MCPServer"], thing, manager="author")


async def readable(client, namespace, secret, verb="get", user=READER):
    return await may(client, user, verb, "secrets", namespace, secret)


def test_names_are_those_that_pods_get():
    elsewhere = manifest("MCPServer", "far", {"remote": {"url": "http://x/mcp"}, "secrets": [BY_KEY]})
    plain = server("plain", [{"name": "TOKEN", "secretRef": {"env": "TOKEN"}}])
    assert named_by([elsewhere, plain]) == ()
    assert named_by([server("b", [BY_KEY], [BY_FILE]), server("a", [BY_KEY])]) == ("files", "keys")


async def test_what_a_server_names_may_be_read_while_it_names_it(least, client):
    async def now():
        names = ("keys", "files", "other")
        return [name for name in names if await readable(client, least.namespace, name)]

    await applied(least, server("ledger", [BY_KEY]))
    await eventually(now, lambda found: found == ["keys"])
    assert not await readable(client, least.namespace, "keys", "list")
    assert not await readable(client, least.namespace, "keys", "update")
    assert not await readable(client, "default", "keys")
    writer = READER.replace("mcp-controller", "registry-controller")
    assert not await readable(client, least.namespace, "keys", user=writer), "who gives it away has it not"
    await applied(least, server("second", [BY_KEY], [BY_FILE]))
    await eventually(now, lambda found: found == ["keys", "files"])
    await applied(least, server("second"))
    await eventually(now, lambda found: found == ["keys"])
    await client.delete(RESOURCES["MCPServer"], "ledger", least.namespace)
    await eventually(now, lambda found: found == [])
    assert await there(client, ROLES, NAME, least.namespace) is None
    assert await there(client, ROLE_BINDINGS, NAME, least.namespace) is None
    await client.delete(RESOURCES["MCPServer"], "second", least.namespace)


async def test_a_wider_role_is_set_back(least, client):
    await applied(least, server("ledger", [BY_KEY]))
    await eventually(lambda: readable(client, least.namespace, "keys"))
    wider = {"rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list"]}]}
    await client.merge(ROLES, NAME, wider, least.namespace)

    async def narrow():
        return not await readable(client, least.namespace, "other", "list")

    await eventually(narrow)
    assert await readable(client, least.namespace, "keys")
    await client.delete(RESOURCES["MCPServer"], "ledger", least.namespace)


def role(namespace, name=NAME, **rule):
    told = {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["keys"], "verbs": ["get"], **rule}
    told = {field: value for field, value in told.items() if value is not None}
    meta = {"name": name, "namespace": namespace}
    return {"apiVersion": f"{RBAC}/v1", "kind": "Role", "metadata": meta, "rules": [told]}


def binding(namespace, account, to=NAME):
    meta = {"name": "x", "namespace": namespace}
    ref = {"apiGroup": RBAC, "kind": "Role", "name": to}
    subject = {"kind": "ServiceAccount", "name": account, "namespace": RELEASE}
    head = {"apiVersion": f"{RBAC}/v1", "kind": "RoleBinding", "metadata": meta}
    return {**head, "roleRef": ref, "subjects": [subject]}


NAMED = "it lets Secrets be read that it names"


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"verbs": ["get", "list"]}, NAMED),
        ({"verbs": ["*"]}, NAMED),
        ({"resourceNames": None}, NAMED),
        ({"resourceNames": [""]}, NAMED),
        ({"resources": ["secrets", "configmaps"]}, NAMED),
        ({"resources": ["pods"]}, NAMED),
        ({"name": "another"}, "cannot"),
        ({"name": "quarterdeck-own-16"}, "cannot"),
        ({"name": "quarterdeck-own-1"}, "speaks of the group quarterdeck.dev"),
        ({"name": "quarterdeck-own-1", "apiGroups": ["*"]}, "speaks of the group quarterdeck.dev"),
        (
            {"name": "quarterdeck-own-1", "apiGroups": ["quarterdeck.dev", "apps"]},
            "speaks of the group quarterdeck.dev",
        ),
    ],
)
async def test_the_writer_can_write_no_wider_role(least, client, rule, words):
    kube = await client_of(least, "registry-controller")
    try:
        # The API server takes a moment to know of a policy.
        said = await eventually(lambda: refused(kube, ROLES, role(least.namespace, **rule)))
        assert words in said
        assert not await refused(kube, ROLES, role(least.namespace))
        assert "is no tenant's" in await refused(kube, ROLES, role("default"))
    finally:
        await kube.close()


async def test_the_writer_lets_nobody_else_read(least, client):
    kube = await client_of(least, "registry-controller")
    place = least.namespace
    try:
        said = await eventually(lambda: refused(kube, ROLE_BINDINGS, binding(place, "gateway")))
        assert "by nobody else" in said
        await client.create(ROLES, role(place, "another"))
        assert await refused(kube, ROLE_BINDINGS, binding(place, "mcp-controller", "another"))
        assert not await refused(kube, ROLE_BINDINGS, binding(place, "mcp-controller"))
    finally:
        await kube.close()
