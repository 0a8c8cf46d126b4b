"""Nobody gives away what they do not have: whoever writes a role or a binding holds what it allows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from quarterdeck.common.authorization.grants import confined
from quarterdeck.common.authorization.roles import ROLES
from quarterdeck.common.authorization.rules import ANY, Question, Rule, rule_of
from quarterdeck.common.errors import PermissionDenied
from quarterdeck.common.identity import Principal
from quarterdeck.gateway.access.roster import Roster

APPLY = "/quarterdeck.v1.RegistryService/ApplyObject"


def check_gift(roster: Roster, principal: Principal, tenant: str, manifest: Mapping[str, Any]) -> None:
    """Refuses a role or binding that allows more than its writer may.

    Raises:
        PermissionDenied: naming one rule that the writer does not hold, or that the role is not there.
    """
    kind = manifest.get("kind")
    if kind not in ("AccessRole", "AccessBinding"):
        return
    if principal.is_platform_admin and confined(principal, Question(ANY, ANY, tenant)) is None:
        return
    given = _given(roster, tenant, manifest)
    if given is None:
        raise PermissionDenied("there is no role of that name to bind", hint="write the role first")
    mine = [
        rule
        for grant in roster.grants(tenant)
        if grant.holds_in(tenant) and grant.held_by(principal)
        for rule in grant.rules
    ]
    missing = next((rule for rule in given if not covered(mine, principal.scopes, rule)), None)
    if missing is not None:
        raise PermissionDenied(
            f"nobody gives away what they do not have: {missing}",
            field="spec.rules" if kind == "AccessRole" else "spec.role",
            reason="EscalationRefused",
        )


def covered(mine: Iterable[Rule], scopes: Iterable[Rule], given: Rule) -> bool:
    """True if everything that a rule allows is allowed already, by roles and by the scopes of a key."""
    held, narrowed = list(mine), list(scopes)
    pairs = [(verb, kind) for verb in given.verbs for kind in given.kinds]
    return all(_has(held, *pair, given.names) for pair in pairs) and (
        not narrowed or all(_has(narrowed, *pair, given.names) for pair in pairs)
    )


def _has(rules: list[Rule], verb: str, kind: str, names: tuple[str, ...]) -> bool:
    """True if one rule says at least as much. A pattern among the names is only covered by itself."""
    for rule in rules:
        unnamed = Rule(rule.verbs, rule.kinds)
        if unnamed.allows(verb, kind, "") and (not rule.names or (names and set(names) <= set(rule.names))):
            return True
    return False


def _given(roster: Roster, tenant: str, manifest: Mapping[str, Any]) -> tuple[Rule, ...] | None:
    """Returns the rules that a manifest gives; None for a binding to no role."""
    spec = manifest.get("spec")
    spec = spec if isinstance(spec, dict) else {}
    if manifest.get("kind") == "AccessRole":
        return _rules(spec)
    name = spec.get("role")
    if not isinstance(name, str):
        return ()
    known = roster.find(tenant, "AccessRole", name)
    return ROLES.get(name) or (_rules(known.spec) if known is not None else None)


def _rules(spec: Mapping[str, Any]) -> tuple[Rule, ...]:
    """Returns the rules of a role as it was sent: what is no rule is the registry's to refuse."""
    listed = spec.get("rules")
    rules = [rule for rule in listed if isinstance(rule, dict)] if isinstance(listed, list) else []
    return tuple(
        rule_of({key: _texts(rule.get(key)) for key in ("verbs", "kinds", "names")}) for rule in rules
    )


def _texts(value: object) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []
