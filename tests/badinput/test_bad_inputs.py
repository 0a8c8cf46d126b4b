"""What clients send to runs: refused by the name of the field, with nothing started and nothing changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from badinput_support import LivePlatform, error_of, manifest, problem_of, until, workflow

from quarterdeck.cli.constants import EXIT_FAILED, EXIT_INVALID, EXIT_NOT_FOUND, EXIT_USAGE

SCHEMA = {
    "type": "object",
    "required": ["month", "rows"],
    "additionalProperties": False,
    "properties": {
        "month": {"type": "string", "pattern": r"^\d{4}-\d{2}$"},
        "rows": {"type": "array", "items": {"type": "object", "properties": {"n": {"type": "integer"}}}},
    },
}
GOOD = {"month": "2025-01", "rows": [{"n": 1}]}
NODE = {"name": "a", "transform": {"output": "${input}"}}


@pytest.fixture(scope="module")
def strict(_shared_platform: LivePlatform) -> LivePlatform:
    """The platform with a workflow that is strict about its input."""
    _shared_platform.apply(workflow("strict", NODE, input={"schema": SCHEMA}))
    return _shared_platform


def started(platform: LivePlatform, name: str) -> int:
    return len(platform.get("runs", name=name, limit=500)["items"])


@pytest.mark.parametrize(
    ("value", "field", "words"),
    [
        (None, "input", "not of type 'object'"),
        ({"rows": []}, "input", "'month' is a required property"),
        ({**GOOD, "month": "January"}, "input.month", "does not match"),
        ({**GOOD, "rows": [{"n": 1}, {"n": "two"}]}, "input.rows[1].n", "'two' is not of type 'integer'"),
        ({**GOOD, "extra": 1}, "input", "no such field: 'extra'"),
        ({**GOOD, "rows": ["x" * 1000] * 3000}, "input.rows[0]", "(and 19 more)"),
    ],
)
def test_an_input_that_breaks_the_schema_starts_nothing(
    platform: LivePlatform, strict: LivePlatform, value: Any, field: str, words: str
) -> None:
    before = started(strict, "strict")
    problem = problem_of(strict.post("runs", {"kind": "Workflow", "name": "strict", "input": value}), 400)
    assert problem["field"] == field
    assert words in problem["detail"]
    assert problem["violations"][0]["field"] == field
    assert started(strict, "strict") == before


def test_the_command_line_says_the_same(platform: LivePlatform, strict: LivePlatform, tmp_path: Path) -> None:
    before = started(strict, "strict")
    file = tmp_path / "input.json"
    file.write_text(json.dumps({**GOOD, "rows": [{"n": "one"}]}))
    done = strict.qd("run", "strict", "--input", f"@{file}")
    assert done.returncode == EXIT_INVALID, done
    assert "input.rows[0].n" in done.stderr
    for given, code in (("{", EXIT_INVALID), (f"@{tmp_path}/absent", EXIT_INVALID), ("@", EXIT_INVALID)):
        done = strict.qd("run", "strict", "--input", given)
        assert done.returncode in (code, EXIT_USAGE, EXIT_FAILED), (given, done)
        assert "--input" in done.stderr or str(tmp_path) in done.stderr, (given, done)
        assert len(done.stderr.splitlines()) < 5
    done = strict.qd("run", "no-such-thing")
    assert done.returncode == EXIT_NOT_FOUND
    assert "'no-such-thing'" in done.stderr
    assert started(strict, "strict") == before


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"properties": {"x": {"type": "string", "pattern": "^(a|a)+$"}}}, {"x": "a" * 100_000 + "!"}),
        ({"uniqueItems": True}, [{"n": n} for n in range(50_000)]),
        ({"$ref": "#"}, {}),
        (
            {
                "$ref": "#/$defs/a0",
                "$defs": {
                    **{f"a{n}": {"allOf": [{"$ref": f"#/$defs/a{n + 1}"}] * 2} for n in range(40)},
                    "a40": {"type": "string"},
                },
            },
            "x",
        ),
    ],
    ids=["pattern", "unique", "self", "doubling"],
)
def test_no_schema_can_hold_the_platform_up(platform: LivePlatform, schema: Any, value: Any) -> None:
    platform.apply(workflow("evil", NODE, input={"schema": schema}))
    answer = platform.post("runs", {"kind": "Workflow", "name": "evil", "input": value})
    if answer.status_code != 201:
        problem = problem_of(answer, answer.status_code)
        assert problem["field"].startswith("input")
        assert answer.status_code in (400, 412)


def test_a_childs_input_is_checked_against_the_childs_schema(
    platform: LivePlatform, strict: LivePlatform
) -> None:
    call = {"name": "strict", "input": {"month": "${input.month}", "rows": []}}
    strict.apply(
        workflow("careless", {"name": "sub", "workflow": call}),
        workflow(
            "careful-caller",
            {"name": "sub", "workflow": call, "catch": [{"errors": ["validation"], "to": "otherwise"}]},
            {"name": "otherwise", "transform": {"output": "${error.message}"}},
        ),
    )
    error = error_of(strict.go("Workflow", "careless", {"month": "soon"}))
    assert (error["class"], error["node"], error["field"]) == ("validation", "sub", "input.month")
    assert error["childName"] == "strict"
    caught = strict.go("Workflow", "careful-caller", {"month": "soon"})
    assert caught["state"] == "succeeded"
    assert caught["output"].startswith("input.month: 'soon' does not match")
    assert strict.go("Workflow", "careless", {"month": "2025-01"})["state"] == "succeeded"


@pytest.mark.parametrize(
    ("more", "status", "field"),
    [
        ({"kind": "Policy"}, 400, "kind"),
        ({"kind": ""}, 400, "kind"),
        ({"name": ""}, 400, "name"),
        ({"inputs": {}}, 400, "inputs"),
        ({"labels": {"a": 5}}, 400, "labels.a"),
        ({"labels": {f"l{n}": "x" for n in range(1000)}}, 400, "labels"),
        ({"labels": {"a": "x" * 100_000}}, 400, "labels.a"),
        ({"session": "s" * 100_000}, 400, "session"),
        ({"key": "k" * 100_000}, 400, "key"),
        ({"priority": 101}, 400, "priority"),
        ({"keyConflict": "ignore"}, 400, "keyConflict"),
        ({"signal": {"payload": 1}}, 400, "signal.name"),
        ({"signal": {"name": "s", "payload": "x" * 100_000}}, 400, "signal.payload"),
        ({"input": [[[]]] * 2, "kind": "Agent"}, 404, ""),
    ],
)
def test_a_start_that_is_wrong_names_its_field(
    platform: LivePlatform, strict: LivePlatform, more: dict[str, Any], status: int, field: str
) -> None:
    before = started(strict, "strict")
    body = {"kind": "Workflow", "name": "strict", "input": GOOD, **more}
    problem = problem_of(strict.post("runs", body), status)
    assert problem.get("field", "") == field or not field, problem
    assert started(strict, "strict") == before


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = {"a": value}
    return value


def test_deep_inputs_are_refused_and_deep_outputs_fail_alone(platform: LivePlatform) -> None:
    """A value that could not be read again would take lists of runs with it."""
    deeper = {"name": "wrap", "transform": {"output": {"a": {"b": "${input}"}}}}
    again = {"name": "again", "workflow": {"name": "deeper", "input": "${nodes.wrap.output}"}}
    platform.apply(workflow("deeper", {**deeper, "next": [{"to": "again"}]}, again))
    for levels in (102, 150, 199, 5_000):
        answer = platform.http.post(
            "/api/v1/tenants/default/runs",
            content='{"kind":"Workflow","name":"deeper","input":' + "[" * levels + "]" * levels + "}",
            headers={"Content-Type": "application/json"},
        )
        problem_of(answer, 400)
    error = error_of(platform.go("Workflow", "deeper", nested(100)))
    assert error["class"] == "limit"
    assert "deep" in error["message"]
    assert platform.get("runs", limit=500)["items"], "the list of runs can still be read"


@pytest.mark.parametrize("digest", ["nope", "sha256:" + "0" * 64])
def test_an_input_that_refers_to_no_artifact_says_so(platform: LivePlatform, digest: str) -> None:
    platform.apply(workflow("reads", {"name": "a", "transform": {"output": "${input.x}"}}))
    body = {"kind": "Workflow", "name": "reads", "input": {"$artifact": digest}}
    problem = problem_of(platform.post("runs", body), 400)
    assert problem["field"] == "input"
    assert "artifact" in problem["detail"]


def test_a_large_input_becomes_an_artifact_and_a_huge_one_is_refused(platform: LivePlatform) -> None:
    platform.apply(workflow("counts", {"name": "a", "transform": {"output": "${size(input.text)}"}}))
    assert platform.go("Workflow", "counts", {"text": "x" * 4_000_000})["output"] == 4_000_000
    answer = platform.post("runs", {"kind": "Workflow", "name": "counts", "input": "x" * 9_000_000})
    problem_of(answer, 413)


# -- signals -------------------------------------------------------------------------------------


@pytest.fixture
def waiting(platform: LivePlatform) -> str:
    """A run that waits for the signal "paid" with a positive amount."""
    amount = {"type": "object", "required": ["amount"], "properties": {"amount": {"minimum": 0}}}
    wait = {"name": "pause", "wait": {"signal": {"name": "paid", "schema": amount}}}
    platform.apply(workflow("waits", wait))
    run_id = platform.start_run("Workflow", "waits")
    platform.wait(run_id, "waiting")
    return run_id


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": "paid", "payload": {"amount": -1}}, "payload.amount"),
        ({"name": "paid", "payload": {}}, "payload"),
        ({"payload": 1}, "name"),
        ({"name": "", "payload": 1}, "name"),
        ({"name": "n" * 100_000}, "name"),
        ({"name": "paid", "payload": {"amount": 1}, "more": 1}, "more"),
    ],
)
def test_a_wrong_signal_changes_nothing(
    platform: LivePlatform, waiting: str, body: dict[str, Any], field: str
) -> None:
    seq = platform.run(waiting)["lastSeq"]
    assert problem_of(platform.post(f"runs/{waiting}/signal", body), 400)["field"] == field
    run = platform.run(waiting)
    assert (run["state"], run["lastSeq"]) == ("waiting", seq)
    assert platform.post(f"runs/{waiting}/signal", {"name": "paid", "payload": {"amount": 1}}).is_success
    assert platform.wait(waiting)["output"] == {"amount": 1}


def test_large_signals_are_taken_and_do_not_harm_the_run(platform: LivePlatform, waiting: str) -> None:
    payload = {"amount": 5, "proof": "x" * 2_000_000}
    for name in ("unwanted", "paid"):
        assert platform.post(f"runs/{waiting}/signal", {"name": name, "payload": payload}).is_success
    run = platform.wait(waiting)
    assert run["state"] == "succeeded", run


def test_verbs_on_runs_that_are_over_or_never_were(platform: LivePlatform) -> None:
    over = platform.go("Workflow", "neighbour", {"text": "x"})["id"]
    for verb, body, status in (
        ("signal", {"name": "s"}, 412),
        ("resume", {}, 412),
        ("repin", {}, 412),
        ("cancel", {}, 200),
        ("cancel", {"reason": "r" * 100_000}, 400),
        ("resume", {"resolution": "maybe"}, 400),
        ("fork", {"beforeSeq": 0}, 400),
        ("fork", {"beforeSeq": 10_000}, 400),
    ):
        answer = platform.post(f"runs/{over}/{verb}", body)
        assert answer.status_code == status, (verb, body, answer.text)
    for run_id in ("nobody", "0" * 36, "%00", "..", "a" * 5_000):
        for verb in ("cancel", "signal", "resume", "fork"):
            answer = platform.post(f"runs/{run_id}/{verb}", {"name": "s", "beforeSeq": 1})
            assert 400 <= answer.status_code < 500, (run_id, verb, answer.text)


# -- approvals -----------------------------------------------------------------------------------


def test_wrong_decisions_change_nothing(platform: LivePlatform) -> None:
    policy = {"approvers": [{"group": "quarterdeck:platform-admins"}], "requireComment": True}
    review = {"name": "review", "approval": {"policy": "strict-policy", "title": "Sure?", "data": {"n": 1}}}
    platform.apply(manifest("ApprovalPolicy", "strict-policy", policy), workflow("asks-first", review))
    run_id = platform.start_run("Workflow", "asks-first")
    platform.wait(run_id, "waiting")
    (asked,) = platform.get("approvals", run=run_id)["items"]
    path = f"approvals/{asked['id']}/decision"
    for body, status, field in (
        ({}, 400, "approve"),
        ({"approve": "perhaps"}, 400, "approve"),
        ({"approve": True}, 400, "comment"),
        ({"approve": True, "comment": "c" * 100_000}, 400, "comment"),
        ({"approve": True, "comment": "c", "answer": {"n": 2}}, 400, "answer"),
        ({"approve": True, "comment": "c", "answer": "x" * 100_000}, 400, "answer"),
        ({"approve": True, "comment": "c", "dataHash": "0" * 64}, 409, "dataHash"),
        ({"approve": True, "comment": "c", "vote": 2}, 400, "vote"),
    ):
        assert problem_of(platform.post(path, body), status)["field"] == field, body
    assert platform.run(run_id)["state"] == "waiting"
    problem_of(platform.post("approvals/nobody/decision", {"approve": True, "comment": "c"}), 404)
    assert platform.post(path, {"approve": True, "comment": "c"}).is_success
    assert platform.wait(run_id)["state"] == "succeeded"
    problem_of(platform.post(path, {"approve": False, "comment": "no"}), 409)


def test_one_idempotency_key_is_good_for_one_request(platform: LivePlatform) -> None:
    headers = {"Idempotency-Key": "the-same"}
    path = "/api/v1/tenants/default/runs"
    body = {"kind": "Workflow", "name": "neighbour", "input": {"text": "once"}}
    first = platform.http.post(path, json=body, headers=headers).json()["id"]
    assert platform.http.post(path, json=body, headers=headers).json()["id"] == first
    other = platform.http.post(path, json={**body, "input": {"text": "twice"}}, headers=headers)
    assert first in problem_of(other, 409)["hint"]
    long = platform.http.post(path, json=body, headers={"Idempotency-Key": "k" * 10_000})
    problem_of(long, 400)
    until(lambda: platform.run(first)["state"] == "succeeded", 10, "the first run")
