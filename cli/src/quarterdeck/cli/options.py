"""Options that many commands share."""

from __future__ import annotations

from typing import Annotated

import typer

from quarterdeck.cli.output import Output

TenantOption = Annotated[str, typer.Option("--tenant", "-n", help="Tenant; default: the context's.")]
ContextOption = Annotated[str, typer.Option("--context", help="Context of the configuration file.")]
OutputOption = Annotated[Output, typer.Option("--output", "-o", help="Form of the answer.")]
SelectorOption = Annotated[
    str, typer.Option("--selector", "-l", help="Labels: key=value, key!=value, key, !key; comma-separated.")
]
IdempotencyOption = Annotated[
    str, typer.Option("--idempotency-key", help="Makes a repeat answer with the first result.")
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Show what would happen, change nothing.")]


def bare_id(text: str) -> str:
    """Returns the id in `run/ID` or `approval/ID`, the form that `-o name` prints; an id is itself."""
    return text.rpartition("/")[2]


def complete_run(context: typer.Context, incomplete: str) -> list[str]:
    """Returns the ids of the newest runs that begin so."""
    from quarterdeck.cli.completing import newest_runs

    return [run for run in newest_runs(context) if run.startswith(incomplete)]


RunArgument = Annotated[
    str,
    typer.Argument(metavar="RUN", help="Id of the run.", parser=bare_id, autocompletion=complete_run),
]
