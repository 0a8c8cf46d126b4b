"""`qd runs …`: new runs out of old ones."""

from __future__ import annotations

from typing import Annotated

import typer

from quarterdeck.cli.options import (
    ContextOption,
    DryRunOption,
    IdempotencyOption,
    OutputOption,
    RunArgument,
    TenantOption,
)
from quarterdeck.cli.output import DOCUMENTS, Output, note, show_document


def register(runs: typer.Typer) -> None:
    """Adds the commands to `qd runs`."""
    runs.command("retry")(retry)
    runs.command("fork")(fork)


def retry(
    run: RunArgument,
    dry_run: DryRunOption = False,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Follow the new run.")] = False,
    idempotency_key: Annotated[
        str, typer.Option("--idempotency-key", help="Retries once more a run that was retried already.")
    ] = "",
    output: OutputOption = Output.NAME,
    tenant: TenantOption = "",
    context: ContextOption = "",
) -> None:
    """Start a new run that goes on where one failed, was cancelled or timed out.

    What succeeded is kept and not repeated, in its child runs too. A run is retried once: the same command
    again answers with the same retry. A run whose steps were compensated is refused.
    """
    from quarterdeck.cli.run_start import announce_run
    from quarterdeck.cli.session import connect

    headers = {"Idempotency-Key": idempotency_key} if idempotency_key else None
    with connect(context, tenant) as api:
        answer = api.post(api.tenant_path("runs", run, "retry"), {"dryRun": dry_run}, headers)
        if dry_run and output in DOCUMENTS:
            show_document(answer, output)
            return
        note(f"keeps: {_steps(answer.get('keptSteps'))}")
        note(f"runs next: {_steps(answer.get('nextSteps'))}")
        if answer.get("keptChildren") or answer.get("retriedChildren"):
            note(f"child runs: {answer['keptChildren']} kept, {answer['retriedChildren']} retried")
        if answer.get("uncertainSteps"):
            note(f"asks a person first about: {_steps(answer['uncertainSteps'])}")
        if answer.get("run") and not dry_run:
            announce_run(api, answer["run"], follow, "end", output)


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
        if dry_run and output in DOCUMENTS:
            show_document(answer, output)
            return
        note(f"copies {answer.get('copiedEvents', 0)} events; keeps: {_steps(answer.get('keptSteps'))}")
        note(f"runs next: {_steps(answer.get('nextSteps'))}")
        if answer.get("run") and not dry_run:
            announce_run(api, answer["run"], follow, "end", output)


def _steps(names: list[str] | None) -> str:
    return ", ".join(names or []) or "nothing"
