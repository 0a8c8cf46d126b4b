"""What a planner works with: the definition, the state, and what may be said about them.

`decide` functions are pure. They return a `Decision`, the events that follow from the state;
they never change it. Whatever is not in the state (large values, ids, the time) is handed in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from quarterdeck.common.artifacts import referenced
from quarterdeck.resources.errors import ExpressionError, NotJson
from quarterdeck.resources.expressions import Expression
from quarterdeck.resources.templates import Template, holds, names_used
from quarterdeck.runtime.definition import Definition
from quarterdeck.runtime.events import Event, error_value
from quarterdeck.runtime.state import RunState


class ValuesNeeded(Exception):
    """A decision needs artifacts that are not at hand; load them and decide again."""

    def __init__(self, digests: set[str]) -> None:
        super().__init__(", ".join(sorted(digests)))
        self.digests = digests


class StepRefused(Exception):
    """A step cannot be begun, by a limit or by what it was given; it fails with this error."""

    def __init__(self, kind: str, message: str, **more: Any) -> None:
        super().__init__(message)
        self.error = error_value(kind, message, **more)


@dataclass(frozen=True, slots=True)
class NewChild:
    """A child run to create with the events that announce it."""

    run_id: str
    step: str
    kind: str
    name: str
    input: Any
    index: int = -1
    session: str = ""
    inline: Mapping[str, Any] | None = None
    budget: Mapping[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Decision:
    """What follows from a state: events to append, and what goes with them.

    Args:
        shares: among how many the rest of the budget is divided when `children` get their slices.
    """

    events: list[Event] = field(default_factory=list)
    children: list[NewChild] = field(default_factory=list)
    cancel_runs: list[str] = field(default_factory=list)
    cancel_children_of: list[str] = field(default_factory=list)
    shares: int = 1


@dataclass(slots=True)
class Planning:
    """The arguments of every decision.

    Args:
        values: contents of artifacts by digest, as far as they were loaded.
        now: Unix time of this decision, in seconds.
        new_id: makes a run or approval id.
    """

    definition: Definition
    state: RunState
    values: Mapping[str, Any]
    now: float
    new_id: Callable[[], str]

    def value(self, stored: Any) -> Any:
        """Returns a stored value, or what the artifact it refers to holds. Raises ValuesNeeded."""
        digest = referenced(stored)
        if digest is None:
            return stored
        if digest not in self.values:
            raise ValuesNeeded({digest})
        return self.values[digest]

    def bindings(self, used: Template | Expression, extra: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Returns the variables that a template or expression reads. Raises ValuesNeeded."""
        names = names_used(used)
        state, bound = self.state, dict(extra or {})
        if "input" in names.roots and "input" not in bound:
            bound["input"] = self.value(state.input)
        if "nodes" in names.roots and "nodes" not in bound:
            bound["nodes"] = self.nodes(state.visits if names.all_nodes else names.nodes)
        if "error" in names.roots:
            bound.setdefault("error", state.handled or state.error or {})
        if "run" in names.roots:
            bound["run"] = self.run_facts()
        return bound

    def nodes(self, wanted: Iterable[str]) -> dict[str, Any]:
        """Returns what expressions see of ended nodes: output or error, and how often they were visited."""
        state, seen = self.state, {}
        for name in wanted:
            facts: dict[str, Any] = {}
            if name in state.outputs:
                facts["output"] = self.value(state.outputs[name])
            if name in state.errors:
                facts["error"] = state.errors[name]
            if facts:
                seen[name] = {**facts, "visits": state.visits.get(name, 0)}
        return seen

    def run_facts(self) -> dict[str, Any]:
        """Returns what an expression may know about its run."""
        state = self.state
        return {
            "id": state.run_id,
            "name": state.name,
            "tenant": state.tenant,
            "labels": state.labels,
            "session": state.session,
            "startedAt": state.started_at,
        }

    def render(self, template: Template, extra: Mapping[str, Any] | None = None) -> Any:
        """Renders a template against the state. Raises ExpressionError or ValuesNeeded."""
        return template.value if template.constant else template.render(self.bindings(template, extra))

    def holds(self, condition: Expression, extra: Mapping[str, Any] | None = None) -> bool:
        """Evaluates a condition. Raises ExpressionError: a decision that cannot be made is not guessed."""
        return holds(condition, self.bindings(condition, extra))

    def next_effect_id(self) -> str:
        """Returns the id of the next intent; the same for the same state."""
        return f"e{self.state.effect_count + 1}"


def expression_problem(error: ExpressionError, where_used: str) -> dict[str, Any]:
    """Returns the error value of an expression that failed in a node, or in the run's `output`.

    Its class is `expression`, or `validation` if the expression worked and its result is not JSON.
    """
    kind = "validation" if isinstance(error, NotJson) else "expression"
    place = f" at {error.path}" if error.path else ""
    return {"class": kind, "message": f"{error}{place}", "node": where_used}
