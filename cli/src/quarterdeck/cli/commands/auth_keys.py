"""`qd auth key …`: keys of programs."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from quarterdeck.cli.options import ContextOption, OutputOption, TenantOption
from quarterdeck.cli.output import Output, note, say, show_list
from quarterdeck.cli.table import Column, age

key = typer.Typer(no_args_is_help=True, help="Keys of programs, each in one tenant.")

NameArgument = Annotated[str, typer.Argument(help="Of the key.")]
LifeOption = Annotated[str, typer.Option("--expires-in", help="How long it lasts, as 30d; default: 90d.")]
COLUMNS = (
    Column("NAME", "name"),
    Column("PRINCIPAL", "principal"),
    Column("STATE", "state"),
    Column("SCOPES", lambda item: " ".join(item.get("scopes") or ())),
    Column("EXPIRES", "expiresAt"),
    Column("USED", lambda item: age(item.get("lastUsedAt"))),
    Column("ID", "id", wide=True),
    Column("BY", "createdBy", wide=True),
)


@key.command("list")
def list_(
    output: OutputOption = Output.TABLE, tenant: TenantOption = "", context: ContextOption = ""
) -> None:
    """List the keys of a tenant; of a key that was rotated, also those before."""
    from quarterdeck.cli.session import connect

    with connect(context, tenant) as api:
        found = api.get(api.tenant_path("apikeys"))["items"]
    show_list(found, COLUMNS, output, lambda item: str(item["name"]), "no keys")


@key.command("create")
def create(
    name: NameArgument,
    principal: Annotated[str, typer.Option("--for", help="An account, as account:nightly; or you.")] = "",
    scopes: Annotated[
        list[str] | None,
        typer.Option("--scope", help="Narrow it: a role, or verbs:kinds[:names]; may be repeated."),
    ] = None,
    expires_in: LifeOption = "",
    tenant: TenantOption = "",
    context: ContextOption = "",
) -> None:
    """Make a key and print it: it cannot be read again."""
    body = {"name": name, "principal": principal, "scopes": scopes or [], "expiresIn": expires_in}
    _show(_sent("POST", (), body, tenant, context))


@key.command("rotate")
def rotate(
    name: NameArgument,
    overlap: Annotated[str, typer.Option("--overlap", help="How long both let in; default: 1d.")] = "",
    expires_in: LifeOption = "",
    tenant: TenantOption = "",
    context: ContextOption = "",
) -> None:
    """Make the key that follows, and print it; the one before ends after the overlap."""
    body = {"overlap": overlap, "expiresIn": expires_in}
    _show(_sent("POST", (name, "rotate"), body, tenant, context))


@key.command("revoke")
def revoke(name: NameArgument, tenant: TenantOption = "", context: ContextOption = "") -> None:
    """End a key at once, with those that it replaced."""
    _sent("DELETE", (name,), None, tenant, context)
    say(f"{name} revoked")


def _sent(method: str, parts: tuple[str, ...], body: Any, tenant: str, context: str) -> dict[str, Any]:
    from quarterdeck.cli.session import connect

    with connect(context, tenant) as api:
        answer: dict[str, Any] = api.send(method, api.tenant_path("apikeys", *parts), body=body).json()
    return answer


def _show(made: dict[str, Any]) -> None:
    note(f"{made['name']} is {made['principal']}, until {made['expiresAt']}; it is shown this once")
    say(made["key"])
