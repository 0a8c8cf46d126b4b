"""Manifests from files, folders and stdin: read, checked here before anything is sent.

What the CRDs would refuse is refused here, with file and line. Paths that a manifest names
are resolved here as well, because only this process knows where the manifest stands.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quarterdeck.cli.constants import EXIT_INVALID
from quarterdeck.cli.errors import CliError
from quarterdeck.resources.constants import MAX_MANIFEST_BYTES
from quarterdeck.resources.errors import FieldError
from quarterdeck.resources.manifests import Manifest, ManifestError, Problem, check_manifests, load_manifests

SUFFIXES = (".yaml", ".yml", ".json")
STDIN = "<stdin>"
# The annotation that tells mcp-manager where a local server's relative paths begin.
SOURCE_DIRECTORY = "quarterdeck.dev/source-directory"
# What is used comes before what uses it; deleting goes the other way.
ORDER = (
    "Tenant",
    "AccessRole",
    "AccessBinding",
    "PlatformPolicy",
    "ApprovalPolicy",
    "Policy",
    "ModelRoute",
    "MemoryCollection",
    "MCPServer",
    "Agent",
    "Workflow",
    "Trigger",
)


@dataclass(frozen=True, slots=True)
class LocalManifest:
    """A manifest that passed, the folder it stands in, and what is sent for it."""

    manifest: Manifest
    data: Mapping[str, Any]

    @property
    def kind(self) -> str:
        """Its kind."""
        return str(self.data["kind"])

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.data["metadata"]["name"])

    @property
    def reference(self) -> str:
        """Returns "kind/name"."""
        return f"{self.kind.lower()}/{self.name}"

    def place(self, field: str = "") -> str:
        """Returns "file:line" of a field."""
        return f"{self.manifest.source}:{self.manifest.line_of(field)}"


def read_manifests(sources: Sequence[str]) -> list[LocalManifest]:
    """Reads and checks manifests, and orders them for applying. Raises CliError with every problem found.

    Args:
        sources: files, folders (with what is below them), or "-" for stdin.
    """
    found: list[tuple[Manifest, Path]] = []
    problems: list[Problem] = []
    for name, text, folder in _texts(sources):
        try:
            found += [(manifest, folder) for manifest in load_manifests(text, name)]
        except ManifestError as error:
            problems += error.problems
    problems += check_manifests(manifest for manifest, _ in found)
    local = [] if problems else [_localised(manifest, folder, problems) for manifest, folder in found]
    problems += _doubles(local)
    if problems:
        raise refused(problems)
    if not local:
        raise CliError(f"no manifests in {', '.join(sources)}", code=EXIT_INVALID)
    return sorted(local, key=lambda item: ORDER.index(item.kind))


def refused(problems: Sequence[Problem]) -> CliError:
    """Returns the error for manifests that were refused here."""
    plural = "s" if len(problems) > 1 else ""
    return CliError(
        f"refused, nothing was applied: {len(problems)} problem{plural}",
        details=[str(problem) for problem in problems],
        hint="`qd explain KIND.path` says what a field takes",
        code=EXIT_INVALID,
    )


def _texts(sources: Sequence[str]) -> Iterator[tuple[str, bytes, Path]]:
    """Yields (name, content, folder) of each file."""
    for source in sources:
        if source == "-":
            yield STDIN, sys.stdin.buffer.read(MAX_MANIFEST_BYTES + 1), Path.cwd()
            continue
        for path in _files(Path(source)):
            try:
                with path.open("rb") as file:
                    # One byte more than is allowed: enough to be refused, however large the file is.
                    yield str(path), file.read(MAX_MANIFEST_BYTES + 1), path.absolute().parent
            except OSError as error:
                raise CliError(f"cannot read {path}: {error.strerror}", code=EXIT_INVALID) from None


def _files(path: Path) -> list[Path]:
    if not path.exists():
        raise CliError(f"there is no {path}", code=EXIT_INVALID)
    if not path.is_dir():
        return [path]
    return sorted(file for file in path.rglob("*") if file.suffix in SUFFIXES and file.is_file())


def _localised(manifest: Manifest, folder: Path, problems: list[Problem]) -> LocalManifest:
    """Returns the manifest with its paths resolved; what cannot be is added to `problems`."""
    data = manifest.data
    if data["kind"] == "MCPServer" and "local" in data["spec"]:
        metadata = data["metadata"]
        annotations = {SOURCE_DIRECTORY: str(folder), **(metadata.get("annotations") or {})}
        data = {**data, "metadata": {**metadata, "annotations": annotations}}
    if data["kind"] == "ModelRoute":
        data = {**data, "spec": _with_playbooks(manifest, folder, problems)}
    return LocalManifest(manifest, data)


def _with_playbooks(manifest: Manifest, folder: Path, problems: list[Problem]) -> Mapping[str, Any]:
    from quarterdeck.llm.errors import PlaybookInvalid
    from quarterdeck.llm.playbook.inlining import inline_playbooks

    spec: Mapping[str, Any] = manifest.data["spec"]
    try:
        return inline_playbooks(spec, folder)
    except PlaybookInvalid as error:
        message = error.message.removeprefix(f"{error.path}: ")
        problems += manifest.problems([FieldError(error.path, message, error.hint or "")])
        return spec


def _doubles(manifests: Sequence[LocalManifest]) -> list[Problem]:
    """Returns a problem for each object that is there twice: only one of them could stay."""
    first: dict[str, LocalManifest] = {}
    problems = []
    for item in manifests:
        known = first.setdefault(item.reference, item)
        if known is not item:
            error = FieldError("metadata.name", f"{item.reference} is there already, at {known.place()}")
            problems += item.manifest.problems([error])
    return problems
