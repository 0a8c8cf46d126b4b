"""`qd config …`: contexts."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from quarterdeck.cli.constants import EXIT_NOT_FOUND, LOCAL_CONTEXT
from quarterdeck.cli.contexts import (
    DEFAULT_TENANT,
    Configuration,
    Context,
    configuration_path,
    load_configuration,
    save_configuration,
)
from quarterdeck.cli.errors import CliError
from quarterdeck.cli.options import OutputOption
from quarterdeck.cli.output import Output, say, show_list
from quarterdeck.cli.table import Column

config = typer.Typer(no_args_is_help=True, help="Contexts: which platform, as whom, which tenant.")

COLUMNS = (
    Column("CURRENT", "current"),
    Column("NAME", "name"),
    Column("SERVER", "server"),
    Column("TENANT", "tenant"),
)


def register(app: typer.Typer) -> None:
    """Adds `qd config`."""
    app.add_typer(config, name="config")


@config.command("get-contexts")
def get_contexts(output: OutputOption = Output.TABLE) -> None:
    """List the contexts; tokens are not shown."""
    configuration = load_configuration()
    names = {context.name for context in configuration.contexts}
    contexts = [*configuration.contexts]
    if LOCAL_CONTEXT not in names:
        contexts.insert(0, Context(LOCAL_CONTEXT))
    rows = [_row(context, configuration) for context in contexts]
    show_list(rows, COLUMNS, output, lambda row: f"context/{row['name']}")


def _row(context: Context, configuration: Configuration) -> dict[str, str]:
    return {
        "current": "*" if context.name == configuration.current else "",
        "name": context.name,
        "server": context.server or (f"data directory {context.data_dir or 'nearest .quarterdeck'}"),
        "tenant": context.tenant or DEFAULT_TENANT,
    }


@config.command("use-context")
def use_context(name: Annotated[str, typer.Argument(help="Name of a context.")]) -> None:
    """Make a context the current one."""
    configuration = load_configuration()
    if configuration.find(name) is None:
        raise CliError(f"no context {name!r}", hint="see `qd config get-contexts`", code=EXIT_NOT_FOUND)
    save_configuration(replace(configuration, current=name))
    say(f"context {name} is the current one")


@config.command("set-context")
def set_context(
    name: Annotated[str, typer.Argument(help="Name; an existing one is changed.")],
    server: Annotated[str, typer.Option(help="Base URL of a gateway.")] = "",
    tenant: Annotated[
        str, typer.Option("--tenant", "-n", help="Tenant unless a command says otherwise.")
    ] = "",
    token: Annotated[str, typer.Option(help="Bearer token; kept in the file, which only you can read.")] = "",
    token_file: Annotated[str, typer.Option(help="File that holds the token.")] = "",
    data_dir: Annotated[
        str, typer.Option(help="Data directory of a local platform, instead of --server.")
    ] = "",
    use: Annotated[bool, typer.Option("--use", help="Make it the current one.")] = False,
) -> None:
    """Add or change a context."""
    configuration = load_configuration()
    known = configuration.find(name) or Context(name)
    given = {
        "server": server,
        "tenant": tenant,
        "token": token,
        "token_file": token_file,
        "data_dir": data_dir,
    }
    if token or token_file:
        known = replace(known, token="", token_file="", sign_in="")
    changed = replace(known, **{field: value for field, value in given.items() if value})
    configuration = configuration.with_context(changed)
    path = save_configuration(replace(configuration, current=name) if use else configuration)
    say(f"context {name} written to {path}")


@config.command("current-context")
def current_context() -> None:
    """Print the name of the current context."""
    say(load_configuration().current)


@config.command("path")
def path() -> None:
    """Print where the configuration file is."""
    say(str(configuration_path()))
