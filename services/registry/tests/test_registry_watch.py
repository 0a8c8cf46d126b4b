"""Watches: every change once and in order, however the client comes and goes."""

import asyncio
import contextlib
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from registry_support import agent, body, manifest, server

from quarterdeck.common.database import open_database
from quarterdeck.common.errors import (
    AlreadyExists,
    Conflict,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
)
from quarterdeck.common.selectors import parse
from quarterdeck.registry import bootstrap, history, manifests, store, watch
from quarterdeck.registry.decisions import Precondition
from quarterdeck.registry.feed import Feed
from quarterdeck.registry.mirror import Mirror
from quarterdeck.registry.records import Key, Scope
from quarterdeck.registry.tables import METADATA
from quarterdeck.v1 import resources_pb2 as pb

ADDED, MODIFIED, DELETED, BOOKMARK = (
    pb.WatchEvent.TYPE_ADDED,
    pb.WatchEvent.TYPE_MODIFIED,
    pb.WatchEvent.TYPE_DELETED,
    pb.WatchEvent.TYPE_BOOKMARK,
)


async def take(stream, count):
    async with asyncio.timeout(5):
        return [await anext(stream) for _ in range(count)]


def label(item, **labels):
    item["metadata"]["labels"] = labels
    return item


async def test_listing_then_bookmark_then_changes(admin):
    await admin.apply(server("a"))
    await admin.apply(server("b"))
    stream = admin.watch(tenant="default", kind="MCPServer")
    events = await take(stream, 3)
    assert [event.type for event in events] == [ADDED, ADDED, BOOKMARK]
    assert not events[0].resource_version and events[2].resource_version
    await admin.delete("MCPServer", "a")
    async for event in stream:
        if event.type == DELETED:
            break
    assert event.object.name == "a"
    assert event.tenant == "default" and len(event.tenant_id) == 36
    await stream.aclose()


async def test_resume_gets_what_was_missed(admin, world):
    await admin.apply(server("a"))
    await admin.until("MCPServer", "a", "ResolvedRefs")
    version = (await admin.list("MCPServer")).resource_version
    await admin.apply(server("b"))
    await admin.until("MCPServer", "b", "ResolvedRefs")
    await admin.delete("MCPServer", "a")
    await world.restart()  # the ring is empty now: this comes from the table
    stream = world.admin.watch(tenant="default", kind="MCPServer", resource_version=version)
    events = await take(stream, 4)
    seen = [(event.type, event.object.name) for event in events]
    assert seen == [(ADDED, "b"), (MODIFIED, "b"), (DELETED, "a"), (BOOKMARK, "")]
    await stream.aclose()


async def test_too_old_and_unknown_versions(admin, world):
    for number in range(6):
        await admin.apply(server(f"s{number}"))
    database = world.platforms["registry"].database
    await database.write(history.trim, 2, 0.0)
    await world.restart()
    for version in ("1", str(10**9)):
        stream = world.admin.watch(tenant="default", kind="MCPServer", resource_version=version)
        with pytest.raises(FailedPrecondition) as caught:
            await take(stream, 1)
        assert caught.value.reason == "ResourceVersionTooOld"
    with pytest.raises(InvalidArgument):
        await take(world.admin.watch(tenant="default", kind="MCPServer", resource_version="x"), 1)


async def test_labels_decide_what_a_watch_sees(admin):
    await admin.apply(label(agent("a"), team="x"))
    stream = admin.watch(tenant="default", kind="Agent", label_selector="team=x")
    assert [event.type for event in await take(stream, 2)] == [ADDED, BOOKMARK]
    await admin.apply(label(agent("b"), team="y"))
    await admin.apply(label(agent("a"), team="y"))
    await admin.apply(label(agent("b"), team="x"))
    seen = []
    while (ADDED, "b") not in seen:
        event = (await take(stream, 1))[0]
        seen.append((event.type, event.object.name))
    assert [item for item in seen if item[0] != MODIFIED] == [(DELETED, "a"), (ADDED, "b")]
    await stream.aclose()


async def test_all_tenants_is_for_services(admin, world):
    with pytest.raises(PermissionDenied):
        await take(admin.watch(kind="Agent"), 1)
    await admin.apply(manifest("Tenant", "acme"))
    await admin.apply(agent("a"), tenant="acme")
    await admin.apply(agent("a"))
    stream = world.client("agent-runtime").watch()
    found = {(event.tenant, event.object.kind, event.object.name) for event in await take(stream, 4)}
    assert found == {
        ("acme", "Agent", "a"),
        ("default", "Agent", "a"),
        ("", "Tenant", "acme"),
        ("", "Tenant", "default"),
    }
    await stream.aclose()
    people = admin.watch(kind="Tenant")
    assert len(await take(people, 3)) == 3
    await people.aclose()


async def test_bookmarks_move_a_quiet_watch_on(world, admin):
    world.service._settings.bookmark_period = 0.05
    stream = admin.watch(tenant="default", kind="Trigger")
    first = (await take(stream, 1))[0]
    await admin.apply(agent("a"))
    later = (await take(stream, 1))[0]
    assert later.type == BOOKMARK and int(later.resource_version) > int(first.resource_version)
    await stream.aclose()


async def test_a_stop_ends_watches(world, admin):
    stream = admin.watch(tenant="default", kind="Agent")
    await take(stream, 1)
    waiting = asyncio.create_task(take(stream, 1))
    await asyncio.sleep(0.05)
    async with asyncio.timeout(2):
        await world.service.stop(1.0)
    with pytest.raises(Exception, match=r"stopping|closed|reset|UNAVAILABLE|shut"):
        await waiting


@contextlib.asynccontextmanager
async def opened(directory, ring):
    database = await open_database(f"sqlite:///{directory}/r.db", METADATA)
    try:
        await database.write(bootstrap.first_start, 0.0)
        feed = Feed(database, Mirror(), ring=ring)
        await feed.load()
        yield database, feed
    finally:
        await database.close()


class Follower:
    """A client that is cut off again and again, and resumes or lists anew as it is told."""

    def __init__(self, feed, wanted, seed):
        self.feed, self.wanted, self.random = feed, wanted, random.Random(seed)
        self.version, self.state, self.seen = None, {}, []

    async def follow(self):
        while True:
            lifetime = self.random.randint(1, 25)
            try:
                await self._live(lifetime)
            except FailedPrecondition as error:
                assert error.reason == "ResourceVersionTooOld"
                self.version, self.seen = None, []

    async def _live(self, lifetime):
        listing = {} if self.version is None else None
        events = watch.events(self.feed, self.wanted, self.version, 0.001)
        async with contextlib.aclosing(events):
            async for event in events:
                if listing is not None:
                    listing = self._listed(event, listing)
                else:
                    self._changed(event)
                lifetime -= 1
                if lifetime < 0:
                    return
                if self.random.random() < 0.2:
                    await asyncio.sleep(0)

    def _listed(self, event, listing):
        if event.type != BOOKMARK:
            listing[event.object.name] = event.object.resource_version
            return listing
        self.state, self.version = listing, int(event.resource_version)
        return None

    def _changed(self, event):
        version, name = int(event.resource_version), event.object.name
        assert version > self.version or (event.type == BOOKMARK and version == self.version)
        self.version = version
        if event.type == DELETED:
            del self.state[name]
        elif event.type != BOOKMARK:
            assert (name in self.state) == (event.type == MODIFIED)
            self.state[name] = event.object.resource_version
        if event.type != BOOKMARK:
            self.seen.append(version)


STEPS = st.lists(
    st.tuples(st.integers(0, 5), st.sampled_from(["x", "y", "", "delete"]), st.integers(0, 2)),
    min_size=5,
    max_size=60,
)


@pytest.mark.parametrize(("ring", "keep"), [(2048, 1000), (3, 1000), (3, 8)])
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, seed=st.integers(0, 2**16))
def test_no_event_is_lost_or_doubled(tmp_path_factory, ring, keep, steps, seed):
    """Four writers at a time, six followers that come and go: each ends with what the database holds."""
    asyncio.run(_scenario(tmp_path_factory.mktemp("watch"), ring, keep, steps, seed))


async def _scenario(directory, ring, keep, steps, seed):
    async with opened(directory, ring) as (database, feed):
        tenant = feed.mirror.tenant("default")
        scope = Scope(tenant.id, "default")
        filters = [watch.Filter("Agent", tenant.id), watch.Filter("Agent", tenant.id, parse("team=x"))]
        followers = [Follower(feed, filters[n % 2], seed + n) for n in range(6)]
        tasks = [asyncio.create_task(follower.follow()) for follower in followers]
        await asyncio.gather(*(_writer(feed, scope, steps[n::4]) for n in range(4)))
        if keep < 1000:
            await database.write(history.trim, keep, -1.0)
        expected = await _expected(database, scope)
        for _ in range(2000):
            await asyncio.sleep(0.001)
            if all(f.version == feed.version and task_ok(t) for f, t in zip(followers, tasks, strict=True)):
                break
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(result, asyncio.CancelledError) for result in results), results
        for number, follower in enumerate(followers):
            assert follower.state == expected[number % 2]
            assert follower.seen == sorted(set(follower.seen))


def task_ok(task):
    if task.done():
        task.result()
    return True


async def _writer(feed, scope, steps):
    for number, what, pauses in steps:
        for _ in range(pauses):
            await asyncio.sleep(0)
        name = f"a{number}"
        with contextlib.suppress(NotFound, Conflict, AlreadyExists):
            if what == "delete":
                key = Key(scope.tenant_id, "Agent", name)
                await feed.write(store.delete, scope, key, Precondition(), 1.0)
            else:
                wanted = manifests.of_object(label(agent(name), team=what))
                await feed.write(store.apply, scope, wanted, Precondition(), 1.0)


async def _expected(database, scope):
    _, changes = await database.read(store.everything)
    mine = [change for change in changes if change.tenant_id == scope.tenant_id]
    return (
        {change.name: str(change.version) for change in mine},
        {change.name: str(change.version) for change in mine if change.labels.get("team") == "x"},
    )


async def test_a_listing_and_its_watch_fit_together(admin):
    """A page's version is one to watch from: the listing plus the events is what there is."""
    await admin.apply(agent("a"))
    page = await admin.list("Agent")
    await admin.apply(agent("b"))
    stream = admin.watch(tenant="default", kind="Agent", resource_version=page.resource_version)
    names = {item.name for item in page.objects}
    while names != {"a", "b"}:
        names.add((await take(stream, 1))[0].object.name)
    await stream.aclose()
    assert body(await admin.get("Agent", "b"))["kind"] == "Agent"
