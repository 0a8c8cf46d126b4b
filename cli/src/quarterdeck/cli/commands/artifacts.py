"""`qd artifacts get`: payloads that were too large to be inline."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from quarterdeck.cli.options import ContextOption, TenantOption
from quarterdeck.cli.output import note

artifacts = typer.Typer(no_args_is_help=True, help="Read large payloads.")


@artifacts.callback()
def group() -> None:
    """Read large payloads."""


def register(app: typer.Typer) -> None:
    """Adds `qd artifacts`."""
    app.add_typer(artifacts, name="artifacts")


@artifacts.command("get")
def get(
    digest: Annotated[str, typer.Argument(help='"sha256:…", as a run shows it.')],
    file: Annotated[Path | None, typer.Option("--to", help="Write here instead of to stdout.")] = None,
    tenant: TenantOption = "",
    context: ContextOption = "",
) -> None:
    """Print an artifact, or write it to a file."""
    import sys

    from quarterdeck.cli.session import connect

    with connect(context, tenant) as api:
        chunks = api.download(api.tenant_path("artifacts", digest))
        if file is None:
            for chunk in chunks:
                sys.stdout.buffer.write(chunk)
            sys.stdout.buffer.flush()
            return
        with file.open("wb") as target:
            size = sum(target.write(chunk) for chunk in chunks)
    note(f"{size} bytes written to {file}")
