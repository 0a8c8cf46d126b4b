"""`qd demo`: a bookkeeper's morning on this machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from quarterdeck.cli.constants import MANAGEMENT_PORTS
from quarterdeck.cli.contexts import DEFAULT_TENANT, Connection
from quarterdeck.cli.options import TenantOption

Client = Callable[[Connection], None]


def register(app: typer.Typer) -> None:
    """Adds `qd demo`."""
    app.command("demo")(demo)


def demo(
    example: Annotated[
        Path | None, typer.Option("--example", help="Folder of the example; default: the repository's.")
    ] = None,
    new: Annotated[bool, typer.Option("--new", help="Cancel the run that is open and begin anew.")] = False,
    port: Annotated[int | None, typer.Option(help="REST port, when no platform runs yet.")] = None,
    grpc_port: Annotated[int | None, typer.Option(help="gRPC port, when no platform runs yet.")] = None,
    tenant: TenantOption = "",
) -> None:
    """Match a month of payments with invoices, and show the result.

    Uses the platform of the data directory if one runs, else starts one for as long as it
    takes. A run that was interrupted goes on. Exits with 0 when nothing is left but approvals.
    """
    from quarterdeck.cli.api import Api
    from quarterdeck.cli.datadir import find_data_dir, read_admin_token, read_endpoint
    from quarterdeck.cli.demo.example import find_example
    from quarterdeck.cli.demo.story import tell

    data_dir = find_data_dir()
    found, name = find_example(data_dir, example), tenant or DEFAULT_TENANT
    endpoint = read_endpoint(data_dir)
    if endpoint is not None:
        with Api(Connection(endpoint.url, read_admin_token(data_dir), name)) as api:
            tell(api, found, new, stays_up=True)
        return

    def client(connection: Connection) -> None:
        with Api(connection) as api:
            tell(api, found, new, stays_up=False)

    _beside_platform(client, port, grpc_port, name)


def _beside_platform(client: Client, port: int | None, grpc_port: int | None, tenant: str) -> None:
    from quarterdeck.cli.demo.embedded import run_beside
    from quarterdeck.cli.logfile import log_to_file, quiet_grpc
    from quarterdeck.cli.output import say
    from quarterdeck.cli.process import run_loop
    from quarterdeck.cli.uptime import announced, load_settings, owned_data_dir, set_ports, shown_path

    quiet_grpc()
    set_ports("", port, grpc_port)
    settings = load_settings()
    data_dir = settings.data_dir.absolute()
    with owned_data_dir(data_dir, tuple(MANAGEMENT_PORTS)), announced(data_dir) as announce:
        path = log_to_file(data_dir, settings.log_level)
        say(f"Starting the platform (data in {shown_path(data_dir)}, log in {shown_path(path)})")
        run_loop(run_beside(settings, client, announce, tenant))
