"""`qd certs`: certificates for the services, from a small authority of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from quarterdeck.cli.errors import CliError
from quarterdeck.cli.output import say

# Days that a certificate of `qd certs` holds, unless said otherwise.
DAYS = 90


def register(app: typer.Typer) -> None:
    """Adds `qd certs`."""
    app.command("certs")(certs)


def certs(
    directory: Annotated[Path, typer.Argument(help="Where they are kept; what is there already is renewed.")],
    days: Annotated[float, typer.Option(help="How long they are valid.", min=0.01)] = DAYS,
) -> None:
    """Make certificates for gRPC between services, for development.

    The directory gets the authority (ca.crt, ca.key), and below it a directory for each service, which its
    QD_TLS_DIRECTORY names. Running services go over to renewed certificates by themselves.
    """
    from quarterdeck.common.constants import SERVICES
    from quarterdeck.common.transport.authority import Authority

    try:
        authority = Authority.at(directory)
        for service in SERVICES:
            authority.issue(directory / service, [service], days)
    except (OSError, ValueError) as error:
        raise CliError(f"no certificates in {directory}: {error}") from None
    say(f"certificates of {', '.join(SERVICES)} in {directory}, valid for {days:g} days")
