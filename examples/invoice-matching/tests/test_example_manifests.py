from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from servers.database import Ledger
from servers.documents import document_tools
from servers.ledger import ledger_tools

from quarterdeck.resources.expressions import compile_expression
from quarterdeck.resources.kinds import parse_object
from quarterdeck.resources.validation import validate

EXAMPLE = Path(__file__).resolve().parent.parent
FILES = sorted(EXAMPLE.glob("manifests*/*.yaml"))
OBJECTS = [(path, data) for path in FILES for data in yaml.safe_load_all(path.read_text())]
CASES = [
    case
    for path in sorted((EXAMPLE / "cases").glob("*.yaml"))
    for case in yaml.safe_load_all(path.read_text())
]


@pytest.mark.parametrize(
    ("path", "data"), OBJECTS, ids=[f"{p.stem}-{d['metadata']['name']}" for p, d in OBJECTS]
)
def test_every_manifest_is_accepted(path: Path, data: dict[str, Any]) -> None:
    assert validate(parse_object(data)) == []


def named(kind: str) -> set[str]:
    return {data["metadata"]["name"] for _, data in OBJECTS if data["kind"] == kind}


def references(value: Any, key: str) -> list[Any]:
    """Every value under `key`, however deep."""
    if isinstance(value, dict):
        own = [value[key]] if key in value else []
        return own + [found for part in value.values() for found in references(part, key)]
    return [found for part in value for found in references(part, key)] if isinstance(value, list) else []


def test_references_resolve_within_the_example() -> None:
    everything = [data["spec"] for _, data in OBJECTS]
    assert set(references(everything, "server")) == named("MCPServer")
    assert set(references(everything, "collection")) == named("MemoryCollection")
    policies = [*references(everything, "policy"), *references(everything, "approval")]
    assert {name for name in policies if isinstance(name, str)} == named("ApprovalPolicy")
    agents = [agent["name"] for agent in references(everything, "agent") if isinstance(agent, dict)]
    assert set(agents) == named("Agent")
    assert {w for w in references(everything, "workflow") if isinstance(w, str)} < named("Workflow")


def test_every_tool_that_is_named_exists(tmp_path: Path) -> None:
    real = {
        "ledger": {t.name: t for t in ledger_tools(Ledger(tmp_path / "l.db"), tmp_path)},
        "documents": {t.name: t for t in document_tools(tmp_path)},
    }
    for path, data in OBJECTS:
        if data["kind"] == "MCPServer":
            settings = {tool["name"]: tool for tool in data["spec"]["tools"]}
            tools = real[data["metadata"]["name"]]
            assert set(settings) == set(tools), path.name
            readers = {name for name, tool in settings.items() if tool["effect"] == "readOnly"}
            assert readers == {name for name, tool in tools.items() if tool.read_only}
        for call in references(data["spec"], "tool"):
            if isinstance(call, dict):
                tool = real[call["server"]][call["name"]]
                arguments = set(call.get("arguments", {}))
                assert set(tool.required) <= arguments <= set(tool.properties), (path.name, call)


def ledger_spec(folder: str) -> dict[str, Any]:
    return next(
        data["spec"]
        for path, data in OBJECTS
        if path.parent.name == folder and data["metadata"]["name"] == "ledger"
    )


def test_the_variant_differs_by_the_check_alone() -> None:
    with_check, without = ledger_spec("manifests"), ledger_spec("manifests-no-check")
    book = next(tool for tool in with_check["tools"] if tool["name"] == "book")
    plain = [{"name": "book", "effect": "write"} if tool is book else tool for tool in with_check["tools"]]
    assert without == {**with_check, "tools": plain}
    assert book["check"]["tool"] == "list_bookings"


def holds(condition: str, **bindings: Any) -> Any:
    return compile_expression(condition.strip()[2:-1]).evaluate(bindings)


def test_the_check_tells_done_from_not_done() -> None:
    check = next(tool for tool in ledger_spec("manifests")["tools"] if tool["name"] == "book")["check"]
    arguments = {"transaction": 7, "invoices": [31], "amount": 121}
    made = {"booking": 4, "transaction": 7, "invoices": [31], "amount": 121.0, "note": ""}
    other = {**made, "invoices": [32]}
    assert holds(check["done"], result={"bookings": [other, made]}, arguments=arguments) is True
    assert holds(check["outcome"], result={"bookings": [other, made]}, arguments=arguments) == made
    assert holds(check["done"], result={"bookings": []}, arguments=arguments) is False
    assert holds(check["notDone"], result={"bookings": []}, arguments=arguments) is True
    # Another booking of the same transaction: unknown, so a person is asked.
    assert holds(check["done"], result={"bookings": [other]}, arguments=arguments) is False
    assert holds(check["notDone"], result={"bookings": [other]}, arguments=arguments) is False


def effects_on_book(workflow: str, arguments: dict[str, Any]) -> set[str]:
    policy = next(data for _, data in OBJECTS if data["kind"] == "Policy")
    rules = [rule for rule in policy["spec"]["rules"] if "ledger/book" in rule["match"]["tools"]]
    run = {"id": "r", "workflow": workflow}
    return {rule["effect"] for rule in rules if holds(rule["when"], arguments=arguments, run=run)}


CLAIMS: list[tuple[dict[str, Any], str]] = [
    ({"confidence": 0.99}, "allow"),
    ({"confidence": 0.9}, "allow"),
    ({"confidence": 0.89}, "requireApproval"),
    ({}, "requireApproval"),
    ({"confidence": 0.6, "approved_by": "ann"}, "allow"),
    ({"confidence": 0.6, "approved_by": ""}, "requireApproval"),
]


@pytest.mark.parametrize(("arguments", "effect"), CLAIMS)
def test_only_certain_or_approved_bookings_need_nobody(arguments: dict[str, Any], effect: str) -> None:
    assert "match-transaction" in named("Workflow")
    assert effects_on_book("match-transaction", arguments) == {effect}


@pytest.mark.parametrize("workflow", ["", "invoice-matching", "another"])
@pytest.mark.parametrize(("arguments", "_effect"), CLAIMS)
def test_what_others_claim_books_nothing(workflow: str, arguments: dict[str, Any], _effect: str) -> None:
    assert effects_on_book(workflow, arguments) == {"requireApproval"}


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_cases_name_what_exists(case: dict[str, Any]) -> None:
    assert set(case) <= {"name", "target", "input", "tools", "model", "memory", "decide", "expect"}
    assert case["target"]["name"] in named(case["target"]["kind"])
    known = {
        server: {tool["name"] for tool in spec["spec"]["tools"]}
        for _, spec in OBJECTS
        if spec["kind"] == "MCPServer"
        for server in [spec["metadata"]["name"]]
    }
    for answer in case["tools"] + case["expect"].get("calls", []):
        assert answer["name"] in known[answer["server"]]
    assert all(("result" in answer) != ("error" in answer) for answer in case["tools"])


def test_there_are_cases_enough() -> None:
    assert len(CASES) >= 6
    assert len({case["name"] for case in CASES}) == len(CASES)
