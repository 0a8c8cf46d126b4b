"""Generated files are what the kinds say now; samples are valid; editors' schemas agree with the models."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from quarterdeck.resources.generate import JSON_SCHEMAS, SAMPLES, files, main, stale
from quarterdeck.resources.generation.crds import object_schema
from quarterdeck.resources.generation.json_schemas import json_schema
from quarterdeck.resources.kinds import KINDS
from quarterdeck.resources.manifests import check_manifests, load_manifests

ROOT = Path(__file__).parents[3]


def test_generating_again_changes_nothing() -> None:
    assert stale(ROOT, files(ROOT)) == []
    assert main(["--out", str(ROOT), "--check"]) == 0


def test_files_are_written_and_old_ones_removed(tmp_path: Path) -> None:
    samples = tmp_path / SAMPLES
    samples.mkdir(parents=True)
    for info in KINDS.values():
        name = f"{info.singular}.yaml"
        (samples / name).write_text((ROOT / SAMPLES / name).read_text())
    left_over = tmp_path / JSON_SCHEMAS / "old.json"
    left_over.parent.mkdir(parents=True)
    left_over.write_text("{}")
    assert main(["--out", str(tmp_path), "--check"]) == 1
    assert main(["--out", str(tmp_path)]) == 0
    assert not left_over.exists()
    assert main(["--out", str(tmp_path), "--check"]) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_a_valid_sample(kind: str) -> None:
    file = ROOT / SAMPLES / f"{kind.lower()}.yaml"
    (manifest,) = load_manifests(file.read_text(), file.name)
    assert manifest.data["kind"] == kind
    assert check_manifests([manifest]) == []
    assert list(Draft202012Validator(json_schema(KINDS[kind])).iter_errors(manifest.data)) == []


@pytest.mark.parametrize("kind", KINDS)
def test_json_schemas_are_json_schemas(kind: str) -> None:
    schema = json.loads((ROOT / JSON_SCHEMAS / f"{kind.lower()}.json").read_text())
    Draft202012Validator.check_schema(schema)
    assert "x-kubernetes" not in json.dumps(schema)


def verdict(spec: Any) -> bool:
    thing = {
        "apiVersion": "quarterdeck.dev/v1alpha1",
        "kind": "MCPServer",
        "metadata": {"name": "a"},
        "spec": spec,
    }
    return Draft202012Validator(json_schema(KINDS["MCPServer"])).is_valid(thing)


def test_json_schemas_refuse_unknown_fields_and_wrong_unions() -> None:
    assert verdict({"local": {"command": ["x"]}})
    assert not verdict({"local": {"command": ["x"]}, "unknown": 1})
    assert not verdict({"local": {"command": ["x"]}, "remote": {"url": "https://example.org"}})
    assert not verdict({})
    assert not verdict({"local": {"command": ["x"]}, "allowedTools": ["a", "a"]})


def filled_in(schema: Any, *, owned_whole: bool = False) -> bool:
    """Says whether an API server fills something into items of a list that one manager owns as a whole."""
    parts = schema.get("properties") or {}
    if owned_whole and any("default" in part for part in parts.values()):
        return True
    below = [(part, owned_whole) for part in parts.values()]
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            atomic = key == "items" and "x-kubernetes-list-type" not in schema
            below.append((schema[key], owned_whole or atomic))
    return any(filled_in(part, owned_whole=whole) for part, whole in below)


@pytest.mark.parametrize("kind", KINDS)
def test_two_managers_of_a_list_agree_since_nothing_is_filled_into_it(kind: str) -> None:
    spec = object_schema(kind)["properties"]["spec"]
    assert filled_in({"type": "array", "items": {"properties": {"a": {"default": 1}}}})
    assert not filled_in(spec)
