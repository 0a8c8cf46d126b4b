"""What the controller reads out of objects of the cluster. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from quarterdeck.controller.api.errors import ApiError
from quarterdeck.controller.caching.cache import BY_NAMESPACE, ObjectCache
from quarterdeck.controller.objects import Object, ObjectKey, key_of, labels_of, metadata
from quarterdeck.controller.writing.conditions import Condition
from quarterdeck.mcp.control import verdict
from quarterdeck.mcp.pods.names import SERVER
from quarterdeck.resources.mcpserver import MCPServer

BY_SERVER = "server"
BY_HOME = "home"
TENANT_LABEL = "quarterdeck.dev/tenant"


def server_of(thing: Object) -> MCPServer | str:
    """Returns the MCPServer, or in words why our schema refuses what the API server let pass."""
    from pydantic import ValidationError

    from quarterdeck.resources.field_errors import field_errors

    names = {"name": metadata(thing)["name"]}
    content = {"apiVersion": thing["apiVersion"], "kind": thing["kind"], "metadata": names}
    try:
        return MCPServer.model_validate(content | {"spec": thing.get("spec") or {}})
    except ValidationError as error:
        return str(field_errors(error, MCPServer)[0])


def server_key(pod: Object) -> Iterable[ObjectKey]:
    """Returns the server that a pod belongs to, if it does to any."""
    name = labels_of(pod).get(SERVER)
    return [ObjectKey(key_of(pod).namespace, name)] if name else []


def server_words(pod: Object) -> Iterable[str]:
    """Returns the server's key as a word of an index."""
    return [str(key) for key in server_key(pod)]


def home(tenant: Object) -> Iterable[str]:
    """Returns the namespace that a Tenant says is its own, if it does."""
    namespace = (tenant.get("status") or {}).get("namespace")
    return [str(namespace)] if namespace else []


def belongs_to_tenant(namespace: str, tenants: ObjectCache, namespaces: ObjectCache, release: str) -> bool:
    """True if the namespace is a Tenant's: pods are made nowhere else, whoever created the MCPServer.

    It must say so itself, too: who may label a namespace decides, and not who names one in a Tenant.

    Args:
        release: where the platform itself runs; that, `default` and those of the cluster are nobody's.
    """
    live = namespaces.get(ObjectKey("", namespace))
    if live is None or namespace in {release, "default"} or namespace.startswith("kube-"):
        return False
    owner = labels_of(live).get(TENANT_LABEL)
    return any(key_of(tenant).name == owner for tenant in tenants.find(BY_HOME, namespace))


def image_refused(image: str, tenants: Iterable[Object]) -> str:
    """Returns why a server of these Tenants may not be made from an image, in words; empty if it may."""
    from quarterdeck.resources.images import ImageRules, problem

    told = [ImageRules.model_validate((tenant.get("spec") or {}).get("images") or {}) for tenant in tenants]
    return next((said for rules in told if (said := problem(image, rules))), "")


def servers_of(tenant: Object, servers: ObjectCache) -> list[ObjectKey]:
    """Returns the servers that live where a Tenant does."""
    return [key for namespace in home(tenant) for key in servers_in(namespace, servers)]


def servers_in(namespace: str, servers: ObjectCache) -> list[ObjectKey]:
    """Returns the servers of a namespace."""
    return [key_of(server) for server in servers.find(BY_NAMESPACE, namespace)]


def address_of(service: Object | None) -> str:
    """Returns the address of a Service, by number; empty where there is none, or not yet."""
    address = ((service or {}).get("spec") or {}).get("clusterIP") or ""
    return "" if address == "None" else str(address)


def reaching_out(servers: ObjectCache) -> list[ObjectKey]:
    """Returns the servers that name hosts."""
    return [key_of(server) for server in servers if (server.get("spec") or {}).get("egress")]


def refused_by(error: ApiError) -> list[Condition]:
    """Returns the conditions of a server whose objects the API server did not take."""
    words = str(error)
    reason = verdict.QUOTA_EXCEEDED if "exceeded quota" in words else "Refused"
    return verdict.refusal(reason, words)
