"""Who may do what in a tenant's namespace, in the words of the cluster. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from quarterdeck.controller.api.resource import ROLE_BINDINGS, ROLES, Resource
from quarterdeck.controller.objects import Object, is_deleting, key_of
from quarterdeck.registry.constants import ADMIN_ROLE, TOOL_SECRETS, TOOLS_ACCOUNT
from quarterdeck.registry.kube.tenants.rendering import Wanted, head
from quarterdeck.resources.constants import TENANT_ROLES

ADMINS = "quarterdeck-admins"
_RBAC = "rbac.authorization.k8s.io"


@dataclass(frozen=True, slots=True)
class Gift:
    """A Role or a RoleBinding, and the object that it goes with."""

    resource: Resource
    thing: Object
    owner: Object


def admins(tenant: Object, what: Wanted) -> list[Gift]:
    """Returns the binding of the tenant's administrators, if it names any."""
    if not what.admins:
        return []
    return [Gift(ROLE_BINDINGS, _of_cluster_role(what, ADMINS, ADMIN_ROLE, what.admins), tenant)]


def access(what: Wanted, bindings: Iterable[Object]) -> list[Gift]:
    """Returns what AccessBindings to built-in roles become, each a binding to the ClusterRole of that name.

    Roles of bindings never change in a cluster: one to another role has another name.
    """
    gifts = []
    for binding in sorted(bindings, key=key_of):
        spec = binding.get("spec") or {}
        role = spec.get("role")
        if role in TENANT_ROLES and not is_deleting(binding):
            name = f"access-{role}-{key_of(binding).name}"
            thing = _of_cluster_role(what, name, f"quarterdeck-{role}", spec.get("subjects") or [])
            gifts.append(Gift(ROLE_BINDINGS, thing, binding))
    return gifts


def secret_readers(tenant: Object, what: Wanted, secrets: Sequence[str], release: str) -> list[Gift]:
    """Returns what lets the controller of tool servers read the Secrets that they name; nothing if none does.

    Args:
        release: the namespace of that controller's account.
    """
    if not secrets:
        return []
    named = {"resources": ["secrets"], "resourceNames": list(secrets)}
    role = head(what, ROLES, TOOL_SECRETS) | {"rules": [{"apiGroups": [""], **named, "verbs": ["get"]}]}
    account = {"kind": "ServiceAccount", "name": TOOLS_ACCOUNT, "namespace": release}
    binding = _binding(what, TOOL_SECRETS, (ROLES.kind, TOOL_SECRETS), [account])
    return [Gift(ROLES, role, tenant), Gift(ROLE_BINDINGS, binding, tenant)]


def _of_cluster_role(what: Wanted, name: str, role: str, subjects: Iterable[Mapping[str, str]]) -> Object:
    return _binding(what, name, ("ClusterRole", role), [_subject(subject) for subject in subjects])


def _binding(what: Wanted, name: str, role: tuple[str, str], subjects: list[Object]) -> Object:
    ref: dict[str, Any] = {"apiGroup": _RBAC, "kind": role[0], "name": role[1]}
    return head(what, ROLE_BINDINGS, name) | {"roleRef": ref, "subjects": subjects}


def _subject(subject: Mapping[str, str]) -> Object:
    kind, name = ("Group", subject["group"]) if subject.get("group") else ("User", subject["principal"])
    return {"apiGroup": _RBAC, "kind": kind, "name": name}
