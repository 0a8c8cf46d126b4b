"""What goes to stdout: tables, JSON, YAML, names; and whether a person is watching."""

from __future__ import annotations

import enum
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from quarterdeck.cli.table import Column, render


class Output(enum.StrEnum):
    """The forms of -o."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"
    NAME = "name"


# The forms that show all of an answer.
DOCUMENTS = (Output.JSON, Output.YAML)

Name = Callable[[Mapping[str, Any]], str]


def say(text: str = "") -> None:
    """Prints a line of a command's answer."""
    print(text, flush=True)


def note(text: str) -> None:
    """Prints a line beside the answer, on stderr."""
    print(text, file=sys.stderr, flush=True)


def is_terminal() -> bool:
    """True if a person watches stdout."""
    return sys.stdout.isatty()


def show_list(
    items: Sequence[Mapping[str, Any]],
    columns: Sequence[Column],
    output: Output,
    name: Name,
    empty: str = "nothing found",
) -> None:
    """Prints several things in the form asked for; an empty table says so on stderr."""
    if output in (Output.TABLE, Output.WIDE) and not items:
        note(empty)
    elif output in (Output.TABLE, Output.WIDE):
        say("\n".join(render(columns, items, wide=output is Output.WIDE)))
    elif output is Output.NAME:
        for item in items:
            say(name(item))
    else:
        show_document({"items": list(items)}, output)


def show_one(item: Mapping[str, Any], columns: Sequence[Column], output: Output, name: Name) -> None:
    """Prints one thing in the form asked for."""
    if output in DOCUMENTS:
        show_document(item, output)
    else:
        show_list([item], columns, output, name)


def show_document(document: Any, output: Output) -> None:
    """Prints a document as YAML, or as JSON for every other form."""
    say(to_yaml(document).rstrip() if output is Output.YAML else to_json(document))


def to_json(document: Any) -> str:
    """Returns indented JSON."""
    return json.dumps(document, indent=2, ensure_ascii=False, default=str)


def to_yaml(document: Any) -> str:
    """Returns YAML in the order of the document, long text as blocks."""
    from quarterdeck.resources import yaml_writer

    return yaml_writer.to_yaml(document)
