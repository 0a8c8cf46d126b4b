"""Reading YAML from its events: bounded, without aliases, with the line of every value.

The usual loaders recurse (and crash) on deep nesting and expand aliases without bound, and they keep the last
of two equal keys; here each of these is an error with its line.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from quarterdeck.resources.constants import (
    MAX_MANIFEST_BYTES,
    MAX_MANIFEST_DOCUMENTS,
    MAX_MANIFEST_VALUES,
    MAX_OBJECT_DEPTH,
)
from quarterdeck.resources.yaml_scalars import resolve

Key = tuple[str | int, ...]

_PAIR = re.compile(r"(?<!\\)((?:\\\\)*)(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})")
_STANDARD = "tag:yaml.org,2002:"
_SCALAR_TAGS = frozenset({"str", "int", "float", "bool", "null"})


class YamlError(ValueError):
    """The text cannot be read; `line` counts from 1, None when it is about the whole."""

    def __init__(self, message: str, line: int | None = None, hint: str = "") -> None:
        self.message = message
        self.line = line
        self.hint = hint
        super().__init__(message if line is None else f"line {line}: {message}")


@dataclass(slots=True)
class Document:
    """One document: its value, and the line (from 1) of each value by its path."""

    value: Any
    line: int
    lines: dict[Key, int] = field(default_factory=dict)


@dataclass(slots=True)
class _Open:
    """A list or mapping that is being read; `key` is the mapping's key that waits for its value."""

    container: list[Any] | dict[str, Any]
    path: Key
    key: str | None = None


class _Builder:
    """Builds documents from events."""

    def __init__(self) -> None:
        self.documents: list[Document] = []
        self._current: Document | None = None
        self._stack: list[_Open] = []
        self._values = 0

    def feed(self, event: Any) -> None:
        line = event.start_mark.line + 1
        match type(event).__name__:
            case "DocumentStartEvent":
                self._start_document(line)
            case "DocumentEndEvent":
                self._end_document()
            case "AliasEvent":
                raise YamlError("aliases are not allowed", line, "write the value out")
            case "ScalarEvent":
                self._scalar(event, line)
            case "SequenceStartEvent":
                self._open([], event, "seq", line)
            case "MappingStartEvent":
                self._open({}, event, "map", line)
            case "SequenceEndEvent" | "MappingEndEvent":
                self._stack.pop()

    def _start_document(self, line: int) -> None:
        if len(self.documents) >= MAX_MANIFEST_DOCUMENTS:
            raise YamlError(f"more than {MAX_MANIFEST_DOCUMENTS} documents", line)
        self._current = Document(None, line)

    def _end_document(self) -> None:
        if self._current is not None:
            self.documents.append(self._current)

    def _count(self, line: int) -> None:
        self._values += 1
        if self._values > MAX_MANIFEST_VALUES:
            raise YamlError(
                f"more than {MAX_MANIFEST_VALUES} values in one text", line, "split it into files"
            )

    def _open(self, container: list[Any] | dict[str, Any], event: Any, tag: str, line: int) -> None:
        if event.tag not in (None, "!", _STANDARD + tag):
            raise _unknown_tag(event.tag, line)
        if len(self._stack) >= MAX_OBJECT_DEPTH:
            raise YamlError(f"nested deeper than {MAX_OBJECT_DEPTH} levels", line)
        path = self._place(container, line, is_scalar=False)
        self._stack.append(_Open(container, path))

    def _scalar(self, event: Any, line: int) -> None:
        top = self._stack[-1] if self._stack else None
        if top is not None and isinstance(top.container, dict) and top.key is None:
            self._key(top, event, line)
            return
        self._place(_scalar_value(event, line), line, is_scalar=True)

    def _key(self, top: _Open, event: Any, line: int) -> None:
        text = event.value
        if event.tag not in (None, "!", _STANDARD + "str"):
            raise _unknown_tag(event.tag, line)
        if text == "<<" and event.implicit[0]:
            raise YamlError("merge keys are not allowed", line, "write the fields out")
        if text in top.container:
            raise YamlError(
                f"the key {text[:80]!r} appears twice", line, f"first in line {self._line(top, text)}"
            )
        top.key = text
        if self._current is not None:
            self._current.lines[(*top.path, text)] = line

    def _line(self, top: _Open, key: str) -> int:
        return self._current.lines[(*top.path, key)] if self._current else 0

    def _place(self, value: Any, line: int, *, is_scalar: bool) -> Key:
        """Put a value where it belongs and return its path."""
        self._count(line)
        if self._current is None:
            raise YamlError("a value outside a document", line)
        if not self._stack:
            self._current.value, self._current.line = value, line
            return ()
        top = self._stack[-1]
        if isinstance(top.container, list):
            top.container.append(value)
            path: Key = (*top.path, len(top.container) - 1)
            self._current.lines[path] = line
            return path
        if top.key is None:
            raise YamlError("a key must be text", line)
        path, top.container[top.key], top.key = (*top.path, top.key), value, None
        return path


def _scalar_value(event: Any, line: int) -> Any:
    tag = event.tag
    if tag is None or (tag == "!" and not event.implicit[0]):
        plain = bool(event.implicit[0]) and tag is None
        return _resolved(event.value, None, line) if plain else event.value
    name = tag.removeprefix(_STANDARD)
    if name not in _SCALAR_TAGS:
        raise _unknown_tag(tag, line)
    return _resolved(event.value, name, line)


def _resolved(text: str, tag: str | None, line: int) -> Any:
    try:
        return resolve(text, tag)
    except ValueError as error:
        raise YamlError(str(error), line) from None


def _unknown_tag(tag: str, line: int) -> YamlError:
    return YamlError(f"the tag {tag[:80]!r} is not allowed", line, "remove it")


def read_documents(text: str | bytes) -> list[Document]:
    """Read every document of a YAML text. Raises `YamlError` on the first thing that is wrong."""
    size = len(text) if isinstance(text, bytes) else len(text.encode(errors="surrogatepass"))
    if size > MAX_MANIFEST_BYTES:
        # No size is named: who reads a file stops at the limit and does not know it.
        raise YamlError(f"more than {MAX_MANIFEST_BYTES} bytes of YAML", None, "split it into files")
    builder = _Builder()
    for event in _events(_without_pairs(text)):
        builder.feed(event)
    return builder.documents


def _without_pairs(text: str | bytes) -> str | bytes:
    """Write escaped surrogate pairs in JSON as the character they stand for; YAML does not know them."""
    if isinstance(text, bytes) or not text.lstrip().startswith(("{", "[")):
        return text
    return _PAIR.sub(lambda found: found[1] + json.loads(f'"{found[2]}"'), text)


def _events(text: str | bytes) -> Iterator[Any]:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        yield from yaml.parse(text, Loader=loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise YamlError(error.problem or "not YAML", mark.line + 1 if mark else None) from None
    except (yaml.YAMLError, UnicodeError) as error:
        raise YamlError(f"not YAML: {str(error).splitlines()[0]}") from None
