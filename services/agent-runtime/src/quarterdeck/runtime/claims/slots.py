"""How many runs of a tenant, and of an agent, this worker works on, and how many more it may.

A limit holds for all workers together. Each has an allotment of it in the database, which it fills and
empties in memory: a claim writes to it only when it needs more than it was ever given, and what lay idle is
given back from time to time. An allotment ends with its worker's lease.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

# Of what a limit is: a tenant and "", or a tenant and a lane of it.
Scope = tuple[str, str]
WHOLE = ""
# Seconds until a worker that found a limit used up by others looks again.
LOOK_AGAIN = 2.0
UNLIMITED = 1 << 30


def scopes_of(tenant_id: str, lane: str) -> tuple[Scope, ...]:
    """Returns what a run counts against."""
    return ((tenant_id, WHOLE), (tenant_id, lane)) if lane else ((tenant_id, WHOLE),)


class Slots:
    """This worker's part of every limit."""

    def __init__(self) -> None:
        self._used: Counter[Scope] = Counter()
        self._peak: dict[Scope, int] = {}
        self._granted: dict[Scope, int] = {}
        self._full_until: dict[Scope, float] = {}

    def take(self, tenant_id: str, lane: str) -> None:
        """Notes that a run is worked on here."""
        for scope in scopes_of(tenant_id, lane):
            self._used[scope] += 1
            if scope in self._granted:
                self._peak[scope] = max(self._peak.get(scope, 0), self._used[scope])

    def give(self, tenant_id: str, lane: str) -> None:
        """Notes that one is not any more."""
        for scope in scopes_of(tenant_id, lane):
            self._used[scope] -= 1
            if not self._used[scope]:
                del self._used[scope]

    def used(self, scope: Scope) -> int:
        """Returns how many runs count against a limit here."""
        return self._used[scope]

    def granted(self, scope: Scope) -> int:
        """Returns what this worker knows that it has of a limit."""
        return self._granted.get(scope, 0)

    def free(self, scope: Scope, limit: int, now: float) -> int:
        """Returns how many more this worker may hope for; 0 or less: none."""
        if not limit:
            return UNLIMITED
        full = self._full_until.get(scope, 0.0) > now
        return (min(limit, self.granted(scope)) if full else limit) - self.used(scope)

    def learn(self, granted: Mapping[Scope, int], full: Mapping[Scope, bool], now: float) -> None:
        """Takes in what a claim was given of the limits that it met."""
        self._granted.update(granted)
        for scope, none_left in full.items():
            if none_left:
                self._full_until[scope] = now + LOOK_AGAIN
            else:
                self._full_until.pop(scope, None)

    @property
    def has_allotments(self) -> bool:
        """It was given something, and has not given everything back."""
        return bool(self._granted)

    def needed(self) -> dict[Scope, int]:
        """Returns how much of each allotment was filled since this was last asked, or is now.

        From here on the worker does not count on more, whether or not it is given back in fact.
        """
        needed = {scope: max(self._peak.pop(scope, 0), self._used[scope]) for scope in self._granted}
        self._granted = {
            scope: min(had, needed[scope]) for scope, had in self._granted.items() if needed[scope]
        }
        return dict(self._granted)
