"""Reading manifests: bounds, errors with their line, and the same values as a plain YAML reader."""

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarterdeck.resources.manifests import ManifestError, check_manifests, load_manifests, parse_path
from quarterdeck.resources.yaml_writer import to_yaml

TEXT = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"]))
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
SCALARS = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | FLOATS | TEXT
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner), max_leaves=15)

AGENT = """\
# a comment
apiVersion: quarterdeck.dev/v1alpha1
kind: Agent
metadata:
  name: a
spec:
  instructions: |
    hello
    ${input.name}
  tools:
  - server: ledger
    names: [book,
            book]
  modell: {}
"""


def problems_of(text: str | bytes) -> list[str]:
    with pytest.raises(ManifestError) as caught:
        load_manifests(text, "f.yaml")
    return [str(problem) for problem in caught.value.problems]


@given(st.dictionaries(TEXT, JSON, min_size=1))
def test_json_is_read_as_it_is_with_a_line_for_every_path(data: dict[str, Any]) -> None:
    (manifest,) = load_manifests(json.dumps(data, indent=1), "f")
    assert manifest.data == data
    (again,) = load_manifests(to_yaml(data), "f")
    assert again.data == data
    assert {key[0] for key in manifest.lines} == set(data)


@pytest.mark.parametrize("text", ["0E0", "1e3", ".5", "0777", "0o7", "1.", "~", "", "yes", "1:30", "a\nb"])
def test_text_that_looks_like_something_else_is_written_as_text(text: str) -> None:
    (manifest,) = load_manifests(to_yaml({text: text}), "f")
    assert manifest.data == {text: text}


@given(st.text())
def test_any_text_gives_manifests_or_one_clear_error(text: str) -> None:
    try:
        load_manifests(text, "f.yaml")
    except ManifestError as error:
        assert error.problems
        assert str(error).startswith("f.yaml")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: &x [1, 1]\nb: [*x, *x]\n", "f.yaml:2: aliases are not allowed"),
        ("a: 1\nb:\n  c: 1\n  c: 2\n", "f.yaml:4: the key 'c' appears twice (first in line 3)"),
        ("a: !!python/object:os.system x", "f.yaml:1: the tag 'tag:yaml.org,2002:python/object:os.system'"),
        ("a: 1\nb: !secret x", "f.yaml:2: the tag '!secret'"),
        ("<<: {a: 1}", "f.yaml:1: merge keys"),
        ("? [a]\n: 1", "f.yaml:1: a key must be text"),
        ("a: 1\nb: [1", "f.yaml:"),
        ("a: 0777", "f.yaml:1: 0777 could be decimal or octal"),
        ("a: .inf", "f.yaml:1: .inf has no place in JSON"),
        ("a: 1e999", "f.yaml:1: 1e999 is too large"),
        ("a: !!int x", "f.yaml:1: 'x' is not a int"),
        ("a: 1\n---\n- b\n", "f.yaml:3: an object is needed"),
        ("text", "f.yaml:1: an object is needed"),
        (b"\xff\xff: 1", "f.yaml: not YAML"),
        ("a: \x00", "f.yaml: not YAML"),
        ("---\na: 1\n" * 5_001, "f.yaml:10001: more than 5000 documents"),
    ],
)
def test_what_is_refused(text: str | bytes, problem: str) -> None:
    (found,) = problems_of(text)
    assert found.startswith(problem)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: b\n" * 2_000_000, "more than 4194304 bytes of YAML"),
        ("[" * 2_000_000, "nested deeper"),
        ("- " * 1_000_000, "nested deeper"),
        ("a: {" * 500_000, "nested deeper"),
        ("- 1\n" * 1_000_000, "more than 200000 values"),
        ("a: &a [x, x]\n" + "".join(f"b{i}: &b{i} [*a, *a]\n" for i in range(1000)), "aliases"),
    ],
    ids=["ten megabytes", "flow", "block", "mappings", "values", "bomb"],
)
def test_bombs_are_refused_quickly(text: str, problem: str) -> None:
    started = time.perf_counter()
    (found,) = problems_of(text)
    assert problem in found
    assert time.perf_counter() - started < 5


def test_scalars_follow_the_core_schema() -> None:
    text = "a: [no, on, 1:30, 2024-01-01, ~, 0x1F, 0o17, -1.5e3, +7, 'true', !!str 5, .5, 1., '']"
    (manifest,) = load_manifests(text, "f")
    expected = ["no", "on", "1:30", "2024-01-01", None, 31, 15, -1500.0, 7, "true", "5", 0.5, 1.0, ""]
    assert manifest.data["a"] == expected


def test_empty_documents_are_left_out() -> None:
    assert load_manifests("", "f") == []
    assert len(load_manifests("---\n---\na: 1\n---\n# nothing\n", "f")) == 1


def test_problems_name_file_and_line() -> None:
    (manifest,) = load_manifests(AGENT, "agents.yaml")
    found = [str(problem) for problem in check_manifests([manifest])]
    assert found[0].startswith("agents.yaml:12: spec.tools[0].names: 'book' is listed twice")
    assert found[1].startswith("agents.yaml:14: spec.modell: there is no such field (did you mean 'model'?)")
    assert len(found) == 2


def test_checks_beyond_the_schema_have_lines_too() -> None:
    (manifest,) = load_manifests(
        AGENT.replace("book,\n            book", "book").replace("  modell: {}", ""), "f"
    )
    assert check_manifests([manifest]) == []
    misspelt = AGENT.split("  tools", maxsplit=1)[0].replace("input.name", "inptu.name")
    (broken,) = load_manifests(misspelt, "f")
    (problem,) = check_manifests([broken])
    assert problem.line == 7
    assert "inptu" in str(problem)


def test_line_of_a_path() -> None:
    (manifest,) = load_manifests("a:\n  b:\n  - x: 1\n    'q.r': 2\n  - y: 2\n", "f")
    assert [manifest.line_of(path) for path in ("a.b[1].y", "a.b[0]['q.r']", "a.b[0].none.c", "")] == [
        5,
        4,
        3,
        1,
    ]
    assert parse_path("spec.nodes[2].tool['a.b']") == ("spec", "nodes", 2, "tool", "a.b")
