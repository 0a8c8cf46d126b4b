"""`qd run WORKFLOW|AGENT`: starts a run, and follows it if asked to."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from quarterdeck.cli.constants import EXIT_NOT_FOUND, EXIT_USAGE
from quarterdeck.cli.errors import CliError
from quarterdeck.cli.options import ContextOption, IdempotencyOption, OutputOption, TenantOption
from quarterdeck.cli.output import Output

RUNNABLE = {"workflow": "Workflow", "workflows": "Workflow", "agent": "Agent", "agents": "Agent"}


def register(app: typer.Typer) -> None:
    """Adds `qd run`."""
    app.command("run")(run)


def run(
    target: Annotated[str, typer.Argument(help="NAME, workflow/NAME or agent/NAME.")],
    payload: Annotated[str, typer.Option("--input", "-i", help="Input: JSON, @file, or @- for stdin.")] = "",
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Show the journal until the run ends.")
    ] = False,
    until: Annotated[
        str, typer.Option(help="With --follow: `end`, or `waiting` to leave when it waits for somebody.")
    ] = "end",
    key: Annotated[str, typer.Option(help="Business key, unique among the open runs.")] = "",
    key_conflict: Annotated[str, typer.Option(help="reject, join, replace or queue.")] = "",
    session: Annotated[str, typer.Option(help="Session: the conversation this run belongs to.")] = "",
    labels: Annotated[list[str] | None, typer.Option("--label", help="key=value; may be repeated.")] = None,
    batch: Annotated[
        str, typer.Option(help="Start a run for each line of a file (- for stdin), a JSON input a line.")
    ] = "",
    priority: Annotated[int | None, typer.Option(help="Higher runs first.")] = None,
    idempotency_key: IdempotencyOption = "",
    output: OutputOption = Output.NAME,
    tenant: TenantOption = "",
    context: ContextOption = "",
) -> None:
    """Start a run of a Workflow or an Agent, or many.

    With --batch each run is accepted or refused by itself; the exit code tells if any was refused.
    """
    from quarterdeck.cli.batch_start import announce_batch, read_inputs, start_batch
    from quarterdeck.cli.payload import read_payload
    from quarterdeck.cli.run_start import announce_run, start_run
    from quarterdeck.cli.session import connect

    if until not in ("end", "waiting"):
        raise CliError(f"--until is `end` or `waiting`, not {until!r}", code=EXIT_USAGE)
    if batch and (payload or follow):
        raise CliError("--batch goes without --input and without --follow", code=EXIT_USAGE)
    body: dict[str, Any] = {
        "key": key or None,
        "keyConflict": key_conflict or None,
        "session": session or None,
        "labels": parse_labels(labels or []) or None,
        "priority": priority,
    }
    kinds, name = kinds_of(target), target.partition("/")[2] if "/" in target else target
    with connect(context, tenant) as api:
        if batch:
            inputs = read_inputs(batch)
            announce_batch(start_batch(api, kinds, name, body, inputs, idempotency_key), output)
            return
        body["input"] = read_payload(payload, "--input") if payload else None
        announce_run(api, start_run(api, kinds, name, body, idempotency_key), follow, until, output)


def kinds_of(target: str) -> tuple[str, ...]:
    """Returns the kinds that a target may be of, the likeliest first. Raises CliError."""
    kind, slash, _ = target.partition("/")
    if not slash:
        return ("Workflow", "Agent")
    if kind.lower() not in RUNNABLE:
        raise CliError(f"{kind!r} does not run", hint="workflow/NAME or agent/NAME", code=EXIT_NOT_FOUND)
    return (RUNNABLE[kind.lower()],)


def parse_labels(texts: list[str]) -> dict[str, str]:
    """Returns labels from "key=value" texts. Raises CliError."""
    labels = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise CliError(f"--label {text!r}: write key=value", code=EXIT_USAGE)
        labels[key] = value
    return labels
