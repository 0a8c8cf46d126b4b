"""What a shell completes beside commands and options: kinds, and the names that there are."""

from __future__ import annotations

import typer

from quarterdeck.cli.errors import CliError
from quarterdeck.cli.kinds import KINDS, find_kind, split_target

MOST = 500


def complete_kind(context: typer.Context, incomplete: str) -> list[str]:
    """Returns plurals that begin so; after "KIND/" the names of that kind."""
    word, slash, begun = incomplete.partition("/")
    if slash:
        return [f"{word}/{name}" for name in names_of(context, word) if name.startswith(begun)]
    return [kind.plural for kind in KINDS if kind.plural.startswith(incomplete.lower())]


def complete_name(context: typer.Context, incomplete: str) -> list[str]:
    """Returns the names that begin so, of the kind that stands before them."""
    word, _ = split_target(str(context.params.get("kind") or ""))
    return [name for name in names_of(context, word) if name.startswith(incomplete)]


def names_of(context: typer.Context, word: str) -> list[str]:
    """Returns the names of a kind; none when the platform does not answer, since a shell waits for us."""
    from quarterdeck.cli.resources_show import kind_path
    from quarterdeck.cli.session import connect

    given = context.params
    try:
        kind = find_kind(word)
        with connect(str(given.get("context") or ""), str(given.get("tenant") or "")) as api:
            items = api.get(kind_path(api, kind), {"limit": MOST}).get("items", [])
    except CliError:
        return []
    return [str(item["metadata"]["name"]) for item in items]


def newest_runs(context: typer.Context) -> list[str]:
    """Returns the ids of the newest runs; none when the platform does not answer."""
    from quarterdeck.cli.session import connect

    given = context.params
    try:
        with connect(str(given.get("context") or ""), str(given.get("tenant") or "")) as api:
            items = api.get(api.tenant_path("runs"), {"limit": MOST}).get("items", [])
    except CliError:
        return []
    return [str(item["id"]) for item in items]
