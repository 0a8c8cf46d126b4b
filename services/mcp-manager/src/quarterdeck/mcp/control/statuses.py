"""The controller's part of the status of an MCPServer; the registry and the manager write other parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from quarterdeck.controller.api.client import Client
from quarterdeck.controller.objects import Object, key_of, metadata, version_of
from quarterdeck.controller.writing.comparing import covers
from quarterdeck.controller.writing.conditions import Condition, find, updated
from quarterdeck.mcp.control.kinds import MCP_SERVERS

MANAGER = "quarterdeck-mcp-controller-status"


def part(thing: Object, found: Sequence[Condition], fields: Mapping[str, Any], now: str) -> Object:
    """Returns what `thing` should say of what the controller found: its own conditions and `fields`. Pure."""
    types = {condition.type for condition in found}
    before = [item for item in stored_conditions(thing) if item["type"] in types]
    generation = int(metadata(thing).get("generation") or 0)
    return {**fields, "conditions": updated(before, found, generation, now)}


def is_said(thing: Object, wanted: Object) -> bool:
    """True if the status of `thing` says all of `wanted` already, whatever else others say. Pure."""
    status = thing.get("status") or {}
    said = stored_conditions(thing)
    fields = {name: value for name, value in wanted.items() if name != "conditions"}
    return covers(status, fields) and all(
        find(said, condition["type"]) == condition for condition in wanted["conditions"]
    )


def stored_conditions(thing: Object) -> list[dict[str, Any]]:
    """Returns the conditions of a status, whoever wrote them."""
    return list((thing.get("status") or {}).get("conditions") or [])


def stored(thing: Object, kind: str) -> Condition | None:
    """Returns one condition as it was said last, to be said again; None if it never was."""
    said = find(stored_conditions(thing), kind)
    if said is None:
        return None
    status = {"True": True, "False": False}.get(str(said.get("status")))
    return Condition(kind, status, str(said["reason"]), str(said.get("message") or ""))


async def write(client: Client, thing: Object, found: Sequence[Condition], fields: Mapping[str, Any]) -> bool:
    """Says what was found, if it is new; returns whether it was.

    Raises:
        NotFound: the object is gone.
        Conflict: it changed since it was read; what was found may not hold for it.
    """
    wanted = part(thing, found, fields, datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
    if is_said(thing, wanted):
        return False
    key = key_of(thing)
    # With the version, or an object of the same name that was made meanwhile would get this status.
    meta = {"name": key.name, "namespace": key.namespace, "resourceVersion": version_of(thing)}
    body = {"apiVersion": MCP_SERVERS.api_version, "kind": MCP_SERVERS.kind, "metadata": meta}
    await client.apply(MCP_SERVERS, body | {"status": wanted}, manager=MANAGER, subresource="status")
    return True
