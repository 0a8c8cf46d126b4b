"""`qd support-bundle`: what helps to find a fault, in one file, without secrets or people's data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from quarterdeck.cli.options import ContextOption, TenantOption
from quarterdeck.cli.output import note, say


def register(app: typer.Typer) -> None:
    """Adds `qd support-bundle`."""
    app.command("support-bundle")(support_bundle)


def support_bundle(
    file: Annotated[
        Path | None, typer.Argument(help="Where to write it; default: quarterdeck-support-TIME.tar.gz here.")
    ] = None,
    tenant: TenantOption = "",
    context: ContextOption = "",
) -> None:
    """Collect log, health, versions, runs and objects for whoever looks for a fault; redacted.

    What is not known to be harmless is removed: texts, values, labels, secrets. The list of what is inside is
    printed, and is in the file. Read it before you pass it on.
    """
    import os
    import time

    from quarterdeck.cli.bundle import archive, parts, redaction
    from quarterdeck.cli.datadir import find_data_dir, read_admin_token
    from quarterdeck.cli.errors import CliError
    from quarterdeck.cli.session import connect

    now = time.time()
    path = file or Path(time.strftime("quarterdeck-support-%Y%m%dT%H%M%SZ.tar.gz", time.gmtime(now)))
    if path.exists():
        raise CliError(f"{path} is there already", hint="name another file")
    data_dir = find_data_dir()
    secrets = [*redaction.secrets_of(os.environ), read_admin_token(data_dir), str(Path.home())]
    try:
        with connect(context, tenant) as api:
            secrets.append(api.connection.token)
            found = list(parts.collected(api, data_dir, ""))
    except CliError as error:
        found = list(parts.collected(None, data_dir, error.message))
    say(archive.contents(archive.write(path, found, secrets, now)).rstrip())
    note(f"written to {path}")
