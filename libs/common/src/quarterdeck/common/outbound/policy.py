"""What may be reached although it is inside. Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from quarterdeck.common.outbound.networks import LOOPBACK, Address, Network, is_inside, within

_HOST = re.compile(r"(\*\.)?[a-z0-9_]([a-z0-9_.-]{0,251}[a-z0-9_])?")


@dataclass(frozen=True, slots=True)
class Outbound:
    """Which addresses users' URLs may lead to: all of the internet, and what is allowed besides.

    Attributes:
        networks: that may be reached.
        hosts: whose addresses may be any; `*.example.com` is every name below `example.com`.
    """

    networks: tuple[Network, ...] = ()
    hosts: tuple[str, ...] = ()

    @classmethod
    def parse(cls, allowed: Iterable[str], *, loopback: bool = False) -> Self:
        """Reads a list of networks, addresses and hosts. Raises ValueError for what is none of them."""
        networks, hosts = [ipaddress.ip_network(one) for one in LOOPBACK if loopback], []
        for one in allowed:
            try:
                networks.append(ipaddress.ip_network(one))
            except ValueError:
                hosts.append(_host(one))
        return cls(tuple(networks), tuple(hosts))

    def allows(self, host: str, address: Address) -> bool:
        """True if a connection to a host may be made to this address of it."""
        return not is_inside(address) or within(address, self.networks) or self.names(host)

    def names(self, host: str) -> bool:
        """True for a host that is named itself."""
        name = host.lower().rstrip(".")
        return any(name.endswith(one[1:]) if one.startswith("*.") else name == one for one in self.hosts)


def _host(text: str) -> str:
    name = text.lower().rstrip(".")
    if not _HOST.fullmatch(name):
        raise ValueError(f"{text!r} is no network, address or host")
    return name
