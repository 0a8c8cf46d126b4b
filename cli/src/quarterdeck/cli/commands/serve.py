"""`qd serve NAME`: one service in this process."""

from __future__ import annotations

from typing import Annotated

import typer

from quarterdeck.cli.constants import CONTROLLER_PORTS, MANAGEMENT_PORTS

_NAMES = f"Service: {', '.join(MANAGEMENT_PORTS)}; in a cluster also {', '.join(CONTROLLER_PORTS)}"


def register(app: typer.Typer) -> None:
    """Adds `qd serve`."""
    app.command("serve")(serve)


def serve(
    name: Annotated[str, typer.Argument(help=_NAMES)],
    host: Annotated[str, typer.Option(help="Gateway only: address to listen on.")] = "",
    port: Annotated[int | None, typer.Option(help="Gateway only: REST port.")] = None,
    grpc_port: Annotated[int | None, typer.Option(help="Gateway only: gRPC port.")] = None,
    management_port: Annotated[
        int | None, typer.Option(help="Port of /health and /metrics; 0: any free one. Default: by service.")
    ] = None,
) -> None:
    """Serve one of the five services in this process, or a controller for a cluster, until SIGTERM.

    Peers are found by unix sockets in the data directory, or by QD_PEERS and QD_LISTEN; on TCP they talk by
    mutual TLS with the certificates of QD_TLS_DIRECTORY.
    """
    from quarterdeck.cli.logfile import log_to_stream, quiet_grpc
    from quarterdeck.cli.process import run_loop
    from quarterdeck.cli.programs import program
    from quarterdeck.cli.uptime import announced, load_settings, owned_data_dir, owned_services, set_ports
    from quarterdeck.common.transport.versions import speak_tls_1_3

    served = program(name)
    quiet_grpc()
    speak_tls_1_3()
    set_ports(host, port, grpc_port)
    settings = load_settings()
    settings.management_port = _management_port(served.port, management_port, settings.management_port)
    data_dir = settings.data_dir.absolute()
    with owned_data_dir(data_dir, owned_services(settings, served.service)):
        log_to_stream(settings.log_level, settings.log_format)
        from quarterdeck.cli.serving import serve_one

        if name == "gateway":
            with announced(data_dir) as announce:
                run_loop(serve_one(served, settings, announce))
        else:
            run_loop(serve_one(served, settings, lambda _url, _grpc: None))


def _management_port(usual: int, option: int | None, configured: int) -> int:
    if option is not None:
        return option
    return configured or usual
