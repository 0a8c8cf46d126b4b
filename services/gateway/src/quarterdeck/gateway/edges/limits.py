"""How many requests a minute a principal and a tenant may make."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from time import monotonic

from quarterdeck.common.errors import ResourceExhausted
from quarterdeck.common.identity import Principal
from quarterdeck.common.rates.allowance import Allowance, Taken
from quarterdeck.common.rates.shared import SharedBuckets

# Principals that were lately allowed something in a tenant: so many are remembered, for so many seconds.
MOST, LATELY = 10_000, 600.0
PRINCIPAL, TENANT, ADDRESS = "principal", "tenant", "address"


class RateLimited(ResourceExhausted):
    """Too many requests in a minute. `taken` is how the allowances stand, for the headers."""

    def __init__(self, taken: Taken) -> None:
        assert taken.short is not None
        level = taken.short
        super().__init__(
            f"more than {level.allowance.per_minute} requests a minute of this {level.allowance.scope}",
            hint=f"try again in {max(1, round(level.wait))} s; whoever runs the platform sets how many",
            reason="RateLimited",
            retry_after=level.wait,
        )
        self.taken = taken


class Limits:
    """Counts requests. The local administrator is not counted: whoever holds its token owns the machine.

    A tenant's allowance is spent only by those who were lately allowed something in it. So nobody can use
    up what belongs to others by asking for what they will not get.

    Args:
        per_principal: requests a minute; 0: any number.
        per_tenant: of all principals together, in each tenant.
        exempt: who is not counted.
        refused: called with the scope of each refusal.
    """

    def __init__(
        self,
        buckets: SharedBuckets,
        per_principal: int,
        per_tenant: int,
        exempt: Principal,
        refused: Callable[[str], None],
        now: Callable[[], float] = monotonic,
    ) -> None:
        self._buckets = buckets
        self._per_principal = per_principal
        self._per_tenant = per_tenant
        self._exempt = exempt
        self._refused = refused
        self._now = now
        self._members: OrderedDict[tuple[str, str], float] = OrderedDict()

    async def take(self, principal: Principal, tenant: str) -> Taken:
        """Counts one request. Raises RateLimited."""
        return await self._take(self._wanted(principal, tenant))

    async def take_of_tenant(self, tenant: str) -> Taken:
        """Counts one request that proved to be for a tenant and has no principal. Raises RateLimited."""
        return await self._take(self._of_tenant(tenant))

    def allowed(self, principal: Principal, tenant: str) -> None:
        """Notes that a principal was allowed something in a tenant."""
        if principal == self._exempt or not tenant or not self._per_tenant:
            return
        place = principal.subject, tenant
        self._members[place] = self._now() + LATELY
        self._members.move_to_end(place)
        if len(self._members) > MOST:
            self._members.popitem(last=False)

    async def _take(self, wanted: list[Allowance]) -> Taken:
        taken = await self._buckets.take(wanted)
        if taken.short is not None:
            self._refused(taken.short.allowance.scope)
            raise RateLimited(taken)
        return taken

    def _wanted(self, principal: Principal, tenant: str) -> list[Allowance]:
        if principal == self._exempt:
            return []
        own = Allowance(PRINCIPAL, f"{PRINCIPAL}:{principal.subject}", self._per_principal)
        member = self._members.get((principal.subject, tenant), 0.0) > self._now()
        return [own] * bool(self._per_principal) + (self._of_tenant(tenant) if member else [])

    def _of_tenant(self, tenant: str) -> list[Allowance]:
        return [Allowance(TENANT, f"{TENANT}:{tenant}", self._per_tenant)] * bool(self._per_tenant)
