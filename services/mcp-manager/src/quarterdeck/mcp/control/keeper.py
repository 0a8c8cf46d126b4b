"""Keeps the objects of one MCPServer at a time as its spec says, and says how they are."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from quarterdeck.controller.api.client import Client
from quarterdeck.controller.api.errors import Conflict, Forbidden, Invalid, NotFound
from quarterdeck.controller.api.resource import Resource
from quarterdeck.controller.caching.cache import BY_OWNER
from quarterdeck.controller.caching.informer import Informer
from quarterdeck.controller.loop import DONE, Result
from quarterdeck.controller.objects import Object, ObjectKey, is_deleting, key_of, labels_of, uid_of
from quarterdeck.controller.writing.apply import ControlledByOther, OwnedObjects, held_by
from quarterdeck.controller.writing.conditions import Condition, find
from quarterdeck.controller.writing.events import NORMAL, WARNING, EventRecorder
from quarterdeck.mcp.control import claiming, reading, secrets, statuses, verdict
from quarterdeck.mcp.control.kinds import BY_KIND, DEPLOYMENTS, MCP_SERVERS, OWNED, PODS
from quarterdeck.mcp.control.patience import QUIET, Patience, next_look
from quarterdeck.mcp.pods.names import POOL, SERVING, WARM, object_name
from quarterdeck.mcp.pods.render import render
from quarterdeck.mcp.pods.settings import Facts, PodSettings, Refused
from quarterdeck.resources.mcpserver import MCPServer

MANAGER = "quarterdeck-mcp-controller"
APPLIED = "quarterdeck.dev/applied"
# Seconds until what was refused is tried again: a quota may have room, a role may have been given, and an
# object of somebody else, of which nobody tells us, may be gone.
REFUSED_AGAIN = 30.0
CONFLICT_AGAIN = 0.1

# What there is for a server by kind and name; None for what is held back.
Made = Mapping[tuple[str, ObjectKey], Object | None]


@dataclass(frozen=True, slots=True)
class Finding:
    """What a look at a server brought.

    Args:
        conditions: what to say.
        fields: of the status.
        again_after: seconds until the next look; None: when something changes.
    """

    conditions: Sequence[Condition] = ()
    fields: Mapping[str, Any] = field(default_factory=dict)
    again_after: float | None = None


@dataclass(frozen=True, slots=True)
class Caches:
    """Where the keeper reads: what it makes, pods by server, tenants, and namespaces labelled for one."""

    owned: Mapping[Resource, Informer]
    pods: Informer
    tenants: Informer
    namespaces: Informer


class Keeper:
    """See the module.

    Args:
        client: fenced, if there is a leader.
        settings: returns the platform's part of each pod, as things are now.
        secret_period: seconds between two looks at the Secrets of a server.
        log: a structlog logger.
    """

    def __init__(
        self,
        client: Client,
        caches: Caches,
        settings: Callable[[], PodSettings],
        events: EventRecorder,
        *,
        secret_period: float,
        log: Any,
    ) -> None:
        self._client = client
        self._caches = caches
        self._settings = settings
        self._events = events
        self._secret_period = secret_period
        self._log = log
        self._objects = OwnedObjects(client, MANAGER, APPLIED)
        self._patience = Patience()

    async def reconcile(self, key: ObjectKey, thing: Object | None) -> Result:
        """Looks at one server. What it owns goes with it, by owner references."""
        if thing is None:
            self._patience.over(key)
            return DONE
        found = _leaving(thing) if is_deleting(thing) else await self._look(thing)
        try:
            if found.conditions and await statuses.write(self._client, thing, found.conditions, found.fields):
                self._tell(thing, found.conditions)
        except Conflict:
            # The registry says things at the same time. What it wrote is on its way to the cache.
            return Result(CONFLICT_AGAIN)
        except NotFound:
            return DONE
        return Result(found.again_after)

    async def _look(self, thing: Object) -> Finding:
        server = reading.server_of(thing)
        if isinstance(server, str):
            return Finding(verdict.refusal("InvalidSpec", server))
        if server.spec.container is None:
            return await self._without_container(thing)
        namespace = key_of(thing).namespace
        if not self._is_tenants(namespace):
            return Finding(verdict.refusal("NoTenant", f"no Tenant owns namespace {namespace!r}"))
        image = server.spec.container.image
        if said := reading.image_refused(image, self._caches.tenants.cache.find(reading.BY_HOME, namespace)):
            return Finding(verdict.refusal("ImageRefused", f"spec.container.image: {said}"))
        try:
            return await self._keep(thing, server)
        except ControlledByOther as error:
            return Finding(verdict.refusal("NameTaken", str(error)), again_after=REFUSED_AGAIN)
        except (Forbidden, Invalid) as error:
            return Finding(reading.refused_by(error), again_after=REFUSED_AGAIN)

    def _is_tenants(self, namespace: str) -> bool:
        tenants, namespaces = self._caches.tenants.cache, self._caches.namespaces.cache
        release = self._settings().manager_namespace
        return reading.belongs_to_tenant(namespace, tenants, namespaces, release)

    async def _without_container(self, thing: Object) -> Finding:
        """A server that runs elsewhere: how it is, is for the manager to say."""
        self._patience.over(key_of(thing))
        await self._remove(thing, {})
        said = find(statuses.stored_conditions(thing), verdict.PROGRESSING)
        if said is None:
            return Finding()
        return Finding([Condition(verdict.PROGRESSING, False, verdict.NO_CONTAINER, "it runs no pod")])

    async def _keep(self, thing: Object, server: MCPServer) -> Finding:
        key = key_of(thing)
        values = await secrets.look(self._client, key.namespace, server.spec)
        facts = Facts(key.namespace, uid_of(thing), values.hash)
        rendered = render(server, self._settings(), facts)
        if isinstance(rendered, Refused):
            said = f"{rendered.field}: {rendered.message}"
            return Finding(verdict.refusal(rendered.reason, said))
        if self._lacks(rendered) and not await self._is_there(thing):
            return Finding()
        made = {(one["kind"], key_of(one)): await self._make(one, thing, values) for one in rendered}
        await self._remove(thing, made)
        found = await self._finding(thing, values, made)
        if not values.denied:
            self._patience.over(key)
            period = self._secret_period if secrets.references(server.spec) else None
            return replace(found, again_after=period)
        waited = self._patience.waited(key)
        return replace(found if waited >= QUIET else Finding(), again_after=next_look(waited))

    async def _finding(self, thing: Object, values: secrets.Found, made: Made) -> Finding:
        """Says how a server is for which all was made, or all but its pods."""
        key = key_of(thing)
        deployment = made[DEPLOYMENTS.kind, ObjectKey(key.namespace, object_name(key.name))]
        pods = self._pods(key, SERVING)
        if deployment is not None:
            await self._claim(deployment, pods, self._pods(key, WARM))
        image = verdict.digest(pods) or (thing.get("status") or {}).get("imageDigest")
        found = verdict.conditions(deployment, pods, values.missing)
        held = "; ".join(filter(None, (held_by(one) for one in made.values() if one is not None)))
        if held:
            found = verdict.being_deleted(found, held)
        elif values.denied:
            found = verdict.unreadable(found, values.denied)
        return Finding(found, {"imageDigest": image} if image else {})

    async def _make(self, wanted: Object, thing: Object, values: secrets.Found) -> Object | None:
        """Makes an object as wanted. Pods wait until their Secrets are known, or they would roll for them."""
        if values.denied and wanted["kind"] == DEPLOYMENTS.kind:
            return self._caches.owned[DEPLOYMENTS].cache.get(key_of(wanted))
        return await self._ensure(wanted, thing)

    def _lacks(self, rendered: Sequence[Object]) -> bool:
        caches = self._caches.owned
        return any(caches[BY_KIND[one["kind"]]].cache.get(key_of(one)) is None for one in rendered)

    async def _is_there(self, thing: Object) -> bool:
        """True if the server is not gone: what is collected after it must not be made again."""
        key = key_of(thing)
        try:
            live = await self._client.get(MCP_SERVERS, key.name, key.namespace)
        except NotFound:
            return False
        return uid_of(live) == uid_of(thing) and not is_deleting(live)

    async def _ensure(self, wanted: Object, thing: Object) -> Object:
        resource = BY_KIND[wanted["kind"]]
        return await self._objects.ensure(resource, wanted, thing, self._caches.owned[resource].cache)

    async def _remove(self, thing: Object, made: Made) -> None:
        """Deletes what was made for an earlier spec and is no part of this one."""
        for resource in OWNED:
            for present in self._caches.owned[resource].cache.find(BY_OWNER, uid_of(thing)):
                if (resource.kind, key_of(present)) not in made and not is_deleting(present):
                    await self._objects.remove(resource, present, thing)

    def _pods(self, key: ObjectKey, pool: str) -> list[Object]:
        pods = self._caches.pods.cache.find(reading.BY_SERVER, str(key))
        return [pod for pod in pods if labels_of(pod).get(POOL) == pool]

    async def _claim(self, deployment: Object, serving: list[Object], warm: list[Object]) -> None:
        found = claiming.to_claim(deployment, serving, warm)
        if found is None:
            return
        pod, place = found
        key = key_of(pod)
        # Changed meanwhile, or gone: that is news, which brings another look.
        with contextlib.suppress(Conflict, NotFound):
            await self._client.merge(PODS, key.name, claiming.claim(pod, place), key.namespace)
            self._log.info("pod.claimed", pod=str(key), place=key_of(place).name)

    def _tell(self, thing: Object, found: Sequence[Condition]) -> None:
        """Reports what changed about readiness, where people look for it first."""
        before = find(statuses.stored_conditions(thing), verdict.READY) or {}
        for condition in found:
            if condition.type == verdict.READY and condition.reason != before.get("reason"):
                kind = NORMAL if condition.status or condition.reason == verdict.STARTING else WARNING
                self._events.event(thing, condition.reason, condition.message, type=kind)


def _leaving(thing: Object) -> Finding:
    """A server that is to go and that somebody holds: its pods stay as they are until then."""
    status, ready = thing.get("status") or {}, statuses.stored(thing, verdict.READY)
    if "container" not in (thing.get("spec") or {}):
        return Finding()
    image = status.get("imageDigest")
    found = verdict.being_deleted([ready] if ready else [], held_by(thing))
    return Finding(found, {"imageDigest": image} if image else {})
