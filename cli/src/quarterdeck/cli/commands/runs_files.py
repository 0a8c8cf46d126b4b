"""`qd runs export|import`: a run as one file, to read and fork elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from quarterdeck.cli.options import ContextOption, OutputOption, RunArgument, TenantOption
from quarterdeck.cli.output import Output, note, say, show_document

# Seconds that the platform may take for a file.
IMPORT_TIMEOUT = 330.0


def register(runs: typer.Typer) -> None:
    """Adds the commands to `qd runs`."""
    runs.command("export")(export)
    runs.command("import")(bring)


def export(
    run: RunArgument,
    file: Annotated[
        str, typer.Option("--to", help='Write here; "-" is stdout. Default: run-ID.jsonl.gz.')
    ] = "",
    tenant: TenantOption = "",
    context: ContextOption = "",
) -> None:
    """Write a run, and every run below it, to a file.

    It holds definitions, journals and artifacts, and no credentials: `qd runs import` reads it elsewhere.
    """
    import sys

    from quarterdeck.cli.session import connect

    with connect(context, tenant) as api:
        pieces = api.download(api.tenant_path("runs", run, "export"))
        if file == "-":
            sys.stdout.buffer.writelines(pieces)
            sys.stdout.buffer.flush()
            return
        path = Path(file or f"run-{run}.jsonl.gz")
        part = path.with_name(f"{path.name}.part")  # what breaks off never looks whole
        try:
            with part.open("wb") as target:
                size = sum(target.write(piece) for piece in pieces)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    note(f"{size} bytes written to {path}")


def bring(
    file: Annotated[Path, typer.Argument(help="What `qd runs export` wrote.", exists=True, dir_okay=False)],
    output: OutputOption = Output.TABLE,
    tenant: TenantOption = "",
    context: ContextOption = "",
) -> None:
    """Keep an exported run as an archived copy: it can be read, forked and retried, and never goes on.

    The same file again is the same run; a file that was edited is refused. What is forked acts for you.
    """
    from quarterdeck.cli.session import connect

    with connect(context, tenant) as api:
        done = api.upload(api.tenant_path("runs", "import"), file.read_bytes(), IMPORT_TIMEOUT)
    if output is Output.NAME:
        say(f"run/{done['run']['id']}")
    elif output in (Output.JSON, Output.YAML):
        show_document(done, output)
    else:
        say(f"run {done['run']['id']}: {done['runs']} runs with {done['events']} events imported")
        say(f"it was {done['originalId']} where it was exported")
