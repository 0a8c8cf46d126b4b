"""`qd runs …`: what runs, what ran, and what one can do to a run."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from quarterdeck.cli.commands import runs_archive, runs_files, runs_repeat, runs_rerun, runs_steer
from quarterdeck.cli.options import (
    ContextOption,
    OutputOption,
    RunArgument,
    SelectorOption,
    TenantOption,
)
from quarterdeck.cli.output import Output, say, show_document, show_list, show_one


def register(app: typer.Typer) -> None:
    """Adds `qd runs`."""
    runs = typer.Typer(no_args_is_help=True, help="See and steer runs.")
    runs.command("list")(list_runs)
    runs.command("get")(get_run)
    runs.command("output")(run_output)
    runs.command("events")(events)
    runs.command("effects")(effects)
    runs_steer.register(runs)
    runs_repeat.register(runs)
    runs_rerun.register(runs)
    runs_archive.register(runs)
    runs_files.register(runs)
    app.add_typer(runs, name="runs")


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
