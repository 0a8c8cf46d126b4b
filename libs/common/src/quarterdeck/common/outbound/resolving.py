"""Looks names up and keeps what may be reached."""

from __future__ import annotations

import asyncio
import ipaddress
import socket

from quarterdeck.common.errors import PermissionDenied
from quarterdeck.common.outbound.networks import Address
from quarterdeck.common.outbound.policy import Outbound

PATIENCE = 5.0


class OutboundRefused(PermissionDenied):
    """A host that users named has no address that may be reached.

    Whether there is none, or one inside, is not told: else names of what is inside could be found out.
    """

    def __init__(self, host: str) -> None:
        super().__init__(
            f"{host} has no address that may be reached from here",
            hint="check the name; whoever runs the platform allows what is not on the internet by "
            "QD_OUTBOUND_ALLOW",
            reason="OutboundRefused",
        )


async def reachable(host: str, port: int, outbound: Outbound) -> list[str]:
    """Returns the addresses to connect to, in the resolver's order. To connect by the name would ask again.

    Whatever the form of the host (a name, `0x7f.1`, `2130706433`), it is its addresses that are looked at.

    Raises:
        OutboundRefused: there is none, or no allowed one, or the resolver does not answer in time.
    """
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(PATIENCE):
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, TimeoutError, UnicodeError):
        raise OutboundRefused(host) from None
    addresses = [str(address) for *_, place in found if outbound.allows(host, address := _parsed(place[0]))]
    if not addresses:
        raise OutboundRefused(host)
    return addresses


def _parsed(text: str | int) -> Address:
    return ipaddress.ip_address(text)
