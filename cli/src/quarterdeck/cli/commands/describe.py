"""`qd describe KIND NAME`: everything about one resource, for people."""

from __future__ import annotations

from typing import Annotated

import typer

from quarterdeck.cli.completing import complete_kind, complete_name
from quarterdeck.cli.constants import EXIT_USAGE
from quarterdeck.cli.errors import CliError
from quarterdeck.cli.kinds import split_target
from quarterdeck.cli.options import ContextOption, TenantOption
from quarterdeck.cli.output import say


def register(app: typer.Typer) -> None:
    """Adds `qd describe`."""
    app.command("describe")(describe)


def describe(
    kind: Annotated[
        str,
        typer.Argument(help="Kind, or KIND/NAME; `run` and `approval` too.", autocompletion=complete_kind),
    ],
    name: Annotated[str, typer.Argument(help="Name.", autocompletion=complete_name)] = "",
    tenant: TenantOption = "",
    context: ContextOption = "",
) -> None:
    """Show one resource with its conditions, revisions and recent runs."""
    from quarterdeck.cli.describe import describe_approval, describe_object, describe_run
    from quarterdeck.cli.session import connect

    word, wanted = split_target(kind, name)
    if not wanted:
        raise CliError("say which: KIND NAME or KIND/NAME", code=EXIT_USAGE)
    special = {
        "run": describe_run,
        "runs": describe_run,
        "approval": describe_approval,
        "approvals": describe_approval,
    }
    with connect(context, tenant) as api:
        if word.lower() in special:
            lines = special[word.lower()](api, wanted)
        else:
            lines = describe_object(api, word, wanted)
    say("\n".join(lines))
