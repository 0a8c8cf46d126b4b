"""Kinds: registry, errors in plain words, defaults, durations, revisions, explanations."""

import re
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarterdeck.resources.diff import ABSENT, Change, changes, revision_name, spec_hash
from quarterdeck.resources.durations import duration_seconds, duration_text
from quarterdeck.resources.errors import FieldError, ValidationFailed
from quarterdeck.resources.explain import explain
from quarterdeck.resources.kinds import KINDS, find_kind, parse_object
from quarterdeck.resources.scalars import DURATION_PATTERN


def thing(kind: str, spec: Any, **metadata: Any) -> dict[str, Any]:
    return {
        "apiVersion": "quarterdeck.dev/v1alpha1",
        "kind": kind,
        "metadata": {"name": "x", **metadata},
        "spec": spec,
    }


def errors_of(data: Any) -> list[FieldError]:
    with pytest.raises(ValidationFailed) as caught:
        parse_object(data)
    return caught.value.errors


def test_names_of_kinds_are_unique_and_found() -> None:
    names = [name for info in KINDS.values() for name in {info.kind.lower(), info.plural, *info.short_names}]
    assert len(names) == len(set(names))
    assert all(name.startswith("qd") for info in KINDS.values() for name in info.short_names)
    for name in ("Agent", "agents", "AGENT", "qdag", "agents.quarterdeck.dev"):
        assert find_kind(name) is KINDS["Agent"]
    assert find_kind("pods") is None
    assert {info.kind for info in KINDS.values() if info.pinned} == {"Agent", "Workflow"}
    assert {info.kind for info in KINDS.values() if info.cluster_scoped} == {"Tenant", "PlatformPolicy"}


def test_errors_are_in_plain_words_with_hints() -> None:
    spec = {
        "instructions": "x",
        "tols": [],
        "model": {"max_tokens": 5, "maxTokens": "5"},
        "limits": {"timeout": "5 minutes", "turns": 0},
        "memory": [{"collection": "A", "access": "write"}],
    }
    found = {error.path: error for error in errors_of(thing("Agent", spec))}
    assert found["spec.tols"].hint == "did you mean 'tools'?"
    assert found["spec.model.max_tokens"].hint == "did you mean 'maxTokens'?"
    assert found["spec.model.maxTokens"].message == "a whole number is needed, not text"
    assert "1h30m" in found["spec.limits.timeout"].hint
    assert found["spec.limits.turns"].message == "it must be at least 1"
    assert found["spec.memory[0].access"].message == "'write' is not one of 'read', 'readWrite'"
    assert "lower case" in found["spec.memory[0].collection"].hint
    for error in found.values():
        assert "pydantic" not in str(error).lower()


@pytest.mark.parametrize("data", [[], "x", None, {}, {"kind": 3}, {"kind": "Agnet"}])
def test_what_is_no_object_is_refused(data: Any) -> None:
    assert errors_of(data)


def test_a_near_kind_is_suggested() -> None:
    assert errors_of({"kind": "Agnet"})[0].hint == "did you mean 'Agent'?"


def test_deep_nesting_is_refused_and_not_a_crash() -> None:
    deep: Any = 1
    for _ in range(100_000):
        deep = [deep]
    (error,) = errors_of(thing("Workflow", {"nodes": [{"name": "a", "transform": {"output": deep}}]}))
    assert "nested deeper" in error.message


def test_defaults_are_the_same_every_time_and_a_fixed_point() -> None:
    first = parse_object(thing("Agent", {"instructions": "x"})).to_json()
    assert parse_object(first).to_json() == first
    assert first["spec"]["limits"] == {"turns": 20, "tokens": 200_000, "timeout": "10m"}
    assert "status" not in first


def test_nulls_in_free_json_are_kept() -> None:
    spec = {"nodes": [{"name": "a", "tool": {"server": "s", "name": "t", "arguments": {"x": None}}}]}
    parsed = parse_object(thing("Workflow", spec)).to_json()
    assert parsed["spec"]["nodes"][0]["tool"]["arguments"] == {"x": None}


def test_python_names_are_not_manifest_names_but_construct() -> None:
    agent = KINDS["Agent"].model
    assert errors_of(thing("Agent", {"instructions": "x", "ask_person": {"policy": "p"}}))
    built = agent.model_validate(
        {"metadata": {"name": "x"}, "spec": {"instructions": "x", "ask_person": {"policy": "p"}}}
    )
    assert built.to_json()["spec"]["askPerson"] == {"policy": "p"}


DURATIONS = st.integers(0, 10**13).map(lambda milliseconds: milliseconds / 1000)


@given(DURATIONS)
def test_durations_there_and_back(seconds: float) -> None:
    text = duration_text(seconds)
    assert re.fullmatch(DURATION_PATTERN, text) or seconds >= 86_400 * 10**5
    if seconds < 86_400 * 10**5:
        assert duration_seconds(text) == pytest.approx(seconds, abs=1e-6)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30), ("5m", 300), ("1h30m", 5400), ("7d", 604_800), ("250ms", 0.25), ("0s", 0)],
)
def test_durations(text: str, seconds: float) -> None:
    assert duration_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "s", "1m1h", "-1s", "1.5s", "1 s", "1s\n", "1w", "٣s"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        duration_seconds(text)


def test_hashes_do_not_depend_on_order_and_name_revisions() -> None:
    assert spec_hash({"a": 1, "b": [1, {"c": "é"}]}) == spec_hash({"b": [1, {"c": "é"}], "a": 1})
    assert spec_hash({"a": 1}) != spec_hash({"a": "1"})
    assert re.fullmatch("Agent/x@[0-9a-f]{12}", revision_name("Agent", "x", {"a": 1}))


def test_changes() -> None:
    before, after = {"a": 1, "b": [1, 2], "c": True}, {"a": 1, "b": [1, 3, 4], "c": 1, "d": None}
    assert list(changes(before, after)) == [
        Change("b[1]", 2, 3),
        Change("b[2]", ABSENT, 4),
        Change("c", True, 1),
        Change("d", ABSENT, None),
    ]


def test_explain() -> None:
    text = explain("qdwf", "spec.nodes[2].retry.errors")
    assert "FIELD:      spec.nodes[2].retry.errors <[]string> -required-" in text
    page = explain("agent", "spec.limits")
    assert "timeout\t<string>" in page
    assert "Longest time at work." in page
    assert "DEFAULT:    10m" in explain("agent", "spec.limits.timeout")
    assert "ENUM:       read, readWrite" in explain("agents", "spec.memory.access")
    assert "exactly one of local, remote, container" in explain("MCPServer", "spec")
    with pytest.raises(
        ValidationFailed, match=r"spec\.limit: there is no such field \(did you mean 'limits'"
    ):
        explain("agent", "spec.limit")
    with pytest.raises(ValidationFailed, match="did you mean 'Agent'"):
        explain("agnt")


def test_every_field_is_described() -> None:
    for info in KINDS.values():
        for model in models_below(info.model, set()):
            assert model.__doc__, model
            for name, field in model.model_fields.items():
                assert field.description, f"{model.__name__}.{name}"


def models_below(model: Any, seen: set[Any]) -> set[Any]:
    from quarterdeck.resources.field_errors import model_in

    seen.add(model)
    for field in model.model_fields.values():
        inner = model_in(field.annotation)
        if inner and inner not in seen:
            models_below(inner, seen)
    return seen


def test_reading_objects_imports_nothing_heavy() -> None:
    code = (
        "import sys, quarterdeck.resources.kinds as k, quarterdeck.resources.manifests,"
        " quarterdeck.resources.validation, quarterdeck.resources.references,"
        " quarterdeck.resources.enforcement;"
        "k.parse_object({'apiVersion': 'quarterdeck.dev/v1alpha1', 'kind': 'Tenant',"
        " 'metadata': {'name': 'a'}});"
        "heavy = ('cel_expr_python', 'croniter', 'jsonschema', 'yaml', 'google.protobuf');"
        "print([m for m in heavy if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
