"""The planner: which of the two kinds of run decides how."""

from __future__ import annotations

from quarterdeck.runtime.planner import agent as planner_agent
from quarterdeck.runtime.planner import workflow as planner_workflow
from quarterdeck.runtime.planner.planning import Decision, Planning


def decide(planning: Planning) -> Decision | None:
    """Returns the next decision of a run, or None when only the outside can bring it on."""
    if planning.state.paused is not None:
        return None
    if planning.state.kind == "Agent":
        return planner_agent.decide(planning)
    return planner_workflow.decide(planning)
