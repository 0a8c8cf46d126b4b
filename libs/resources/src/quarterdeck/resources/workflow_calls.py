"""What the nodes of a workflow do: one class per variant."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from quarterdeck.resources.model import Model
from quarterdeck.resources.rules import Unique, exactly_one
from quarterdeck.resources.scalars import (
    Condition,
    Duration,
    Json,
    JsonObject,
    Name,
    NodeName,
    TemplateText,
    ToolName,
)

NonEmptyTemplate = Annotated[str, StringConstraints(min_length=1, max_length=16_384)]


class ToolCall(Model):
    """Calls one tool."""

    server: Name = Field(description="The MCPServer.")
    name: ToolName = Field(description="The tool.")
    arguments: JsonObject = Field(default={}, description="A template; the tool's arguments.")
    idempotency_key: TemplateText | None = Field(
        None,
        description="A template; passed to the tool so that it can tell a repeat. Absent: the call's id.",
    )


class AgentCall(Model):
    """Runs an agent as a child run."""

    name: Name = Field(description="The Agent.")
    input: Json = Field(None, description="A template; the agent's input.")
    session: TemplateText | None = Field(None, description="A template; the session the run belongs to.")


class WorkflowCall(Model):
    """Runs another workflow as a child run."""

    name: Name = Field(description="The Workflow.")
    input: Json = Field(None, description="A template; the workflow's input.")


class MemorySearch(Model):
    """Finds what is most alike."""

    query: NonEmptyTemplate = Field(description="A template; the text to look for.")
    limit: int = Field(10, ge=1, le=1_000, description="Most results.")
    filter: JsonObject | None = Field(None, description="A template; conditions on the payload.")


class MemorySave(Model):
    """Saves one text with its payload."""

    id: TemplateText | None = Field(
        None, description="A template; the point's id. Absent: made from the call's id."
    )
    text: NonEmptyTemplate = Field(description="A template; the text to remember.")
    payload: JsonObject = Field(
        default={}, description="A template; fields of the collection's payload schema."
    )


class MemoryDelete(Model):
    """Deletes points by id or by filter."""

    RULES = (exactly_one("ids", "filter"),)

    ids: Annotated[list[TemplateText], Field(min_length=1, max_length=1_000)] | None = Field(
        None, description="Templates; the points' ids."
    )
    filter: JsonObject | None = Field(None, description="A template; conditions on the payload.")


class MemoryCall(Model):
    """Uses a memory collection."""

    RULES = (exactly_one("search", "save", "delete"),)

    collection: Name = Field(description="The MemoryCollection.")
    search: MemorySearch | None = Field(None, description="Find.")
    save: MemorySave | None = Field(None, description="Remember.")
    delete: MemoryDelete | None = Field(None, description="Forget.")


class DecisionCase(Model):
    """One way a decision can go."""

    when: Condition = Field(description="Take this case when it is true; the first true one wins.")
    to: NodeName = Field(description="The node to go to.")


class Decision(Model):
    """Chooses the next node; a pure step."""

    cases: list[DecisionCase] = Field(min_length=1, max_length=32, description="Tried in order.")
    otherwise: NodeName | None = Field(
        None, description="The node to go to when no case is true; absent: this path ends."
    )


class Transform(Model):
    """Computes a value; a pure step."""

    output: Json = Field(description="A template; the node's output.")


class Branch(Model):
    """One of the things a parallel node does at the same time."""

    RULES = (exactly_one("tool", "agent", "memory", "workflow", "transform"),)

    name: NodeName = Field(description="Its name; the node's output holds each branch's output under it.")
    tool: ToolCall | None = Field(None, description="Call a tool.")
    agent: AgentCall | None = Field(None, description="Run an agent.")
    memory: MemoryCall | None = Field(None, description="Use a memory collection.")
    workflow: WorkflowCall | None = Field(None, description="Run a workflow.")
    transform: Transform | None = Field(None, description="Compute a value.")


class Parallel(Model):
    """Does several things at the same time."""

    branches: Annotated[list[Branch], Field(min_length=1, max_length=32), Unique("name")] = Field(
        description="What is done."
    )
    join: Literal["all", "any"] = Field(
        "all",
        description="Go on when all branches are done, or when the first is (the others are cancelled).",
    )


class Map(Model):
    """Does the same for every item of a list; each agent or workflow is a child run."""

    RULES = (exactly_one("workflow", "agent", "tool"),)

    items: NonEmptyTemplate = Field(description="A template that gives the list.")
    workflow: Name | None = Field(None, description="The Workflow to run for each item.")
    agent: Name | None = Field(None, description="The Agent to run for each item.")
    tool: ToolCall | None = Field(None, description="The tool to call for each item.")
    input: Json = Field(
        None, description="A template that also sees `item` and `index`; absent: the item. Not for tools."
    )
    max_concurrency: int = Field(16, ge=1, le=10_000, description="Most items worked on at a time.")
    tolerate_failures: int = Field(
        0, ge=0, le=1_000_000, description="How many items may fail before the node fails."
    )


class Approval(Model):
    """Asks people and waits for their decision."""

    policy: Name = Field(description="The ApprovalPolicy that says who decides.")
    title: NonEmptyTemplate = Field(description="A template; one line that says what is asked.")
    summary: TemplateText = Field("", description="A template; what the approver should know.")
    data: Json = Field(None, description="A template; what is approved, shown and handed on.")
    editable: bool = Field(False, description="Whether the approver may change `data`.")


class Signal(Model):
    """A message from outside that a node waits for."""

    name: Name = Field(description="The signal's name.")
    schema_: JsonObject | None = Field(None, description="A JSON Schema that its payload must meet.")
    timeout: Duration | None = Field(None, description="Longest wait; then the node fails with `timeout`.")


class Wait(Model):
    """Waits for a time or a signal; costs nothing meanwhile."""

    RULES = (exactly_one("duration", "until", "signal"),)

    duration: Duration | None = Field(None, description="How long.")
    until: NonEmptyTemplate | None = Field(None, description="A template that gives an RFC 3339 time.")
    signal: Signal | None = Field(None, description="The signal to wait for.")


class Compensation(Model):
    """Undoes a node's effect; sees the node's result as `output`."""

    RULES = (exactly_one("tool", "workflow"),)

    tool: ToolCall | None = Field(None, description="Call a tool.")
    workflow: WorkflowCall | None = Field(None, description="Run a workflow.")
