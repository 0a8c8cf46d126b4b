"""What the platform itself says at the end: its runs, and the effects that wait for a person."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from e2e_kit.client import Client

from chaos_kit.judging import Uncertain

OPEN = "pending,running,waiting,quarantined"
PAGE = 500


def gather(
    client: Client, accepted: Sequence[str], seconds: float
) -> tuple[dict[str, Mapping[str, Any]], list[Uncertain]]:
    """Waits until nothing moves any more, then returns every run by id and the uncertain effects."""
    deadline = time.monotonic() + seconds
    while _still_moving(client) and time.monotonic() < deadline:
        time.sleep(1.0)
    listed = client.items("runs", limit=PAGE)
    runs: dict[str, Mapping[str, Any]] = {
        one["id"]: {"state": one["state"], "parent": one["parentRunId"] or "", "reason": one["reason"] or ""}
        for one in listed
    }
    asked = [one for one in client.items("approvals", state="open", limit=PAGE) if one["source"] == "effect"]
    return runs, [_uncertain(client, one) for one in asked]


def _still_moving(client: Client) -> bool:
    """True while a run is open that waits neither for a person nor for a child that does."""
    found = client.items("runs", state=OPEN, limit=PAGE)
    asking = {one["id"] for one in found if one["openApprovals"]}
    parents = {one["parentRunId"] for one in found if one["id"] in asking}
    return any(one["id"] not in asking | parents for one in found)


def _uncertain(client: Client, approval: Mapping[str, Any]) -> Uncertain:
    run = approval["runId"]
    effects = client.get(f"runs/{run}/effects", limit=PAGE)["items"]
    effect = next(one for one in effects if one["state"] == "uncertain")
    call = f"{run}:{effect['effectId']}"
    return Uncertain(run, call, effect["arguments"]["entry"], str(approval.get("summary", "")))
