"""Whether the proxy can do its work."""

from __future__ import annotations

import socket

from quarterdeck.mcp.egress.constants import READY

_TIMEOUT = 5.0


def is_ready(port: int, wanted: int = 443) -> bool:
    """Asks the proxy on this machine for a tunnel that leads nowhere, to the port `wanted`.

    A yes has passed our answers, so that pods are known, and the inner port. The first tunnel after a start
    fails even so: the outer port looks for the inner one before that is open, and then when it is needed.
    """
    asked = f"CONNECT {READY}:{wanted} HTTP/1.1\r\nHost: {READY}:{wanted}\r\n\r\n"
    try:
        with socket.create_connection(("127.0.0.1", port), _TIMEOUT) as connection:
            connection.sendall(asked.encode())
            return b" 200 " in connection.recv(64)
    except OSError:
        return False
