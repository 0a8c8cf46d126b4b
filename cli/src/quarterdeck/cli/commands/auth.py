"""`qd auth …`: who one is, what one may do, and why; keys of programs."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from quarterdeck.cli.commands.auth_keys import key
from quarterdeck.cli.commands.auth_revoke import restore, revoke, revoked
from quarterdeck.cli.options import ContextOption, OutputOption, TenantOption
from quarterdeck.cli.output import Output, say, show_document

auth = typer.Typer(no_args_is_help=True, help="Who you are, what you may do, and why.")
auth.add_typer(key, name="key")
auth.command("revoke")(revoke)
auth.command("restore")(restore)
auth.command("revoked")(revoked)

VerbArgument = Annotated[str, typer.Argument(help="get, list, create, update, delete, call, decide, …")]
ResourceArgument = Annotated[str, typer.Argument(help="A plural kind: agents, runs/cancel, tools/call.")]
NameArgument = Annotated[str, typer.Argument(help="One in particular; a tool's is server/tool.")]
PlatformOption = Annotated[bool, typer.Option("--platform", help="Of the platform, not of a tenant.")]
AsOption = Annotated[str, typer.Option("--as", help="Ask about this principal.")]
GroupOption = Annotated[
    list[str] | None, typer.Option("--as-group", help="A group of that principal; may be repeated.")
]


def register(app: typer.Typer) -> None:
    """Adds `qd auth`."""
    app.add_typer(auth, name="auth")


@auth.callback()
def group() -> None:
    """Who you are, what you may do, and why."""


@auth.command()
def whoami(output: OutputOption = Output.YAML, context: ContextOption = "") -> None:
    """Show whose your token is."""
    from quarterdeck.cli.session import connect

    with connect(context, "") as api:
        show_document(api.get("/auth/whoami"), output)


@auth.command("can-i")
def can_i(
    verb: VerbArgument,
    resource: ResourceArgument,
    name: NameArgument = "",
    platform: PlatformOption = False,
    principal: AsOption = "",
    groups: GroupOption = None,
    tenant: TenantOption = "",
    context: ContextOption = "",
) -> None:
    """Say yes or no; the exit code is 0 or 1."""
    found = _asked((verb, resource, name), (principal, groups), platform, (context, tenant))
    say("yes" if found["allowed"] else "no")
    if not found["allowed"]:
        raise typer.Exit(1)


@auth.command("explain")
def explain(
    verb: VerbArgument,
    resource: ResourceArgument,
    name: NameArgument = "",
    platform: PlatformOption = False,
    principal: AsOption = "",
    groups: GroupOption = None,
    tenant: TenantOption = "",
    context: ContextOption = "",
) -> None:
    """Say by which role it is allowed, or which roles would allow it."""
    found = _asked((verb, resource, name), (principal, groups), platform, (context, tenant))
    say(_sentence(found))
    if found["rule"]:
        say(f"rule: {found['rule']}")
    if not found["allowed"] and found["rolesThatAllow"]:
        say(f"roles that allow it: {', '.join(found['rolesThatAllow'])}")


def _sentence(found: dict[str, Any]) -> str:
    what = " ".join(part for part in (found["verb"], found["resource"], found["name"]) if part)
    where = f" in tenant {found['tenant']}" if found["tenant"] else ""
    return f"{found['principal']} {'may' if found['allowed'] else 'may not'} {what}{where}: {found['reason']}"


def _asked(
    question: tuple[str, str, str],
    about: tuple[str, list[str] | None],
    platform: bool,
    place: tuple[str, str],
) -> dict[str, Any]:
    from quarterdeck.cli.session import connect

    verb, resource, name = question
    with connect(*place) as api:
        tenant = "" if platform else api.connection.tenant
        body = {"verb": verb, "resource": resource, "tenant": tenant, "name": name}
        others = {"principal": about[0], "groups": about[1] or []}
        found: dict[str, Any] = api.post("/auth/check", {**body, **others})
    return found
