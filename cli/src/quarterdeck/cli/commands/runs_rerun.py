"""`qd runs rerun`: run again what a filter selects."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from quarterdeck.cli.options import ContextOption, DryRunOption, OutputOption, SelectorOption, TenantOption
from quarterdeck.cli.output import Output, is_terminal, show_list


def register(runs: typer.Typer) -> None:
    """Adds the command to `qd runs`."""
    runs.command("rerun")(rerun)


def rerun(
    kind: Annotated[str, typer.Option(help="Workflow or Agent.")] = "",
    name: Annotated[str, typer.Option(help="Of one workflow or agent.")] = "",
    state: Annotated[str, typer.Option(help="Comma-separated; default: failed,cancelled,timed-out.")] = "",
    since: Annotated[str, typer.Option("--from", help="Created since (RFC 3339).")] = "",
    before: Annotated[str, typer.Option("--to", help="… and before.")] = "",
    from_failure: Annotated[
        bool, typer.Option("--from-failure", help="Retry each from its failed step, not from the beginning.")
    ] = False,
    dry_run: DryRunOption = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    selector: SelectorOption = "",
    output: OutputOption = Output.TABLE,
    tenant: TenantOption = "",
    context: ContextOption = "",
) -> None:
    """Run again what a filter selects, after showing it.

    Without --from-failure each begins anew, with the same input and the newest definition.
    """
    from quarterdeck.cli.rerunning import dry_pages, really
    from quarterdeck.cli.runs_view import RERUN_COLUMNS, rerun_name
    from quarterdeck.cli.session import connect

    wish: dict[str, Any] = {
        "kind": kind,
        "name": name,
        "states": [word for word in state.split(",") if word],
        "createdFrom": since,
        "createdTo": before,
        "labelSelector": selector,
        "from": "failure" if from_failure else "start",
    }
    with connect(context, tenant) as api:
        pages = dry_pages(api, wish)
        items = [item for page in pages for item in page.items]
        if items and not dry_run:
            _agree(len(items), yes)
            items = really(api, pages)
    show_list(items, RERUN_COLUMNS, output, rerun_name, "no runs are selected")
    _say_problems(items)


def _agree(count: int, yes: bool) -> None:
    from quarterdeck.cli.constants import EXIT_USAGE
    from quarterdeck.cli.errors import CliError

    if yes:
        return
    if not is_terminal():
        raise CliError(
            f"{count} runs are selected", hint="look with --dry-run, then say --yes", code=EXIT_USAGE
        )
    typer.confirm(f"Run {count} runs again?", abort=True, err=True)


def _say_problems(items: list[dict[str, Any]]) -> None:
    from quarterdeck.cli.constants import EXIT_FAILED
    from quarterdeck.cli.errors import CliError

    refused = [item for item in items if item.get("problem")]
    if refused:
        details = [f"run {item['runId']}: {item['problem']}" for item in refused]
        raise CliError(
            f"{len(refused)} of {len(items)} runs cannot be run again", details=details, code=EXIT_FAILED
        )
