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
    ROLE_BINDINGS,
    ROLES,
    Resource,
)
from quarterdeck.controller.objects import Object
from quarterdeck.registry.config import RegistrySettings
from quarterdeck.registry.constants import ADMIN_ROLE, MADE_FOR, TENANT_LABEL, TOOL_SECRETS, TOOLS_ACCOUNT

# Names of what is kept in a namespace.
LIMITS, CLOSED, OPENED, ADMINS = "quarterdeck", "default-deny", "names-and-platform", "quarterdeck-admins"

# The label of tool pods: what they may reach, their server's own policy says.
TOOL_POD = "quarterdeck.dev/mcp-server"
_NAME = "kubernetes.io/metadata.name"
_RBAC = "rbac.authorization.k8s.io"
_SECURITY = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn", "audit")}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a tenant's accepted spec asks for.

    Attributes:
        deleted_with_it: the namespace, if it was made for the tenant, goes with it.
        secrets: names of Secrets that its tool servers refer to.
    """

    tenant: str
    namespace: str
    tool_servers: int | None = None
    admins: Sequence[Mapping[str, str]] = ()
    deleted_with_it: bool = False
    secrets: Sequence[str] = ()


def wanted(tenant: str, namespace: str, spec: Mapping[str, Any], secrets: Sequence[str]) -> Wanted:
    """Reads an accepted spec. `secrets`: see `Wanted`."""
    return Wanted(
        tenant,
        namespace,
        (spec.get("quota") or {}).get("toolServers"),
        tuple(spec.get("admins") or ()),
        spec.get("deletionPolicy") == "Delete",
        secrets,
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


def admins(what: Wanted) -> Object | None:
    """Returns the binding of the tenant's administrators; None if it names none."""
    if not what.admins:
        return None
    role = {"apiGroup": _RBAC, "kind": "ClusterRole", "name": ADMIN_ROLE}
    subjects = [_subject(subject) for subject in what.admins]
    return _head(what, ROLE_BINDINGS, ADMINS) | {"roleRef": role, "subjects": subjects}


def secret_readers(what: Wanted, release: str) -> list[tuple[Resource, Object]]:
    """Returns what lets the controller of tool servers read the Secrets that they name; nothing if none does.

    Args:
        release: the namespace of that controller's account.
    """
    if not what.secrets:
        return []
    named = {"resources": ["secrets"], "resourceNames": list(what.secrets)}
    role = _head(what, ROLES, TOOL_SECRETS) | {"rules": [{"apiGroups": [""], **named, "verbs": ["get"]}]}
    ref = {"apiGroup": _RBAC, "kind": ROLES.kind, "name": TOOL_SECRETS}
    account = {"kind": "ServiceAccount", "name": TOOLS_ACCOUNT, "namespace": release}
    binding = _head(what, ROLE_BINDINGS, TOOL_SECRETS) | {"roleRef": ref, "subjects": [account]}
    return [(ROLES, role), (ROLE_BINDINGS, binding)]


def _subject(subject: Mapping[str, str]) -> Object:
    kind, name = ("Group", subject["group"]) if subject.get("group") else ("User", subject["principal"])
    return {"apiGroup": _RBAC, "kind": kind, "name": name}


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
    return _head(what, resource, name) | {"spec": spec}


def _head(what: Wanted, resource: Resource, name: str) -> Object:
    meta = {"name": name, "namespace": what.namespace, "labels": {TENANT_LABEL: what.tenant}}
    return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": meta}
