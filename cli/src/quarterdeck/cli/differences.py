"""The difference between a manifest and what is there, as the platform itself would apply it."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from quarterdeck.cli.api import Api, ApiError
from quarterdeck.cli.applying import apply_manifest
from quarterdeck.cli.kinds import find_kind
from quarterdeck.cli.manifests import LocalManifest
from quarterdeck.cli.output import to_yaml
from quarterdeck.cli.resources_show import kind_path

WRITTEN_BY_PEOPLE = ("name", "labels", "annotations")


def difference(api: Api, manifest: LocalManifest) -> list[str]:
    """Returns the lines of a unified diff, none when nothing would change. Raises CliError if refused."""
    after = apply_manifest(api, manifest, dry_run=True).object
    before = _live(api, manifest)
    return list(
        difflib.unified_diff(
            _text(before),
            _text(after),
            f"live/{manifest.reference}",
            f"{manifest.manifest.source}",
            lineterm="",
        )
    )


def _live(api: Api, manifest: LocalManifest) -> Mapping[str, Any]:
    try:
        found: Mapping[str, Any] = api.get(kind_path(api, find_kind(manifest.kind), manifest.name))
    except ApiError as error:
        if error.status != 404:
            raise
        return {}
    return found


def _text(found: Mapping[str, Any]) -> list[str]:
    """Returns what people write of an object, as YAML lines."""
    if not found:
        return []
    metadata = {key: value for key, value in found["metadata"].items() if key in WRITTEN_BY_PEOPLE and value}
    ours = {"kind": found.get("kind"), "metadata": metadata, "spec": found.get("spec")}
    return to_yaml(ours).splitlines()
