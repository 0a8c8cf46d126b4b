"""Rules of a Policy or PlatformPolicy as the decision needs them."""

from __future__ import annotations

from quarterdeck.common.watching import Watched
from quarterdeck.mcp.policy import Rule
from quarterdeck.resources.policy import PolicyRule, PolicySpec


def read_rules(watched: Watched) -> tuple[Rule, ...]:
    """Reads a live policy. Raises pydantic.ValidationError, which the registry's own check precludes."""
    spec = PolicySpec.model_validate(watched.spec)
    policy = f"{watched.kind}/{watched.name}"
    return tuple(_rule(policy, spec.priority, rule) for rule in spec.rules)


def unreadable(watched: Watched, reason: str) -> tuple[Rule, ...]:
    """The rules of a policy that cannot be read: one that denies everything."""
    name = f"{watched.kind}/{watched.name}"
    return (Rule(name, "unreadable", "deny", message=f"{name} cannot be read: {reason}"),)


def _rule(policy: str, priority: int, rule: PolicyRule) -> Rule:
    return Rule(
        policy=policy,
        name=rule.name,
        effect=rule.effect,
        tools=tuple(_tool_glob(glob) for glob in rule.match.tools),
        agents=tuple(rule.match.agents),
        when="" if rule.when is None else rule.when.strip().removeprefix("${").removesuffix("}"),
        approval=rule.approval or "",
        message=rule.message,
        priority=priority,
    )


def _tool_glob(glob: str) -> str:
    """A server's name alone means all of its tools."""
    return glob if "/" in glob else f"{glob}/*"
