"""A run that kills its worker every time. Nothing in the product helps: a tool really kills the platform."""

from __future__ import annotations

import subprocess
from typing import Any

from badinput_support import (
    HERE,
    NEIGHBOUR,
    LivePlatform,
    local_server,
    open_policy,
    problem_of,
    tool_workflow,
    until,
    workflow,
)

from quarterdeck.cli.constants import EXIT_RUN_FAILED
from quarterdeck.runtime.constants import POISON_ATTEMPTS

KILLER = HERE / "servers/killer.py"


def killer(platform: LivePlatform, name: str, effect: str, **env: str) -> dict[str, Any]:
    env = {"KILLS": str(platform.data / "endpoint.json"), **env}
    return local_server(name, KILLER, env=env, tools=[{"name": "kill", "effect": effect}])


def start_again(platform: LivePlatform) -> None:
    assert platform.process is not None
    platform.process.wait(30)
    platform.start()


def test_a_run_that_kills_its_worker_is_put_aside_and_can_be_released(own_platform: LivePlatform) -> None:
    platform = own_platform.start()
    before = {"name": "before", "wait": {"signal": {"name": "go"}}}
    platform.apply(
        *NEIGHBOUR,
        killer(platform, "killer", "readOnly"),
        tool_workflow("deadly", "killer", "kill", "reason"),
        workflow("bystander", before),
    )
    bystander = platform.start_run("Workflow", "bystander")
    platform.wait(bystander, "waiting")
    run_id = platform.start_run("Workflow", "deadly", {"reason": "why not"})
    # It got as far as its intent; then it kills the platform at each attempt that it has.
    for _ in range(1 + POISON_ATTEMPTS):
        start_again(platform)
    run = platform.wait(run_id, "quarantined", timeout=20)
    assert platform.alive()
    assert f"no progress in {POISON_ATTEMPTS} attempts" in run["reason"]
    assert "its last intent was tool killer/kill (effect e1 of call)" in run["reason"]
    (effect,) = platform.get(f"runs/{run_id}/effects")["items"]
    assert (effect["target"], effect["state"], effect["arguments"]) == (
        "killer/kill",
        "pending",
        {"reason": "why not"},
    )
    platform.serves_others()
    followed = platform.qd("logs", run_id, "--follow", timeout=30)
    assert followed.returncode == EXIT_RUN_FAILED, followed
    assert "quarantined" in followed.stdout + followed.stderr
    # It is no lost run: once its tool is mended, a person lets it go on.
    platform.apply(killer(platform, "killer", "readOnly", HARMLESS="1"))
    assert platform.post(f"runs/{run_id}/resume", {}).is_success
    run = platform.wait(run_id, timeout=20)
    assert (run["state"], run["output"]) == ("succeeded", {"text": "nobody was harmed"})
    assert platform.post(f"runs/{bystander}/signal", {"name": "go"}).is_success
    assert platform.wait(bystander)["state"] == "succeeded"
    assert platform.stop() == 0


def test_a_write_that_kills_its_worker_is_not_tried_again(own_platform: LivePlatform) -> None:
    """Nobody knows what it did, so a person is asked at the first time."""
    platform = own_platform.start()
    platform.apply(
        *NEIGHBOUR,
        killer(platform, "killer", "write"),
        open_policy("killer"),
        tool_workflow("deadly", "killer", "kill"),
    )
    run_id = platform.start_run("Workflow", "deadly")
    start_again(platform)
    run = platform.wait(run_id, "waiting", timeout=20)
    assert run["openApprovals"] == 1
    (asked,) = platform.get("approvals", state="open")["items"]
    assert asked["title"] == "What became of killer/kill?"
    platform.serves_others()
    decision = {"approve": False, "comment": "it did enough"}
    assert platform.post(f"approvals/{asked['id']}/decision", decision).is_success
    assert platform.wait(run_id)["error"]["class"] == "uncertain"
    assert platform.stop() == 0


def test_what_was_accepted_survives_a_kill(own_platform: LivePlatform) -> None:
    platform = own_platform.start()
    platform.apply(*NEIGHBOUR)
    accepted = [platform.start_run("Workflow", "neighbour", {"text": f"run {n}"}) for n in range(40)]
    platform.kill()
    platform.start()
    for number, run_id in enumerate(accepted):
        run = platform.wait(run_id, timeout=30)
        assert (run["state"], run["output"]) == ("succeeded", {"text": f"run {number}"})
    problem_of(platform.http.get("/api/v1/tenants/default/runs/nobody"), 404)
    no_orphans(platform)
    assert platform.stop() == 0


def no_orphans(platform: LivePlatform) -> None:
    """Tool servers of the killed process are gone."""

    def servers() -> list[str]:
        listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
        return [line for line in listed.splitlines() if "friendly.py" in line and str(platform.data) in line]

    until(lambda: len(servers()) <= 2, 10, "the old tool server to end", servers)
