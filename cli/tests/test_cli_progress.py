"""How far the demo is, and when nothing is left but approvals."""

from __future__ import annotations

from typing import Any

import pytest

from quarterdeck.cli.demo.progress import Progress, stand
from quarterdeck.cli.demo.result import Result, result_lines
from quarterdeck.cli.demo.screen import PlainScreen


def event(seq: int, kind: str, /, **data: Any) -> dict[str, Any]:
    return {"seq": seq, "type": kind, "data": data}


def run(name: str, parent: str | None, state: str, approvals: int = 0) -> dict[str, Any]:
    return {
        "id": name,
        "parentRunId": parent,
        "rootRunId": "root",
        "state": state,
        "openApprovals": approvals,
    }


def test_maps_count_their_items() -> None:
    progress = Progress()
    for item in (
        event(1, "step.started", step="s1", node="extract", kind="map"),
        event(2, "children.started", step="s1", count=2, total=4),
        event(3, "children.progress", step="s1", done=1, failed=0),
        event(4, "children.progress", step="s1", done=1, failed=1),
        event(5, "run.phase", phase="finally"),
    ):
        progress.add(item)
    step = progress.steps["s1"]
    assert (step.done, step.failed, step.open, step.ended) == (2, 1, 1, False)
    assert progress.lines() == ["extract: 2 of 4, 1 failed"]
    progress.add(event(6, "children.joined", step="s1"))
    assert progress.steps["s1"].ended
    assert progress.seq == 6


def test_a_tree_waits_for_people_alone_when_every_leaf_asks() -> None:
    tree = [run("root", None, "waiting"), run("a", "root", "waiting", 1), run("b", "root", "waiting")]
    tree.append(run("c", "b", "waiting", 1))
    assert stand(tree, "root").only_approvals
    assert stand(tree, "root").asking == 2


@pytest.mark.parametrize("state", ["pending", "running"])
def test_a_leaf_that_moves_is_not_rest(state: str) -> None:
    tree = [run("root", None, "running"), run("a", "root", "waiting", 1), run("b", "root", state)]
    assert not stand(tree, "root").only_approvals
    assert stand(tree, "root").moving == 1


def test_a_leaf_that_waits_for_something_else_is_stuck() -> None:
    tree = [run("root", None, "waiting"), run("a", "root", "waiting", 1), run("b", "root", "quarantined")]
    found = stand(tree, "root")
    assert not found.only_approvals
    assert [item["id"] for item in found.stuck] == ["b"]


def test_a_root_alone_counts_and_other_trees_do_not() -> None:
    other = {"id": "z", "parentRunId": None, "rootRunId": "z", "state": "running", "openApprovals": 0}
    assert stand([run("root", None, "running"), other], "root").moving == 1


def test_plain_lines_are_few_and_the_last_state_is_always_told(capsys: pytest.CaptureFixture[str]) -> None:
    progress, screen = Progress(), PlainScreen()
    progress.add(event(1, "step.started", step="m", node="match"))
    progress.add(event(2, "children.started", step="m", total=9, count=9))
    nothing = stand([], "root")
    screen.show(progress, nothing, 0.0)
    progress.add(event(3, "children.progress", step="m", done=1, failed=0))
    screen.show(progress, nothing, 0.1)
    screen.show(progress, nothing, 0.2, last=True)
    assert capsys.readouterr().out.splitlines() == ["     0.0 s  match: 0 of 9", "     0.2 s  match: 1 of 9"]


def test_the_result_names_every_outcome() -> None:
    counts = {"transactions": 5, "matched": 3, "waiting": 1, "unmatched": 1, "reversed": 0, "rejected": 0}
    score = {"precision": 1.0, "recall": 0.9, "automatic": 3, "one_right": 3}
    lines = result_lines(Result(counts, 0.5, 1200, 2.0, False, 1, score))
    assert [line.split("  ")[0] for line in lines[:6]] == [
        "payments",
        "matched",
        "waiting for review",
        "no match",
        "cost",
        "time",
    ]
    assert lines[4].endswith("1,200 tokens")
    assert lines[-2] == "  precise  100.0% of 3 automatic matches"
