"""Kubeconfig files: several make one, and of that one context is chosen.

As kubectl does it: of what several files say, the first wins, entry by entry; and names of files are relative
to the file that says them.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quarterdeck.controller.configuration.errors import NoCluster


@dataclass(frozen=True, slots=True)
class Part:
    """What a kubeconfig says under one name; `kind` is "cluster", "user" or "context"."""

    kind: str
    name: str
    content: Mapping[str, Any]
    file: Path

    def where(self, field: str = "") -> str:
        """Returns the place for an error."""
        return f"{self.file}: {self.kind}s[{self.name}]" + (f".{field}" if field else "")

    def wrong(self, field: str, what: str, hint: str = "") -> NoCluster:
        """Returns the error of a field."""
        return NoCluster(what, where=self.where(field), hint=hint or f"mend {self.file}")

    def text(self, field: str) -> str:
        """Returns a field as text; empty if it is not there."""
        value = self.content.get(field)
        return "" if value is None else str(value)

    def path(self, field: str) -> Path | None:
        """Returns the file that a field names."""
        named = self.text(field)
        return self.file.parent / named if named else None

    def bytes(self, field: str) -> bytes | None:
        """Returns what `<field>-data` holds, else what is in the file that `field` names."""
        data, file = self.text(f"{field}-data"), self.path(field)
        try:
            if data:
                return base64.b64decode(data, validate=True)
            return file.read_bytes() if file is not None else None
        except binascii.Error as error:
            raise self.wrong(f"{field}-data", f"is not base64: {error}") from None
        except OSError as error:
            raise self.wrong(field, f"cannot be read: {error}") from None


Parts = dict[tuple[str, str], Part]


def read(file: Path) -> Mapping[str, Any]:
    """Returns what is in a file. NoCluster if it cannot be read, or is no kubeconfig."""
    import yaml

    try:
        content = yaml.load(file.read_text(encoding="utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except OSError as error:
        raise NoCluster(f"cannot be read: {error.strerror or error}", where=str(file)) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        said = " ".join(str(error).split())
        raise NoCluster(f"is not YAML: {said}", where=str(file), hint=f"mend {file}") from None
    if content is not None and not isinstance(content, dict):
        raise NoCluster("is no kubeconfig", where=str(file), hint=f"mend {file}")
    return content or {}


def merged(documents: Iterable[tuple[Path, Mapping[str, Any]]]) -> tuple[str, Parts]:
    """Returns the current context's name and all entries, of each name the first."""
    current, parts = "", Parts()
    for file, content in documents:
        current = current or str(content.get("current-context") or "")
        for kind in ("cluster", "user", "context"):
            for entry in _entries(file, content, kind):
                parts.setdefault((kind, entry.name), entry)
    return current, parts


def _entries(file: Path, content: Mapping[str, Any], kind: str) -> Iterable[Part]:
    listed = content.get(f"{kind}s") or []
    if not isinstance(listed, list):
        raise NoCluster("must be a list", where=f"{file}: {kind}s", hint=f"mend {file}")
    for at, entry in enumerate(listed):
        inner = entry.get(kind) or {} if isinstance(entry, dict) else None
        if not isinstance(inner, dict) or entry.get("name") is None:
            said = f"must have a name and a {kind}"
            raise NoCluster(said, where=f"{file}: {kind}s[{at}]", hint=f"mend {file}")
        yield Part(kind, str(entry["name"]), inner, file)


def chosen(current: str, parts: Parts, context: str | None = None) -> tuple[Part, Part]:
    """Returns the cluster and the user of a context, the current one by default.

    NoCluster if one of them is not there. A context without a user gives one with nothing in it.
    """
    name = context or current
    found = parts.get(("context", name))
    if found is None:
        known = ", ".join(sorted(repr(name) for kind, name in parts if kind == "context")) or "none"
        said = f"there is no context {name!r}" if name else "no context is the current one"
        raise NoCluster(f"{said}; known: {known}", where="kubeconfig", hint="kubectl config use-context NAME")
    cluster = _named(found, parts, "cluster")
    user = _named(found, parts, "user") if found.text("user") else Part("user", "", {}, found.file)
    return cluster, user


def _named(context: Part, parts: Parts, kind: str) -> Part:
    part = parts.get((kind, context.text(kind)))
    if part is None:
        raise context.wrong(kind, f"there is no {kind} {context.text(kind)!r}")
    return part
