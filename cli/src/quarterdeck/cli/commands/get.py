"""`qd get KIND [NAME…]`: declared resources, and runs, tools and approvals under the same verb."""

from __future__ import annotations

from typing import Annotated

import typer

from quarterdeck.cli.completing import complete_kind, complete_name
from quarterdeck.cli.constants import EXIT_USAGE
from quarterdeck.cli.errors import CliError
from quarterdeck.cli.kinds import find_kind, split_target
from quarterdeck.cli.options import ContextOption, OutputOption, SelectorOption, TenantOption
from quarterdeck.cli.output import Output


def register(app: typer.Typer) -> None:
    """Adds `qd get`."""
    app.command("get")(get)


def get(
    kind: Annotated[
        str,
        typer.Argument(
            help="Kind, in any form (agents, Agent, agent/NAME), or `all`.", autocompletion=complete_kind
        ),
    ],
    names: Annotated[
        list[str] | None, typer.Argument(help="Names; none: every one.", autocompletion=complete_name)
    ] = None,
    output: OutputOption = Output.TABLE,
    selector: SelectorOption = "",
    order_by: Annotated[str, typer.Option("--sort", help="name, -name, created or -created.")] = "",
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Go on with changes as they happen.")] = False,
    tenant: TenantOption = "",
    context: ContextOption = "",
) -> None:
    """Show resources."""
    from quarterdeck.cli.resources_show import show_all, show_kind, show_named, watch_kind
    from quarterdeck.cli.session import connect

    word, inline = split_target(kind)
    wanted = [*([inline] if inline else []), *(names or [])]
    if wanted and (watch or selector):
        raise CliError("--watch and --selector are for lists, not for names", code=EXIT_USAGE)
    if word != "all":
        find_kind(word)
    with connect(context, tenant) as api:
        if word == "all":
            show_all(api, output, selector)
        elif wanted:
            show_named(api, word, wanted, output)
        else:
            version = show_kind(api, word, output, selector, order_by)
            if watch:
                watch_kind(api, word, output, selector, version)
