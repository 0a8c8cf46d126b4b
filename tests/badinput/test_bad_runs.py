"""Runs that go wrong by themselves: without end, too deep, too large. Each fails alone, with its reason."""

from __future__ import annotations

import time
from typing import Any

import pytest
from badinput_support import LivePlatform, error_of, manifest, until, workflow


def test_a_workflow_that_calls_itself_ends_at_the_depth_limit(platform: LivePlatform) -> None:
    call = {"name": "endless", "input": {"n": "${input.n + 1}"}}
    platform.apply(workflow("endless", {"name": "again", "workflow": call}))
    run_id = platform.start_run("Workflow", "endless", {"n": 0})
    error = error_of(platform.wait(run_id))
    assert (error["class"], error["limit"], error["node"]) == ("limit", "depth", "again")
    assert "32 deep" in error["message"]
    found = platform.get("runs", name="endless", limit=500)["items"]
    assert len(found) == 33
    assert {run["state"] for run in found} == {"failed"}


def test_an_agent_that_calls_itself_is_told_and_ends(platform: LivePlatform) -> None:
    rules = [
        {"name": "stop", "when": "turn > 1", "say": "enough"},
        {"name": "again", "call": [{"tool": "narcissus", "arguments": {"message": "me"}}]},
    ]
    playbook = {"kind": "Playbook", "name": "mirror", "agents": {"narcissus": {"rules": rules}}}
    tiers = [{"name": "standard", "providers": [{"provider": "playbook", "playbook": playbook}]}]
    spec = {
        "instructions": "x",
        "model": {"route": "mirror"},
        "agents": [{"name": "narcissus", "description": "itself"}],
        "limits": {"turns": 3},
    }
    platform.apply(manifest("ModelRoute", "mirror", {"tiers": tiers}), manifest("Agent", "narcissus", spec))
    run = platform.go("Agent", "narcissus", "begin", timeout=60)
    assert run["state"] == "succeeded", run
    found = platform.get("runs", name="narcissus", limit=500)["items"]
    assert len(found) == 33


def test_a_tree_that_doubles_can_be_cancelled_and_starves_nobody(platform: LivePlatform) -> None:
    """Each run starts three more. Its cancellation overtakes it, and so does everybody else's work."""
    body = {"items": "${[1, 2, 3]}", "workflow": "bomb", "input": 1, "tolerateFailures": 3}
    pause = {"name": "pause", "wait": {"duration": "1s"}, "next": [{"to": "call"}]}
    call = {"name": "call", "tool": {"server": "friendly", "name": "echo", "arguments": {"text": "late"}}}
    platform.apply(workflow("bomb", {"name": "more", "map": body}), workflow("pausing", pause, call))
    pausing = platform.start_run("Workflow", "pausing")
    run_id = platform.start_run("Workflow", "bomb")
    until(lambda: len(platform.get("runs", name="bomb", limit=500)["items"]) >= 400, 30, "many runs")
    platform.serves_others()
    assert platform.wait(pausing, timeout=10)["state"] == "succeeded"
    assert platform.post(f"runs/{run_id}/cancel", {"reason": "a mistake"}).is_success
    run = platform.wait(run_id, timeout=60)
    assert run["state"] == "cancelled"
    still = platform.get("runs", name="bomb", state="pending,running,waiting", limit=500)["items"]
    assert still == []


def test_a_loop_ends_at_its_bound(platform: LivePlatform) -> None:
    again = {"name": "again", "transform": {"output": 1}, "maxVisits": 50, "next": [{"to": "again"}]}
    platform.apply(workflow("loops", again))
    error = error_of(platform.go("Workflow", "loops"))
    assert (error["class"], error["node"]) == ("limit", "again")
    assert "50 times" in error["message"]


def test_a_loop_of_millions_holds_nobody_up_and_can_be_cancelled(platform: LivePlatform) -> None:
    again = {"name": "again", "transform": {"output": 1}, "maxVisits": 100_000, "next": [{"to": "again"}]}
    platform.apply(workflow("spins", again))
    run_id = platform.start_run("Workflow", "spins")
    for _ in range(3):
        platform.serves_others(within=5)
    assert platform.run(run_id)["state"] == "running"
    platform.post(f"runs/{run_id}/cancel", {})
    assert platform.wait(run_id, timeout=10)["state"] == "cancelled"


@pytest.mark.parametrize(
    ("node", "value", "kind", "words"),
    [
        ({"transform": {"output": {"x": "${input.a.b}"}}}, {"a": {}}, "expression", 'no such key: "b"'),
        ({"transform": {"output": "${1 / input.a}"}}, {"a": 0}, "expression", "divide by zero"),
        (
            {"transform": {"output": "${input.a.map(x, input.a.map(y, input.a.map(z, x + y + z)))}"}},
            {"a": list(range(1000))},
            "expression",
            "too much work",
        ),
        (
            {"map": {"items": "${input.a}", "workflow": "neighbour"}},
            {"a": "abc"},
            "validation",
            "not a list",
        ),
        ({"wait": {"until": "${input.a}"}}, {"a": "tomorrow"}, "validation", "tomorrow"),
        (
            {"approval": {"policy": "anybody", "title": "Sure?", "data": "${input.a}"}},
            {"a": "x" * 100_000},
            "limit",
            "the approval n shows has",
        ),
    ],
    ids=["key", "zero", "work", "map", "until", "approval"],
)
def test_a_step_that_cannot_be_taken_says_which_and_why(
    platform: LivePlatform, node: dict[str, Any], value: Any, kind: str, words: str
) -> None:
    platform.apply(workflow("stumbles", {"name": "n", **node}))
    error = error_of(platform.go("Workflow", "stumbles", value))
    assert error["class"] == kind, error
    assert words in error["message"], error
    assert error.get("node") == "n" or "step n" in error["message"], error


def test_a_map_over_too_many_items_is_refused_at_once(platform: LivePlatform) -> None:
    platform.apply(workflow("wide", {"name": "each", "map": {"items": "${input}", "workflow": "neighbour"}}))
    began = time.monotonic()
    error = error_of(platform.go("Workflow", "wide", [1] * 1_000_001, timeout=60))
    assert (error["class"], error["node"]) == ("limit", "each")
    assert "1000001 items; the limit is 1000000" in error["message"]
    assert time.monotonic() - began < 30
    assert platform.get("runs", name="wide", state="running")["items"] == []


def test_large_values_pass_through_as_artifacts(platform: LivePlatform) -> None:
    grow = {"name": "grow", "transform": {"output": ["${input.text}", "${input.text}"]}}
    read = {"name": "read", "transform": {"output": "${size(nodes.grow.output[0] + nodes.grow.output[1])}"}}
    platform.apply(workflow("grows", {**grow, "next": [{"to": "read"}]}, read))
    run = platform.go("Workflow", "grows", {"text": "x" * 1_000_000})
    assert run["output"] == 2_000_000
    sizes = [len(str(event["data"])) for event in platform.journal(run["id"])]
    assert max(sizes) < 64 * 1024
