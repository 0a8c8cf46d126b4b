"""One table of accepted and refused objects, asked of the models and of the generated CRDs alike."""

import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft4Validator

from quarterdeck.resources.errors import ValidationFailed
from quarterdeck.resources.expressions import compile_expression
from quarterdeck.resources.field_errors import path_text
from quarterdeck.resources.generate import CRDS
from quarterdeck.resources.kinds import KINDS, parse_object
from quarterdeck.resources.manifests import load_manifests
from quarterdeck.resources.validation import validate

Schema = dict[str, Any]
Where = tuple[Any, ...]

ROOT = Path(__file__).parents[3]
SHARED_FUNCTIONS = {"has", "filter", "size", "matches"}
"""Functions that rules in CRDs may use: the API server and our evaluator both have them."""


def cases() -> Iterator[Any]:
    for file in sorted((Path(__file__).parent / "verdicts").glob("*.yaml")):
        (table,) = load_manifests(file.read_text(), file.name)
        for case in table.data["cases"]:
            kind = table.data.get("kind")
            whole = {
                "apiVersion": "quarterdeck.dev/v1alpha1",
                "kind": kind,
                "metadata": {"name": "case"},
                "spec": case.get("spec"),
            }
            yield pytest.param(case.get("object", whole), case, id=f"{file.stem}: {case['name']}")


CASES = list(cases())


def crd_schema(kind: str) -> dict[str, Any]:
    document = yaml.safe_load((ROOT / CRDS / f"{KINDS[kind].plural}.yaml").read_text())
    schema: dict[str, Any] = document["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return schema


def test_there_are_enough_cases_over_all_kinds() -> None:
    assert len(CASES) >= 80
    assert {case.values[0]["kind"] for case in CASES} >= set(KINDS)


@pytest.mark.parametrize(("thing", "case"), CASES)
def test_the_models_verdict(thing: dict[str, Any], case: dict[str, Any]) -> None:
    before = copy.deepcopy(thing)
    if case["verdict"] == "refused":
        with pytest.raises(ValidationFailed) as caught:
            parse_object(thing)
        assert case["path"] in [error.path for error in caught.value.errors]
    else:
        errors = validate(parse_object(thing))
        assert [error.path for error in errors][:1] == ([case["path"]] if case["verdict"] == "beyond" else [])
        assert len(errors) <= 2
    assert thing == before


@pytest.mark.parametrize(("thing", "case"), CASES)
def test_the_crds_verdict(thing: dict[str, Any], case: dict[str, Any]) -> None:
    if case.get("crd") == "none":
        assert case["verdict"] == "refused"
        return
    paths = list(api_server(thing))
    if case["verdict"] == "refused" and case.get("crd") != "accepted":
        assert any(related(path, case["path"]) for path in paths), paths
    else:
        assert paths == []


def related(found: str, wanted: str) -> bool:
    """A rule's error is reported at its object by the API server, at the field by us."""
    return found == wanted or wanted.startswith(f"{found}.")


def api_server(thing: dict[str, Any]) -> Iterator[str]:
    """Yield the paths that an API server asked with fieldValidation=Strict would refuse."""
    schema = crd_schema(thing["kind"])
    value = prune_nulls(copy.deepcopy(thing), schema)
    yield from unknown_fields({k: v for k, v in value.items() if k != "metadata"}, schema, ())
    apply_defaults(value, schema)
    for error in Draft4Validator(schema).iter_errors(value):
        missing = re.match(r"'(\w+)' is a required property", error.message)
        yield path_text([*error.absolute_path, *([missing[1]] if missing else [])])
    yield from doubles(value, schema, ())
    yield from broken_rules(value, schema, ())


def parts(
    value: Any, schema: dict[str, Any], path: tuple[Any, ...]
) -> Iterator[tuple[Any, Any, tuple[Any, ...]]]:
    if isinstance(value, dict):
        for key, item in value.items():
            inner = schema.get("properties", {}).get(key, schema.get("additionalProperties"))
            if inner is not None:
                yield item, inner, (*path, key)
    elif isinstance(value, list) and "items" in schema:
        for index, item in enumerate(value):
            yield item, schema["items"], (*path, index)


def prune_nulls(value: Any, schema: dict[str, Any]) -> Any:
    if isinstance(value, dict):
        for key in list(value):
            inner = schema.get("properties", {}).get(key, schema.get("additionalProperties"))
            if value[key] is None and inner is not None:
                del value[key]
    for item, inner, _ in parts(value, schema, ()):
        prune_nulls(item, inner)
    return value


def unknown_fields(value: Any, schema: Schema, path: Where) -> Iterator[str]:
    if schema.get("x-kubernetes-preserve-unknown-fields"):
        return
    if isinstance(value, dict) and "properties" in schema:
        yield from (path_text([*path, key]) for key in value if key not in schema["properties"])
    for item, inner, where in parts(value, schema, path):
        yield from unknown_fields(item, inner, where)


def apply_defaults(value: Any, schema: dict[str, Any]) -> None:
    if isinstance(value, dict):
        for key, inner in schema.get("properties", {}).items():
            if "default" in inner and key not in value:
                value[key] = copy.deepcopy(inner["default"])
    for item, inner, _ in parts(value, schema, ()):
        apply_defaults(item, inner)


def doubles(value: Any, schema: Schema, path: Where) -> Iterator[str]:
    kind = schema.get("x-kubernetes-list-type")
    if kind and isinstance(value, list):
        keys = schema.get("x-kubernetes-list-map-keys", [])
        seen = [[item.get(key) for key in keys] if kind == "map" else item for item in value]
        if any(item in seen[:index] for index, item in enumerate(seen)):
            yield path_text(path)
    for item, inner, where in parts(value, schema, path):
        yield from doubles(item, inner, where)


def broken_rules(value: Any, schema: Schema, path: Where) -> Iterator[str]:
    if isinstance(value, dict):
        for rule in schema.get("x-kubernetes-validations", []):
            if not compile_expression(plain(rule["rule"])).evaluate({"self": as_typed(value, schema)}):
                yield path_text(path)
    for item, inner, where in parts(value, schema, path):
        yield from broken_rules(item, inner, where)


def as_typed(value: Any, schema: dict[str, Any]) -> Any:
    """Numbers are doubles to the API server, whatever they look like."""
    if schema.get("type") == "number" and isinstance(value, int):
        return float(value)
    if isinstance(value, dict):
        return {**value, **{path[0]: as_typed(item, inner) for item, inner, path in parts(value, schema, ())}}
    return value


def test_the_emulation_refuses_what_it_must() -> None:
    """The helper above can tell each kind of error, or the table would prove nothing."""
    assert list(api_server({"kind": "Agent", "metadata": {}, "spec": {"instructions": "x", "y": 1}})) == [
        "spec.y"
    ]
    assert list(api_server({"kind": "Agent", "metadata": {}, "spec": {}})) == ["spec.instructions"]
    assert list(api_server({"kind": "MCPServer", "metadata": {}, "spec": {}})) == ["spec"]


def walk(schema: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, schema
    for name, inner in schema.get("properties", {}).items():
        yield from walk(inner, f"{path}.{name}")
    for name in ("items", "additionalProperties"):
        if isinstance(schema.get(name), dict):
            yield from walk(schema[name], f"{path}[]")


KEYWORDS = {
    "additionalProperties",
    "default",
    "description",
    "enum",
    "exclusiveMinimum",
    "format",
    "items",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minItems",
    "minLength",
    "minimum",
    "pattern",
    "properties",
    "required",
    "type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-list-type",
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-validations",
}


@pytest.mark.parametrize("kind", KINDS)
def test_crd_schemas_are_structural_and_bounded(kind: str) -> None:
    for path, schema in walk(crd_schema(kind), kind):
        assert set(schema) <= KEYWORDS, path
        assert "type" in schema or schema.get("x-kubernetes-preserve-unknown-fields"), path
        top = path.count(".") == 1
        if schema.get("type") == "string" and not top:
            assert "maxLength" in schema or "enum" in schema, path
        if schema.get("type") == "array":
            assert "maxItems" in schema, path
        if "additionalProperties" in schema:
            assert "maxProperties" in schema, path
        for rule in schema.get("x-kubernetes-validations", []):
            assert_rule_is_portable(rule["rule"], schema)


def plain(rule: str) -> str:
    """The API server writes fields that are reserved words of CEL, as `namespace`, with underscores."""
    return re.sub(r"\b__(\w+)__\b", r"\1", rule)


def assert_rule_is_portable(rule: str, schema: dict[str, Any]) -> None:
    """Only shared functions, only typed fields (the API server cannot see untyped ones), cheap enough."""
    code = re.sub(r"'[^']*'", "''", plain(rule))
    assert set(re.findall(r"(\w+)\(", code)) <= SHARED_FUNCTIONS
    for chain in re.findall(r"self((?:\.\w+)+)", code):
        current = schema
        for name in chain[1:].split("."):
            if name in SHARED_FUNCTIONS:
                break
            current = current["properties"][name]
            assert "type" in current, chain
