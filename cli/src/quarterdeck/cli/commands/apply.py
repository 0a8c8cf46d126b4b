"""`qd apply -f`: makes the platform's resources what manifests say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from quarterdeck.cli.constants import EXIT_USAGE
from quarterdeck.cli.errors import CliError
from quarterdeck.cli.options import ContextOption, OutputOption, TenantOption
from quarterdeck.cli.output import Output, note, say, show_document

if TYPE_CHECKING:
    from quarterdeck.cli.applying import Applied


def register(app: typer.Typer) -> None:
    """Adds `qd apply`."""
    app.command("apply")(apply)


def apply(
    files: Annotated[
        list[str] | None,
        typer.Option("--filename", "-f", help="Files, folders, - for stdin; may be repeated."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Let the platform check them, change nothing.")
    ] = False,
    local: Annotated[bool, typer.Option("--local", help="Check them here only; needs no platform.")] = False,
    output: OutputOption = Output.TABLE,
    tenant: TenantOption = "",
    context: ContextOption = "",
) -> None:
    """Create or update resources from manifests.

    They are checked here first: nothing is sent if one is wrong. Then it waits up to 2 s for
    the platform's verdict, and exits with 3 if one is not accepted.
    """
    if not files:
        raise CliError("say what to apply: -f FILE, -f FOLDER or -f -", code=EXIT_USAGE)
    from quarterdeck.cli.applying import apply_manifest, await_verdicts, check_verdicts
    from quarterdeck.cli.manifests import read_manifests
    from quarterdeck.cli.session import connect

    manifests = read_manifests(files)
    if local:
        for manifest in manifests:
            say(f"{manifest.reference} valid")
        return
    applied: list[Applied] = []
    with connect(context, tenant) as api:
        for manifest in manifests:
            done = apply_manifest(api, manifest, dry_run)
            applied.append(done)
            if output is Output.TABLE:
                say(f"{manifest.reference} {done.outcome}{' (dry run)' if dry_run else ''}")
            elif output is Output.NAME:
                say(manifest.reference)
        if not dry_run:
            await_verdicts(api, applied)
    if output in (Output.JSON, Output.YAML):
        show_document({"items": [item.object for item in applied]}, output)
    _say_conditions(applied, dry_run)
    check_verdicts(applied)


def _say_conditions(applied: Sequence[Applied], dry_run: bool) -> None:
    """Says on stderr what is not decided yet and what does not resolve yet; neither is an error."""
    for item in applied:
        if not dry_run and item.verdict == "Unknown":
            note(f"{item.manifest.reference}: no verdict yet; see `qd describe {item.manifest.reference}`")
        if item.unresolved():
            note(f"{item.manifest.reference}: {item.unresolved()} (it works as soon as that is there)")
