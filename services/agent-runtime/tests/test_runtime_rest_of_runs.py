"""What is left to do of a run that ended without success, from its journal alone."""

from quarterdeck.runtime.events import Event
from quarterdeck.runtime.operations.rest import Carried, Family, go_on, rest_of


def test_a_child_whose_success_its_parent_had_not_heard_of():
    started = {"kind": "Workflow", "name": "w", "tenant": "t"}
    step = {"step": "s", "node": "s", "kind": "workflow"}
    children = {"step": "s", "first": 0, "count": 1, "total": 1, "run": "old"}
    journal = [
        Event("run.started", started),
        Event("step.started", step),
        Event("children.started", children),
        Event("run.cancelled", {"error": {"class": "cancelled", "message": "terminated"}}),
    ]
    rest = rest_of("r", journal)
    assert rest.families == [Family("s", "old")]
    done = go_on("r", rest, {"s": Carried("new", 1, {"n": 1})}, "me", "", "r0")
    found = done.state.steps["s"]
    assert (found.status, found.output, found.children.run) == ("done", {"n": 1}, "new")


def test_children_that_failed_before_their_node_ran_out_of_time_go_on():
    """The order in which both reached a run that was stopping; each alone is undone for a retry."""
    started = {"kind": "Workflow", "name": "w", "tenant": "default"}
    timer = {"timer": "t", "step": "s", "purpose": "timeout", "due": 5.0}
    failed = {"class": "cancelled", "message": "the parent stopped"}
    stop = {"class": "timeout", "message": "too long", "run": True}
    journal = [
        Event("run.started", started),
        Event("step.started", {"step": "s", "node": "s", "kind": "workflow"}),
        Event("timer.set", timer),
        Event("children.started", {"step": "s", "first": 0, "count": 1, "total": 1, "run": "old"}),
        Event("run.stopping", {"error": stop}),
        Event("child.finished", {"step": "s", "run": "old", "state": "cancelled", "error": failed}),
        Event("timer.fired", {"timer": "t"}),
        Event("run.timed-out", {"error": stop}),
    ]
    rest = rest_of("r", journal)
    done = go_on("r", rest, {"s": Carried("new")}, "me", "", "r0")
    found = done.state.steps["s"]
    assert (found.status, found.children.run, found.children.outstanding) == ("children", "new", 1)
    assert not done.state.leaving
    assert "t" in done.state.timers
