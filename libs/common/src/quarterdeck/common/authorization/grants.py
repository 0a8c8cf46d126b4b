"""What is bound to whom, and what follows from it: `decide`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from quarterdeck.common.authorization.roles import ADMIN, PLATFORM_ADMIN, ROLES
from quarterdeck.common.authorization.rules import Question, Rule, first, rule_of
from quarterdeck.common.identity import Principal


@dataclass(frozen=True, slots=True)
class Grant:
    """A role's rules, bound to principals and groups.

    Attributes:
        source: what binds them, for people: `AccessBinding books`.
        tenant: where it holds; empty: everywhere.
    """

    role: str
    source: str
    rules: tuple[Rule, ...]
    tenant: str = ""
    principals: frozenset[str] = field(default_factory=frozenset)
    groups: frozenset[str] = field(default_factory=frozenset)

    def held_by(self, principal: Principal) -> bool:
        """True if it is bound to the principal, or to one of its groups."""
        return principal.subject in self.principals or not self.groups.isdisjoint(principal.groups)

    def holds_in(self, tenant: str) -> bool:
        """True if it says something about this tenant; what belongs to the platform has none."""
        return not self.tenant or self.tenant == tenant


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer, with what allowed it; `grant` is None for who may do everything."""

    allowed: bool
    reason: str
    grant: Grant | None = None
    rule: Rule | None = None


def decide(grants: Iterable[Grant], principal: Principal, question: Question) -> Verdict:
    """Returns whether one of the grants lets a principal do something; without one, nothing is allowed."""
    refusal = confined(principal, question)
    if refusal is not None:
        return refusal
    if principal.is_platform_admin or principal.is_service:
        return Verdict(True, "an administrator of the platform may do everything")
    for grant in grants:
        if grant.holds_in(question.tenant) and grant.held_by(principal):
            rule = first(grant.rules, question)
            if rule is not None:
                return Verdict(True, f"role {grant.role} by {grant.source}", grant, rule)
    return Verdict(False, "no role that is bound to this principal, or to a group of it, allows it")


def confined(principal: Principal, question: Question) -> Verdict | None:
    """Returns the refusal of what a principal may not do whatever its roles say; None for everything else."""
    if principal.tenant and principal.tenant != question.tenant:
        return Verdict(False, f"this principal may do nothing outside of tenant {principal.tenant!r}")
    if principal.scopes and first(principal.scopes, question) is None:
        return Verdict(False, "the scopes of this key do not allow it")
    return None


def of_binding(tenant: str, name: str, spec: Mapping[str, Any], roles: Mapping[str, Any]) -> Grant | None:
    """Returns what an AccessBinding gives; None if there is no role of that name.

    A name of ours is the role of ours: nobody changes what `viewer` means by writing a role of that name.

    Args:
        roles: the specs of the tenant's AccessRoles by name.
    """
    role = str(spec.get("role", ""))
    rules = ROLES.get(role)
    if rules is None and role in roles:
        rules = tuple(map(rule_of, roles[role].get("rules") or ()))
    if rules is None:
        return None
    return Grant(role, f"AccessBinding {name}", rules, tenant, *_subjects(spec.get("subjects") or ()))


def of_tenant(tenant: str, spec: Mapping[str, Any]) -> Grant | None:
    """Returns what a Tenant gives to its first administrators; None if it names none."""
    admins = spec.get("admins") or ()
    return Grant(ADMIN, f"Tenant {tenant}", ROLES[ADMIN], tenant, *_subjects(admins)) if admins else None


def of_platform(source: str, principals: Iterable[str], groups: Iterable[str]) -> Grant:
    """Returns what those have who are named as the platform's administrators."""
    rules = ROLES[PLATFORM_ADMIN]
    return Grant(PLATFORM_ADMIN, source, rules, "", frozenset(principals), frozenset(groups))


def _subjects(subjects: Iterable[Mapping[str, Any]]) -> tuple[frozenset[str], frozenset[str]]:
    listed = list(subjects)
    principals = frozenset(str(one["principal"]) for one in listed if one.get("principal"))
    return principals, frozenset(str(one["group"]) for one in listed if one.get("group"))
