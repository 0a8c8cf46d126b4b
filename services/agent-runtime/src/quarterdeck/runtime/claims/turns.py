"""Whose turn is next: weighted fair queuing of tenants, in rounds.

Each tenant has a reading of its own that every run it gets moves on, the less the greater its weight; next
is who has the smallest. Within a round (a unit of the readings) the higher priority goes first, so that it
gets its share earlier, and no more of it. Who comes back after a pause begins at the present reading: nobody
saves up turns, and nobody loses any by having had little to do.
"""

from __future__ import annotations

import heapq
from itertools import count

from quarterdeck.runtime.claims.shares import Share

# One round. A step is rounded up, so that a tenant never gets more than its weight in a round.
ROUND = 1 << 20
# Readings of tenants without ready runs that are kept before those are forgotten that say nothing any more.
KEPT = 4096

# Round, priority (the highest first), reading, version, tenant. Of equals, who was put here first.
_Place = tuple[int, int, int, int, str]


class Turns:
    """The order in which tenants with ready runs come. A claim costs the logarithm of their number."""

    def __init__(self) -> None:
        self._places: list[_Place] = []
        self._reading: dict[str, int] = {}
        # The place that counts for a tenant that is in the queue; others of it are left over.
        self._version: dict[str, int] = {}
        self._counter = count(1)
        self._now = 0

    def enter(self, tenant_id: str, share: Share) -> None:
        """Puts a tenant into the queue, if it is not there."""
        if tenant_id not in self._version:
            self._reading[tenant_id] = max(self._reading.get(tenant_id, 0), self._now)
            self._put(tenant_id, share)

    def _put(self, tenant_id: str, share: Share) -> None:
        version, reading = next(self._counter), self._reading[tenant_id]
        self._version[tenant_id] = version
        heapq.heappush(self._places, (reading // ROUND, -share.priority, reading, version, tenant_id))

    def next(self) -> str | None:
        """Takes the tenant out of the queue whose turn it is; None when there is none."""
        while self._places:
            _, _, _, version, tenant_id = heapq.heappop(self._places)
            if self._version.get(tenant_id) == version:
                del self._version[tenant_id]
                return tenant_id
        return None

    def again(self, tenant_id: str, share: Share) -> None:
        """Puts the tenant that had its turn back, for its next one."""
        self._reading[tenant_id] += _step(share)
        self._put(tenant_id, share)

    def settle(self, tenant_id: str, share: Share, turns: int, runs: int) -> None:
        """Takes those of a tenant's last turns back in which it got no run."""
        self._reading[tenant_id] -= (turns - runs) * _step(share)
        if runs:
            self._now = max(self._now, self._reading[tenant_id] - _step(share))
        if tenant_id in self._version:
            self._put(tenant_id, share)
        self._forget_idle()

    def leave(self, tenant_id: str) -> None:
        """Takes a tenant out of the queue."""
        self._version.pop(tenant_id, None)

    def _forget_idle(self) -> None:
        """Forgets readings that would be set to the present one anyway, when there are many."""
        if len(self._reading) > KEPT + 2 * len(self._version):
            self._reading = {
                tenant: reading
                for tenant, reading in self._reading.items()
                if tenant in self._version or reading > self._now
            }


def _step(share: Share) -> int:
    return -(-ROUND // share.weight)
