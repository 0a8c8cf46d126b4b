"""`qd up`: the whole platform in this process."""

from __future__ import annotations

from typing import Annotated

import typer

from quarterdeck.cli.constants import MANAGEMENT_PORTS

NEXT_STEPS = (
    "qd demo                       # a bookkeeper's morning",
    "qd apply -f FOLDER            # your own agents, tools and workflows",
    "qd run WORKFLOW --follow      # start one and watch it",
    "qd approvals list             # what waits for you",
)


def register(app: typer.Typer) -> None:
    """Adds `qd up`."""
    app.command("up")(up)


def up(
    host: Annotated[str, typer.Option(help="Address to listen on; default: loopback only.")] = "",
    port: Annotated[int | None, typer.Option(help="REST port; 0: any free one. Default: 8420.")] = None,
    grpc_port: Annotated[int | None, typer.Option(help="gRPC port; 0: any free one. Default: 8421.")] = None,
) -> None:
    """Start the platform: five services in this process, until Ctrl-C.

    Everything it keeps is in one directory: QD_DATA_DIR, or the nearest .quarterdeck.
    """
    from quarterdeck.cli.logfile import log_to_file, quiet_grpc
    from quarterdeck.cli.process import run_loop, serve_until_stopped
    from quarterdeck.cli.uptime import (
        announced,
        load_settings,
        owned_data_dir,
        say_draining,
        say_ready,
        set_ports,
    )

    quiet_grpc()
    set_ports(host, port, grpc_port)
    settings = load_settings()
    data_dir = settings.data_dir.absolute()
    with owned_data_dir(data_dir, tuple(MANAGEMENT_PORTS)), announced(data_dir) as announce:
        log_to_file(data_dir, settings.log_level)
        from quarterdeck.cli.gateway_address import addresses
        from quarterdeck.cli.platform import EmbeddedPlatform

        platform = EmbeddedPlatform(settings)

        def ready() -> None:
            url, grpc = addresses(platform.services["gateway"])
            announce(url, grpc)
            say_ready(data_dir, url, grpc, NEXT_STEPS)

        run_loop(serve_until_stopped(platform, ready, say_draining, settings.drain_timeout))
