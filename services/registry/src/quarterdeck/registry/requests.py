"""Reads what RPCs ask: kinds, versions, scopes; one place for each refusal."""

from __future__ import annotations

from quarterdeck.common.errors import InvalidArgument, PermissionDenied
from quarterdeck.common.identity import CallContext
from quarterdeck.registry import tenancy
from quarterdeck.registry.mirror import Mirror
from quarterdeck.registry.records import CLUSTER, Key, Scope, is_cluster_scoped

GATEWAY = "gateway"


def kind_of(kind: str) -> str:
    """Returns a known kind. Raises InvalidArgument."""
    from quarterdeck.resources.kinds import KINDS

    if kind not in KINDS:
        known = ", ".join(sorted(KINDS))
        raise InvalidArgument(f"there is no kind {kind!r}", field="kind", hint=f"kinds are {known}")
    return kind


def scope_of(mirror: Mirror, tenant: str, kind: str) -> Scope:
    """Returns where objects of `kind` live; a tenant given with a cluster-scoped kind is ignored.

    Raises:
        InvalidArgument: no tenant is named.
        NotFound: there is none of that name.
    """
    if is_cluster_scoped(kind):
        return CLUSTER
    if not tenant:
        raise InvalidArgument(f"{kind} belongs to a tenant; name one", field="tenant")
    found = mirror.tenant(tenant)
    if found is None:
        raise tenancy.unknown(tenant)
    return Scope(found.id, found.name)


def key_of(mirror: Mirror, tenant: str, kind: str, name: str) -> tuple[Scope, Key]:
    """Returns the scope and key of an object. Raises as `scope_of`, or InvalidArgument without a name."""
    scope = scope_of(mirror, tenant, kind_of(kind))
    if not name:
        raise InvalidArgument("a name is required", field="name")
    return scope, Key(scope.tenant_id, kind, name)


def version_of(text: str, field: str) -> int:
    """Returns a resource version as a number; 0 for an empty one. Raises InvalidArgument."""
    if not text:
        return 0
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise InvalidArgument(
            f"{text[:40]!r} is not a resource version", field=field, hint="pass it as it was read"
        )
    return int(text)


def sees_in_force(call: CallContext) -> bool:
    """True for services: they act on what is in force. People see, through the gateway, what they wrote."""
    return call.service != GATEWAY or call.principal.is_service


def require_service(call: CallContext) -> None:
    """Raises PermissionDenied for anybody but a service that speaks for itself."""
    if not call.principal.is_service:
        raise PermissionDenied(
            "watching every tenant is for services only", field="tenant", hint="name a tenant"
        )
