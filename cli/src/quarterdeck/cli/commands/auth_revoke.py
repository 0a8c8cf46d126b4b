"""`qd auth revoke`, `restore` and `revoked`: who is let in no more."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

import typer

from quarterdeck.cli.options import ContextOption, OutputOption
from quarterdeck.cli.output import Output, say, show_list
from quarterdeck.cli.table import Column, age

PrincipalArgument = Annotated[str, typer.Argument(help="Its full name: corp:anna, account:nightly.")]
COLUMNS = (
    Column("PRINCIPAL", "principal"),
    Column("BY", "by"),
    Column("SINCE", lambda item: age(item.get("since"))),
    Column("REASON", "reason"),
)


def revoke(
    principal: PrincipalArgument,
    reason: Annotated[str, typer.Option("--reason", help="Why, for who reads the list.")] = "",
    context: ContextOption = "",
) -> None:
    """Let a principal in no more, whatever it comes with; its runs stand still at their next step."""
    from quarterdeck.cli.session import connect

    with connect(context, "") as api:
        api.post("/auth/suspensions", {"principal": principal, "reason": reason})
    say(f"{principal} is suspended: keys, tokens and sessions of it are refused, and its runs stand still")


def restore(principal: PrincipalArgument, context: ContextOption = "") -> None:
    """Let a principal in again; the runs that stood still for it go on."""
    from quarterdeck.cli.session import connect

    with connect(context, "") as api:
        api.delete(f"/auth/suspensions/{quote(principal, safe=':')}")
    say(f"{principal} is let in again")


def revoked(output: OutputOption = Output.TABLE, context: ContextOption = "") -> None:
    """List who is let in no more."""
    from quarterdeck.cli.session import connect

    with connect(context, "") as api:
        found = api.get("/auth/suspensions")["items"]
    show_list(found, COLUMNS, output, lambda item: str(item["principal"]), "nobody is suspended")
