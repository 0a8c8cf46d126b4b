"""What a tenant gets of the workers: its weight, its place in a round, and how many runs at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from quarterdeck.common.watching import Watched


@dataclass(frozen=True, slots=True)
class Share:
    """By a Tenant's live word.

    Attributes:
        weight: turns in a round, where tenants compete.
        priority: who is higher has its turns earlier in each round.
        running: most runs that are worked on at once; 0: any number.
    """

    weight: int = 1
    priority: int = 0
    running: int = 0


USUAL = Share()
ShareOf = Callable[[str], Share]


def usual_share(_tenant_id: str) -> Share:
    """Returns what a tenant has that nobody said anything about."""
    return USUAL


def share_in(spec: Mapping[str, Any]) -> Share:
    """Returns what a Tenant's spec says."""
    quota = spec.get("quota") or {}
    return Share(
        weight=int(spec.get("weight") or USUAL.weight),
        priority=int(spec.get("priority") or USUAL.priority),
        running=int(quota.get("runningRuns") or USUAL.running),
    )


class TenantShares:
    """The shares of all tenants, by their ids, as the Tenants that are followed have it."""

    def __init__(self) -> None:
        self._shares: dict[str, Share] = {}

    def on_object(self, watched: Watched, deleted: bool) -> None:
        """Takes in a Tenant that changed. Only what differs from the usual is kept."""
        tenant_id = (watched.object.get("status") or {}).get("id")
        if not tenant_id:
            return
        share = USUAL if deleted else share_in(watched.spec)
        if share == USUAL:
            self._shares.pop(tenant_id, None)
        else:
            self._shares[tenant_id] = share

    def of(self, tenant_id: str) -> Share:
        """Returns a tenant's share."""
        return self._shares.get(tenant_id, USUAL)
