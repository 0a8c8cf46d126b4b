"""`qd run --batch`, against a server that answers like a gateway."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from quarterdeck.cli import batch_start
from quarterdeck.cli.constants import EXIT_FAILED, EXIT_INVALID, EXIT_OK, EXIT_USAGE
from quarterdeck.cli.main import main

Capture = pytest.CaptureFixture[str]
PATH = "POST /tenants/default/runs/batch"
WRONG = {"status": 400, "field": "input.n", "detail": "input.n: 'x' is not an integer"}
UNKNOWN = {"status": 404, "field": "name", "detail": "Workflow w has no accepted revision"}


def started(run_id: str) -> dict[str, Any]:
    return {"id": run_id, "existed": False, "error": None}


def refused(error: dict[str, Any]) -> dict[str, Any]:
    return {"id": None, "existed": False, "error": error}


@pytest.fixture
def lines(tmp_path: Path) -> str:
    path = tmp_path / "inputs.jsonl"
    path.write_text('{"n": 1}\n\n{"n": "x"}\n{"n": 3}\n')
    return str(path)


def test_each_line_is_a_run(gateway: Any, capsys: Capture, lines: str) -> None:
    gateway.on(PATH, {"items": [started("r1"), started("r2"), started("r3")], "refused": 0})
    assert main(["run", "workflow/w", "--batch", lines, "--label", "a=b", "--priority", "3"]) == EXIT_OK
    assert capsys.readouterr().out == "run/r1\nrun/r2\nrun/r3\n"
    sent = gateway.requests[-1].body["runs"]
    assert [run["input"] for run in sent] == [{"n": 1}, {"n": "x"}, {"n": 3}]
    same = {"kind": "Workflow", "name": "w", "labels": {"a": "b"}, "priority": 3}
    assert all({**run, **same} == run for run in sent)


def test_the_exit_code_tells_that_one_was_refused(gateway: Any, capsys: Capture, lines: str) -> None:
    gateway.on(PATH, {"items": [started("r1"), refused(WRONG), started("r3")], "refused": 1})
    assert main(["run", "workflow/w", "--batch", lines]) == EXIT_FAILED
    captured = capsys.readouterr()
    assert captured.out == "run/r1\nrun/r3\n"
    assert "line 3: input.n: 'x' is not an integer" in captured.err and "1 of 3 runs" in captured.err
    assert main(["run", "workflow/w", "--batch", lines, "-o", "json"]) == EXIT_FAILED
    answer = json.loads(capsys.readouterr().out)
    assert [item["line"] for item in answer["items"]] == [1, 3, 4] and answer["refused"] == 1


def test_a_name_alone_may_be_of_an_agent(
    gateway: Any, make_answer: Any, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO('"hello"\n'))

    def answer(request: Any) -> Any:
        kind = request.body["runs"][0]["kind"]
        return make_answer({"items": [started("r1") if kind == "Agent" else refused(UNKNOWN)], "refused": 0})

    gateway.on(PATH, answer)
    assert main(["run", "helper", "--batch", "-"]) == EXIT_OK
    assert capsys.readouterr().out == "run/r1\n"
    keys = [request.headers["idempotency-key"] for request in gateway.requests]
    assert len(set(keys)) == len(keys) == 2


def test_nothing_is_started_when_a_line_is_no_json(gateway: Any, capsys: Capture, tmp_path: Path) -> None:
    path = tmp_path / "broken.jsonl"
    path.write_text('{"n": 1}\n{"n": \n')
    assert main(["run", "workflow/w", "--batch", str(path)]) == EXIT_INVALID
    assert "line 2: not JSON" in capsys.readouterr().err
    path.write_text("\n")
    assert main(["run", "workflow/w", "--batch", str(path)]) == EXIT_INVALID
    assert main(["run", "workflow/w", "--batch", str(tmp_path / "none")]) == EXIT_INVALID
    assert main(["run", "workflow/w", "--batch", str(path), "--follow"]) == EXIT_USAGE
    assert gateway.requests == []


def test_requests_hold_no_more_than_one_may() -> None:
    many = [(line, {"n": line}) for line in range(2500)]
    sizes = [len(portion) for portion in batch_start.requests(many)]
    assert sizes == [1000, 1000, 500]
    large = [(line, "x" * (batch_start.BYTES_A_REQUEST // 2 - 10)) for line in range(5)]
    assert [len(portion) for portion in batch_start.requests(large)] == [2, 2, 1]
