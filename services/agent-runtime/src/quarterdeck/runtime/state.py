"""The state of a run: what the fold over its journal gives.

Plain data. Only what is still needed is kept: an ended step leaves its output and, if it can
be undone, how.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from quarterdeck.runtime.constants import REDUCER_VERSION

# Statuses of a step.
OPEN = "open"  # nothing was done for it yet
EFFECT = "effect"  # an effect is in flight
CHILDREN = "children"  # child runs are at work
APPROVAL = "approval"  # a person is asked
WAITING = "waiting"  # a timer, a signal or its own branches
DELAYED = "delayed"  # a retry is due later
PARKED = "parked"  # something live is missing
DONE = "done"  # it has its output; what follows is not decided yet
FAILED = "failed"  # it has an error; what follows is not decided yet

# Statuses of an outcome that say: nothing was done this time.
NOT_MADE = frozenset({"unavailable", "needs_approval", "denied"})

# Phases of a run.
FORWARD = "forward"
STOPPING = "stopping"
COMPENSATING = "compensating"
FINALLY = "finally"
FINISHED = "finished"


@dataclass(slots=True)
class Children:
    """How far a step's child runs are. `run` is set when there is exactly one."""

    total: int = 0
    started: int = 0
    done: int = 0
    failed: int = 0
    run: str = ""
    error: dict[str, Any] | None = None
    joined: bool = False
    # They were told to stop.
    told: bool = False
    # What is reserved for those that have not ended, limit by limit.
    held: dict[str, int] = field(default_factory=dict)

    @property
    def outstanding(self) -> int:
        """Children that were started and have not ended."""
        return self.started - self.done - self.failed


@dataclass(slots=True)
class Step:
    """One visit of a node, one branch of a parallel, one tool use of an agent, or one compensation."""

    id: str
    node: str
    kind: str
    parent: str = ""
    status: str = OPEN
    params: Any = None
    attempt: int = 1
    parks: int = 0
    began_at: float = 0.0
    effect: str = ""
    approval: str = ""
    approved: str = ""
    children: Children | None = None
    branches: list[str] = field(default_factory=list)
    timers: list[str] = field(default_factory=list)
    output: Any = None
    error: dict[str, Any] | None = None
    reason: str = ""
    # An effect of this step whose outcome nobody knows yet.
    uncertain: str = ""


def child_key(step: Step) -> str:
    """Returns the name under which a step's child runs report: another one for each attempt."""
    return step.id if step.attempt == 1 else f"{step.id}@{step.attempt}"


@dataclass(slots=True)
class Effect:
    """An intent whose outcome is not known yet."""

    id: str
    step: str
    kind: str
    target: dict[str, Any]
    arguments: Any
    attempt: int
    reserve: int = 0
    approval: str = ""
    # Set while the outcome is uncertain and a check is asked about this earlier effect.
    checks: str = ""
    reserve_tokens: int = 0


@dataclass(slots=True)
class AgentState:
    """The transcript of an agent's run and where its loop stands."""

    messages: list[dict[str, Any]] = field(default_factory=list)
    turn: int = 0
    tools: Any = None
    repaired: bool = False
    stop_reason: str = ""
    last_input_tokens: int = 0


@dataclass(slots=True)
class WorkTime:
    """What an agent's timeout counts (seconds); see `reducer.worktime`."""

    # For how long the run has rested since its timer was set, and since when it does (Unix time).
    rested: float = 0.0
    resting_since: float | None = None
    # What is left when the timer has fired and the run has rested: it is to be set again for that.
    left: float | None = None


@dataclass(slots=True)
class RunState:
    """Everything the planner may look at."""

    run_id: str = ""
    version: int = REDUCER_VERSION
    seq: int = 0
    kind: str = ""
    name: str = ""
    tenant: str = ""
    session: str = ""
    depth: int = 0
    labels: dict[str, str] = field(default_factory=dict)
    started_at: float = 0.0
    input: Any = None
    history: list[dict[str, Any]] = field(default_factory=list)
    phase: str = FORWARD
    steps: dict[str, Step] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)
    errors: dict[str, Any] = field(default_factory=dict)
    visits: dict[str, int] = field(default_factory=dict)
    last_node: str = ""
    undo: list[dict[str, Any]] = field(default_factory=list)
    effects: dict[str, Effect] = field(default_factory=dict)
    effect_count: int = 0
    timers: dict[str, dict[str, Any]] = field(default_factory=dict)
    approvals: dict[str, str] = field(default_factory=dict)
    signals: dict[str, list[Any]] = field(default_factory=dict)
    budget: dict[str, int] = field(default_factory=dict)
    spent: int = 0
    reserved: int = 0
    tokens: int = 0
    reserved_tokens: int = 0
    # Children of steps that have moved on without them, until they end: by child key.
    leaving: dict[str, Children] = field(default_factory=dict)
    error: dict[str, Any] | None = None
    handled: dict[str, Any] | None = None
    stop: dict[str, Any] | None = None
    cancel: dict[str, Any] | None = None
    paused: dict[str, Any] | None = None
    agent: AgentState | None = None
    worktime: WorkTime = field(default_factory=WorkTime)
    outcome: str = ""
    output: Any = None

    def to_json(self) -> dict[str, Any]:
        """Returns the state as JSON-like data, for a snapshot."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> RunState:
        """Reads a snapshot of the same reducer version."""
        state = cls(**data)
        state.steps = {key: _step(value) for key, value in data["steps"].items()}
        state.effects = {key: Effect(**value) for key, value in data["effects"].items()}
        state.leaving = {key: Children(**value) for key, value in data.get("leaving", {}).items()}
        state.agent = AgentState(**data["agent"]) if data["agent"] else None
        state.worktime = WorkTime(**data.get("worktime", {}))
        return state

    def children_of(self, key: str) -> Children | None:
        """Returns how far the children of this key are, also when their step has moved on."""
        step = self.step_of_children(key)
        return step.children if step is not None else self.leaving.get(key)

    def step_of_children(self, key: str) -> Step | None:
        """Returns the step that waits for children of this key; None if it has moved on since."""
        step = self.steps.get(key) or self.steps.get(key.rpartition("@")[0])
        return step if step is not None and child_key(step) == key else None

    @property
    def open_children(self) -> int:
        """Child runs that have not ended."""
        at_work = sum(step.children.outstanding for step in self.steps.values() if step.children)
        return at_work + sum(children.outstanding for children in self.leaving.values())

    @property
    def items_started(self) -> int:
        """Items that the furthest of the maps at work has started."""
        return max((step.children.started for step in self.steps.values() if step.children), default=0)


def _step(data: dict[str, Any]) -> Step:
    step = Step(**data)
    if data["children"]:
        step.children = Children(**data["children"])
    return step
