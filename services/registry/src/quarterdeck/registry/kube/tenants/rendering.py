"""What a tenant's namespace is, and what is kept in it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from quarterdeck.controller.api.resource import (
    LIMIT_RANGES,
    NAMESPACES,
    NETWORK_POLICIES,
    RESOURCE_QUOTAS,
    Resource,
)
from quarterdeck.controller.objects import Object
from quarterdeck.registry.config import RegistrySettings
from quarterdeck.registry.constants import MADE_FOR, TENANT_LABEL

# Names of what is kept in a namespace.
LIMITS, CLOSED, OPENED = "quarterdeck", "default-deny", "names-and-platform"

# The label of tool pods: what they may reach, their server's own policy says.
TOOL_POD = "quarterdeck.dev/mcp-server"
_NAME = "kubernetes.io/metadata.name"
_SECURITY = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn", "audit")}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a tenant's accepted spec asks for.

    Attributes:
        deleted_with_it: the namespace, if it was made for the tenant, goes with it.
    """

    tenant: str
    namespace: str
    tool_servers: int | None = None
    admins: Sequence[Mapping[str, str]] = ()
    deleted_with_it: bool = False


def wanted(tenant: str, namespace: str, spec: Mapping[str, Any]) -> Wanted:
    """Reads an accepted spec."""
    return Wanted(
        tenant,
        namespace,
        (spec.get("quota") or {}).get("toolServers"),
        tuple(spec.get("admins") or ()),
        spec.get("deletionPolicy") == "Delete",
    )


def new_namespace(what: Wanted) -> Object:
    """Returns the namespace as it is made: from the first moment on, it says whose it is."""
    meta = {
        "name": what.namespace,
        "labels": {TENANT_LABEL: what.tenant, **_SECURITY},
        "annotations": {MADE_FOR: what.tenant},
    }
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": meta}


def namespace(what: Wanted, *, made: bool) -> Object:
    """Returns our part of the namespace. Who gave one by its label may take it back: that label is theirs."""
    label = {TENANT_LABEL: what.tenant} if made else {}
    meta = {"name": what.namespace, "labels": {**label, **_SECURITY}}
    return {"apiVersion": NAMESPACES.api_version, "kind": NAMESPACES.kind, "metadata": meta}


def contents(what: Wanted, settings: RegistrySettings) -> list[tuple[Resource, Object]]:
    """Returns what stays in the namespace whatever becomes of its tenant."""
    limits = {
        "type": "Container",
        "default": settings.tenant_defaults,
        "defaultRequest": settings.tenant_requests,
    }
    opened = _opened(settings.lease_namespace)
    return [
        (RESOURCE_QUOTAS, _thing(what, RESOURCE_QUOTAS, LIMITS, {"hard": _hard(what, settings)})),
        (LIMIT_RANGES, _thing(what, LIMIT_RANGES, LIMITS, {"limits": [limits]})),
        (NETWORK_POLICIES, _thing(what, NETWORK_POLICIES, CLOSED, _closed())),
        (NETWORK_POLICIES, _thing(what, NETWORK_POLICIES, OPENED, opened)),
    ]


def _hard(what: Wanted, settings: RegistrySettings) -> dict[str, str]:
    if what.tool_servers is None:
        return settings.tenant_quota
    return {**settings.tenant_quota, "count/mcpservers.quarterdeck.dev": str(what.tool_servers)}


def _closed() -> Object:
    return {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def _opened(release: str) -> Object:
    """Names are resolved and the platform comes in, but for tool pods."""
    dns = {
        "namespaceSelector": {"matchLabels": {_NAME: "kube-system"}},
        "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
    }
    ports = [{"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")]
    return {
        "podSelector": {"matchExpressions": [{"key": TOOL_POD, "operator": "DoesNotExist"}]},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [{"from": [{"namespaceSelector": {"matchLabels": {_NAME: release}}}]}],
        "egress": [{"to": [dns], "ports": ports}],
    }


def _thing(what: Wanted, resource: Resource, name: str, spec: Object) -> Object:
    return head(what, resource, name) | {"spec": spec}


def head(what: Wanted, resource: Resource, name: str) -> Object:
    """Returns the beginning of an object of the tenant."""
    meta = {"name": name, "namespace": what.namespace, "labels": {TENANT_LABEL: what.tenant}}
    return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": meta}
