"""`qd runs …`: what becomes of runs after their end."""

from __future__ import annotations

from typing import Annotated

import typer

from quarterdeck.cli.options import ContextOption, DryRunOption, OutputOption, TenantOption
from quarterdeck.cli.output import Output, say, show_document


def register(runs: typer.Typer) -> None:
    """Adds the commands to `qd runs`."""
    runs.command("archive")(archive)


def archive(
    older_than: Annotated[
        str,
        typer.Option("--older-than", help="Since their end: 30d, 12h; default: the tenant's retention."),
    ] = "",
    dry_run: DryRunOption = False,
    output: OutputOption = Output.TABLE,
    tenant: TenantOption = "",
    context: ContextOption = "",
) -> None:
    """Archive runs that ended long enough ago, now instead of within the hour.

    Archived runs can be read, forked and run again. Artifacts that nothing names any more are collected.
    """
    from quarterdeck.cli.session import connect

    body = {"olderThanSeconds": _seconds(older_than), "dryRun": dry_run}
    with connect(context, tenant) as api:
        done = api.post(api.tenant_path("runs", "archive"), body, timeout=600)
    if output in (Output.JSON, Output.YAML):
        show_document(done, output)
        return
    word = "would be archived" if dry_run else "archived"
    say(f"{done['runs']} runs with {done['events']} events {word}")
    if not dry_run:
        say(f"{done['deletedRuns']} runs deleted, {done['artifacts']} artifacts collected")


def _seconds(text: str) -> int:
    """Returns a length of time in whole seconds, at least one; 0 for none. Raises CliError."""
    from quarterdeck.cli.constants import EXIT_USAGE
    from quarterdeck.cli.errors import CliError
    from quarterdeck.resources.durations import duration_seconds

    if not text:
        return 0
    try:
        return max(1, int(duration_seconds(text)))
    except ValueError as error:
        raise CliError(f"--older-than: {error}", code=EXIT_USAGE) from None
