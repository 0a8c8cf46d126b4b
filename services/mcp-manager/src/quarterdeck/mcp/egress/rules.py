"""Decides whether a pod may reach a host."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from quarterdeck.controller.objects import annotations_of
from quarterdeck.mcp.pods.names import EGRESS

# What is meant by a host without a port.
_USUAL_PORTS = (443, 80)
_ANY_BELOW = "*."
_OVER = ("Succeeded", "Failed")


def addresses_of(pod: Mapping[str, Any]) -> Iterable[str]:
    """Returns the addresses that are this pod's alone: none once it is over, or where it has the node's."""
    status, spec = pod.get("status") or {}, pod.get("spec") or {}
    if status.get("phase") in _OVER or spec.get("hostNetwork"):
        return ()
    return [one["ip"] for one in status.get("podIPs") or () if one.get("ip")]


def hosts_of(pod: Mapping[str, Any]) -> list[str]:
    """Returns the hosts that the pod's author named, each perhaps with a port."""
    return [host for host in annotations_of(pod).get(EGRESS, "").split(",") if host]


def may_reach(allowed: Iterable[str], host: str, port: int) -> bool:
    """Returns whether one of the allowed hosts is this one.

    `*.example.com` is every name below `example.com`, not itself. A host without a port means 443 and 80.
    """
    return any(_fits(one, host.lower().rstrip("."), port) for one in allowed)


def _fits(allowed: str, host: str, port: int) -> bool:
    name, _, wanted = allowed.partition(":")
    if port not in ((int(wanted),) if wanted else _USUAL_PORTS):
        return False
    if name.startswith(_ANY_BELOW):
        return host.endswith(name[1:]) and len(host) > len(name[1:])
    return host == name
