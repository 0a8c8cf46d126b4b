"""What `qd serve` can serve: each service, and for a cluster the controllers of some of them."""

from __future__ import annotations

from dataclasses import dataclass

from quarterdeck.cli.constants import CONTROLLER_PORTS, EXIT_USAGE, MANAGEMENT_PORTS
from quarterdeck.cli.errors import CliError
from quarterdeck.cli.platform import MODULES


@dataclass(frozen=True, slots=True)
class Program:
    """One of them.

    Attributes:
        name: as `qd serve` is told.
        service: whose database and identity it uses.
        module: has `async def build(platform) -> Service`.
        port: where /health and /metrics are unless told otherwise.
        listens: it serves gRPC.
    """

    name: str
    service: str
    module: str
    port: int
    listens: bool


# A controller's service, and its module.
_CONTROLLERS = {
    "registry-controller": ("registry", "quarterdeck.registry.control"),
    "mcp-controller": ("mcp-manager", "quarterdeck.mcp.control.main"),
}

PROGRAMS = {
    **{name: Program(name, name, MODULES[name], port, True) for name, port in MANAGEMENT_PORTS.items()},
    **{name: Program(name, *_CONTROLLERS[name], port, False) for name, port in CONTROLLER_PORTS.items()},
}


def program(name: str) -> Program:
    """Returns the program of a name. Raises CliError that says which there are."""
    if name not in PROGRAMS:
        raise CliError(f"no service {name!r}", hint="there are: " + ", ".join(PROGRAMS), code=EXIT_USAGE)
    return PROGRAMS[name]
