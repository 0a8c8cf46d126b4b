"""`qd runs …`: what runs, what ran, and what one can do to a run."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from quarterdeck.cli.options import (
    ContextOption,
    IdempotencyOption,
    OutputOption,
    SelectorOption,
    TenantOption,
    bare_id,
)
from quarterdeck.cli.output import Output, note, say, show_document, show_list, show_one

RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="Id of the run.", parser=bare_id)]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Show what would happen, change nothing.")]

runs = typer.Typer(no_args_is_help=True, help="See and steer runs.")


def register(app: typer.Typer) -> None:
    """Adds `qd runs`."""
    app.add_typer(runs, name="runs")


@runs.command("list")
def list_runs(
    state: Annotated[str, typer.Option(help="States, comma-separated: pending, running, waiting, …")] = "",
    kind: Annotated[str, typer.Option(help="Workflow or Agent.")] = "",
    name: Annotated[str, typer.Option(help="Of one workflow or agent.")] = "",
    session: Annotated[str, typer.Option(help="Of one session.")] = "",
    parent: Annotated[str, typer.Option(help="Children of a run.")] = "",
    everything: Annotated[bool, typer.Option("--all", help="Children of other runs too.")] = False,
    limit: Annotated[int, typer.Option(help="At most so many; 0: all.")] = 50,
    order_by: Annotated[str, typer.Option("--sort", help="-created or created.")] = "",
    selector: SelectorOption = "",
    output: OutputOption = Output.TABLE,
    tenant: TenantOption = "",
    context: ContextOption = "",
) -> None:
    """List runs, the newest first."""
    from quarterdeck.cli.runs_view import RUN_COLUMNS, run_name
    from quarterdeck.cli.session import connect

    query: dict[str, Any] = {
        "state": state or None,
        "kind": kind or None,
        "name": name or None,
        "session": session or None,
        "parent": parent or None,
        "roots": None if everything or parent else "true",
        "labelSelector": selector or None,
        "orderBy": order_by or None,
    }
    with connect(context, tenant) as api:
        items = list(api.pages(api.tenant_path("runs"), query, limit))
    show_list(items, RUN_COLUMNS, output, run_name, "no runs")


@runs.command("get")
def get_run(
    run: RunArgument,
    output: OutputOption = Output.TABLE,
    tenant: TenantOption = "",
    context: ContextOption = "",
) -> None:
    """Show one run: state, input, output, cost."""
    from quarterdeck.cli.runs_view import RUN_COLUMNS, RUN_FIELDS, fields_text, run_name
    from quarterdeck.cli.session import connect

    with connect(context, tenant) as api:
        found = api.get(api.tenant_path("runs", run))
    if output is Output.TABLE:
        say("\n".join(fields_text(found, RUN_FIELDS)))
    else:
        show_one(found, RUN_COLUMNS, output, run_name)


@runs.command("events")
def events(
    run: RunArgument,
    after: Annotated[int, typer.Option(help="Only events after this sequence number.")] = 0,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the run ends.")] = False,
    output: OutputOption = Output.TABLE,
    tenant: TenantOption = "",
    context: ContextOption = "",
) -> None:
    """Show a run's journal: a line an event, or JSON with all of its data."""
    from quarterdeck.cli.runs_events import follow_events, show_events
    from quarterdeck.cli.session import connect

    with connect(context, tenant) as api:
        (follow_events if follow else show_events)(api, run, after, output)


@runs.command("effects")
def effects(
    run: RunArgument,
    children: Annotated[bool, typer.Option("--children/--no-children", help="Of child runs too.")] = True,
    output: OutputOption = Output.TABLE,
    tenant: TenantOption = "",
    context: ContextOption = "",
) -> None:
    """Show what a run did outside, and what is not known."""
    from quarterdeck.cli.runs_view import EFFECT_COLUMNS
    from quarterdeck.cli.session import connect

    with connect(context, tenant) as api:
        query = {"children": "true" if children else "false"}
        items = api.get(api.tenant_path("runs", run, "effects"), query).get("items", [])
    show_list(items, EFFECT_COLUMNS, output, lambda item: f"effect/{item.get('effectId')}", "no effects")


@runs.command("cancel")
def cancel(
    run: RunArgument,
    reason: Annotated[str, typer.Option(help="Why; the journal keeps it.")] = "",
    tenant: TenantOption = "",
    context: ContextOption = "",
) -> None:
    """Ask a run and its children to stop. Compensation and `finally` still run."""
    _act(context, tenant, run, "cancel", {"reason": reason or None}, "cancelling")


@runs.command("signal")
def signal(
    run: RunArgument,
    name: Annotated[str, typer.Argument(help="Name of the signal.")],
    payload: Annotated[str, typer.Option("--payload", "-p", help="JSON, @file or @- for stdin.")] = "",
    signal_id: Annotated[str, typer.Option("--id", help="Makes a repeat harmless.")] = "",
    tenant: TenantOption = "",
    context: ContextOption = "",
) -> None:
    """Deliver a signal to a run."""
    import uuid

    from quarterdeck.cli.payload import read_payload

    value = read_payload(payload, "--payload") if payload else None
    body = {"name": name, "payload": value, "id": signal_id or str(uuid.uuid4())}
    _act(context, tenant, run, "signal", body, "signalled")


@runs.command("resume")
def resume(
    run: RunArgument,
    resolution: Annotated[
        str, typer.Option(help="About the uncertain effect: retry, done or fail; empty when there is none.")
    ] = "",
    outcome: Annotated[str, typer.Option(help="With `done`: its result as JSON or @file.")] = "",
    effect: Annotated[str, typer.Option(help="Which effect, when there are several.")] = "",
    tenant: TenantOption = "",
    context: ContextOption = "",
) -> None:
    """Let a parked or quarantined run go on."""
    from quarterdeck.cli.payload import read_payload

    body = {
        "resolution": resolution or None,
        "outcome": read_payload(outcome, "--outcome") if outcome else None,
        "effectId": effect or None,
    }
    _act(context, tenant, run, "resume", body, "resumed")


@runs.command("repin")
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


@runs.command("fork")
def fork(
    run: RunArgument,
    before: Annotated[int, typer.Option("--before", help="Sequence number of the first event not copied.")],
    dry_run: DryRunOption = False,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Follow the new run.")] = False,
    idempotency_key: IdempotencyOption = "",
    output: OutputOption = Output.NAME,
    tenant: TenantOption = "",
    context: ContextOption = "",
) -> None:
    """Start a new run from a point of an old one, without repeating what it did."""
    import uuid

    from quarterdeck.cli.run_start import announce_run
    from quarterdeck.cli.session import connect

    with connect(context, tenant) as api:
        answer = api.post(
            api.tenant_path("runs", run, "fork"),
            {"beforeSeq": before, "dryRun": dry_run},
            {"Idempotency-Key": idempotency_key or str(uuid.uuid4())},
        )
        note(f"copies {answer.get('copiedEvents', 0)} events; keeps: {_steps(answer.get('keptSteps'))}")
        note(f"runs next: {_steps(answer.get('nextSteps'))}")
        if answer.get("run") and not dry_run:
            announce_run(api, answer["run"], follow, "end", output)


def _steps(names: list[str] | None) -> str:
    return ", ".join(names or []) or "nothing"


def _act(context: str, tenant: str, run: str, verb: str, body: dict[str, Any], done: str) -> None:
    """Posts a verb to a run and says what became of it."""
    from quarterdeck.cli.session import connect

    with connect(context, tenant) as api:
        given = {key: value for key, value in body.items() if value is not None}
        answer = api.post(api.tenant_path("runs", run, verb), given)
    say(f"run/{run} {done} ({(answer or {}).get('state', 'unknown')})")
    if (answer or {}).get("reason"):
        note(str(answer["reason"]))


@runs.command("output")
def run_output(
    run: RunArgument,
    form: OutputOption = Output.JSON,
    tenant: TenantOption = "",
    context: ContextOption = "",
) -> None:
    """Print a run's output alone."""
    from quarterdeck.cli.session import connect

    with connect(context, tenant) as api:
        show_document(api.get(api.tenant_path("runs", run)).get("output"), form)
