"""Which addresses are on the internet, and which are inside. Pure. The egress proxy refuses the same ones."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# Nothing that is not on the internet: private, shared, loopback, link-local (metadata), for documentation and
# tests, multicast, reserved; and addresses of version 4 inside those of version 6 (translated, 6to4, Teredo).
# Mapped ones (::ffff:0:0/96) are those of version 4.
INSIDE = (
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
    "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24",
    "203.0.113.0/24", "224.0.0.0/3", "::/128", "::1/128", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64",
    "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
)  # fmt: skip
LOOPBACK = ("127.0.0.0/8", "::1/128")

_INSIDE = [ipaddress.ip_network(network) for network in INSIDE]
# What has no meaning of its own any more: version 4 in the last bits, without a prefix that says so.
_COMPATIBLE = ipaddress.ip_network("::/96")


def is_inside(address: Address) -> bool:
    """True for an address that is not on the internet."""
    plain = unmapped(address)
    return plain in _COMPATIBLE or within(plain, _INSIDE)


def within(address: Address, networks: Iterable[Network]) -> bool:
    """True if one of the networks has the address; a mapped one is that of version 4."""
    plain = unmapped(address)
    return any(plain in network for network in networks)


def unmapped(address: Address) -> Address:
    """Returns the address of version 4 that one of version 6 stands for, if it does."""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
