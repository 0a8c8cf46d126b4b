"""What one can do to runs from the command line, against a server that answers like a gateway."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from quarterdeck.cli.constants import (
    EXIT_CONFLICT,
    EXIT_FAILED,
    EXIT_INVALID,
    EXIT_NOT_FOUND,
    EXIT_OK,
    EXIT_USAGE,
)
from quarterdeck.cli.main import main

Capture = pytest.CaptureFixture[str]
RUN = {"id": "r1", "kind": "Workflow", "name": "w", "state": "running", "costUsd": 0, "openApprovals": 0}
BASE = "/tenants/default/runs/r1"


def test_pause_and_resume(gateway: Any, capsys: Capture) -> None:
    gateway.on(f"POST {BASE}/pause", RUN)
    gateway.on(f"POST {BASE}/resume", RUN)
    assert main(["runs", "pause", "run/r1", "--reason", "look"]) == EXIT_OK
    assert gateway.requests[-1].body == {"reason": "look"}
    assert capsys.readouterr().out == "run/r1 pausing (running)\n"
    assert main(["runs", "resume", "r1", "-o", "json"]) == EXIT_OK
    assert json.loads(capsys.readouterr().out)["id"] == "r1"
    assert main(["runs", "pause", "gone"]) == EXIT_NOT_FOUND


def test_terminate(gateway: Any, capsys: Capture) -> None:
    gateway.on(f"GET {BASE}", RUN)
    gateway.on(f"POST {BASE}/terminate", {**RUN, "state": "cancelled", "reason": "terminated: now"})
    assert main(["runs", "terminate", "r1", "--reason", "now"]) == EXIT_OK
    assert gateway.requests[-1].body == {"reason": "now"}
    captured = capsys.readouterr()
    assert captured.out == "run/r1 terminated (cancelled)\n" and "terminated: now" in captured.err


@pytest.mark.parametrize("verb", ["cancel", "terminate"])
def test_what_is_over_cannot_be_ended(gateway: Any, capsys: Capture, verb: str) -> None:
    gateway.on(f"GET {BASE}", {**RUN, "state": "succeeded", "finishedAt": "2026-01-01T00:00:00Z"})
    assert main(["runs", verb, "r1"]) == EXIT_CONFLICT
    captured = capsys.readouterr()
    assert captured.out == "" and "run r1 is over already: succeeded" in captured.err
    assert f"nothing to {verb}" in captured.err
    assert [request.method for request in gateway.requests] == ["GET"]


@pytest.mark.parametrize(
    ("options", "body"),
    [
        ([], {}),
        (["--resolution", "done"], {"resolution": "done"}),
        (["--resolution", "done", "--outcome", "null"], {"resolution": "done", "outcome": None}),
        (["--resolution", "done", "--outcome", "5"], {"resolution": "done", "outcome": 5}),
    ],
)
def test_an_outcome_that_is_null_is_not_one_left_out(gateway: Any, options: list[str], body: Any) -> None:
    gateway.on(f"POST {BASE}/resume", RUN)
    assert main(["runs", "resume", "r1", *options]) == EXIT_OK
    assert gateway.requests[-1].body == body


@pytest.mark.parametrize("command", [["retry", "r1"], ["fork", "r1", "--before", "7"]])
def test_the_plan_of_a_dry_run_has_the_form_asked_for(
    gateway: Any, capsys: Capture, command: list[str]
) -> None:
    plan = {"run": None, "copiedEvents": 6, "keptSteps": ["a"], "nextSteps": ["b"]}
    gateway.on(f"POST {BASE}/{command[0]}", plan)
    assert main(["runs", *command, "--dry-run", "-o", "json"]) == EXIT_OK
    captured = capsys.readouterr()
    assert json.loads(captured.out) == plan and captured.err == ""
    assert main(["runs", *command, "--dry-run", "-o", "yaml"]) == EXIT_OK
    assert "copiedEvents: 6" in capsys.readouterr().out
    assert main(["runs", *command, "--dry-run"]) == EXIT_OK
    captured = capsys.readouterr()
    assert captured.out == "" and "runs next: b" in captured.err


def test_retry(gateway: Any, capsys: Capture) -> None:
    answer = {
        "run": {**RUN, "id": "r2"},
        "keptSteps": ["a"],
        "nextSteps": ["b"],
        "uncertainSteps": ["b"],
        "keptChildren": 2,
        "retriedChildren": 1,
    }
    gateway.on(f"POST {BASE}/retry", answer)
    assert main(["runs", "retry", "r1"]) == EXIT_OK
    captured = capsys.readouterr()
    assert captured.out == "run/r2\n"
    for words in ("keeps: a", "runs next: b", "2 kept, 1 retried", "asks a person first about: b"):
        assert words in captured.err
    assert "idempotency-key" not in gateway.requests[-1].headers  # so that a repeat is the same retry
    gateway.on(f"POST {BASE}/retry", {**answer, "run": None})
    assert main(["runs", "retry", "r1", "--dry-run"]) == EXIT_OK
    assert gateway.requests[-1].body == {"dryRun": True}
    assert capsys.readouterr().out == ""


def rerun_gateway(gateway: Any, make_answer: Any, problem: str = "") -> None:
    """Answers dry runs with two pages, and real calls with what was confirmed."""

    def answer(request: Any) -> Any:
        first = not request.body["continue"]
        item = {"runId": "r1" if first else "r2", "kind": "Workflow", "name": "w", "state": "failed"}
        if not request.body.get("dryRun"):
            assert request.body["confirm"] == ("c1" if first else "c2")
            item["newRunId"] = None if problem else f"new-{item['runId']}"
            item["problem"] = problem or None
        page = {"items": [item], "continue": "t" if first else None, "confirm": "c1" if first else "c2"}
        return make_answer(page)

    gateway.on("POST /tenants/default/runs/rerun", answer)


def test_rerun_shows_before_it_does(gateway: Any, make_answer: Any, capsys: Capture) -> None:
    rerun_gateway(gateway, make_answer)
    asked = ["runs", "rerun", "--name", "w", "--state", "failed,timed-out", "-l", "a=b", "--from-failure"]
    assert main([*asked, "--dry-run", "-o", "name"]) == EXIT_OK
    assert capsys.readouterr().out == "run/r1\nrun/r2\n"
    assert all(request.body["dryRun"] for request in gateway.requests)
    assert gateway.requests[0].body["states"] == ["failed", "timed-out"]
    assert (gateway.requests[0].body["from"], gateway.requests[0].body["labelSelector"]) == ("failure", "a=b")
    assert main(asked) == EXIT_USAGE  # nobody can be asked
    assert "2 runs are selected" in capsys.readouterr().err
    assert main([*asked, "--yes", "-o", "name"]) == EXIT_OK
    assert capsys.readouterr().out == "run/new-r1\nrun/new-r2\n"


def test_what_cannot_be_run_again_is_said(gateway: Any, make_answer: Any, capsys: Capture) -> None:
    rerun_gateway(gateway, make_answer, "run was undone: a")
    assert main(["runs", "rerun", "-y"]) == EXIT_FAILED
    assert "run r1: run was undone: a" in capsys.readouterr().err
    gateway.on("POST /tenants/default/runs/rerun", {"items": [], "continue": None, "confirm": None})
    assert main(["runs", "rerun", "-y"]) == EXIT_OK
    assert "no runs are selected" in capsys.readouterr().err


def test_archive(gateway: Any, capsys: Capture) -> None:
    answer = {"runs": 3, "events": 40, "deletedRuns": 1, "artifacts": 2}
    gateway.on("POST /tenants/default/runs/archive", answer)
    assert main(["runs", "archive", "--older-than", "1h30m", "--dry-run"]) == EXIT_OK
    assert gateway.requests[-1].body == {"olderThanSeconds": 5400, "dryRun": True}
    assert capsys.readouterr().out == "3 runs with 40 events would be archived\n"
    assert main(["runs", "archive"]) == EXIT_OK
    assert gateway.requests[-1].body == {"olderThanSeconds": 0, "dryRun": False}
    assert "1 runs deleted, 2 artifacts collected" in capsys.readouterr().out
    assert main(["runs", "archive", "-o", "json"]) == EXIT_OK
    assert json.loads(capsys.readouterr().out) == answer
    assert main(["runs", "archive", "--older-than", "long"]) == EXIT_USAGE


def test_export(
    gateway: Any, make_answer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.chdir(tmp_path)
    answer = make_answer(None)
    answer.raw = b"\x1f\x8bfile"
    gateway.on(f"GET {BASE}/export", answer)
    assert main(["runs", "export", "run/r1"]) == EXIT_OK
    assert (tmp_path / "run-r1.jsonl.gz").read_bytes() == b"\x1f\x8bfile"
    assert "6 bytes written to run-r1.jsonl.gz" in capsys.readouterr().err
    assert main(["runs", "export", "r1", "--to", "other"]) == EXIT_OK
    assert main(["runs", "export", "gone", "--to", "none"]) == EXIT_NOT_FOUND
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["other", "run-r1.jsonl.gz"]


def test_import(gateway: Any, make_answer: Any, tmp_path: Path, capsys: Capture) -> None:
    file = tmp_path / "run.jsonl.gz"
    file.write_bytes(b"\x1f\x8bfile")
    answer = {"run": {**RUN, "id": "r9"}, "runs": 3, "events": 40, "artifacts": 2, "originalId": "r1"}
    gateway.on("POST /tenants/default/runs/import", answer)
    assert main(["runs", "import", str(file)]) == EXIT_OK
    assert gateway.requests[-1].body == b"\x1f\x8bfile"
    assert "run r9: 3 runs with 40 events imported" in capsys.readouterr().out
    assert main(["runs", "import", str(file), "-o", "name"]) == EXIT_OK
    assert capsys.readouterr().out == "run/r9\n"
    refusal = {"detail": "line 4 is not as it was exported", "status": 400, "reason": "RunFileRefused"}
    gateway.on("POST /tenants/default/runs/import", make_answer(refusal, 400))
    assert main(["runs", "import", str(file)]) == EXIT_INVALID
    assert "line 4 is not as it was exported" in capsys.readouterr().err
    assert main(["runs", "import", str(tmp_path / "none")]) == EXIT_USAGE


def test_a_run_that_is_over_is_a_conflict(gateway: Any, make_answer: Any, capsys: Capture) -> None:
    over = {"detail": "run r1 is over: succeeded", "reason": "RunIsOver", "status": 409}
    gateway.on(f"POST {BASE}/pause", make_answer(over, 409))
    assert main(["runs", "pause", "r1"]) == EXIT_CONFLICT
    assert "is over" in capsys.readouterr().err


def test_a_shell_completes_the_ids_of_runs(gateway: Any) -> None:
    gateway.on("GET /tenants/default/runs", {"items": [RUN, {**RUN, "id": "x2"}]})
    asked = {"_QD_COMPLETE": "complete_bash", "COMP_WORDS": "qd runs pause r", "COMP_CWORD": "3"}
    ended = subprocess.run(
        [sys.executable, "-m", "quarterdeck.cli.main"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **asked, "QD_SERVER": gateway.url, "QD_TOKEN": "qd_test"},
    )
    assert ended.stdout.split() == ["r1"]
