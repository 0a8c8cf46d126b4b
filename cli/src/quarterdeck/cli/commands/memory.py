"""`qd memory …`: what the collections know."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from quarterdeck.cli.constants import EXIT_USAGE
from quarterdeck.cli.errors import CliError
from quarterdeck.cli.options import ContextOption, OutputOption, TenantOption
from quarterdeck.cli.output import Output, note, say, show_document, show_list, show_one
from quarterdeck.cli.table import Column

memory = typer.Typer(no_args_is_help=True, help="Search and fill memory collections.")
CollectionArgument = Annotated[str, typer.Argument(metavar="COLLECTION", help="Name of a MemoryCollection.")]

COLUMNS = (
    Column("SCORE", lambda item: _number(item.get("score"))),
    Column("SIMILARITY", lambda item: _number(item.get("similarity"))),
    Column("ID", "id"),
    Column("TEXT", "text"),
    Column("PAYLOAD", "payload", wide=True),
    Column("EXPIRES", "expiresAt", wide=True),
)


def _number(value: Any) -> str | None:
    return None if value is None else f"{value:.3f}"


def register(app: typer.Typer) -> None:
    """Adds `qd memory`."""
    app.add_typer(memory, name="memory")


@memory.command("search")
def search(
    collection: CollectionArgument,
    query: Annotated[str, typer.Argument(help="What to look for.")],
    limit: Annotated[int, typer.Option(help="At most so many.")] = 10,
    where: Annotated[str, typer.Option("--filter", help="Filter over the payload: JSON or @file.")] = "",
    min_score: Annotated[float, typer.Option(help="Leave out what scores less.")] = 0,
    output: OutputOption = Output.TABLE,
    tenant: TenantOption = "",
    context: ContextOption = "",
) -> None:
    """Find what is nearest to a text.

    SCORE gives the order. Where likeness and words are mixed it comes from the two ranks: the first of both
    has 1.000 whatever it is. SIMILARITY says how near it is in the collection's own measure, such as cosine.
    """
    from quarterdeck.cli.payload import read_payload
    from quarterdeck.cli.session import connect

    body: dict[str, Any] = {"query": query, "limit": limit, "minScore": min_score}
    if where:
        body["filter"] = read_payload(where, "--filter")
    with connect(context, tenant) as api:
        found = api.post(api.tenant_path("memories", collection, "search"), body)
    show_list(found.get("items", []), COLUMNS, output, _name, "nothing found")


@memory.command("save")
def save(
    collection: CollectionArgument,
    text: Annotated[str, typer.Argument(help="Text of one item; or give --items.")] = "",
    item_id: Annotated[str, typer.Option("--id", help="Replaces the item of this id.")] = "",
    payload: Annotated[str, typer.Option(help="Its payload: JSON or @file.")] = "",
    items: Annotated[str, typer.Option(help="Several: a JSON list of {id, text, payload}, or @file.")] = "",
    tenant: TenantOption = "",
    context: ContextOption = "",
) -> None:
    """Save items."""
    from quarterdeck.cli.payload import read_payload
    from quarterdeck.cli.session import connect

    if bool(text) == bool(items):
        raise CliError("give a text, or --items", code=EXIT_USAGE)
    if items:
        new = read_payload(items, "--items")
    else:
        one = {
            "id": item_id,
            "text": text,
            "payload": read_payload(payload, "--payload") if payload else None,
        }
        new = [{key: value for key, value in one.items() if value}]
    with connect(context, tenant) as api:
        saved = api.post(api.tenant_path("memories", collection), {"items": new})
    for found in saved.get("ids", []):
        say(f"item/{found} saved")


@memory.command("get")
def get(
    collection: CollectionArgument,
    item: Annotated[str, typer.Argument(help="Id of an item; empty: the collection's figures.")] = "",
    output: OutputOption = Output.TABLE,
    tenant: TenantOption = "",
    context: ContextOption = "",
) -> None:
    """Show an item, or a collection's figures."""
    from quarterdeck.cli.session import connect

    with connect(context, tenant) as api:
        path = api.tenant_path("memories", collection, *([item] if item else []))
        found = api.get(path)
    if item:
        show_one(found, COLUMNS, output, _name)
    else:
        show_document(found, Output.YAML if output is Output.TABLE else output)


@memory.command("delete")
def delete(
    collection: CollectionArgument,
    ids: Annotated[list[str], typer.Argument(help="Ids of items.")],
    tenant: TenantOption = "",
    context: ContextOption = "",
) -> None:
    """Delete items."""
    from quarterdeck.cli.session import connect

    with connect(context, tenant) as api:
        for item in ids:
            api.delete(api.tenant_path("memories", collection, item))
            say(f"item/{item} deleted")
    if not ids:
        note("nothing to delete")


def _name(item: Any) -> str:
    return f"item/{item.get('id', '')}"
