"""Writes CRDs, JSON Schemas and reference pages: `python -m quarterdeck.resources.generate --out ROOT`."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from quarterdeck.resources.generation.crds import crd
from quarterdeck.resources.generation.json_schemas import json_schema
from quarterdeck.resources.generation.reference import page
from quarterdeck.resources.kinds import KINDS

CRDS = Path("libs/resources/generated/crds")
CHART = Path("charts/quarterdeck-crds/templates")
JSON_SCHEMAS = Path("libs/resources/generated/jsonschema")
PAGES = Path("docs/reference/kinds")
SAMPLES = Path("k8s/samples")

_FOLDERS = (CRDS, CHART, JSON_SCHEMAS, PAGES)
_HEADER = "# Generated from the kinds by `python -m quarterdeck.resources.generate`; do not edit.\n"


def files(root: Path) -> dict[Path, str]:
    """Return every generated file by its path below the repository's `root`, where the samples are read."""
    found: dict[Path, str] = {}
    for info in KINDS.values():
        sample = (root / SAMPLES / f"{info.singular}.yaml").read_text()
        found[CRDS / f"{info.plural}.yaml"] = _HEADER + yaml_text(crd(info))
        found[CHART / f"{info.plural}.yaml"] = _HEADER + yaml_text(_kept(crd(info)))
        found[JSON_SCHEMAS / f"{info.singular}.json"] = json.dumps(json_schema(info), indent=2) + "\n"
        found[PAGES / f"{info.singular}.md"] = page(info, sample)
    found[PAGES / "README.md"] = _index()
    return found


def _kept(definition: dict[str, Any]) -> dict[str, Any]:
    """Return a CRD as the chart installs it: removing the release leaves it, and with it every object."""
    metadata = {**definition["metadata"]}
    metadata["annotations"] = {**metadata.get("annotations", {}), "helm.sh/resource-policy": "keep"}
    return {**definition, "metadata": metadata}


def yaml_text(value: Any) -> str:
    """Return a value as YAML, always the same for the same value and without aliases."""
    import yaml

    class Plain(yaml.SafeDumper):
        def ignore_aliases(self, data: Any) -> bool:
            return True

    text: str = yaml.dump(value, Dumper=Plain, sort_keys=False, width=110, allow_unicode=True)
    return text


def _index() -> str:
    rows = [
        f"| [{info.kind}]({info.singular}.md) | {(info.model.__doc__ or '').splitlines()[0]} |"
        for info in KINDS.values()
    ]
    return "\n".join(["# Kinds", "", "| kind | says |", "|---|---|", *rows]) + "\n"


def stale(root: Path, wanted: dict[Path, str]) -> list[Path]:
    """Return the files that differ from what is generated now, and those that should not be there."""
    changed = [path for path, text in wanted.items() if _content(root / path) != text]
    there = {path.relative_to(root) for folder in _FOLDERS for path in (root / folder).glob("*")}
    return sorted({*changed, *(there - set(wanted))})


def _content(path: Path) -> str | None:
    return path.read_text() if path.exists() else None


def main(arguments: list[str] | None = None) -> int:
    """Write the files, or with `--check` only tell (exit 1) which are stale."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(), help="the repository's root")
    parser.add_argument("--check", action="store_true", help="write nothing")
    options = parser.parse_args(arguments)
    wanted = files(options.out)
    old = stale(options.out, wanted)
    for path in old:
        sys.stdout.write(f"{path}\n")
        if not options.check:
            _write(options.out / path, wanted.get(path))
    return 1 if options.check and old else 0


def _write(path: Path, text: str | None) -> None:
    if text is None:
        path.unlink()
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


if __name__ == "__main__":
    raise SystemExit(main())
