"""A write that changes who may do what is answered once it is known here: it acts on the next request."""

from __future__ import annotations

from typing import Any

from quarterdeck.common.watching import Watched
from quarterdeck.gateway.access.roster import KINDS, Roster

# Seconds that a write waits. It is written then, and acts as soon as the registry tells of it.
PATIENCE = 5.0
APPLY, DELETE = "/quarterdeck.v1.RegistryService/ApplyObject", "/quarterdeck.v1.RegistryService/DeleteObject"


async def settle(roster: Roster, path: str, request: Any, response: Any) -> None:
    """Waits until the roster knows what an RPC has written; returns at once if that is nothing of access."""
    if path not in (APPLY, DELETE):
        return
    written = response.object if path == APPLY else response
    if written.kind not in KINDS or getattr(request, "dry_run", False):
        return
    place = request.tenant, written.kind, written.name
    version = written.resource_version
    if path == APPLY:
        await roster.until(lambda: _is_at_least(roster.find(*place), version), PATIENCE)
    else:
        await roster.until(lambda: _is_gone(roster.find(*place), version), PATIENCE)


def _version(known: Watched) -> int:
    return int((known.object.get("metadata") or {}).get("resourceVersion") or 0)


def _is_at_least(known: Watched | None, version: str) -> bool:
    return known is not None and _version(known) >= int(version or 0)


def _is_gone(known: Watched | None, version: str) -> bool:
    """True for one that was made anew since."""
    return known is None or _version(known) > int(version or 0)
