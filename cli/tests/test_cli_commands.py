"""The commands against a server that answers like a gateway."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from quarterdeck.cli.constants import (
    EXIT_CONFLICT,
    EXIT_FAILED,
    EXIT_INTERNAL,
    EXIT_INVALID,
    EXIT_NOT_FOUND,
    EXIT_OK,
    EXIT_RUN_FAILED,
    EXIT_USAGE,
)
from quarterdeck.cli.main import main

Capture = pytest.CaptureFixture[str]
AGENT = {
    "kind": "Agent",
    "metadata": {"name": "helper", "generation": 1, "creationTimestamp": "2026-01-01T00:00:00Z"},
    "spec": {"model": {"route": "default", "tier": "standard"}},
    "status": {"conditions": [{"type": "Ready", "status": "True"}]},
}
RUN = {"id": "r1", "kind": "Workflow", "name": "w", "state": "pending", "costUsd": 0, "openApprovals": 0}
POLICY = """\
apiVersion: quarterdeck.dev/v1alpha1
kind: ApprovalPolicy
metadata: {name: reviewers}
spec:
  approvers: [{principal: eva}]
"""


def accepted(status: str, message: str = "", generation: int = 1) -> dict[str, Any]:
    """Returns an object with a verdict."""
    condition = {"type": "Accepted", "status": status, "message": message, "observedGeneration": generation}
    return {
        "kind": "ApprovalPolicy",
        "metadata": {"name": "reviewers", "generation": 1},
        "spec": {"quorum": 1},
        "status": {"conditions": [condition]},
    }


def test_get_prints_a_table_names_or_json(gateway: Any, capsys: Capture) -> None:
    gateway.on("GET /tenants/default/agents", {"items": [AGENT], "continue": None, "resourceVersion": "7"})
    assert main(["get", "agents"]) == EXIT_OK
    head, row = capsys.readouterr().out.splitlines()
    assert head.split() == ["NAME", "ROUTE", "TIER", "READY", "AGE"]
    assert row.split()[:4] == ["helper", "default", "standard", "True"]
    assert main(["get", "qdag", "-o", "name", "-l", "a=b"]) == EXIT_OK
    assert capsys.readouterr().out == "agent/helper\n"
    assert gateway.requests[-1].query["labelSelector"] == "a=b"
    assert main(["get", "agent", "-o", "json"]) == EXIT_OK
    assert json.loads(capsys.readouterr().out)["items"] == [AGENT]


def test_get_by_name_in_another_tenant(gateway: Any, capsys: Capture) -> None:
    gateway.on("GET /tenants/acme/agents/helper", AGENT)
    assert main(["get", "agent/helper", "-n", "acme", "-o", "yaml"]) == EXIT_OK
    assert "name: helper" in capsys.readouterr().out
    assert main(["get", "agents", "helper", "gone", "-n", "acme"]) == EXIT_NOT_FOUND
    captured = capsys.readouterr()
    assert "helper" in captured.out
    assert "gone" in captured.err


def test_get_takes_several_names_with_their_kind_if_it_is_one(gateway: Any, capsys: Capture) -> None:
    gateway.on("GET /tenants/default/agents/helper", AGENT)
    assert main(["get", "agent/helper", "agents/helper", "-o", "name"]) == EXIT_OK
    assert capsys.readouterr().out == "agent/helper\nagent/helper\n"
    assert main(["get", "agent/helper", "workflow/w"]) == EXIT_USAGE
    assert "workflow/w is no Agent" in capsys.readouterr().err


def test_why_something_is_not_ready_is_in_the_table(gateway: Any, capsys: Capture) -> None:
    conditions = [
        {"type": "Ready", "status": "False", "reason": "Waiting"},
        {"type": "ResolvedRefs", "status": "False", "reason": "ToolMissing"},
    ]
    item = {**AGENT, "status": {"conditions": conditions}}
    gateway.on("GET /tenants/default/agents", {"items": [item]})
    assert main(["get", "agents"]) == EXIT_OK
    assert "False (ToolMissing)" in capsys.readouterr().out


def test_cluster_scoped_kinds_have_no_tenant_in_their_path(gateway: Any, capsys: Capture) -> None:
    gateway.on("GET /tenants", {"items": []})
    assert main(["get", "tenants"]) == EXIT_OK
    assert "no tenants" in capsys.readouterr().err


def test_watch_goes_on_with_changes(gateway: Any, make_answer: Any, capsys: Capture) -> None:
    change = {"type": "MODIFIED", "resourceVersion": "8", "object": AGENT}
    stream = make_answer(events=[f"id: 8\nevent: MODIFIED\ndata: {json.dumps(change)}\n\n"])
    listed = make_answer({"items": [], "resourceVersion": "7"})
    gateway.on(
        "GET /tenants/default/agents", lambda request: stream if request.query.get("watch") else listed
    )
    assert main(["get", "agents", "--watch", "-o", "name"]) == EXIT_OK
    assert capsys.readouterr().out == "modified agent/helper\n"
    assert gateway.requests[-1].query["resourceVersion"] == "7"


def test_an_unknown_kind_names_the_known(capsys: Capture) -> None:
    assert main(["get", "nonsense"]) == EXIT_USAGE
    assert "agents, workflows" in capsys.readouterr().err


def test_apply_says_what_was_done_and_waits_for_the_verdict(
    gateway: Any, make_answer: Any, capsys: Capture
) -> None:
    Path("p.yaml").write_text(POLICY)
    path = "/tenants/default/approvalpolicies/reviewers"
    gateway.on(f"PUT {path}", make_answer(accepted("Unknown"), 201, {"Quarterdeck-Outcome": "created"}))
    gateway.on(f"GET {path}", accepted("True"))
    assert main(["apply", "-f", "p.yaml"]) == EXIT_OK
    assert capsys.readouterr().out == "approvalpolicy/reviewers created\n"
    assert gateway.sent("PUT")[0].body["spec"] == {"approvers": [{"principal": "eva"}]}


def test_apply_fails_when_it_is_not_accepted(gateway: Any, capsys: Capture) -> None:
    Path("p.yaml").write_text(POLICY)
    gateway.on(
        "PUT /tenants/default/approvalpolicies/reviewers",
        accepted("False", "spec.approvers: nobody by that name"),
    )
    assert main(["apply", "-f", "p.yaml"]) == EXIT_INVALID
    assert "p.yaml:1: approvalpolicy/reviewers: spec.approvers: nobody" in capsys.readouterr().err


def test_a_verdict_about_an_older_generation_does_not_count(gateway: Any, capsys: Capture) -> None:
    Path("p.yaml").write_text(POLICY)
    path = "/tenants/default/approvalpolicies/reviewers"
    gateway.on(f"PUT {path}", accepted("True", generation=0))
    gateway.on(f"GET {path}", accepted("False", "wrong"))
    assert main(["apply", "-f", "p.yaml"]) == EXIT_INVALID


def test_what_the_platform_refuses_is_shown_with_its_line(
    gateway: Any, make_answer: Any, capsys: Capture
) -> None:
    Path("p.yaml").write_text(POLICY)
    problem = {"detail": "must not be empty", "field": "spec.approvers[0].principal"}
    gateway.on("PUT /tenants/default/approvalpolicies/reviewers", make_answer(problem, 400))
    assert main(["apply", "-f", "p.yaml"]) == EXIT_INVALID
    assert "error: p.yaml:5: approvalpolicy/reviewers: spec.approvers[0].principal" in capsys.readouterr().err


def test_dry_run_asks_but_does_not_wait(gateway: Any, capsys: Capture) -> None:
    Path("p.yaml").write_text(POLICY)
    gateway.on("PUT /tenants/default/approvalpolicies/reviewers", accepted("Unknown"))
    assert main(["apply", "-f", "p.yaml", "--dry-run"]) == EXIT_OK
    assert gateway.sent("PUT")[0].query == {"dryRun": "true"}
    assert gateway.sent("GET") == []


def test_diff_shows_changes_and_exits_with_one(gateway: Any, make_answer: Any, capsys: Capture) -> None:
    Path("p.yaml").write_text(POLICY)
    path = "/tenants/default/approvalpolicies/reviewers"
    gateway.on(f"PUT {path}", accepted("True"))
    live = accepted("True")
    live["spec"] = {"quorum": 2}
    gateway.on(f"GET {path}", live)
    assert main(["diff", "-f", "p.yaml"]) == EXIT_FAILED
    lines = capsys.readouterr().out.splitlines()
    assert "-  quorum: 2" in lines
    assert "+  quorum: 1" in lines
    gateway.on(f"GET {path}", accepted("True"))
    assert main(["diff", "-f", "p.yaml"]) == EXIT_OK
    assert capsys.readouterr().out == ""


def test_delete_by_manifest_takes_users_before_what_they_use(gateway: Any, capsys: Capture) -> None:
    Path("p.yaml").write_text(POLICY)
    agent: dict[str, Any] = {
        "apiVersion": "quarterdeck.dev/v1alpha1",
        **AGENT,
        "spec": {"instructions": "help"},
    }
    agent["metadata"], agent["status"] = {"name": "helper"}, None
    Path("a.json").write_text(json.dumps(agent))
    gateway.on("DELETE /tenants/default/agents/helper", AGENT)
    assert main(["delete", "-f", ".", "--ignore-not-found"]) == EXIT_OK
    assert [request.path.rpartition("/")[2] for request in gateway.sent("DELETE")] == ["helper", "reviewers"]
    assert capsys.readouterr().out == "agent/helper deleted\n"


def test_run_tries_a_workflow_then_an_agent(gateway: Any, make_answer: Any, capsys: Capture) -> None:
    def start(request: Any) -> Any:
        if request.body["kind"] == "Workflow":
            return make_answer({"detail": "no such workflow"}, 404)
        return make_answer({**RUN, "kind": "Agent"}, 201)

    gateway.on("POST /tenants/default/runs", start)
    Path("in.yaml").write_text("month: 2025-01\n")
    arguments = ["--input", "@in.yaml", "--key", "k", "--label", "a=b", "--session", "s"]
    assert main(["run", "helper", *arguments]) == EXIT_OK
    assert capsys.readouterr().out == "run/r1\n"
    body = gateway.requests[-1].body
    assert body == {
        "kind": "Agent",
        "name": "helper",
        "input": {"month": "2025-01"},
        "key": "k",
        "session": "s",
    } | {"labels": {"a": "b"}}
    assert gateway.requests[-1].headers["idempotency-key"] != gateway.requests[-2].headers["idempotency-key"]


@pytest.mark.parametrize(
    ("target", "wished"),
    [
        ("workflow/w", {"kind": "Workflow", "name": "w", "input": {}}),
        ("agent/a", {"kind": "Agent", "name": "a"}),
        ("agent/../x", {"kind": "Agent", "name": "../x"}),
    ],
)
def test_run_says_the_whole_name_and_no_message_for_an_agent(
    gateway: Any, target: str, wished: dict[str, Any]
) -> None:
    gateway.on("POST /tenants/default/runs", RUN)
    assert main(["run", target]) == EXIT_OK
    assert gateway.requests[-1].body == wished


def test_run_of_nothing_says_where_to_look(gateway: Any, capsys: Capture) -> None:
    assert main(["run", "nobody"]) == EXIT_NOT_FOUND
    assert "no Workflow or Agent 'nobody'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("payload", "code"), [("{", EXIT_INVALID), ("@gone.json", EXIT_INVALID), ("[1]", EXIT_OK)]
)
def test_an_input_that_cannot_be_read_starts_nothing(gateway: Any, payload: str, code: int) -> None:
    gateway.on("POST /tenants/default/runs", RUN)
    assert main(["run", "workflow/w", "--input", payload]) == code
    assert len(gateway.requests) == (1 if code == EXIT_OK else 0)


@pytest.mark.parametrize(
    ("state", "code"), [("succeeded", EXIT_OK), ("waiting", EXIT_OK), ("failed", EXIT_RUN_FAILED)]
)
def test_follow_shows_the_journal_and_tells_the_outcome(
    gateway: Any, make_answer: Any, make_event: Any, capsys: Capture, state: str, code: int
) -> None:
    ended = {**RUN, "state": state, "error": {"class": "tool", "message": "no", "node": "n"}}
    gateway.on("POST /tenants/default/runs", make_answer(RUN, 201))
    gateway.on(
        "GET /tenants/default/runs/r1/events", make_answer(events=[make_event(1, "run.started", kind="x")])
    )
    gateway.on("GET /tenants/default/runs/r1", ended)
    assert main(["run", "workflow/w", "--follow", "--until", "waiting"]) == code
    captured = capsys.readouterr()
    assert "run.started" in captured.out
    assert state in captured.err
    if code == EXIT_RUN_FAILED:
        assert "error: run r1 failed: tool at n: no" in captured.err


def test_runs_list_asks_for_roots_and_pages(gateway: Any, capsys: Capture) -> None:
    gateway.on("GET /tenants/default/runs", {"items": [RUN]})
    assert main(["runs", "list", "--state", "waiting,failed", "-o", "name"]) == EXIT_OK
    assert gateway.requests[-1].query == {"state": "waiting,failed", "roots": "true", "limit": "50"}
    assert main(["runs", "list", "--parent", "r0"]) == EXIT_OK
    assert "roots" not in gateway.requests[-1].query


def test_a_run_is_steered(gateway: Any, capsys: Capture) -> None:
    base = "/tenants/default/runs/r1"
    gateway.on(f"GET {base}", RUN)
    for verb in ("cancel", "signal", "resume"):
        gateway.on(f"POST {base}/{verb}", RUN)
    assert main(["runs", "cancel", "r1", "--reason", "enough"]) == EXIT_OK
    assert gateway.requests[-1].body == {"reason": "enough"}
    assert main(["runs", "signal", "r1", "paid", "-p", '{"n": 1}', "--id", "x"]) == EXIT_OK
    assert gateway.requests[-1].body == {"name": "paid", "payload": {"n": 1}, "id": "x"}
    assert main(["runs", "resume", "r1", "--resolution", "done", "--outcome", "5"]) == EXIT_OK
    assert gateway.requests[-1].body == {"resolution": "done", "outcome": 5}
    assert capsys.readouterr().out.splitlines()[0] == "run/r1 cancelling (pending)"


def test_repin_with_problems_is_a_conflict(gateway: Any, capsys: Capture) -> None:
    answer = {"run": RUN, "changes": ["Agent/a: 1 -> 2"], "problems": ["node gone"]}
    gateway.on("POST /tenants/default/runs/r1/repin", answer)
    assert main(["runs", "repin", "r1", "--dry-run"]) == EXIT_CONFLICT
    captured = capsys.readouterr()
    assert captured.out == "Agent/a: 1 -> 2\n"
    assert "node gone" in captured.err


def test_fork_shows_first_what_it_keeps(gateway: Any, capsys: Capture) -> None:
    answer = {"run": None, "copiedEvents": 4, "keptSteps": ["a"], "nextSteps": ["b"]}
    gateway.on("POST /tenants/default/runs/r1/fork", answer)
    assert main(["runs", "fork", "r1", "--before", "5", "--dry-run"]) == EXIT_OK
    assert gateway.requests[-1].body == {"beforeSeq": 5, "dryRun": True}
    assert "keeps: a" in capsys.readouterr().err


def test_approve_sends_the_hash_that_was_shown(gateway: Any, capsys: Capture) -> None:
    approval = {"id": "a1", "state": "approved"}
    gateway.on("POST /tenants/default/approvals/a1/decision", {"approval": approval, "run": RUN})
    assert (
        main(["approvals", "approve", "a1", "-m", "fine", "--hash", "h", "--answer", '{"x": 1}']) == EXIT_OK
    )
    assert gateway.requests[-1].body == {
        "approve": True,
        "comment": "fine",
        "answer": {"x": 1},
        "dataHash": "h",
    }
    assert capsys.readouterr().out == "approval/a1 approved\n"


def test_reject_all_of_a_run(gateway: Any, capsys: Capture) -> None:
    gateway.on("GET /tenants/default/approvals", {"items": [{"id": "a1"}, {"id": "a2"}]})
    for name in ("a1", "a2"):
        path = f"POST /tenants/default/approvals/{name}/decision"
        gateway.on(path, {"approval": {"id": name, "state": "rejected"}})
    assert main(["approvals", "reject", "--all", "--run", "r1"]) == EXIT_OK
    assert gateway.requests[0].query["run"] == "r1"
    assert [request.body["approve"] for request in gateway.sent("POST")] == [False, False]


def test_a_decision_needs_ids_or_all(gateway: Any) -> None:
    assert main(["approvals", "approve"]) == EXIT_USAGE
    assert main(["approvals", "approve", "a", "b", "--hash", "h"]) == EXIT_USAGE
    assert gateway.requests == []


def test_a_tool_is_called_and_its_result_printed(gateway: Any, make_answer: Any, capsys: Capture) -> None:
    outcome = {"status": "ok", "result": {"sum": 3}}
    gateway.on("POST /tenants/default/tools/calc/add/call", outcome)
    assert main(["tools", "call", "calc/add", "-a", '{"a": 1}']) == EXIT_OK
    assert json.loads(capsys.readouterr().out) == {"sum": 3}
    gateway.on("POST /tenants/default/tools/calc/add/call", {"status": "tool-error", "message": "overflow"})
    assert main(["tools", "call", "calc/add"]) == EXIT_FAILED
    captured = capsys.readouterr()
    assert (captured.out, "overflow" in captured.err) == ("", True)
    large = {"status": "ok", "result": None, "artifact": {"digest": "sha256:ab"}}
    gateway.on("POST /tenants/default/tools/calc/add/call", large)
    assert main(["tools", "call", "calc/add"]) == EXIT_OK
    captured = capsys.readouterr()
    assert (captured.out, "qd artifacts get sha256:ab" in captured.err) == ("", True)


@pytest.mark.parametrize(("policy", "asked"), [("p", "first (policy p): run r1"), (None, "first: run r1")])
def test_a_call_that_needs_an_approval_is_a_run(
    gateway: Any, make_answer: Any, capsys: Capture, policy: str | None, asked: str
) -> None:
    waits = {"status": "needs-approval", "policy": policy, "run": RUN}
    gateway.on("POST /tenants/default/tools/calc/add/call", make_answer(waits, 202))
    assert main(["tools", "call", "calc/add"]) == EXIT_OK
    captured = capsys.readouterr()
    assert captured.out == "run/r1\n"
    assert asked in captured.err


def test_memory_is_searched_and_filled(gateway: Any, capsys: Capture) -> None:
    near = {"id": "i", "text": "t", "score": 1.0, "similarity": 0.25}
    by_words = {"id": "j", "text": "u", "score": 0.5, "similarity": None}
    gateway.on("POST /tenants/default/memories/m/search", {"items": [near, by_words]})
    assert main(["memory", "search", "m", "what", "--limit", "3", "--filter", '{"a": 1}']) == EXIT_OK
    assert gateway.requests[-1].body == {"query": "what", "limit": 3, "minScore": 0, "filter": {"a": 1}}
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines] == [
        ["SCORE", "SIMILARITY", "ID", "TEXT"],
        ["1.000", "0.250", "i", "t"],
        ["0.500", "-", "j", "u"],
    ]
    gateway.on("POST /tenants/default/memories/m", {"ids": ["i"]})
    assert main(["memory", "save", "m", "some text", "--id", "i"]) == EXIT_OK
    assert gateway.requests[-1].body == {"items": [{"id": "i", "text": "some text"}]}


def test_an_artifact_is_written_as_it_is(gateway: Any, make_answer: Any, capsys: Capture) -> None:
    gateway.on("GET /tenants/default/artifacts/sha256:ab", make_answer(raw=b"\x00\xff"))
    assert main(["artifacts", "get", "sha256:ab", "--to", "out.bin"]) == EXIT_OK
    assert Path("out.bin").read_bytes() == b"\x00\xff"


def test_a_trigger_is_paused_over_the_version_that_was_read(gateway: Any, capsys: Capture) -> None:
    path = "/tenants/default/triggers/t"
    found = {"kind": "Trigger", "metadata": {"name": "t", "resourceVersion": "9"}, "spec": {}, "status": {}}
    gateway.on(f"GET {path}", found)
    gateway.on(f"PUT {path}", found)
    assert main(["triggers", "pause", "t"]) == EXIT_OK
    put = gateway.sent("PUT")[0]
    assert (put.query["resourceVersion"], put.body["spec"]) == ("9", {"paused": True})
    assert "status" not in put.body


def test_chat_speaks_ag_ui(gateway: Any, make_answer: Any, capsys: Capture) -> None:
    answer = [
        f"data: {json.dumps({'type': 'TEXT_MESSAGE_CONTENT', 'delta': text})}\n\n" for text in ("Hi", "!")
    ]
    gateway.on("POST /tenants/default/agents/helper/ag-ui", make_answer(events=answer))
    assert main(["chat", "helper", "-m", "hello", "--session", "s"]) == EXIT_OK
    assert capsys.readouterr().out == "Hi!\n"
    body = gateway.requests[-1].body
    assert (body["threadId"], body["messages"][0]["content"]) == ("s", "hello")


def test_describe_shows_conditions_and_runs(gateway: Any, capsys: Capture) -> None:
    gateway.on("GET /tenants/default/agents/helper", AGENT)
    gateway.on("GET /tenants/default/agents/helper/revisions", {"items": [{"revision": "Agent/helper@1"}]})
    gateway.on("GET /tenants/default/runs", {"items": [RUN]})
    assert main(["describe", "agent/helper"]) == EXIT_OK
    out = capsys.readouterr().out
    for words in ("route: default", "Ready", "Agent/helper@1", "Recent runs:", "r1"):
        assert words in out


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("agent", "instructions"),
        ("workflow.spec.nodes.retry", "required"),
        ("trigger.spec.cron.overlap", "one of: "),
    ],
)
def test_explain_needs_no_platform(target: str, words: str, capsys: Capture) -> None:
    path = f"{target}.spec" if target == "agent" else target
    assert main(["explain", path]) == EXIT_OK
    assert words in capsys.readouterr().out


def test_explain_of_a_wrong_field_names_the_fields(capsys: Capture) -> None:
    assert main(["explain", "agent.spec.modle"]) == EXIT_NOT_FOUND
    assert "model" in capsys.readouterr().err


def test_logs_of_a_run_with_its_children(gateway: Any, make_answer: Any, capsys: Capture) -> None:
    for name, parent in (("r1", None), ("r2", "r1")):
        gateway.on(f"GET /tenants/default/runs/{name}", {**RUN, "id": name, "parentRunId": parent})
        item = {"seq": 1, "type": "run.started", "at": "", "data": {"kind": "Workflow", "name": name}}
        gateway.on(f"GET /tenants/default/runs/{name}/events", {"items": [item], "continue": None})

    def children(request: Any) -> Any:
        return make_answer({"items": [{"id": "r2"}] if request.query["parent"] == "r1" else []})

    gateway.on("GET /tenants/default/runs", children)
    assert main(["logs", "r1", "--children"]) == EXIT_OK
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("run.started")[1].strip() for line in lines if "run.started" in line] == [
        "Workflow/r1 null",
        "Workflow/r2 null",
    ]


def test_a_defect_is_one_line(gateway: Any, capsys: Capture, make_answer: Any) -> None:
    gateway.on("GET /tenants/default/runs/r1", make_answer(raw=b"not json"))
    assert main(["runs", "get", "r1"]) == EXIT_INTERNAL
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_the_version_is_said_without_a_platform(capsys: Capture) -> None:
    assert main(["version"]) == EXIT_OK
    captured = capsys.readouterr()
    assert captured.out.startswith("qd ")
    assert "platform  none" in captured.err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_and_their_answers(shell: str) -> None:
    script = subprocess.run(
        [sys.executable, "-m", "quarterdeck.cli.main", "completion", shell],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "_QD_COMPLETE" in script.stdout
    asked = {"_QD_COMPLETE": "complete_bash", "COMP_WORDS": "qd runs ", "COMP_CWORD": "2"}
    answer = subprocess.run(
        [sys.executable, "-m", "quarterdeck.cli.main"], capture_output=True, text=True, check=False, env=asked
    )
    assert {"list", "cancel", "fork"} <= set(answer.stdout.split())


def test_a_shell_completes_kinds_and_names(gateway: Any) -> None:
    gateway.on("GET /tenants/default/agents", {"items": [AGENT]})

    def completed(line: str) -> list[str]:
        asked = {"_QD_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
        ended = subprocess.run(
            [sys.executable, "-m", "quarterdeck.cli.main"],
            capture_output=True,
            text=True,
            check=False,
            env={**asked, "QD_SERVER": gateway.url, "QD_TOKEN": "qd_test"},
        )
        return ended.stdout.split()

    assert completed("qd get work") == ["workflows"]
    assert completed("qd describe agent he") == ["helper"]
    assert completed("qd get agent/he") == ["agent/helper"]
