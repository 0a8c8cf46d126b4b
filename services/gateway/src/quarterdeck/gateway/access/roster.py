"""The live list of who holds which role: follows bindings, roles and tenants."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from quarterdeck.common.authorization.accounts import of_default_account
from quarterdeck.common.authorization.grants import Grant, of_binding, of_platform, of_tenant
from quarterdeck.common.database import Database
from quarterdeck.common.service import Platform
from quarterdeck.common.watching import ObjectWatcher, Watched
from quarterdeck.gateway.config import GatewaySettings
from quarterdeck.gateway.tables import WATCHED_OBJECTS

KINDS = ("AccessBinding", "AccessRole", "Tenant")


class Roster:
    """What is bound to whom now, at most a watch event old; it outlives the registry's absence."""

    def __init__(self, platform: Platform, database: Database, settings: GatewaySettings) -> None:
        named = settings.platform_admins
        principals = [one.removeprefix("group:") for one in named if not one.startswith("group:")]
        groups = [one.removeprefix("group:") for one in named if one.startswith("group:")]
        self._everywhere = (of_platform("the setting QD_GATEWAY_PLATFORM_ADMINS", principals, groups),)
        self._known: dict[str, tuple[Grant, ...]] = {}
        self._tenants: dict[str, Watched] = {}
        # By tenant: bindings and roles by kind and name.
        self._held: defaultdict[str, dict[tuple[str, str], Watched]] = defaultdict(dict)
        self._changed = asyncio.Event()
        self._watcher = ObjectWatcher(platform, database, WATCHED_OBJECTS, KINDS, self._on_change)

    async def start(self) -> None:
        """Loads the copies in the gateway's database, then follows the registry."""
        await self._watcher.start()

    async def wait_synced(self, timeout: float) -> bool:
        """Waits until the registry has told everything once; False if that took too long."""
        return await self._watcher.wait_synced(timeout)

    def find(self, tenant: str, kind: str, name: str) -> Watched | None:
        """Returns what is known of an object; None if there is none."""
        if kind == "Tenant":
            return self._tenants.get(name)
        return self._held.get(tenant, {}).get((kind, name))

    async def until(self, condition: Callable[[], bool], timeout: float) -> bool:
        """Waits until what is known fulfils a condition; False if that took too long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while not condition():
                    changed = self._changed
                    await changed.wait()
        return condition()

    def grants(self, tenant: str) -> tuple[Grant, ...]:
        """Returns what holds in a tenant; for no tenant, what holds for the platform."""
        if not tenant:
            return self._everywhere
        known = self._known.get(tenant)
        if known is None:
            known = (
                *self._everywhere,
                of_default_account(tenant),
                *self._of_tenant(tenant),
                *self._bound(tenant),
            )
            if tenant in self._tenants:  # names that somebody makes up are not remembered
                self._known[tenant] = known
        return known

    def _of_tenant(self, name: str) -> tuple[Grant, ...]:
        tenant = self._tenants.get(name)
        grant = of_tenant(name, tenant.spec) if tenant is not None else None
        return (grant,) if grant is not None else ()

    def _bound(self, tenant: str) -> list[Grant]:
        held = sorted(self._held.get(tenant, {}).items())
        roles = {name: role.spec for (kind, name), role in held if kind == "AccessRole"}
        bindings = [(name, one.spec) for (kind, name), one in held if kind == "AccessBinding"]
        found = (of_binding(tenant, name, spec, roles) for name, spec in bindings)
        return [grant for grant in found if grant is not None]

    async def _on_change(self, watched: Watched, deleted: bool) -> None:
        of_tenant_kind = watched.kind == "Tenant"
        place: Any = watched.name if of_tenant_kind else (watched.kind, watched.name)
        table: dict[Any, Watched] = self._tenants if of_tenant_kind else self._held[watched.tenant]
        if deleted:
            table.pop(place, None)
        else:
            table[place] = watched
        self._known.pop(watched.name if of_tenant_kind else watched.tenant, None)
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
