"""What the registry's objects tell about the pods of tool servers. Pure."""

from __future__ import annotations

from quarterdeck.common.watching import Watched

TENANT_KIND = "Tenant"


def namespace_of(tenant: Watched | None) -> str:
    """Returns the namespace that a Tenant has been given; empty if it has none yet."""
    status = tenant.object.get("status") if tenant is not None else None
    return str((status or {}).get("namespace") or "")


def trouble_of(server: Watched | None) -> str:
    """Returns why the pods of an MCPServer do not answer, as their controller says; empty if it does not."""
    status = server.object.get("status") if server is not None else None
    for condition in (status or {}).get("conditions") or []:
        if condition["type"] == "Ready" and condition["status"] == "False":
            return f"{condition['reason']}: {condition.get('message', '')}"
    return ""
