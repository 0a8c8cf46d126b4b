"""Kind `Agent`: instructions, a model, tools, memory, and what bounds them."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from quarterdeck.resources.metadata import Resource, Status
from quarterdeck.resources.model import Model
from quarterdeck.resources.rules import Unique
from quarterdeck.resources.scalars import Duration, JsonObject, Label, Name, Text, Tokens, ToolName, Usd

Instructions = Annotated[str, StringConstraints(min_length=1, max_length=65_536)]
ToolNames = Annotated[list[ToolName], Field(max_length=128), Unique()]


class DataSchema(Model):
    """The shape of an input or output."""

    schema_: JsonObject = Field(description="A JSON Schema (draft 2020-12).")


class ModelChoice(Model):
    """Which model answers, and how."""

    route: Name = Field("default", description="The ModelRoute to ask.")
    tier: Name = Field("standard", description="The tier of that route.")
    max_tokens: int = Field(4096, ge=1, le=1_000_000, description="Longest answer, in tokens.")
    temperature: float | None = Field(
        None, ge=0, le=2, description="Randomness, for providers that take it; absent: the model's own."
    )


class ToolGrant(Model):
    """Tools of one server that the agent may use."""

    server: Name = Field(description="The MCPServer.")
    names: ToolNames = Field(default=[], description="Tools of it; empty: every tool the server allows.")


class AgentGrant(Model):
    """Another agent that this one may call; the call is a child run."""

    name: Name = Field(description="The Agent.")
    description: Text = Field("", description="When to call it, for the model.")


class MemoryGrant(Model):
    """A collection that the agent may use."""

    collection: Name = Field(description="The MemoryCollection.")
    access: Literal["read", "readWrite"] = Field("read", description="Whether it may also save and delete.")


class AskPerson(Model):
    """Lets the agent ask people; gives it the tool `ask_person`."""

    policy: Name = Field(description="The ApprovalPolicy that says who is asked.")


class ApprovalRequirement(Model):
    """Tools of one server whose calls a person must approve first."""

    server: Name = Field(description="The MCPServer.")
    names: ToolNames = Field(default=[], description="Tools of it; empty: all.")
    policy: Name = Field(description="The ApprovalPolicy that decides.")


class AgentLimits(Model):
    """What stops a run of the agent, with a clear reason."""

    turns: int = Field(20, ge=1, le=1_000, description="Most model calls.")
    tokens: Tokens = Field(200_000, description="Most tokens, in and out.")
    cost_usd: Usd | None = Field(None, description="Most money, in US dollars; absent: the budget above it.")
    timeout: Duration = Field(
        "10m",
        description="Longest time at work. Not counted: waiting for people, for runs that it started, "
        "for a tool or model that is gone, and a pause.",
    )
    concurrency: int | None = Field(
        None,
        ge=1,
        le=10_000,
        description="Most runs of the agent that are worked on at once; more wait in the queue. One that "
        "waits does not count. Absent: any number.",
    )


class ContextSettings(Model):
    """When the conversation is compacted, and what stays as it was."""

    max_tokens: int = Field(
        100_000, ge=1_000, le=10_000_000, description="Compact when the context grows past this many tokens."
    )
    keep_turns: int = Field(4, ge=0, le=1_000, description="Newest turns that are kept word for word.")


class AgentSpec(Model):
    """An agent: a model that follows instructions and uses tools until it can answer."""

    description: Text = Field("", description="What it does, for people and for agents that may call it.")
    instructions: Instructions = Field(description="The system prompt; a template over `input` and `run`.")
    model: ModelChoice = Field(ModelChoice(), description="Which model answers.")
    tools: Annotated[list[ToolGrant], Field(max_length=64), Unique("server")] = Field(
        default=[], description="Tools it may use."
    )
    agents: Annotated[list[AgentGrant], Field(max_length=32), Unique("name")] = Field(
        default=[], description="Agents it may call."
    )
    memory: Annotated[list[MemoryGrant], Field(max_length=16), Unique("collection")] = Field(
        default=[], description="Collections it may use."
    )
    ask_person: AskPerson | None = Field(None, description="Lets it ask people.")
    input: DataSchema | None = Field(None, description="The shape of its input; absent: anything.")
    output: DataSchema | None = Field(None, description="The shape of its answer; absent: text.")
    limits: AgentLimits = Field(AgentLimits(), description="What stops it.")
    approvals: list[ApprovalRequirement] = Field(
        default=[], max_length=64, description="Calls that need a person's approval."
    )
    context: ContextSettings = Field(ContextSettings(), description="When its context is compacted.")


class AgentStatus(Status):
    """What the platform found about an agent."""

    untyped: list[Label] = Field(default=[], max_length=128, description="Expressions with an untyped part.")


class Agent(Resource):
    """An agent: instructions, a model route, tools, memory, limits."""

    kind: Literal["Agent"] = Field("Agent", description="Agent.")
    spec: AgentSpec = Field(description="What the agent is.")
    status: AgentStatus | None = Field(None, description="What the platform found.")
