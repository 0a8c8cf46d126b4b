"""Manifests: YAML documents that hold objects, with the line of every field."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from quarterdeck.resources.errors import FieldError, ValidationFailed
from quarterdeck.resources.yaml_reader import Key, YamlError, read_documents

if TYPE_CHECKING:
    from quarterdeck.resources.metadata import Resource

_STEP = re.compile(r"\[(\d+)\]|\['((?:[^'\\]|\\.)*)'\]|([^.\[\]]+)")


@dataclass(frozen=True, slots=True)
class Problem:
    """One error in a file. `line` counts from 1, 0 when it is about the whole file."""

    source: str
    line: int
    error: FieldError

    def __str__(self) -> str:
        where = f"{self.source}:{self.line}" if self.line else self.source
        return f"{where}: {self.error}"


class ManifestError(ValueError):
    """A file was refused; `problems` holds every reason found, at least one."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__("\n".join(str(problem) for problem in problems))


@dataclass(frozen=True, slots=True)
class Manifest:
    """One document: plain data, and where it stands."""

    source: str
    """The file's name."""
    line: int
    """The line its content begins at, from 1."""
    data: dict[str, Any]
    lines: dict[Key, int] = field(repr=False)

    def line_of(self, path: str) -> int:
        """Return the line of a field path, or of its nearest parent that is there."""
        key = parse_path(path)
        while key and key not in self.lines:
            key = key[:-1]
        return self.lines.get(key, self.line)

    def problems(self, errors: Iterable[FieldError]) -> list[Problem]:
        """Return the errors with their file and line."""
        return [Problem(self.source, self.line_of(error.path), error) for error in errors]


def parse_path(path: str) -> Key:
    """Return `("spec", "nodes", 2)` for `spec.nodes[2]`."""
    return tuple(
        int(index) if index else re.sub(r"\\(.)", r"\1", quoted) or plain
        for index, quoted, plain in _STEP.findall(path)
    )


def load_manifests(text: str | bytes, source_name: str) -> list[Manifest]:
    """Read the documents of a YAML text; empty ones are left out.

    Raises `ManifestError` when it is not YAML, too large or too deep, or holds an alias, an unknown tag, a
    double key or a document that is not an object.
    """
    try:
        documents = read_documents(text)
    except YamlError as error:
        found = FieldError("", error.message, error.hint)
        raise ManifestError([Problem(source_name, error.line or 0, found)]) from None
    filled = [document for document in documents if document.value is not None]
    wrong = [document.line for document in filled if not isinstance(document.value, dict)]
    if wrong:
        needed = FieldError("", "an object is needed", "with apiVersion, kind, metadata, spec")
        raise ManifestError([Problem(source_name, line, needed) for line in wrong])
    return [Manifest(source_name, doc.line, doc.value, doc.lines) for doc in filled]


def check_manifests(manifests: Iterable[Manifest]) -> list[Problem]:
    """Return everything that is wrong with manifests: their schemas, what goes beyond, how they fit."""
    from quarterdeck.resources.kinds import parse_object
    from quarterdeck.resources.validation import validate

    problems: list[Problem] = []
    parsed: list[tuple[Manifest, Resource]] = []
    for manifest in manifests:
        try:
            parsed.append((manifest, parse_object(manifest.data)))
        except ValidationFailed as failed:
            problems += manifest.problems(failed.errors)
    together = {(resource.kind, resource.metadata.name): resource for _, resource in parsed}
    for manifest, resource in parsed:
        problems += manifest.problems(validate(resource, lambda kind, name: together.get((kind, name))))
    return problems
