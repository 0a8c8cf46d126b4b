"""Declared resources on the screen: lists, single ones, changes as they happen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from quarterdeck.cli.api import Api, join_path
from quarterdeck.cli.constants import EXIT_FAILED, EXIT_USAGE
from quarterdeck.cli.errors import CliError
from quarterdeck.cli.kinds import KINDS, Kind, find_kind
from quarterdeck.cli.output import Output, note, say, show_document, show_list, show_one
from quarterdeck.cli.table import Column, age, render


def kind_path(api: Api, kind: Kind, *name: str) -> str:
    """Returns the REST path of a kind, or of one object of it."""
    if kind.cluster_scoped:
        return join_path(kind.plural, *name)
    return api.tenant_path(kind.plural, *name)


def condition(item: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    """Returns the condition of a type, empty if there is none."""
    for found in (item.get("status") or {}).get("conditions") or []:
        if found.get("type") == kind:
            return dict(found)
    return {}


def ready_text(item: Mapping[str, Any]) -> str:
    """Returns "True", or why it is not ready: the first condition that says no."""
    ready = condition(item, "Ready")
    if ready.get("status") == "True":
        return "True"
    for name in ("Accepted", "ResolvedRefs", "Ready"):
        found = condition(item, name)
        if found.get("status") == "False":
            return f"False ({found.get('reason') or name})"
    return str(ready.get("status") or "Unknown")


def columns_of(kind: Kind) -> list[Column]:
    """Returns the columns of a kind's table."""
    return [
        Column("NAME", "metadata.name"),
        *kind.columns,
        Column("READY", ready_text),
        Column("LABELS", "metadata.labels", wide=True),
        Column("AGE", lambda item: age((item.get("metadata") or {}).get("creationTimestamp"))),
    ]


def name_of(item: Mapping[str, Any]) -> str:
    """Returns "kind/name" as -o name prints it."""
    return f"{str(item.get('kind', '')).lower()}/{(item.get('metadata') or {}).get('name', '')}"


def show_kind(api: Api, word: str, output: Output, selector: str, order_by: str = "") -> str:
    """Prints a kind's objects; returns the resource version to watch from."""
    kind = find_kind(word)
    query = {"labelSelector": selector or None, "orderBy": order_by or None}
    items, version = list_objects(api, kind_path(api, kind), query)
    show_list(items, columns_of(kind), output, name_of, f"no {kind.plural} in tenant {api.connection.tenant}")
    return version


def list_objects(api: Api, path: str, query: Mapping[str, str | None]) -> tuple[list[dict[str, Any]], str]:
    """Returns every object of a list and the resource version of its first page."""
    first = api.get(path, {**query, "limit": 500})
    items, version = list(first.get("items", [])), str(first.get("resourceVersion") or "")
    token = first.get("continue")
    while token:
        page = api.get(path, {**query, "limit": 500, "continue": token})
        items += page.get("items", [])
        token = page.get("continue")
    return items, version


def show_all(api: Api, output: Output, selector: str) -> None:
    """Prints the objects of every kind of the tenant, a table for each kind that has some."""
    found: list[dict[str, Any]] = []
    for kind in (kind for kind in KINDS if not kind.cluster_scoped):
        items, _ = list_objects(api, kind_path(api, kind), {"labelSelector": selector or None})
        found += items
        if items and output in (Output.TABLE, Output.WIDE):
            say(f"{kind.name}:")
            show_list(items, columns_of(kind), output, name_of)
            say()
    if output not in (Output.TABLE, Output.WIDE):
        show_list(found, [], output, name_of)
    elif not found:
        note(f"nothing in tenant {api.connection.tenant}")


def show_named(api: Api, word: str, names: Sequence[str], output: Output) -> None:
    """Prints objects of one kind by name. What is missing is said after what was found. Raises CliError."""
    kind = find_kind(word)
    names = [_plain_name(kind, name) for name in names]
    found, missing = [], list[CliError]()
    for name in names:
        try:
            found.append(api.get(kind_path(api, kind, name)))
        except CliError as error:
            missing.append(error)
    if len(found) == 1 and len(names) == 1:
        show_one(found[0], columns_of(kind), output, name_of)
    elif found:
        show_list(found, columns_of(kind), output, name_of)
    if missing:
        raise missing[0]


def _plain_name(kind: Kind, name: str) -> str:
    """Returns "x" for "x" and for "agent/x" among agents. Raises CliError for another kind's name."""
    word, slash, plain = name.rpartition("/")
    if slash and find_kind(word) is not kind:
        raise CliError(
            f"{name} is no {kind.name}", hint="name objects of one kind in one command", code=EXIT_USAGE
        )
    return plain


def watch_kind(api: Api, word: str, output: Output, selector: str, version: str) -> None:
    """Prints changes from a resource version on until interrupted."""
    kind = find_kind(word)
    query = {"watch": "true", "labelSelector": selector or None, "resourceVersion": version or None}
    for event in api.events(kind_path(api, kind), query, after=version):
        change = event.data()
        if event.type == "error":
            raise CliError(str(change.get("detail") or "the watch ended"), code=EXIT_FAILED)
        if change.get("object"):
            _show_change(change, kind, output)


def _show_change(change: Mapping[str, Any], kind: Kind, output: Output) -> None:
    item = change["object"]
    if output is Output.NAME:
        say(f"{str(change['type']).lower()} {name_of(item)}")
    elif output in (Output.JSON, Output.YAML):
        say("---" if output is Output.YAML else "")
        show_document(change, output)
    else:
        columns = [Column("CHANGE", lambda _item: change["type"]), *columns_of(kind)]
        say(render(columns, [item], wide=output is Output.WIDE)[1])
