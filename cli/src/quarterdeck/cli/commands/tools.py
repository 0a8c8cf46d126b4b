"""`qd tools …`: what tools there are, and calling one."""

from __future__ import annotations

from typing import Annotated

import typer

from quarterdeck.cli.constants import EXIT_FAILED, EXIT_USAGE
from quarterdeck.cli.errors import CliError
from quarterdeck.cli.options import ContextOption, IdempotencyOption, OutputOption, TenantOption
from quarterdeck.cli.output import Output, note, say, show_document, show_list
from quarterdeck.cli.table import Column

tools = typer.Typer(no_args_is_help=True, help="List and call tools.")

COLUMNS = (
    Column("SERVER", "server"),
    Column("TOOL", "name"),
    Column("EFFECT", "effect"),
    Column("ON-UNCERTAIN", "onUncertain", wide=True),
    Column("PIN", "pin", wide=True),
    Column("DESCRIPTION", "description"),
)


def register(app: typer.Typer) -> None:
    """Adds `qd tools`."""
    app.add_typer(tools, name="tools")


@tools.command("list")
def list_tools(
    server: Annotated[str, typer.Argument(help="Of one MCPServer; empty: of all.")] = "",
    output: OutputOption = Output.TABLE,
    tenant: TenantOption = "",
    context: ContextOption = "",
) -> None:
    """List tools, and say which servers could not be asked."""
    from quarterdeck.cli.session import connect

    with connect(context, tenant) as api:
        found = api.get(api.tenant_path("tools"), {"server": server or None})
    show_list(
        found.get("items", []),
        COLUMNS,
        output,
        lambda tool: f"tool/{tool['server']}/{tool['name']}",
        "no tools",
    )
    for missing in found.get("unavailable") or []:
        note(f"not available: {missing}")


@tools.command("call")
def call(
    tool: Annotated[str, typer.Argument(metavar="SERVER/TOOL", help="Which one.")],
    arguments: Annotated[str, typer.Option("--arguments", "-a", help="JSON, @file or @- for stdin.")] = "",
    timeout: Annotated[float, typer.Option(help="Seconds; 0: the tool's own limit.")] = 0,
    idempotency_key: IdempotencyOption = "",
    output: OutputOption = Output.TABLE,
    tenant: TenantOption = "",
    context: ContextOption = "",
) -> None:
    """Call a tool. A call that needs an approval becomes a run of one step."""
    import uuid

    from quarterdeck.cli.api import READ_TIMEOUT
    from quarterdeck.cli.payload import read_payload
    from quarterdeck.cli.session import connect

    server, slash, name = tool.partition("/")
    if not slash:
        raise CliError(f"{tool!r} is not SERVER/TOOL", hint="see `qd tools list`", code=EXIT_USAGE)
    body = {
        "arguments": read_payload(arguments, "--arguments") if arguments else {},
        "timeoutSeconds": timeout,
    }
    key = {"Idempotency-Key": idempotency_key or str(uuid.uuid4())}
    patience = max(READ_TIMEOUT, timeout) + 30
    with connect(context, tenant) as api:
        outcome = api.post(api.tenant_path("tools", server, name, "call"), body, key, patience)
    _show(outcome, output)


def _show(outcome: dict[str, object], output: Output) -> None:
    run = outcome.get("run")
    if isinstance(run, dict):
        asked = f" (policy {outcome['policy']})" if outcome.get("policy") else ""
        note(f"it needs an approval first{asked}: run {run.get('id')} waits for it")
        note(f"see `qd approvals list --run {run.get('id')}`")
        say(f"run/{run.get('id')}")
        return
    answered = outcome.get("status") == "ok" and not outcome.get("artifact")
    if output is not Output.TABLE:
        show_document(outcome, output)
    elif answered or outcome.get("result") is not None:
        show_document(outcome.get("result"), Output.JSON)
    if isinstance(outcome.get("artifact"), dict):
        note(f"the result is an artifact: qd artifacts get {outcome['artifact']['digest']}")  # type: ignore[index]
    if outcome.get("status") != "ok":
        raise CliError(
            f"the tool answered {outcome.get('status')}: {outcome.get('message')}", code=EXIT_FAILED
        )
