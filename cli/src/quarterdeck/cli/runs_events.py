"""A run's journal on the screen."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from quarterdeck.cli.api import Api
from quarterdeck.cli.follow import EventPrinter, follow_run, say_outcome
from quarterdeck.cli.journal import event_line
from quarterdeck.cli.output import Output, say, show_document


def read_events(api: Api, run: str, after: int = 0) -> Iterator[dict[str, Any]]:
    """Yields the events that are journalled now, a page at a time."""
    path = api.tenant_path("runs", run, "events")
    while True:
        page = api.get(path, {"afterSeq": after, "limit": 500})
        yield from page.get("items", [])
        if not page.get("continue"):
            return
        after = int(page["continue"])


def show_events(api: Api, run: str, after: int, output: Output) -> None:
    """Prints the journal as it is now."""
    found = read_events(api, run, after)
    if output in (Output.JSON, Output.YAML):
        show_document({"items": list(found)}, output)
        return
    for event in found:
        say(event_line(event, full=output is Output.WIDE))


def follow_events(api: Api, run: str, after: int, output: Output) -> None:
    """Prints the journal and what is added to it until the run ends. Raises CliError if it failed."""
    printer = EventPrinter(full=output is Output.WIDE)
    show = _say_json if output in (Output.JSON, Output.YAML) else printer.show
    say_outcome(follow_run(api, run, show, after=str(after) if after else ""))


def _say_json(event: Mapping[str, Any]) -> None:
    say(json.dumps(event, ensure_ascii=False))


def show_with_children(api: Api, run: str, output: Output, indent: str = "") -> None:
    """Prints a run's journal, then those of its children, each below its parent."""
    found = api.get(api.tenant_path("runs", run))
    say(f"{indent}run {run}  {found.get('kind')}/{found.get('name')}  {found.get('state')}")
    for event in read_events(api, run):
        say(f"{indent}{event_line(event, full=output is Output.WIDE)}")
    query = {"parent": run, "orderBy": "created"}
    for child in api.pages(api.tenant_path("runs"), query):
        show_with_children(api, str(child["id"]), output, indent + "    ")
