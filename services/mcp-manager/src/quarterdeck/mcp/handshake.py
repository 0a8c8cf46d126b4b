"""Agreeing with a server on a protocol version."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from quarterdeck.mcp.connection import Connection
from quarterdeck.mcp.constants import HANDSHAKE_TIMEOUT
from quarterdeck.mcp.failures import NotSent

if TYPE_CHECKING:
    from mcp import ClientSession

# How long to wait for a server's last words once the handshake has failed, in seconds.
_REASON_TIMEOUT = 3.0


async def shake_hands(client: ClientSession) -> None:
    """Agrees on a protocol version: the handshake first, since most servers know nothing else."""
    from mcp_types import METHOD_NOT_FOUND, UNSUPPORTED_PROTOCOL_VERSION

    from mcp.shared.exceptions import MCPError

    async with asyncio.timeout(HANDSHAKE_TIMEOUT):
        try:
            await client.initialize()
        except MCPError as error:
            if error.code not in (UNSUPPORTED_PROTOCOL_VERSION, METHOD_NOT_FOUND):
                raise
            await client.discover()


async def with_reason(shaking: asyncio.Future[None], connection: Connection) -> None:
    """Passes on a failed handshake, by the server's own last words if it is gone."""
    try:
        await shaking
    except TimeoutError:
        raise NotSent(f"no answer to the handshake within {HANDSHAKE_TIMEOUT:g} s") from None
    except Exception:
        if connection.incarnation:
            await asyncio.wait([connection.ended], timeout=_REASON_TIMEOUT)
        if connection.ended.done():
            raise NotSent(f"the tool server {connection.ended.result()}") from None
        raise
