"""`qd triggers …`: firing by hand, state, pause."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from quarterdeck.cli.options import ContextOption, OutputOption, TenantOption
from quarterdeck.cli.output import Output, note, say, show_document

triggers = typer.Typer(no_args_is_help=True, help="Fire, pause and look at triggers.")
NameArgument = Annotated[str, typer.Argument(metavar="TRIGGER", help="Name of a Trigger.")]


def register(app: typer.Typer) -> None:
    """Adds `qd triggers`."""
    app.add_typer(triggers, name="triggers")


@triggers.command("fire")
def fire(
    name: NameArgument,
    payload: Annotated[str, typer.Option("--payload", "-p", help="JSON, @file or @- for stdin.")] = "",
    backfill_from: Annotated[
        str, typer.Option("--from", help="Make up for every time since (RFC 3339).")
    ] = "",
    backfill_to: Annotated[str, typer.Option("--to", help="… until (RFC 3339).")] = "",
    fire_id: Annotated[str, typer.Option("--id", help="Makes a repeat harmless.")] = "",
    tenant: TenantOption = "",
    context: ContextOption = "",
) -> None:
    """Start a trigger's run now, or those of an interval that was missed."""
    from quarterdeck.cli.payload import read_payload
    from quarterdeck.cli.session import connect

    body: dict[str, Any] = {
        "payload": read_payload(payload, "--payload") if payload else None,
        "fireId": fire_id,
        "backfillFrom": backfill_from,
        "backfillTo": backfill_to,
    }
    with connect(context, tenant) as api:
        fired = api.post(
            api.tenant_path("triggers", name, "fire"), {key: value for key, value in body.items() if value}
        )
    for run in fired.get("runs", []):
        say(f"run/{run['id']} {run['state']}")
    if fired.get("skipped"):
        note(f"nothing started: {fired['skipped']}")


@triggers.command("state")
def state(
    name: NameArgument,
    output: OutputOption = Output.YAML,
    tenant: TenantOption = "",
    context: ContextOption = "",
) -> None:
    """Show when it is due next, and what it did last."""
    from quarterdeck.cli.session import connect

    with connect(context, tenant) as api:
        show_document(api.get(api.tenant_path("triggers", name, "state")), output)


@triggers.command("pause")
def pause(name: NameArgument, tenant: TenantOption = "", context: ContextOption = "") -> None:
    """Let it start nothing until it is resumed."""
    _set_paused(name, True, tenant, context)


@triggers.command("resume")
def resume(name: NameArgument, tenant: TenantOption = "", context: ContextOption = "") -> None:
    """Let it start runs again."""
    _set_paused(name, False, tenant, context)


def _set_paused(name: str, paused: bool, tenant: str, context: str) -> None:
    """Writes spec.paused over the version that was read, so that nobody's change is lost."""
    from quarterdeck.cli.session import connect

    with connect(context, tenant) as api:
        path = api.tenant_path("triggers", name)
        found = api.get(path)
        found.setdefault("spec", {})["paused"] = paused
        found.pop("status", None)
        version = (found.get("metadata") or {}).get("resourceVersion")
        api.send("PUT", path, query={"resourceVersion": version}, body=found)
    say(f"trigger/{name} {'paused' if paused else 'resumed'}")
