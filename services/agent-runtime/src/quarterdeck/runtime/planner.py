"""The planner: which of the two kinds of run decides how."""

from __future__ import annotations

from quarterdeck.runtime import planner_agent, planner_workflow
from quarterdeck.runtime.planning import Decision, Planning


def decide(planning: Planning) -> Decision | None:
    """Returns the next decision of a run, or None when only the outside can bring it on."""
    if planning.state.paused is not None:
        return None
    if planning.state.kind == "Agent":
        return planner_agent.decide(planning)
    return planner_workflow.decide(planning)
