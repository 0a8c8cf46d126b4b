"""The registry's gRPC servicer: translates, calls, answers. Decisions are elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from quarterdeck.common import codec, selectors
from quarterdeck.common.clock import Clock
from quarterdeck.common.database import Database
from quarterdeck.common.errors import InvalidArgument, NotFound
from quarterdeck.common.identity import current_call
from quarterdeck.registry import (
    closure,
    manifests,
    mirror,
    paging,
    parsed,
    requests,
    revisions,
    status,
    store,
    tenancy,
    watch,
    writes,
)
from quarterdeck.registry.config import RegistrySettings
from quarterdeck.registry.decisions import Precondition
from quarterdeck.registry.feed import Feed
from quarterdeck.registry.following import Following
from quarterdeck.registry.pins import PinnedRevisions, message
from quarterdeck.registry.records import Scope, is_cluster_scoped
from quarterdeck.registry.world import World
from quarterdeck.v1 import resources_pb2, resources_pb2_grpc

Response = resources_pb2.ApplyObjectResponse
_OUTCOMES = {
    store.Outcome.CREATED: Response.OUTCOME_CREATED,
    store.Outcome.CONFIGURED: Response.OUTCOME_CONFIGURED,
    store.Outcome.UNCHANGED: Response.OUTCOME_UNCHANGED,
}


class RegistryServicer(resources_pb2_grpc.RegistryServiceServicer):
    """Serves `RegistryService`. Services see what is in force, people what was written.

    Each call begins where the mirror holds what any replica has answered before.
    """

    def __init__(
        self,
        database: Database,
        feed: Feed,
        following: Following,
        writing: writes.Writes,
        world: World,
        clock: Clock,
        settings: RegistrySettings,
    ) -> None:
        self._database = database
        self._feed = feed
        self._following = following
        self._writes = writing
        self._world = world
        self._pins = PinnedRevisions(database)
        self._mirror = feed.mirror
        self._clock = clock
        self._settings = settings

    async def GetObject(self, request: resources_pb2.GetObjectRequest, context: Any) -> resources_pb2.Object:
        """Answers from memory."""
        await self._following.fresh()
        _, key = requests.key_of(self._mirror, request.tenant, request.kind, request.name)
        entry = self._mirror.get(key)
        shown = None if entry is None else entry.seen_by(requests.sees_in_force(current_call()))
        if shown is None:
            raise store.missing(key)
        return shown

    async def ListObjects(
        self, request: resources_pb2.ListObjectsRequest, context: Any
    ) -> resources_pb2.ListObjectsResponse:
        """Answers from memory; a page token holds the place and the version of the first page."""
        await self._following.fresh()
        scope = requests.scope_of(self._mirror, request.tenant, requests.kind_of(request.kind))
        order, limit = paging.order(request.order_by), paging.size(request.page_size)
        query = codec.digest([scope.tenant_id, request.kind, order, request.label_selector])[:16]
        cursor = paging.decode(request.page_token, query)
        if cursor is None:
            cursor = paging.Cursor(query, "", self._mirror.version)
        found = self._mirror.page(
            scope.tenant_id,
            request.kind,
            order,
            cursor.after,
            limit + 1,
            selector=selectors.parse(request.label_selector),
            service=requests.sees_in_force(current_call()),
        )
        return self._page(found, limit, order, cursor)

    def _page(
        self, found: list[mirror.Entry], limit: int, order: str, cursor: paging.Cursor
    ) -> resources_pb2.ListObjectsResponse:
        service = requests.sees_in_force(current_call())
        token = ""
        if len(found) > limit:
            found = found[:limit]
            after = mirror.sort_key(found[-1], order)
            token = paging.encode(paging.Cursor(cursor.query, after, cursor.version))
        shown = [entry.seen_by(service) or entry.written for entry in found]
        return resources_pb2.ListObjectsResponse(
            objects=shown, next_page_token=token, resource_version=str(cursor.version)
        )

    async def ApplyObject(
        self, request: resources_pb2.ApplyObjectRequest, context: Any
    ) -> resources_pb2.ApplyObjectResponse:
        """Creates or updates. What the schema refuses is refused; what else is wrong becomes a condition."""
        await self._following.fresh()
        wanted = await asyncio.to_thread(manifests.read, request.object_json)
        scope = requests.scope_of(self._mirror, request.tenant, wanted.kind)
        self._check_namespace(scope, wanted)
        others = self._world.others(scope.tenant_id, parsed.references_of(wanted.parsed))
        if others:
            wanted = await asyncio.to_thread(manifests.judged_with, wanted, others)
        version = request.resource_version or wanted.version
        precondition = Precondition(
            requests.version_of(version, "metadata.resourceVersion"), wanted.uid, request.create_only
        )
        answer = await self._writes.apply(
            scope, wanted, request.object_json, precondition, dry_run=request.dry_run
        )
        return Response(object=answer.object, outcome=_OUTCOMES[answer.outcome])

    def _check_namespace(self, scope: Scope, wanted: manifests.Manifest) -> None:
        tenant = self._mirror.tenant(scope.tenant)
        if wanted.namespace and (tenant is None or tenant.namespace != wanted.namespace):
            owned = f"tenant {tenant.name!r} owns {tenant.namespace!r}" if tenant else "the kind has none"
            raise InvalidArgument(
                f"not the namespace of the tenant: {owned}", field="metadata.namespace", hint="leave it out"
            )

    async def DeleteObject(
        self, request: resources_pb2.DeleteObjectRequest, context: Any
    ) -> resources_pb2.Object:
        """Deletes; answers with the object as it was."""
        await self._following.fresh()
        scope, key = requests.key_of(self._mirror, request.tenant, request.kind, request.name)
        precondition = Precondition(requests.version_of(request.resource_version, "resourceVersion"))
        return (await self._writes.delete(scope, key, precondition)).object

    async def WatchObjects(
        self, request: resources_pb2.WatchObjectsRequest, context: Any
    ) -> AsyncIterator[resources_pb2.WatchEvent]:
        """Streams what `watch.events` yields."""
        await self._following.fresh()
        wanted = self._filter(request)
        since = requests.version_of(request.resource_version, "resourceVersion")
        from_version = since if request.resource_version else None
        async for event in watch.events(self._feed, wanted, from_version, self._settings.bookmark_period):
            yield event

    def _filter(self, request: resources_pb2.WatchObjectsRequest) -> watch.Filter:
        call = current_call()
        if request.kind:
            requests.kind_of(request.kind)
        tenant_id = None
        if request.tenant:
            tenant_id = requests.scope_of(self._mirror, request.tenant, request.kind).tenant_id
        elif not is_cluster_scoped(request.kind):
            requests.require_service(call)
        selector = selectors.parse(request.label_selector)
        return watch.Filter(request.kind, tenant_id, selector, requests.sees_in_force(call))

    async def UpdateStatus(
        self, request: resources_pb2.UpdateStatusRequest, context: Any
    ) -> resources_pb2.Object:
        """Merges what the owner of a kind reports."""
        await self._following.fresh()
        scope, key = requests.key_of(self._mirror, request.tenant, request.kind, request.name)
        status.require_owner(request.kind, current_call().service)
        fields, reported = status.read(request.kind, codec.loads_field(request.status_json, "status") or {})
        now = self._clock.now()
        edit = status.editor(fields, reported, request.observed_generation, now)
        return writes.answer(await self._feed.write(store.edit_status, scope, key, edit, now)).object

    async def GetRevision(
        self, request: resources_pb2.GetRevisionRequest, context: Any
    ) -> resources_pb2.Revision:
        """Reads a revision; it outlives its object."""
        await self._following.fresh()
        kind = request.revision.partition("/")[0]
        scope = requests.scope_of(self._mirror, request.tenant, requests.kind_of(kind))
        found = await self._database.read(revisions.find, scope.tenant_id, request.revision)
        if found is None:
            raise NotFound(f"there is no revision {request.revision}", field="revision")
        return message(found)

    async def ListRevisions(
        self, request: resources_pb2.ListRevisionsRequest, context: Any
    ) -> resources_pb2.ListRevisionsResponse:
        """Lists revisions, newest first; those of a deleted object too."""
        await self._following.fresh()
        _, key = requests.key_of(self._mirror, request.tenant, request.kind, request.name)
        limit = paging.size(request.page_size)
        query = codec.digest(["revisions", *key])[:16]
        cursor = paging.decode(request.page_token, query)
        below = cursor.version if cursor is not None else 0
        found = await self._database.read(revisions.page, key, below, limit + 1)
        more = len(found) > limit
        token = paging.encode(paging.Cursor(query, "", found[limit - 1].version)) if more else ""
        return resources_pb2.ListRevisionsResponse(
            revisions=[message(item) for item in found[:limit]], next_page_token=token
        )

    async def ResolveClosure(
        self, request: resources_pb2.ResolveClosureRequest, context: Any
    ) -> resources_pb2.Closure:
        """Answers from memory; a revision is read once."""
        await self._following.fresh()
        _, key = requests.key_of(self._mirror, request.tenant, request.kind, request.name)
        return await closure.resolve(self._mirror, self._world, self._pins, key)

    async def GetTenant(
        self, request: resources_pb2.GetTenantRequest, context: Any
    ) -> resources_pb2.TenantRecord:
        """Answers from memory."""
        await self._following.fresh()
        found = self._mirror.tenant(request.tenant)
        if found is None:
            raise tenancy.unknown(request.tenant)
        return resources_pb2.TenantRecord(
            name=found.name, id=found.id, namespace=found.namespace, suspended=found.suspended
        )
