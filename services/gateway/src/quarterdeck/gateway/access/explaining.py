"""Why somebody may do something, or may not: the verdict in words, and who may ask about whom. Pure."""

from __future__ import annotations

from typing import Any, Protocol

from quarterdeck.common.authorization.grants import Verdict
from quarterdeck.common.authorization.roles import ROLES
from quarterdeck.common.authorization.rules import Question, first
from quarterdeck.common.identity import Principal


class Judge(Protocol):
    """Answers with what allowed it, instead of raising."""

    async def verdict(self, principal: Principal, question: Question) -> Verdict:
        """Returns the answer. Raises Unavailable where it is not known."""


def needed_to_ask_about_others(question: Question) -> Question:
    """Returns what one must be allowed to ask what somebody else may do: to read who is bound."""
    if question.tenant:
        return Question("list", "accessbindings", question.tenant)
    return Question("list", "tenants")


def roles_that_allow(question: Question) -> list[str]:
    """Returns the built-in roles that would allow it, whoever holds them; the weakest come first."""
    return [name for name, rules in ROLES.items() if first(rules, question) is not None]


def answer_of(principal: Principal, question: Question, verdict: Verdict) -> dict[str, Any]:
    """Returns the verdict as the API tells it."""
    return {
        "allowed": verdict.allowed,
        "principal": principal.subject,
        **question._asdict(),
        "reason": verdict.reason,
        "role": verdict.grant.role if verdict.grant else None,
        "source": verdict.grant.source if verdict.grant else None,
        "rule": str(verdict.rule) if verdict.rule else None,
        "rolesThatAllow": roles_that_allow(question),
    }


def told_of(principal: Principal) -> dict[str, Any]:
    """Returns who somebody is, as the API tells it."""
    return {
        "principal": principal.subject,
        "groups": list(principal.groups),
        "administrator": principal.is_platform_admin,
        "tenant": principal.tenant or None,
        "scopes": list(map(str, principal.scopes)),
    }
