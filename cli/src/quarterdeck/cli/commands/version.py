"""`qd version`."""

from __future__ import annotations

from typing import Annotated

import typer

from quarterdeck.cli.constants import VERSION
from quarterdeck.cli.options import ContextOption
from quarterdeck.cli.output import note, say


def register(app: typer.Typer) -> None:
    """Adds `qd version`."""
    app.command("version")(version)


def version(
    client: Annotated[bool, typer.Option("--client", help="Do not ask the platform.")] = False,
    context: ContextOption = "",
) -> None:
    """Print the versions of qd and of the platform that it talks to."""
    say(f"qd        {VERSION}")
    if client:
        return
    from quarterdeck.cli.errors import CliError
    from quarterdeck.cli.session import connect

    try:
        with connect(context) as api:
            document = api.root("/openapi.json")
            say(f"platform  {document.get('info', {}).get('version', 'unknown')}   at {api.connection.url}")
    except CliError as error:
        note(f"platform  none: {error.message}")
