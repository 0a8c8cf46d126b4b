"""Whether a pod that begins to run speaks the protocol, asked before the kubelet has looked.

A kubelet looks once a second, and what it sees is known here tenths later. A first call waits for neither.
"""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from quarterdeck.mcp.cluster.naming import endpoint, host_port
from quarterdeck.mcp.constants import CONTROL_MESSAGE_BYTES
from quarterdeck.mcp.definition import Pods
from quarterdeck.mcp.exchange import Exchange
from quarterdeck.mcp.failures import CallFailed
from quarterdeck.mcp.offload import Offload

if TYPE_CHECKING:
    from quarterdeck.mcp.session import Session

# Seconds that one try may take; the kubelet's probe has as many.
PATIENCE = 5.0


async def proves(address: str, pods: Pods) -> bool:
    """Says whether the pod at an address answers the protocol. It leaves no session behind."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            return await (_bridge_is_ready(address, pods) if pods.bridged else _shakes_hands(address, pods))
    return False


async def _bridge_is_ready(address: str, pods: Pods) -> bool:
    """The bridge has tried its server, and keeps the process for the first session."""
    try:
        reader, writer = await asyncio.open_connection(address, pods.port)
    except OSError:
        return False
    try:
        place = host_port(address, pods.port)
        writer.write(f"GET /readyz HTTP/1.1\r\nHost: {place}\r\nConnection: close\r\n\r\n".encode())
        return (await reader.readline()).split()[1:2] == [b"200"]
    except (OSError, ValueError):
        return False
    finally:
        writer.close()


async def _shakes_hands(address: str, pods: Pods) -> bool:
    """A session that is begun, answers a ping, and is ended."""
    session = _session(endpoint(address, pods))
    try:
        await session.start()
        return await session.ping(PATIENCE)
    except CallFailed:
        return False
    finally:
        await asyncio.shield(session.close())


def _session(url: str) -> Session:
    from quarterdeck.mcp.http import open_remote
    from quarterdeck.mcp.session import Session

    # The worker process reads large answers of tools; here no tool is called.
    exchange = Exchange(CONTROL_MESSAGE_BYTES, Offload(Path()))
    return Session(lambda asked: open_remote(url, {}, asked), exchange)
