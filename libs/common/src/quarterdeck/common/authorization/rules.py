"""Rules, and the question whether one of them allows something. Pure; what is not allowed is denied.

A rule means what the same rule means in Kubernetes' RBAC, so that both give one answer: `*` is every verb,
or every kind with all that is below it, a kind without a subresource is that kind alone, and a rule with
names says nothing about a request that names nothing. Two things are more than RBAC has: `runs/*` for all
that is below runs, and `*` for any part of a name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

ANY = "*"


@dataclass(frozen=True, slots=True)
class Rule:
    """Verbs on kinds, perhaps on some names only. Kinds are plurals, with a subresource behind a slash."""

    verbs: frozenset[str]
    kinds: frozenset[str]
    names: tuple[str, ...] = ()

    def allows(self, verb: str, resource: str, name: str) -> bool:
        """True if the rule allows the verb on what is named."""
        return (
            (verb in self.verbs or ANY in self.verbs)
            and self._covers(resource)
            and (not self.names or (name != "" and any(matches(one, name) for one in self.names)))
        )

    def _covers(self, resource: str) -> bool:
        if resource in self.kinds or ANY in self.kinds:
            return True
        plural, slash, sub = resource.partition("/")
        return bool(slash) and (f"{plural}/{ANY}" in self.kinds or f"{ANY}/{sub}" in self.kinds)

    def __str__(self) -> str:
        words = [",".join(sorted(self.verbs)), ",".join(sorted(self.kinds)), ",".join(self.names)]
        return ":".join(word for word in words if word)


class Question(NamedTuple):
    """May somebody do this? No tenant: it belongs to the platform. No name: nothing is named."""

    verb: str
    resource: str
    tenant: str = ""
    name: str = ""


def rule_of(spec: Mapping[str, Any]) -> Rule:
    """Returns a rule as an AccessRole writes it."""
    verbs, kinds = frozenset(map(str, spec.get("verbs") or ())), frozenset(map(str, spec.get("kinds") or ()))
    return Rule(verbs, kinds, tuple(map(str, spec.get("names") or ())))


def first(rules: Iterable[Rule], question: Question) -> Rule | None:
    """Returns the first rule that allows what is asked, wherever the rules hold."""
    asked = question.verb, question.resource, question.name
    return next((rule for rule in rules if rule.allows(*asked)), None)


def matches(pattern: str, name: str) -> bool:
    """True if a name fits; `*` in the pattern stands for any part of it.

    Each part between stars is looked for once, from the left, so that no pattern takes long.
    """
    head, *parts = pattern.split(ANY)
    if not parts:
        return pattern == name
    tail = parts.pop()
    end = len(name) - len(tail)
    if not (name.startswith(head) and name.endswith(tail) and len(head) <= end):
        return False
    at = len(head)
    for part in parts:
        at = name.find(part, at, end)
        if at < 0:
            return False
        at += len(part)
    return True
