"""Kind `Workflow`: a state graph of nodes and conditional, possibly looping edges."""

from typing import Annotated, Any, Literal, get_args

from pydantic import Field

from quarterdeck.resources.agent import DataSchema
from quarterdeck.resources.metadata import Resource, Status
from quarterdeck.resources.model import Model
from quarterdeck.resources.rules import Rule, Unique, at_least_one, exactly_one
from quarterdeck.resources.scalars import Condition, Duration, Json, Label, NodeName, Text, Tokens, Usd
from quarterdeck.resources.workflow_calls import (
    AgentCall,
    Approval,
    Compensation,
    Decision,
    Map,
    MemoryCall,
    Parallel,
    ToolCall,
    Transform,
    Wait,
    WorkflowCall,
)

ErrorClass = Literal[
    "any",
    "approval",
    "budget",
    "cancelled",
    "child",
    "conflict",
    "expression",
    "internal",
    "limit",
    "model",
    "policy",
    "timeout",
    "tool",
    "uncertain",
    "unavailable",
    "validation",
]
"""What kind of failure an error is; `any` stands for every one but `cancelled`."""

ERROR_CLASSES: tuple[str, ...] = get_args(ErrorClass)
ErrorClasses = Annotated[list[ErrorClass], Field(min_length=1, max_length=16), Unique()]

VARIANTS = (
    "agent",
    "tool",
    "memory",
    "decision",
    "parallel",
    "map",
    "approval",
    "wait",
    "workflow",
    "transform",
)
"""The things a node can be; each node gives exactly one of these fields."""

EFFECTS = ("agent", "tool", "memory", "parallel", "map", "workflow")
"""Variants that change something outside the run and so can be compensated."""


class Edge(Model):
    """A way on from a node."""

    to: NodeName = Field(description="The node to go to.")
    when: Condition | None = Field(None, description="Take it only if this is true; absent: always.")


class RetryRule(Model):
    """Tries again after some kinds of failure."""

    errors: ErrorClasses = Field(description="The kinds of failure this is for.")
    attempts: int = Field(3, ge=1, le=100, description="Most attempts, the first included.")
    delay: Duration = Field("1s", description="Pause before the second attempt.")
    factor: float = Field(2.0, ge=1, le=10, description="How much longer each further pause is.")
    max_delay: Duration = Field("30s", description="Longest pause.")
    jitter: float = Field(0.1, ge=0, le=1, description="Random part of a pause, as a share of it.")
    total_time: Duration | None = Field(None, description="No new attempt after this time.")


class CatchRule(Model):
    """Goes on at another node after some kinds of failure; it sees the failure as `error`."""

    errors: ErrorClasses = Field(description="The kinds of failure this is for.")
    to: NodeName = Field(description="The node to go to.")


class Node(Model):
    """One step of a workflow."""

    RULES = (
        exactly_one(*VARIANTS),
        Rule(
            "a decision goes on by its cases, not by next",
            "!has(self.decision) || size(self.next) == 0",
            lambda node: node.decision is None or not node.next,
            field="next",
        ),
        Rule(
            f"only a node with an effect ({', '.join(EFFECTS)}) can be compensated",
            f"!has(self.compensate) || {' || '.join(f'has(self.{name})' for name in EFFECTS)}",
            lambda node: node.compensate is None or any(getattr(node, name) for name in EFFECTS),
            field="compensate",
        ),
    )

    name: NodeName = Field(description="Its name; the output is `nodes.<name>.output`.")
    description: Text = Field("", description="What it is for.")
    agent: AgentCall | None = Field(None, description="Run an agent.")
    tool: ToolCall | None = Field(None, description="Call a tool.")
    memory: MemoryCall | None = Field(None, description="Use a memory collection.")
    decision: Decision | None = Field(None, description="Choose the next node.")
    parallel: Parallel | None = Field(None, description="Do several things at the same time.")
    map: Map | None = Field(None, description="Do the same for every item of a list.")
    approval: Approval | None = Field(None, description="Ask people and wait for their decision.")
    wait: Wait | None = Field(None, description="Wait for a time or a signal.")
    workflow: WorkflowCall | None = Field(None, description="Run another workflow.")
    transform: Transform | None = Field(None, description="Compute a value.")
    next: list[Edge] = Field(
        default=[],
        max_length=16,
        description="Where to go then; the first edge that holds. None: this path ends.",
    )
    max_visits: int | None = Field(
        None, ge=1, le=100_000, description="Most visits in one run; every loop needs a node with this bound."
    )
    timeout: Duration | None = Field(None, description="Longest time of one attempt.")
    retry: list[RetryRule] = Field(default=[], max_length=16, description="The first rule that fits applies.")
    catch: list[CatchRule] = Field(
        default=[], max_length=16, description="Where to go after a failure; the first rule that fits."
    )
    compensate: Compensation | None = Field(
        None, description="How to undo it if the run fails or is cancelled later; in reverse order."
    )

    @property
    def variant(self) -> str:
        """Which of `VARIANTS` this node is."""
        return next(name for name in VARIANTS if getattr(self, name) is not None)

    @property
    def body(self) -> Any:
        """The variant's own part, such as a `ToolCall`."""
        return getattr(self, self.variant)


class Budget(Model):
    """What one run, its children included, may use."""

    RULES = (at_least_one("cost_usd", "tokens"),)

    cost_usd: Usd | None = Field(None, description="Money, in US dollars.")
    tokens: Tokens | None = Field(None, description="Model tokens.")


class WorkflowSpec(Model):
    """A graph of nodes; a run walks it from `start`."""

    description: Text = Field("", description="What it does.")
    input: DataSchema | None = Field(None, description="The shape of its input; absent: anything.")
    output: Json = Field(
        None, description="A template; the run's output. Absent: the output of the last node."
    )
    start: NodeName | None = Field(None, description="The first node; absent: the first in the list.")
    timeout: Duration | None = Field(None, description="Longest time from start to end.")
    budget: Budget | None = Field(None, description="What a run may use.")
    nodes: Annotated[list[Node], Field(min_length=1, max_length=200), Unique("name")] = Field(
        description="The steps."
    )
    finally_: NodeName | None = Field(
        None, description="A node that runs at the end, whatever happened, with the path from it."
    )

    @property
    def start_node(self) -> str:
        """Name of the node a run begins with."""
        return self.start or self.nodes[0].name

    def node(self, name: str) -> Node | None:
        """Return the node of that name, None when there is none."""
        return next((node for node in self.nodes if node.name == name), None)


class WorkflowStatus(Status):
    """What the platform found about a workflow."""

    untyped: list[Label] = Field(default=[], max_length=512, description="Expressions with an untyped part.")


class Workflow(Resource):
    """A state graph of agents, tools, decisions, waits and approvals."""

    kind: Literal["Workflow"] = Field("Workflow", description="Workflow.")
    spec: WorkflowSpec = Field(description="What the workflow does.")
    status: WorkflowStatus | None = Field(None, description="What the platform found.")
