"""`qd diff -f`: what `qd apply` would change."""

from __future__ import annotations

from typing import Annotated

import typer

from quarterdeck.cli.constants import EXIT_FAILED, EXIT_USAGE
from quarterdeck.cli.errors import CliError
from quarterdeck.cli.options import ContextOption, TenantOption
from quarterdeck.cli.output import say


def register(app: typer.Typer) -> None:
    """Adds `qd diff`."""
    app.command("diff")(diff)


def diff(
    files: Annotated[
        list[str] | None,
        typer.Option("--filename", "-f", help="Files, folders, - for stdin; may be repeated."),
    ] = None,
    tenant: TenantOption = "",
    context: ContextOption = "",
) -> None:
    """Show what applying manifests would change. Exits with 1 if anything would."""
    if not files:
        raise CliError("say what to compare: -f FILE, -f FOLDER or -f -", code=EXIT_USAGE)
    from quarterdeck.cli.differences import difference
    from quarterdeck.cli.manifests import read_manifests
    from quarterdeck.cli.session import connect

    changed = False
    manifests = read_manifests(files)
    with connect(context, tenant) as api:
        for manifest in manifests:
            for line in difference(api, manifest):
                changed = True
                say(line)
    if changed:
        raise typer.Exit(EXIT_FAILED)
