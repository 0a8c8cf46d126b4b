"""May this tool be called like this? A pure decision over policies and the facts of one call.

Deny beats approval, approval beats allow, whatever the order and whoever wrote the rule: so no tenant's rule
can loosen the platform's. A rule that cannot be evaluated (an error, a missing attribute) or that asks for
what is not enforced denies. Where no rule matches, reading is allowed and everything else needs an approval.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from quarterdeck.common.clock import rfc3339
from quarterdeck.mcp.catalog import Effect
from quarterdeck.resources.errors import ExpressionError
from quarterdeck.resources.expressions import compile_expression

ALLOW, DENY, REQUIRE_APPROVAL = "allow", "deny", "requireApproval"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a Policy or PlatformPolicy.

    Args:
        policy: the policy's name, for messages ("PlatformPolicy/no-friday").
        name: the rule's name.
        effect: "allow", "deny", "requireApproval"; any other is not enforced and denies.
        tools: globs over "server/tool"; empty: every tool.
        agents: globs over the calling agent's name; empty: every caller.
        when: CEL without its `${}`; empty: always.
        approval: the ApprovalPolicy to ask, for "requireApproval".
        message: the author's words.
        priority: decides whose words are given when several rules of one effect match; higher first.
    """

    policy: str
    name: str
    effect: str
    tools: tuple[str, ...] = ()
    agents: tuple[str, ...] = ()
    when: str = ""
    approval: str = ""
    message: str = ""
    priority: int = 0


@dataclass(frozen=True, slots=True)
class CallFacts:
    """What rules may look at.

    Args:
        cost: US dollars that the run has cost so far.
        now: Unix time in seconds.
    """

    tenant: str
    principal: str
    server: str
    tool: str
    effect: Effect
    arguments: Mapping[str, Any]
    agent: str = ""
    workflow: str = ""
    run: str = ""
    cost: float = 0.0
    now: float = 0.0

    @property
    def path(self) -> str:
        """The tool as rules name it."""
        return f"{self.server}/{self.tool}"


@dataclass(frozen=True, slots=True)
class Allow:
    """The call may be made."""

    policy: str = ""


@dataclass(frozen=True, slots=True)
class Deny:
    """The call may not be made."""

    policy: str
    message: str


@dataclass(frozen=True, slots=True)
class NeedsApproval:
    """The call may be made once somebody has agreed; `approval` names the ApprovalPolicy, "" for none."""

    policy: str
    approval: str
    message: str


Verdict = Allow | Deny | NeedsApproval


def decide(rules: Iterable[Rule], call: CallFacts) -> Verdict:
    """Returns the verdict on one call."""
    ordered = sorted(rules, key=lambda rule: -rule.priority)
    verdicts = [verdict for rule in ordered if (verdict := _verdict(rule, call)) is not None]
    for kind in (Deny, NeedsApproval, Allow):
        for verdict in verdicts:
            if isinstance(verdict, kind):
                return verdict
    return _default(call)


def always_denied(rules: Iterable[Rule], path: str) -> bool:
    """Whether a rule denies every call of a tool ("server/tool"), whoever makes it and with whatever."""
    return any(
        rule.effect not in (ALLOW, REQUIRE_APPROVAL)
        and not rule.when
        and (not rule.agents or "*" in rule.agents)
        and _matches(rule.tools, path)
        for rule in rules
    )


def _default(call: CallFacts) -> Verdict:
    if call.effect is Effect.READ_ONLY:
        return Allow()
    return NeedsApproval("", "", f"{call.path} may change something and no policy allows it")


def _verdict(rule: Rule, call: CallFacts) -> Verdict | None:
    """What one rule says; None when it says nothing about this call."""
    if not (_matches(rule.tools, call.path) and _matches(rule.agents, call.agent)):
        return None
    try:
        if rule.when and not _holds(rule.when, call):
            return None
    except ExpressionError as error:
        return Deny(rule.policy, f"rule {rule.name!r} of {rule.policy} could not be evaluated: {error}")
    return _effect(rule, call)


def _effect(rule: Rule, call: CallFacts) -> Verdict:
    if rule.effect == ALLOW:
        return Allow(rule.policy)
    if rule.effect == REQUIRE_APPROVAL:
        message = rule.message or f"rule {rule.name!r} of {rule.policy} requires an approval of {call.path}"
        return NeedsApproval(rule.policy, rule.approval, message)
    if rule.effect == DENY:
        return Deny(rule.policy, rule.message or f"rule {rule.name!r} of {rule.policy} denies {call.path}")
    reason = f"rule {rule.name!r} of {rule.policy} asks for {rule.effect!r}, which is not enforced yet"
    return Deny(rule.policy, f"{reason}; calls that it governs are refused")


def _matches(globs: Sequence[str], name: str) -> bool:
    return not globs or any(fnmatchcase(name, glob) for glob in globs)


def _holds(expression: str, call: CallFacts) -> bool:
    value = compile_expression(expression).evaluate(bindings(call))
    if not isinstance(value, bool):
        raise ExpressionError(f"the condition is {type(value).__name__}, not true or false", expression)
    return value


def bindings(call: CallFacts) -> dict[str, Any]:
    """Returns the variables of a rule's `when`; `now` is RFC 3339 text, as times are everywhere."""
    return {
        "principal": call.principal,
        "tenant": call.tenant,
        "agent": call.agent,
        "run": {"id": call.run, "workflow": call.workflow},
        "tool": {"server": call.server, "name": call.tool, "effect": call.effect.value},
        "arguments": call.arguments,
        "cost": call.cost,
        "now": rfc3339(call.now),
    }
