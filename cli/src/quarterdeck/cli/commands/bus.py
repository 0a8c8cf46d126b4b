"""`qd bus dead …`: messages that a queue gave up."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from quarterdeck.cli.constants import EXIT_USAGE
from quarterdeck.cli.errors import CliError
from quarterdeck.cli.options import ContextOption, OutputOption
from quarterdeck.cli.output import Output, note, say, show_document, show_list
from quarterdeck.cli.table import Column, age

bus = typer.Typer(no_args_is_help=True, help="Look after the message bus.")
dead = typer.Typer(no_args_is_help=True, help="Messages that a queue gave up.")
bus.add_typer(dead, name="dead")

OfTenant = Annotated[
    str, typer.Option("--tenant", "-n", help="Only those of this tenant; otherwise of the whole platform.")
]
COLUMNS = (
    Column("ID", "id"),
    Column("TOPIC", "topic"),
    Column("REASON", "reason"),
    Column("QUEUE", "queue", wide=True),
    Column("DIED", lambda item: age(item.get("diedAt"))),
)
MOST = 500


def register(app: typer.Typer) -> None:
    """Adds `qd bus`."""
    app.add_typer(bus, name="bus")


@bus.callback()
def group() -> None:
    """Look after the message bus."""


@dead.command("list")
def list_(output: OutputOption = Output.TABLE, tenant: OfTenant = "", context: ContextOption = "") -> None:
    """List the oldest dead letters; they stay where they are."""
    show_list(_all(tenant, context), COLUMNS, output, lambda item: str(item["id"]), "no dead letters")


@dead.command("show")
def show(
    id: Annotated[str, typer.Argument(help="Of a dead letter, as the list shows it.")],
    output: OutputOption = Output.YAML,
    tenant: OfTenant = "",
    context: ContextOption = "",
) -> None:
    """Show one: what it says, which queue gave it up and why."""
    from quarterdeck.cli.api import join_path
    from quarterdeck.cli.session import connect

    with connect(context, "") as api:
        show_document(api.get(join_path("bus", "dead", id), {"tenant": tenant}), output)


@dead.command("replay")
def replay(
    ids: Annotated[list[str] | None, typer.Argument(help="Of dead letters, as the list shows them.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every one of ours.")] = False,
    tenant: OfTenant = "",
    context: ContextOption = "",
) -> None:
    """Return dead letters to the queues that gave them up. One may arrive twice."""
    from quarterdeck.cli.session import connect

    if bool(ids) == everything:
        raise CliError("name dead letters, or say --all", code=EXIT_USAGE)
    wanted = ids or [item["id"] for item in _all(tenant, context) if item["ours"]]
    if not wanted:
        note("no dead letters")
        return
    query = {"tenant": tenant} if tenant else None
    with connect(context, "") as api:
        done = api.send("POST", "/bus/dead/replay", query=query, body={"ids": wanted}).json()["replayed"]
    for one in done:
        say(f"{one} replayed")
    for one in wanted:
        if one not in done:
            note(f"{one} not found")
    if len(done) < len(wanted):
        raise typer.Exit(1)


def _all(tenant: str, context: str) -> list[dict[str, Any]]:
    from quarterdeck.cli.session import connect

    with connect(context, "") as api:
        found: list[dict[str, Any]] = api.get("/bus/dead", {"tenant": tenant, "limit": MOST})["items"]
    return found
