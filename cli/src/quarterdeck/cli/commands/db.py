"""`qd db migrate|status|check`: the schemas of the services' databases."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from quarterdeck.cli.constants import EXIT_FAILED
from quarterdeck.cli.options import OutputOption
from quarterdeck.cli.output import Output, note, say, show_list
from quarterdeck.cli.table import Column

if TYPE_CHECKING:
    from quarterdeck.cli.schemas import Schema
    from quarterdeck.common.database.standing import Standing
    from quarterdeck.common.settings import PlatformSettings

db = typer.Typer(no_args_is_help=True, help="Look after the services' databases.")

Services = Annotated[list[str] | None, typer.Argument(help="Services; all if none is named.")]
Url = Annotated[
    str,
    typer.Option("--database-url", help="Of PostgreSQL, with a login that may create; else QD_DATABASE_URL."),
]
COLUMNS = (
    Column("SERVICE", "service"),
    Column("STATE", "state"),
    Column("REVISION", "revision"),
    Column("WANTED", "wanted"),
    Column("DATABASE", "database"),
)


def register(app: typer.Typer) -> None:
    """Adds `qd db`."""
    app.add_typer(db, name="db")


@db.callback()
def group() -> None:
    """Look after the services' databases."""


@db.command("status")
def status(services: Services = None, output: OutputOption = Output.TABLE, database_url: Url = "") -> None:
    """Show which revision each schema has, and which one this release needs."""
    _, found = _look(services or (), database_url)
    items = [
        {
            "service": schema.service,
            "state": standing.state,
            "revision": standing.revision,
            "wanted": standing.head,
            "database": schema.place,
        }
        for schema, standing in found
    ]
    show_list(items, COLUMNS, output, lambda item: str(item["service"]), "no services")


@db.command("check")
def check(services: Services = None, database_url: Url = "") -> None:
    """Compare each schema with what this release declares. Exits with 1 if one is not as it should be."""
    _, found = _look(services or (), database_url)
    wrong = 0
    for schema, standing in found:
        problems = list(standing.problems)
        if standing.state != "current":
            at = standing.revision or "nothing"
            problems = [f"the schema is {standing.state}: it has {at}, this release needs {standing.head}"]
        for problem in problems:
            say(f"{schema.service}: {problem}")
        wrong += len(problems)
    if wrong:
        note("hint: `qd db migrate` brings older and empty schemas up to date")
        raise typer.Exit(EXIT_FAILED)
    say(f"{len(found)} schemas are as this release declares them")


@db.command("migrate")
def migrate(services: Services = None, database_url: Url = "") -> None:
    """Create what is not there yet and bring the rest up to date; services may go on working meanwhile.

    Files of SQLite are changed only while no process of the platform has them.
    """
    from quarterdeck.cli import schemas
    from quarterdeck.cli.uptime import owned_data_dir, owned_services

    settings, found = _look(services or (), database_url)
    locks = [name for schema, _ in found for name in owned_services(settings, schema.service)]
    owned: Any = owned_data_dir(settings.data_dir.absolute(), locks) if locks else contextlib.nullcontext()
    with owned:
        for schema, before in found:
            asyncio.run(schemas.migrate(schema, settings))
            if before.state == "current":
                say(f"{schema.service}: is at {before.head}")
            else:
                say(f"{schema.service}: {before.revision or 'created'} -> {before.head}")


def _look(
    services: Sequence[str], database_url: str
) -> tuple[PlatformSettings, list[tuple[Schema, Standing]]]:
    from quarterdeck.cli.schemas import schemas, standing_of
    from quarterdeck.cli.uptime import load_settings

    settings = load_settings(**({"database_url": database_url} if database_url else {}))

    async def look() -> list[tuple[Schema, Standing]]:
        return [(schema, await standing_of(schema, settings)) for schema in schemas(settings, services)]

    return settings, asyncio.run(look())
