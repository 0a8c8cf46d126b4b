"""What is known of the values of nodes: from Agents, Workflows, templates, and where nothing is known."""

from pathlib import Path
from typing import Any

import pytest

from quarterdeck.resources.kinds import parse_object
from quarterdeck.resources.known_schemas import Find, known_schemas, of_template
from quarterdeck.resources.manifests import check_manifests, load_manifests
from quarterdeck.resources.metadata import Resource
from quarterdeck.resources.validation import validate
from quarterdeck.resources.validation.expressions import untyped

EXAMPLE = Path(__file__).parents[3] / "examples/invoice-matching/manifests"
CLOSED = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "matched": {"type": "boolean"},
        "confidence": {"type": "number"},
        "names": {"type": "array", "items": {"type": "string"}},
        "lines": {"type": "array", "items": {"type": "object", "properties": {"id": {"type": "integer"}}}},
    },
}


def resource(kind: str, name: str, spec: Any) -> Resource:
    return parse_object(
        {"apiVersion": "quarterdeck.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}
    )


def matcher(schema: Any) -> Resource:
    output = {"output": {"schema": schema}} if schema is not None else {}
    return resource("Agent", "matcher", {"instructions": "Match.", **output})


SUB = resource(
    "Workflow",
    "sub",
    {
        "nodes": [{"name": "a", "transform": {"output": {"id": "${input.x}", "note": "x ${input.x}"}}}],
        "output": "${nodes.a.output}",
    },
)


def finds(*others: Resource) -> Find:
    by_name = {(other.kind, other.metadata.name): other for other in others}
    return lambda kind, name: by_name.get((kind, name))


def reading(template: Any, **call: Any) -> Resource:
    nodes = [
        {"name": "call", **(call or {"agent": {"name": "matcher"}}), "next": [{"to": "end"}]},
        {"name": "end", "transform": {"output": template}},
    ]
    return resource("Workflow", "w", {"nodes": nodes})


@pytest.mark.parametrize(
    ("schema", "template", "message"),
    [
        (CLOSED, "${nodes.call.output.matched && nodes.call.output.confidence >= 0.9}", ""),
        (CLOSED, "${nodes.call.output.names.join(',')}", ""),
        (CLOSED, "${has(nodes.call.output.matched) ? 1 : 0}", ""),
        (CLOSED, "${nodes.?call.output.orValue(null)}", ""),
        (CLOSED, "${nodes.call.output}", ""),
        (CLOSED, "${nodes.call.output.confidense}", "has no field 'confidense' (did you mean 'confidence'?)"),
        (CLOSED, "${nodes.call.output.matched + 1}", "no matching overload"),
        ({**CLOSED, "additionalProperties": True}, "${nodes.call.output.confidense}", ""),
        ({**CLOSED, "patternProperties": {"^conf": {}}}, "${nodes.call.output.confidense}", ""),
        ({"type": "object"}, "${nodes.call.output.confidense}", ""),
        ({"type": "string"}, "${nodes.call.output.confidense}", "select"),
        (None, "${nodes.call.output + ' as text'}", ""),
        (None, "${nodes.call.output.confidense}", "select"),
    ],
)
def test_what_an_agent_gives(schema: Any, template: str, message: str) -> None:
    found = validate(reading(template), finds(matcher(schema)))
    assert [error.path for error in found] == (["spec.nodes[1].transform.output"] if message else [])
    assert not message or message in str(found[0])


@pytest.mark.parametrize("name", ["match-one", "if", "in", "true"])
def test_any_name_of_a_node_will_do(name: str) -> None:
    nodes = [{"name": name, "agent": {"name": "matcher"}, "next": [{"to": "end"}]}]
    end = {"name": "end", "transform": {"output": f"${{nodes['{name}'].output.confidense}}"}}
    found = validate(resource("Workflow", "w", {"nodes": [*nodes, end]}), finds(matcher(CLOSED)))
    assert ["has no field 'confidense'" in str(error) for error in found] == [True]


def test_without_the_agent_nothing_is_known() -> None:
    workflow = reading("${nodes.call.output.matched}")
    assert validate(workflow) == []
    assert untyped(workflow) == ["spec.nodes[1].transform.output"]
    assert untyped(workflow, finds(matcher(CLOSED))) == []
    tool = reading("${nodes.call.output.anything}", tool={"server": "s", "name": "t"})
    assert validate(tool, finds(matcher(CLOSED))) == []
    assert untyped(tool) == ["spec.nodes[1].transform.output"]


def test_a_workflow_shows_its_output() -> None:
    for field, wanted in (("note", True), ("id", True), ("nota", False)):
        found = validate(reading(f"${{nodes.call.output.{field}}}", workflow={"name": "sub"}), finds(SUB))
        assert (found == []) is wanted
    assert untyped(reading("${nodes.call.output.note}", workflow={"name": "sub"}), finds(SUB)) == []


def test_a_transform_is_known_without_other_objects() -> None:
    call = {"transform": {"output": {"n": 1, "text": "${input.a} and", "any": "${input.a}"}}}
    assert validate(reading("${nodes.call.output.n + 1}", **call)) == []
    assert untyped(reading(["${nodes.call.output.text}", "${nodes.call.output.any}"], **call)) == [
        "spec.nodes[0].transform.output.text",
        "spec.nodes[0].transform.output.any",
        "spec.nodes[1].transform.output[1]",
    ]
    (error,) = validate(reading("${nodes.call.output.txt}", **call))
    assert "nodes.call.output has no field 'txt' (did you mean 'text'?)" in str(error)


@pytest.mark.parametrize(
    ("template", "schema"),
    [
        (True, {"type": "boolean"}),
        (1.5, {"type": "number"}),
        (None, {}),
        ("a ${b}", {"type": "string"}),
        ("${input.n}", {"type": "integer"}),
        ("${input['n']}", {"type": "integer"}),
        ("${input.n + 1}", {}),
        ("${other}", {}),
        ([1, 2], {"type": "array", "items": {"type": "integer"}}),
        ([1, "a"], {"type": "array"}),
    ],
)
def test_templates(template: Any, schema: Any) -> None:
    known = {("input",): {"properties": {"n": {"type": "integer"}}}}
    assert of_template(template, known) == schema


@pytest.mark.parametrize(
    ("items", "template", "message"),
    [
        ("${nodes.call.output.names}", "${item.startsWith('a')}", ""),
        ("${nodes.call.output.names}", "${item + 1}", "no matching overload"),
        ("${nodes.call.output.lines}", "${item.id + 'a'}", "no matching overload"),
        ("${nodes.call.output.lines}", "${item.anything}", ""),
        ("${nodes.call.output.names.map(n, n)}", "${item + 1}", ""),
    ],
)
def test_the_item_of_a_map(items: str, template: str, message: str) -> None:
    call = {"name": "call", "agent": {"name": "matcher"}, "next": [{"to": "each"}]}
    each = {"name": "each", "map": {"items": items, "workflow": "sub", "input": template}}
    found = validate(resource("Workflow", "w", {"nodes": [call, each]}), finds(matcher(CLOSED)))
    assert [error.path for error in found] == (["spec.nodes[1].map.input"] if message else [])
    assert not message or message in str(found[0])


def test_what_is_undone_is_known() -> None:
    undo = {"tool": {"server": "s", "name": "undo", "arguments": {"c": "${output.confidense}"}}}
    call = {"name": "call", "agent": {"name": "matcher"}, "compensate": undo}
    (error,) = validate(resource("Workflow", "w", {"nodes": [call]}), finds(matcher(CLOSED)))
    assert error.path == "spec.nodes[0].compensate.tool.arguments.c"
    assert "output has no field 'confidense'" in error.message


def test_the_number_of_types_is_bounded() -> None:
    wide = {"type": "object", "properties": {f"f{i}": {"type": "string"} for i in range(500)}}
    nodes = [
        {"name": f"n{i}", "agent": {"name": "matcher"}, "next": [{"to": f"n{i + 1}"}] if i < 99 else []}
        for i in range(100)
    ]
    workflow = resource("Workflow", "w", {"nodes": nodes, "output": "${nodes.n0.output.f0 + 'x'}"})
    assert len(known_schemas(workflow, finds(matcher(wide)))) == 100
    assert validate(workflow, finds(matcher(wide))) == []


def test_the_example_fits_and_a_mistake_in_it_has_a_line() -> None:
    texts = {path.name: path.read_text() for path in sorted(EXAMPLE.glob("*.yaml"))}
    manifests = [item for name, text in texts.items() for item in load_manifests(text, name)]
    assert len(manifests) >= 9
    assert check_manifests(manifests) == []
    name = "workflow-match-transaction.yaml"
    wrong = texts[name].replace(
        "confidence: ${nodes.compare.output.confidence}", "confidence: ${nodes.compare.output.confidense}", 1
    )
    line = next(at for at, text in enumerate(wrong.splitlines(), 1) if "confidense" in text)
    (problem,) = check_manifests([*(m for m in manifests if m.source != name), *load_manifests(wrong, name)])
    assert (problem.source, problem.line) == (name, line)
    assert problem.error.path == "spec.nodes[4].tool.arguments.confidence"
    assert "did you mean 'confidence'" in problem.error.hint
