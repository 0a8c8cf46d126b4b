"""Which Secrets the tool servers of a namespace refer to. Pure.

What is written counts, not what is accepted: the controller of tool servers acts on what is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from quarterdeck.controller.objects import Object


def named_by(servers: Iterable[Object]) -> tuple[str, ...]:
    """Returns the names of Secrets that MCPServers refer to, each once, in order."""
    return tuple(sorted({name for server in servers for name in _of_spec(server.get("spec") or {})}))


def _of_spec(spec: Mapping[str, Any]) -> Iterable[str]:
    """Only pods get values of Secrets, so a server that runs elsewhere needs none."""
    container = spec.get("container")
    if not container:
        return []
    keys = [
        *((one.get("secretRef") or {}).get("secret") for one in spec.get("secrets") or []),
        *(one.get("secret") for one in container.get("secretFiles") or []),
    ]
    return [key["name"] for key in keys if key]
