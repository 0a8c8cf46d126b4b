"""Kinds `Policy` and `PlatformPolicy`: what may be called, by whom, with what."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from quarterdeck.resources.metadata import Resource, Status
from quarterdeck.resources.model import Model
from quarterdeck.resources.rules import Rule, Unique
from quarterdeck.resources.scalars import Condition, Name, NonEmpty, Text

Pattern = Annotated[
    str, StringConstraints(min_length=1, max_length=200, pattern="^[-A-Za-z0-9_.*]+(/[-A-Za-z0-9_./*]+)?$")
]
Patterns = Annotated[list[Pattern], Field(max_length=128), Unique()]


class PolicyMatch(Model):
    """Which calls a rule is about; an absent list matches everything."""

    tools: Patterns = Field(default=[], description="`server/tool`, with `*` for any part.")
    agents: Patterns = Field(default=[], description="Names of agents, with `*` for any part.")


class PolicyRule(Model):
    """One rule: if it matches and its condition holds, its effect applies."""

    RULES = (
        Rule(
            "effect requireApproval needs approval",
            "self.effect != 'requireApproval' || has(self.approval)",
            lambda rule: rule.effect != "requireApproval" or rule.approval is not None,
            field="approval",
        ),
    )

    name: Name = Field(description="Its name, shown when it decides.")
    match: PolicyMatch = Field(PolicyMatch(), description="Which calls it is about.")
    when: Condition | None = Field(
        None,
        description="Over principal, tenant, agent, tool, arguments, cost, run and now; absent: always.",
    )
    effect: Literal["allow", "deny", "requireApproval", "redact"] = Field(
        description="What happens; deny wins over requireApproval, and that over allow."
    )
    approval: Name | None = Field(None, description="The ApprovalPolicy that decides.")
    redact: Annotated[list[NonEmpty], Field(max_length=64), Unique()] = Field(
        default=[], description="Fields of the arguments and the result to blank out."
    )
    message: Text = Field("", description="What the caller is told.")


class PolicySpec(Model):
    """Rules over calls."""

    description: Text = Field("", description="What it is for.")
    priority: int = Field(0, ge=-1_000, le=1_000, description="Higher ones are shown first as the reason.")
    rules: Annotated[list[PolicyRule], Field(min_length=1, max_length=128), Unique("name")] = Field(
        description="The rules; all that match are weighed."
    )


class Policy(Resource):
    """Rules over calls of one tenant: allow, deny, require approval, redact."""

    kind: Literal["Policy"] = Field("Policy", description="Policy.")
    spec: PolicySpec = Field(description="What the rules are.")
    status: Status | None = Field(None, description="What the platform found.")


class PlatformPolicy(Resource):
    """Rules over calls of every tenant; a tenant cannot loosen them."""

    kind: Literal["PlatformPolicy"] = Field("PlatformPolicy", description="PlatformPolicy.")
    spec: PolicySpec = Field(description="What the rules are.")
    status: Status | None = Field(None, description="What the platform found.")
