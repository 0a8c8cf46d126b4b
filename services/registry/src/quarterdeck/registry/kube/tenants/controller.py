"""The controller of Tenants: what is accepted of one is made so in the cluster, and said in its status."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from quarterdeck.common import codec
from quarterdeck.common.clock import Clock
from quarterdeck.common.errors import NotFound
from quarterdeck.controller.api.client import Client
from quarterdeck.controller.api.resource import NAMESPACES, ROLES, Resource
from quarterdeck.controller.caching.cache import BY_NAMESPACE
from quarterdeck.controller.caching.informer import Informers
from quarterdeck.controller.loop import DONE, Result
from quarterdeck.controller.metrics import ControllerMetrics
from quarterdeck.controller.objects import Object, ObjectKey, is_deleting, key_of, labels_of, uid_of
from quarterdeck.controller.running.object_controller import ObjectController
from quarterdeck.controller.running.predicates import generation_changed
from quarterdeck.controller.running.sources import For, Watches
from quarterdeck.registry import conditions, status, store
from quarterdeck.registry.admission import TENANT
from quarterdeck.registry.conditions import FALSE, TRUE, Condition
from quarterdeck.registry.config import RegistrySettings
from quarterdeck.registry.constants import (
    CLUSTER_TENANT_ID,
    NAMESPACE_READY,
    OWN_ROLES,
    PAUSED,
    REASON_NAMESPACE_READY,
    REASON_TOO_MANY_ROLES,
    TENANT_LABEL,
)
from quarterdeck.registry.feed import Feed
from quarterdeck.registry.kube.tenants import granting, rendering, secrets
from quarterdeck.registry.kube.tenants.provisioner import KEPT, LABELLED, Provisioner
from quarterdeck.registry.kube.tenants.slots import Slots
from quarterdeck.registry.mirror import Entry
from quarterdeck.registry.records import CLUSTER, Change, Key

NAME = "tenants"
# Kinds that say who may do what in their namespace.
ASKING = ("MCPServer", "AccessBinding", "AccessRole")
# Seconds after which what was refused is tried again: quotas, permissions and other owners change unseen.
AGAIN = 60.0


class TenantController:
    """See the module.

    Args:
        client: fenced.
        kinds: the resource of each kind.
    """

    def __init__(
        self,
        client: Client,
        kinds: Mapping[str, Resource],
        informers: Informers,
        feed: Feed,
        clock: Clock,
        settings: RegistrySettings,
        metrics: ControllerMetrics,
        log: Any,
    ) -> None:
        self._feed = feed
        self._clock = clock
        self._release = settings.lease_namespace
        self._informers = {kind: informers.of(kinds[kind]) for kind in ASKING}
        self._known = [*self._informers.values(), informers.of(ROLES, LABELLED)]
        self._slots = Slots(informers.of(ROLES, LABELLED).cache)
        self._provisioner = Provisioner(client, informers, settings)
        self._controller = ObjectController(
            NAME,
            self.reconcile,
            For(kinds[TENANT]),
            informers,
            watches=[
                *(Watches(resource, _tenant_of, scope=LABELLED) for resource in (NAMESPACES, *KEPT)),
                *(
                    Watches(informer.resource, self._tenants_in, predicate=generation_changed)
                    for informer in self._informers.values()
                ),
            ],
            paused_annotation=PAUSED,
            metrics=metrics,
            log=log,
            workers=settings.workers,
        )

    def start(self) -> None:
        """From now on, a Tenant that is accepted is looked at."""
        self._feed.listen(self._changed)

    async def run(self) -> None:
        """Reconciles until it is cancelled."""
        # Or what they ask for would be taken back until they are known.
        for informer in self._known:
            await informer.wait_synced()
        await self._controller.run()

    def _changed(self, change: Change) -> None:
        if change.kind == TENANT:
            self._controller.enqueue(ObjectKey("", change.name))

    async def reconcile(self, key: ObjectKey, thing: Object | None) -> Result:
        """Makes the cluster agree with what is in force of one Tenant."""
        entry = self._feed.mirror.get(Key(CLUSTER_TENANT_ID, TENANT, key.name))
        tenant = self._feed.mirror.tenant(key.name)
        if thing is None or is_deleting(thing) or entry is None or tenant is None:
            # What was its own is collected with it, and the rest is kept.
            return DONE
        if entry.uid != uid_of(thing) or entry.in_force is None:
            return DONE
        spec = codec.loads(entry.in_force.object_json)["spec"]
        what = rendering.wanted(key.name, tenant.namespace, spec)
        asked = self._asked(thing, what)
        found = await self._provisioner.provide(thing, what, asked.gifts)
        if asked.left_out and found.status == TRUE:
            said = f"{OWN_ROLES} AccessRoles are bound already; without effect: {', '.join(asked.left_out)}"
            found = Condition(NAMESPACE_READY, FALSE, REASON_TOO_MANY_ROLES, said)
        await self._report(entry, found)
        return DONE if found.reason == REASON_NAMESPACE_READY else Result(again_after=AGAIN)

    def _asked(self, thing: Object, what: rendering.Wanted) -> granting.Asked:
        servers, bindings, roles = (
            self._informers[kind].cache.find(BY_NAMESPACE, what.namespace) for kind in ASKING
        )
        own = granting.bound_roles(bindings, roles)
        slots = self._slots.given(what.namespace, list(own))
        gifts = [
            *granting.admins(thing, what),
            *granting.own_roles(what, own, slots),
            *granting.access(what, bindings, slots),
            *granting.secret_readers(thing, what, secrets.named_by(servers), self._release),
        ]
        return granting.Asked(gifts, [name for name in own if name not in slots])

    def _tenants_in(self, thing: Object) -> list[ObjectKey]:
        """Returns the tenant in whose namespace an object is."""
        tenant = self._feed.mirror.tenant_of(key_of(thing).namespace)
        return [] if tenant is None else [ObjectKey("", tenant.name)]

    async def _report(self, entry: Entry, found: Condition) -> None:
        content = codec.loads(entry.written.object_json)
        generation = content["metadata"]["generation"]
        said = conditions.find(content.get("status", {}).get("conditions", []), NAMESPACE_READY)
        if _says(said, found, generation):
            return
        now = self._clock.now()
        edit = status.editor({}, [found], generation, now)
        with contextlib.suppress(NotFound):  # its deletion is on the way to us
            await self._feed.write(store.edit_status, CLUSTER, entry.key, edit, now)


def _says(said: dict[str, Any], found: Condition, generation: int) -> bool:
    present = (said.get("status"), said.get("reason"), said.get("message"), said.get("observedGeneration"))
    return present == (found.status, found.reason, found.message, generation)


def _tenant_of(thing: Object) -> list[ObjectKey]:
    name = labels_of(thing).get(TENANT_LABEL)
    return [ObjectKey("", name)] if name else []
