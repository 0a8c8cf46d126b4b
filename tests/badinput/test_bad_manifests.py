"""Manifests that are wrong: `qd apply` refuses them with file and line, REST with the field."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from badinput_support import LivePlatform, manifest, problem_of, tool_workflow, until, workflow

from quarterdeck.cli.constants import EXIT_INVALID

HEAD = "apiVersion: quarterdeck.dev/v1alpha1\nkind: Workflow\nmetadata: {name: wrong}\n"
STEP = {"name": "a", "transform": {"output": 1}}

# What is wrong, the manifest's spec as YAML (from line 4), the line and the words that say so.
REFUSED_HERE = {
    "unknown field": (
        "spec:\n  nodes:\n  - name: a\n    transform: {output: 1}\n    retires: 3\n",
        8,
        "spec.nodes[0].retires: there is no such field (did you mean 'retry'?)",
    ),
    "bad reference": (
        "spec:\n  nodes:\n  - name: a\n    transform: {output: 1}\n    next: [{to: nowhere}]\n",
        8,
        "spec.nodes[0].next[0].to: there is no node 'nowhere' (nodes: a)",
    ),
    "bad expression": (
        "spec:\n  nodes:\n  - name: a\n    transform:\n      output: ${input.}\n",
        8,
        "spec.nodes[0].transform.output: Syntax error",
    ),
    "expression over what is not there": (
        "spec:\n  nodes:\n  - name: a\n    transform: {output: '${inptu.x}'}\n",
        7,
        "undeclared reference to 'inptu.x'",
    ),
    "cycle without bound": (
        "spec:\n  nodes:\n"
        "  - {name: a, transform: {output: 1}, next: [{to: b}]}\n"
        "  - {name: b, transform: {output: 2}, next: [{to: a}]}\n",
        6,
        "the loop a → b → a has no bound (give one of its nodes maxVisits)",
    ),
    "wrong type": ("spec:\n  nodes: 5\n", 5, "spec.nodes: a list is needed"),
    "key twice": ("spec:\n  nodes: []\n  nodes: []\n", 6, "the key 'nodes' appears twice"),
}


@pytest.mark.parametrize("name", REFUSED_HERE)
def test_apply_names_file_and_line_and_sends_nothing(
    platform: LivePlatform, tmp_path: Path, name: str
) -> None:
    spec, line, message = REFUSED_HERE[name]
    file = tmp_path / "wrong.yaml"
    good = "---\napiVersion: quarterdeck.dev/v1alpha1\nkind: Workflow\nmetadata: {name: beside-it}\n"
    file.write_text(HEAD + spec + good + "spec: {nodes: [{name: a, transform: {output: 1}}]}\n")
    done = platform.qd("apply", "-f", str(file))
    assert done.returncode == EXIT_INVALID, done
    assert f"{file}:{line}: " in done.stderr
    assert message in done.stderr
    assert "nothing was applied" in done.stderr
    for unwanted in ("wrong", "beside-it"):
        problem_of(platform.http.get(f"/api/v1/tenants/default/workflows/{unwanted}"), 404)


def test_rest_refuses_an_unknown_field_by_its_path(platform: LivePlatform) -> None:
    wrong = workflow("rest-unknown", {**STEP, "retires": 3})
    problem = problem_of(platform.put(wrong), 400)
    assert problem["field"] == "spec.nodes[0].retires"
    assert "did you mean 'retry'" in problem["hint"]
    problem_of(platform.http.get("/api/v1/tenants/default/workflows/rest-unknown"), 404)


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([{**STEP, "next": [{"to": "nowhere"}]}], "spec.nodes[0].next[0].to: there is no node 'nowhere'"),
        ([{"name": "a", "transform": {"output": "${input.}"}}], "spec.nodes[0].transform.output: Syntax"),
        (
            [
                {**STEP, "next": [{"to": "b"}]},
                {"name": "b", "transform": {"output": 1}, "next": [{"to": "a"}]},
            ],
            "spec.nodes[0]: the loop a → b → a has no bound",
        ),
    ],
)
def test_what_the_schema_cannot_say_is_a_condition_and_the_accepted_revision_stays(
    platform: LivePlatform, nodes: list[dict[str, Any]], message: str
) -> None:
    platform.apply(workflow("was-right", {"name": "a", "transform": {"output": "as before"}}))
    answer = platform.put(workflow("was-right", *nodes))
    assert answer.status_code == 200, answer.text
    condition = platform.condition("Workflow", "was-right", "Accepted")
    assert (condition["status"], condition["reason"]) == ("False", "InvalidSpec")
    assert condition["message"].startswith(message)
    assert "stays in force" in condition["message"]
    assert platform.go("Workflow", "was-right")["output"] == "as before"


def test_what_never_was_accepted_cannot_run(platform: LivePlatform) -> None:
    platform.put(workflow("never-right", {**STEP, "next": [{"to": "nowhere"}]}))
    answer = platform.post("runs", {"kind": "Workflow", "name": "never-right"})
    problem = problem_of(answer, 412)
    assert "never-right" in problem["detail"]
    assert platform.get("runs", name="never-right")["items"] == []


def test_a_reference_that_does_not_resolve_is_a_condition_and_heals(platform: LivePlatform) -> None:
    """It is no failure at run time: the run waits and says for what, and goes on when that appears."""
    platform.apply(tool_workflow("early", "late-server", "echo", "text"))
    until(lambda: platform.condition("Workflow", "early", "ResolvedRefs"), 5, "the condition ResolvedRefs")
    condition = platform.condition("Workflow", "early", "ResolvedRefs")
    assert (condition["status"], condition["reason"]) == ("False", "ReferenceNotFound")
    assert "spec.nodes[0].tool.server: there is no MCPServer 'late-server'" in condition["message"]
    run_id = platform.start_run("Workflow", "early", {"text": "at last"})
    waiting = platform.wait(run_id, "waiting", timeout=10)
    assert "late-server" in waiting["reason"]
    spec = platform.get("mcpservers/friendly")["spec"]
    platform.apply(manifest("MCPServer", "late-server", {"local": spec["local"], "tools": spec["tools"]}))
    run = platform.wait(run_id, timeout=30)
    assert (run["state"], run["output"]) == ("succeeded", {"text": "at last"})
    platform.http.delete("/api/v1/tenants/default/mcpservers/late-server")


def yaml_bomb() -> str:
    lines = ["a: &a [lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    for name, before in zip("bcdefghij", "abcdefghi", strict=True):
        lines.append(f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]")
    return "\n".join(lines) + "\n"


TOO_MUCH = {
    "10 MB": (HEAD + f"spec: {{description: {'x' * 10_000_000}}}\n", "more than 4194304 bytes of YAML"),
    "bomb": (yaml_bomb(), "aliases are not allowed"),
    "deep": (HEAD + f"spec: {'[' * 20_000}{']' * 20_000}\n", "nested deeper than 100 levels"),
    "many documents": ("---\na: 1\n" * 6_000, "more than 5000 documents"),
    "many values": (HEAD + f"spec: [{'1, ' * 250_000}]\n", "more than 200000 values"),
    "no text": ("\x00\x01\x02" * 1000, "not YAML"),
    "tag": (HEAD + "spec: !!python/object/apply:os.system [id]\n", "the tag"),
}


@pytest.mark.parametrize("name", TOO_MUCH)
@pytest.mark.parametrize("way", ["file", "stdin"])
def test_apply_refuses_too_much_at_once(platform: LivePlatform, tmp_path: Path, name: str, way: str) -> None:
    text, message = TOO_MUCH[name]
    file = tmp_path / "big.yaml"
    file.write_text(text)
    began = time.monotonic()
    done = platform.qd("apply", "-f", str(file) if way == "file" else "-", stdin=text)
    assert done.returncode == EXIT_INVALID, done
    assert message in done.stderr
    assert (str(file) if way == "file" else "<stdin>") in done.stderr
    assert len(done.stderr) < 2_000
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("name", TOO_MUCH)
@pytest.mark.parametrize("media_type", ["application/yaml", "application/json"])
def test_rest_refuses_too_much_at_once(platform: LivePlatform, name: str, media_type: str) -> None:
    text, _ = TOO_MUCH[name]
    answer = platform.http.put(
        "/api/v1/tenants/default/workflows/wrong",
        content=text.encode(),
        headers={"Content-Type": media_type},
    )
    problem = problem_of(answer, answer.status_code)
    assert answer.status_code in (400, 413, 415)
    assert problem["hint"]


@pytest.mark.parametrize(
    ("spec", "status", "words"),
    [
        ('{"nodes":' + "[" * 5_000 + "]" * 5_000 + "}", 400, "recursion limit"),
        ('{"nodes":' + "[" * 150 + "]" * 150 + "}", 400, "nested deeper than 100"),
        ('{"nodes":[' + "1," * 600_000 + "1]}", 400, "bytes"),
        ('{"nodes":NaN}', 400, "not valid JSON"),
        ('{"nodes":"\\ud800"}', 400, "not valid JSON"),
        ('{"nodes":' + "9" * 100_000 + "}", 400, "not valid JSON"),
        ('{"nodes":"' + "x" * 9_000_000 + '"}', 413, "8388608 bytes"),
    ],
    ids=["deep", "nested", "many", "nan", "surrogate", "number", "huge"],
)
def test_rest_refuses_bombs_in_json(platform: LivePlatform, spec: str, status: int, words: str) -> None:
    head = '"apiVersion":"quarterdeck.dev/v1alpha1","kind":"Workflow","metadata":{"name":"w"}'
    body = f'{{{head},"spec":{spec}}}'
    answer = platform.http.put(
        "/api/v1/tenants/default/workflows/w",
        content=body.encode(),
        headers={"Content-Type": "application/json"},
    )
    assert words in problem_of(answer, status)["detail"]


@pytest.mark.parametrize(
    ("schema", "path", "words"),
    [
        ({"properties": {"x": {"pattern": "("}}}, "properties.x.pattern", "missing )"),
        ({"properties": {"x": {"pattern": "(?=a)"}}}, "properties.x.pattern", "(?="),
        ({"$ref": "#/$defs/missing"}, "$ref", "leads nowhere"),
        ({"$ref": "https://example.com/s.json"}, "$ref", "only references inside the schema"),
        ({"type": "text"}, "type", "not a JSON Schema"),
    ],
)
def test_a_schema_that_cannot_be_used_is_not_accepted(
    platform: LivePlatform, schema: dict[str, Any], path: str, words: str
) -> None:
    platform.put(workflow("bad-schema", STEP, input={"schema": schema}))
    condition = platform.condition("Workflow", "bad-schema", "Accepted")
    assert condition["status"] == "False"
    assert f"spec.input.schema.{path}: " in condition["message"]
    assert words in condition["message"]
