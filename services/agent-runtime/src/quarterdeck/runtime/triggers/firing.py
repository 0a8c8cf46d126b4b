"""One firing: starts a run under a key, as the overlap rule allows.

The key is made of the trigger and the cause, so whatever fires twice (a doubled wake-up, a
crash before the next due time was written, a webhook's retry) finds the first run.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection

from quarterdeck.common import codec
from quarterdeck.common.errors import AlreadyExists, Conflict, PermissionDenied
from quarterdeck.common.identity import Principal
from quarterdeck.common.tenants import TenantId
from quarterdeck.runtime.engine import Engine
from quarterdeck.runtime.operations import deliveries
from quarterdeck.runtime.starting.accepting import QUEUE as KEY_QUEUE
from quarterdeck.runtime.starting.accepting import REJECT, Start, Starter
from quarterdeck.runtime.store import runs
from quarterdeck.runtime.triggers.accounts import Admit
from quarterdeck.runtime.triggers.bindings import Cause, bindings, run_input, run_key
from quarterdeck.runtime.triggers.constants import TRIGGER_LABEL
from quarterdeck.runtime.triggers.declared import ALLOW, REPLACE, SKIP, Declared

LONGEST_ID = 200


@dataclass(frozen=True, slots=True)
class Fate:
    """What came of a firing: a run (`created`: by this firing), or the reason why there is none."""

    run_id: str = ""
    created: bool = False
    skipped: str = ""


Told = Callable[[TenantId, str, str], Awaitable[None]]
"""Hears of a trigger why it may not start its target; "" if it may."""


async def untold(tenant: TenantId, name: str, denied: str) -> None:
    """Tells nobody."""


class Firer:
    """Starts the runs of triggers."""

    def __init__(self, engine: Engine, starter: Starter, admit: Admit, told: Told = untold) -> None:
        """Args: admit: says whom a run acts for. told: hears whether it might be started."""
        self._engine = engine
        self._starter = starter
        self._admit = admit
        self._told = told

    async def fire(
        self,
        tenant: TenantId,
        name: str,
        declared: Declared,
        cause: Cause,
        overlap: str,
        wanted: Callable[[Connection], bool] | None = None,
    ) -> Fate:
        """Starts the run, or finds the one that this cause started before.

        Args:
            wanted: see `Start`.

        Raises:
            QuarterdeckError: the run cannot be started; see `Starter.start`. What is raised for the
                trigger's own fault is FailedPrecondition, InvalidArgument or NotFound.
        """
        key = idempotency_key(name, cause.id)
        fate = await self._earlier(tenant, key)
        if fate is None:
            principal = await self._allowed(tenant, name, declared)
            wish = _wish(tenant, name, declared, cause, overlap, principal)
            fate = await self._start(replace(wish, wanted=wanted), overlap)
        if fate.run_id and overlap == REPLACE:
            await self._cancel_older(tenant, name, fate.run_id)
        return fate

    async def _allowed(self, tenant: TenantId, name: str, declared: Declared) -> Principal:
        """Returns whom the run acts for. Raises PermissionDenied, and says so in the trigger's status."""
        try:
            principal = await self._admit(tenant, declared)
        except PermissionDenied as error:
            self._engine.instruments.triggers_denied.inc()
            await self._told(tenant, name, error.message)
            raise
        await self._told(tenant, name, "")
        return principal

    async def _earlier(self, tenant: TenantId, key: str) -> Fate | None:
        row = await self._engine.database.read(runs.by_idempotency_key, tenant.id, key)
        return Fate(row.run_id) if row is not None else None

    async def _start(self, wish: Start, overlap: str) -> Fate:
        if overlap == SKIP and (busy := await self._open_run(wish.tenant, wish.trigger)):
            return await self._skipped(wish, f"run {busy} of this trigger is still open")
        try:
            accepted = await self._starter.start(wish)
        except AlreadyExists as error:
            return await self._skipped(wish, error.message)
        except Conflict:
            # The same cause, at the same moment, on another worker or under an older spec.
            earlier = await self._earlier(wish.tenant, wish.idempotency_key)
            if earlier is None:
                raise
            return earlier
        return Fate(accepted.run_id, created=accepted.created)

    async def _skipped(self, wish: Start, reason: str) -> Fate:
        """Nothing is started; unless what stands in the way was started for this cause, by another worker."""
        return await self._earlier(wish.tenant, wish.idempotency_key) or Fate(skipped=reason)

    async def _open_run(self, tenant: TenantId, name: str) -> str:
        found = await self._engine.database.read(_open_runs, tenant.id, name, "", 1)
        return found[0] if found else ""

    async def _cancel_older(self, tenant: TenantId, name: str, run_id: str) -> None:
        """Cancels what the new run replaces; it waits until they have stopped."""
        engine, by = self._engine, f"trigger:{tenant.name}/{name}"
        for old in await engine.database.read(_open_runs, tenant.id, name, run_id, 1000):
            reason = f"replaced by {run_id}"
            woken = await engine.database.write(
                deliveries.cancel, tenant, old, reason, by, engine.clock.now()
            )
            await engine.wake(*woken)


def idempotency_key(name: str, cause_id: str) -> str:
    """Returns the key under which a cause starts a run once."""
    short = cause_id if len(cause_id) <= LONGEST_ID else codec.digest(cause_id)
    return f"trigger:{name}:{short}"


def _wish(
    tenant: TenantId, name: str, declared: Declared, cause: Cause, overlap: str, principal: Principal
) -> Start:
    bound = bindings(name, declared, cause)
    key = run_key(declared, bound)
    if overlap != ALLOW and not key:
        # Runs that may not overlap wait for each other, or refuse each other, under a key of their own.
        key = f"trigger/{name}"
    return Start(
        tenant=tenant,
        kind=declared.target_kind,
        name=declared.target_name,
        input=run_input(declared, bound),
        principal=principal,
        key=key,
        key_conflict=REJECT if overlap == SKIP else KEY_QUEUE,
        labels={TRIGGER_LABEL: name},
        idempotency_key=idempotency_key(name, cause.id),
        trigger=name,
    )


def _open_runs(connection: Connection, tenant_id: str, name: str, before: str, limit: int) -> list[Any]:
    """Returns ids of a trigger's open runs, newest first, only those older than a run if one is named."""
    mine = runs.RunFilter(trigger=name, states=runs.OPEN_STATES)
    found = runs.list_runs(connection, tenant_id, mine, limit=limit, after=before, newest_first=True)
    return [row.run_id for row in found]
