"""A case as it is written. docs/testing.md explains the fields."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from quarterdeck.resources.model import Model
from quarterdeck.resources.rules import Rule, exactly_one
from quarterdeck.resources.scalars import Condition, Duration, NonEmpty, ToolName

# Agents that no script names follow their playbook; this name stands for all of them.
EVERY_AGENT = "*"
PLAYBOOK = "playbook"
DEFAULT_START = "2025-01-01T00:00:00Z"

State = Literal["waiting", "succeeded", "failed", "cancelled", "timed-out", "quarantined"]


def _message(value: Any) -> Any:
    """Lets a text stand for an object with nothing but a message."""
    return {"message": value} if isinstance(value, str) else value


def _scripts(value: Any) -> Any:
    """Reads `playbook`, a list of turns for every agent, or either for each agent."""
    if value == PLAYBOOK:
        return {}
    if isinstance(value, dict):
        return {agent: turns for agent, turns in value.items() if turns != PLAYBOOK}
    return {EVERY_AGENT: value} if isinstance(value, list) else value


class ToolError(Model):
    """A tool's failure; its class is what a node's `retry` and `catch` name."""

    class_: Literal["tool", "timeout", "validation", "unavailable", "cancelled"] = "tool"
    message: NonEmpty
    details: Any = None


class Uncertain(Model):
    """The call was sent and nobody knows what became of it."""

    message: NonEmpty = "nobody knows what became of the call"
    server_dead: bool = True


class NeedsApproval(Model):
    """The call needs an approval; `policy` names the ApprovalPolicy."""

    message: NonEmpty = "the call needs an approval"
    policy: str = ""


ANSWERS = ("result", "error", "uncertain", "denied", "needs_approval")


def _answers_given(answer: Any) -> int:
    return sum(getattr(answer, name) is not None for name in ANSWERS)


class ToolAnswerSpec(Model):
    """What a tool answers; nothing but `server` and `name` answers null."""

    server: NonEmpty
    name: ToolName
    arguments: dict[str, Any] | None = None
    result: Any = None
    error: Annotated[ToolError, BeforeValidator(_message)] | None = None
    uncertain: Annotated[Uncertain, BeforeValidator(_message)] | None = None
    denied: NonEmpty | None = None
    needs_approval: Annotated[NeedsApproval, BeforeValidator(_message)] | None = None
    takes: Duration | None = None

    RULES = (
        Rule(
            "at most one of result, error, uncertain, denied, needsApproval is allowed",
            "",
            lambda answer: _answers_given(answer) <= 1,
        ),
    )


class ModelCall(Model):
    """A tool call of a model; `tool` is the name that the model sees."""

    tool: NonEmpty
    arguments: dict[str, Any] = Field(default_factory=dict)


class ModelFailure(Model):
    """An error of a model's provider. `code` is one of docs/testing.md."""

    code: Literal[
        "timeout",
        "unavailable",
        "overloaded",
        "rate_limited",
        "malformed_output",
        "refused",
        "context_too_long",
        "authentication_failed",
        "invalid_request",
    ] = "unavailable"
    message: NonEmpty


class TurnSpec(Model):
    """One turn of a model."""

    call: list[ModelCall] | None = None
    answer: Any = None
    error: Annotated[ModelFailure, BeforeValidator(_message)] | None = None
    input: dict[str, Any] | None = None

    RULES = (exactly_one("call", "answer", "error"),)


class FoundItem(Model):
    """An item that a search finds."""

    id: str = ""
    text: str = ""
    payload: dict[str, Any] = Field(default_factory=dict)
    score: float | None = None


class FindingSpec(Model):
    """What searches of a collection find."""

    collection: NonEmpty
    query: str = ""
    items: list[FoundItem] = Field(default_factory=list)


class DecisionSpec(Model):
    """What a person decides, or that nobody does until the approval expires."""

    node: str | None = None
    source: Literal["node", "tool", "question", "effect"] | None = None
    policy: str | None = None
    title: str | None = None
    approve: bool | None = None
    expire: Literal[True] | None = None
    by: NonEmpty = "somebody"
    groups: list[str] | None = None
    comment: str = ""
    answer: Any = None
    after: Duration | None = None

    RULES = (exactly_one("approve", "expire"),)


class SignalSpec(Model):
    """A signal to the run, so long after its start."""

    name: NonEmpty
    payload: Any = None
    after: Duration | None = None


class CancelSpec(Model):
    """Somebody cancels the run, so long after its start."""

    after: Duration | None = None
    reason: str = "cancelled by the case"


class TargetSpec(Model):
    """What is run."""

    kind: Literal["Workflow", "Agent"]
    name: NonEmpty


class ExpectedCall(Model):
    """A tool call."""

    server: NonEmpty
    name: ToolName
    arguments: dict[str, Any] | None = None


class Expectation(Model):
    """What must come of it. Objects may hold more than is written; what is left out is not looked at."""

    state: State = "succeeded"
    output: Any = None
    error: dict[str, Any] | None = None
    calls: list[ExpectedCall] | None = None
    approvals: list[dict[str, Any]] | None = None
    saved: list[dict[str, Any]] | None = None
    holds: list[Condition] = Field(default_factory=list)


class Case(Model):
    """One case."""

    name: NonEmpty
    description: str = ""
    target: TargetSpec
    input: Any = None
    labels: dict[str, str] = Field(default_factory=dict)
    at: str = DEFAULT_START
    tools: list[ToolAnswerSpec] = Field(default_factory=list)
    model: Annotated[dict[str, list[TurnSpec]], BeforeValidator(_scripts)] = Field(default_factory=dict)
    memory: list[FindingSpec] = Field(default_factory=list)
    decide: list[DecisionSpec] = Field(default_factory=list)
    signals: list[SignalSpec] = Field(default_factory=list)
    cancel: CancelSpec | None = None
    patience: Duration | None = None
    expect: Expectation
