"""`qd runs …`: what one can do to a run while it lives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from quarterdeck.cli.options import (
    ContextOption,
    DryRunOption,
    OutputOption,
    RunArgument,
    TenantOption,
)
from quarterdeck.cli.output import Output, note, say, show_one

if TYPE_CHECKING:
    from quarterdeck.cli.api import Api


def register(runs: typer.Typer) -> None:
    """Adds the commands to `qd runs`."""
    runs.command("pause")(pause)
    runs.command("resume")(resume)
    runs.command("cancel")(cancel)
    runs.command("terminate")(terminate)
    runs.command("signal")(signal)
    runs.command("repin")(repin)


def cancel(
    run: RunArgument,
    reason: Annotated[str, typer.Option(help="Why; the journal keeps it.")] = "",
    output: OutputOption = Output.TABLE,
    tenant: TenantOption = "",
    context: ContextOption = "",
) -> None:
    """Ask a run and its children to stop. Compensation and `finally` still run.

    A run that is over already is left as it is; the exit code is then 7.
    """
    _act(context, tenant, run, "cancel", _given({"reason": reason or None}), "cancelling", output)


def pause(
    run: RunArgument,
    reason: Annotated[str, typer.Option(help="Why; the journal keeps it.")] = "",
    output: OutputOption = Output.TABLE,
    tenant: TenantOption = "",
    context: ContextOption = "",
) -> None:
    """Let a run and its children finish what is in flight, and stand still until `resume`."""
    _act(context, tenant, run, "pause", _given({"reason": reason or None}), "pausing", output)


def terminate(
    run: RunArgument,
    reason: Annotated[str, typer.Option(help="Why; the journal keeps it.")] = "",
    output: OutputOption = Output.TABLE,
    tenant: TenantOption = "",
    context: ContextOption = "",
) -> None:
    """End a run and its children at once. Nothing is undone, and `finally` does not run.

    `qd runs effects` shows what was in flight as abandoned: whether it was done is not known. A run that is
    over already is left as it is; the exit code is then 7.
    """
    _act(context, tenant, run, "terminate", _given({"reason": reason or None}), "terminated", output)


def signal(
    run: RunArgument,
    name: Annotated[str, typer.Argument(help="Name of the signal.")],
    payload: Annotated[str, typer.Option("--payload", "-p", help="JSON, @file or @- for stdin.")] = "",
    signal_id: Annotated[str, typer.Option("--id", help="Makes a repeat harmless.")] = "",
    output: OutputOption = Output.TABLE,
    tenant: TenantOption = "",
    context: ContextOption = "",
) -> None:
    """Deliver a signal to a run."""
    import uuid

    from quarterdeck.cli.payload import read_payload

    value = read_payload(payload, "--payload") if payload else None
    body = _given({"name": name, "payload": value, "id": signal_id or str(uuid.uuid4())})
    _act(context, tenant, run, "signal", body, "signalled", output)


def resume(
    run: RunArgument,
    resolution: Annotated[
        str, typer.Option(help="About the uncertain effect: retry, done (with --outcome) or fail.")
    ] = "",
    outcome: Annotated[
        str, typer.Option(help="With `done`: its result as JSON (perhaps null) or @file.")
    ] = "",
    effect: Annotated[str, typer.Option(help="Which effect, when there are several.")] = "",
    output: OutputOption = Output.TABLE,
    tenant: TenantOption = "",
    context: ContextOption = "",
) -> None:
    """Let a paused, parked or quarantined run go on."""
    from quarterdeck.cli.payload import read_payload

    body = {"resolution": resolution or None, "effectId": effect or None}
    given = {"outcome": read_payload(outcome, "--outcome")} if outcome else {}
    _act(context, tenant, run, "resume", {**_given(body), **given}, "resumed", output)


def repin(
    run: RunArgument,
    dry_run: DryRunOption = False,
    tenant: TenantOption = "",
    context: ContextOption = "",
) -> None:
    """Move a parked run to the newest revisions of what it pins."""
    from quarterdeck.cli.constants import EXIT_CONFLICT
    from quarterdeck.cli.errors import CliError
    from quarterdeck.cli.session import connect

    with connect(context, tenant) as api:
        answer = api.post(api.tenant_path("runs", run, "repin"), {"dryRun": dry_run})
    for change in answer.get("changes", []):
        say(change)
    if answer.get("problems"):
        raise CliError(
            f"run {run} cannot go on under the new revisions", details=answer["problems"], code=EXIT_CONFLICT
        )
    if not answer.get("changes"):
        note("nothing changed: it pins the newest revisions already")


# To end a run that is over changes nothing and is no error to the platform; a person is told.
_TO_END = ("cancel", "terminate")


def _require_open(api: Api, run: str, verb: str) -> None:
    """Raises CliError if the run is over already."""
    from quarterdeck.cli.constants import EXIT_CONFLICT
    from quarterdeck.cli.errors import CliError

    found = api.get(api.tenant_path("runs", run))
    if found.get("finishedAt"):
        raise CliError(
            f"run {run} is over already: {found['state']}",
            hint=f"there is nothing to {verb}; see `qd runs get {run}`",
            code=EXIT_CONFLICT,
        )


def _given(body: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in body.items() if value is not None}


def _act(
    context: str, tenant: str, run: str, verb: str, body: dict[str, Any], done: str, output: Output
) -> None:
    """Posts a verb to a run and says what became of it; JSON and YAML are the run."""
    from quarterdeck.cli.runs_view import RUN_COLUMNS, run_name
    from quarterdeck.cli.session import connect

    with connect(context, tenant) as api:
        if verb in _TO_END:
            _require_open(api, run, verb)
        answer = api.post(api.tenant_path("runs", run, verb), body) or {}
    if output is not Output.TABLE:
        show_one(answer, RUN_COLUMNS, output, run_name)
        return
    say(f"run/{run} {done} ({answer.get('state', 'unknown')})")
    if answer.get("reason"):
        note(str(answer["reason"]))
