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


def bare_id(text: str) -> str:
    """Returns the id in `run/ID` or `approval/ID`, the form that `-o name` prints; an id is itself."""
    return text.rpartition("/")[2]
