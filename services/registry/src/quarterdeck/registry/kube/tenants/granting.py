"""Who may do what in a tenant's namespace, in the words of the cluster. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from quarterdeck.controller.api.resource import ROLE_BINDINGS, ROLES, Resource
from quarterdeck.controller.objects import Object, is_deleting, key_of
from quarterdeck.registry.constants import ACCESS_ROLE, ADMIN_ROLE, TOOL_SECRETS, TOOLS_ACCOUNT
from quarterdeck.registry.kube.tenants.rendering import Wanted, head
from quarterdeck.resources.constants import BUILT_IN_ROLES, TENANT_ROLES

ADMINS = "quarterdeck-admins"
_RBAC = "rbac.authorization.k8s.io"


@dataclass(frozen=True, slots=True)
class Gift:
    """A Role or a RoleBinding, and the object that it goes with."""

    resource: Resource
    thing: Object
    owner: Object


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be given in a namespace, and AccessRoles for which there is no room."""

    gifts: Sequence[Gift]
    left_out: Sequence[str]


def admins(tenant: Object, what: Wanted) -> list[Gift]:
    """Returns the binding of the tenant's administrators, if it names any."""
    if not what.admins:
        return []
    subjects = [_subject(subject) for subject in what.admins]
    return [Gift(ROLE_BINDINGS, _binding(what, ADMINS, ("ClusterRole", ADMIN_ROLE), subjects), tenant)]


def bound_roles(bindings: Iterable[Object], roles: Iterable[Object]) -> dict[str, Object]:
    """Returns the AccessRoles that a binding names and that the cluster can have, by name and in order."""
    named = {_role_of(binding) for binding in bindings if not is_deleting(binding)} - {*BUILT_IN_ROLES}
    there = sorted((role for role in roles if key_of(role).name in named), key=key_of)
    return {key_of(role).name: role for role in there if not is_deleting(role) and _rules(role)}


def own_roles(what: Wanted, roles: Mapping[str, Object], slots: Mapping[str, str]) -> list[Gift]:
    """Returns what AccessRoles become, each the Role that it was given by name."""
    gifts = []
    for name, role in roles.items():
        if name in slots:
            thing = head(what, ROLES, slots[name]) | {"rules": _rules(role)}
            thing["metadata"]["annotations"] = {ACCESS_ROLE: name}
            gifts.append(Gift(ROLES, thing, role))
    return gifts


def access(what: Wanted, bindings: Iterable[Object], slots: Mapping[str, str]) -> list[Gift]:
    """Returns what AccessBindings become, each a RoleBinding.

    What a RoleBinding binds never changes in a cluster: one to another role has another name.

    Args:
        slots: Roles of AccessRoles.
    """
    gifts = []
    for binding in sorted(bindings, key=key_of):
        role, name = _role_of(binding), key_of(binding).name
        subjects = [_subject(subject) for subject in binding["spec"].get("subjects") or []]
        if is_deleting(binding):
            continue
        if role in TENANT_ROLES:
            ref = ("ClusterRole", f"quarterdeck-{role}")
            gifts.append(Gift(ROLE_BINDINGS, _binding(what, f"access-{role}-{name}", ref, subjects), binding))
        elif role in slots:
            ref, own = (ROLES.kind, slots[role]), slots[role].removeprefix("quarterdeck-")
            gifts.append(Gift(ROLE_BINDINGS, _binding(what, f"access-{own}-{name}", ref, subjects), binding))
    return gifts


def _role_of(binding: Object) -> str:
    return str(binding["spec"].get("role"))


def _rules(role: Object) -> list[Object]:
    """Returns the rules of an AccessRole in the words of the cluster; empty if one of them cannot be said."""
    from pydantic import ValidationError

    from quarterdeck.resources.access import AccessRole
    from quarterdeck.resources.cluster_rules import inexpressible, rules_in_cluster

    head = {"apiVersion": role["apiVersion"], "kind": role["kind"], "metadata": {"name": key_of(role).name}}
    try:
        parsed = AccessRole.model_validate({**head, "spec": role["spec"]})
    except ValidationError:
        return []
    return [] if any(inexpressible(parsed)) else rules_in_cluster(parsed.spec)


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


def _binding(what: Wanted, name: str, role: tuple[str, str], subjects: list[Object]) -> Object:
    ref: dict[str, Any] = {"apiGroup": _RBAC, "kind": role[0], "name": role[1]}
    return head(what, ROLE_BINDINGS, name) | {"roleRef": ref, "subjects": subjects}


def _subject(subject: Mapping[str, str]) -> Object:
    kind, name = ("Group", subject["group"]) if subject.get("group") else ("User", subject["principal"])
    return {"apiGroup": _RBAC, "kind": kind, "name": name}
