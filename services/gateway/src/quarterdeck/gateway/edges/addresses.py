"""Whose address a request came from. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from urllib.parse import unquote

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
# One subscriber of version 6 has at least so many bits of the network to themselves.
_IPV6_PREFIX = 64


def client_address(peer: str, forwarded_for: str, trusted: Sequence[Network]) -> str:
    """Returns the address of a caller as far as it can be believed.

    Args:
        peer: the address that the connection came from.
        forwarded_for: the header `X-Forwarded-For`; empty if there is none.
        trusted: networks of proxies that are believed. The last address in the header that is none of them
            is the caller's: what stands before it, the caller may have written.
    """
    found = peer
    for hop in reversed([hop.strip() for hop in forwarded_for.split(",") if hop.strip()]):
        if not is_trusted(found, trusted):
            break
        found = hop
    return found


def bucket_of(address: str) -> str:
    """Returns what is counted together: one address, or one network of version 6."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if parsed.version == 4:
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((int(parsed), _IPV6_PREFIX), strict=False))


def address_of_peer(peer: str) -> str:
    """Returns the address in what gRPC calls a peer, as in `ipv4:1.2.3.4:5` and `ipv6:%5B::1%5D:5`."""
    family, _, rest = unquote(peer).partition(":")
    if family not in ("ipv4", "ipv6"):
        return ""
    return rest.rpartition(":")[0].strip("[]")


def is_trusted(address: str, networks: Sequence[Network]) -> bool:
    """True for an address in one of the networks."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in networks)
