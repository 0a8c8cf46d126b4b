"""What the proxy asks in a line, and what it is told.

The form is that of Squid's external ACL helpers with channels: `CHANNEL ADDRESS HOST PORT`, each escaped as
in a URL, is answered with `CHANNEL OK tag=NAMESPACE/SERVER` or `CHANNEL ERR message=WHY`, in any order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote, unquote

from quarterdeck.controller.objects import key_of, labels_of
from quarterdeck.mcp.egress.constants import READY
from quarterdeck.mcp.egress.rules import hosts_of, may_reach
from quarterdeck.mcp.pods.names import SERVER

_ITSELF = "127.0.0.1"
# Address -> the pods that have it now.
PodsAt = Callable[[str], Sequence[Mapping[str, Any]]]


def answer(line: str, pods_at: PodsAt) -> str:
    """Returns what to tell the proxy about one line. Never raises: what is not understood is refused."""
    channel, *asked = line.split()
    try:
        address, host, port = map(unquote, asked[:3])
        wanted = int(port)
    except ValueError:
        return _no(channel, "the question was not understood")
    if (address, host) == (_ITSELF, READY):
        return f"{channel} OK"
    pods = pods_at(address)
    if len(pods) != 1:
        # Two pods have one address only while one of them is ending: nobody can tell who asks.
        return _no(channel, f"{len(pods)} tool pods have the address {address}")
    (pod,) = pods
    server = f"{key_of(pod).namespace}/{labels_of(pod).get(SERVER, '')}"
    if not may_reach(hosts_of(pod), host, wanted):
        return _no(channel, f"MCPServer {server} names no egress to {host}:{wanted}")
    return f"{channel} OK tag={quote(server)}"


def _no(channel: str, why: str) -> str:
    return f"{channel} ERR message={quote(why)} log={quote(why)}"
