"""Where the gateway of this process listens."""

from __future__ import annotations

from typing import Any

WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}


def addresses(gateway: Any) -> tuple[str, str]:
    """Returns (base URL of REST, address of gRPC) of a started gateway, as a client here reaches them."""
    from quarterdeck.gateway.config import GatewaySettings

    configured = GatewaySettings().host
    host = WILDCARDS.get(configured, configured)
    return f"http://{host}:{gateway.http_port}", f"{host}:{gateway.grpc_port}"
