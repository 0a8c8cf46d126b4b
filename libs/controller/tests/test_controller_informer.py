"""Informers against a real API server and a network that misbehaves."""

import contextlib
import json
import time

import pytest
import structlog

from quarterdeck.controller.api.client import Scope
from quarterdeck.controller.api.errors import Gone
from quarterdeck.controller.api.resource import CONFIG_MAPS, LEASES, SECRETS, Resource
from quarterdeck.controller.backoff import Backoff
from quarterdeck.controller.caching.informer import Informer, Informers
from quarterdeck.controller.objects import key_of
from quarterdeck.controller.testing.binaries import find_programs
from quarterdeck.controller.testing.control_plane import ControlPlane
from quarterdeck.controller.testing.samples import config_map, lease
from quarterdeck.controller.testing.waiting import beside, until

QUICK = Backoff(first=0.05, most=0.5)
LOG = structlog.get_logger()


class Story:
    """What a handler was told, as words."""

    def __init__(self):
        self.told = []

    def __call__(self, change):
        verb = "deleted" if change.new is None else "added" if change.old is None else "changed"
        self.told.append(("missed " if change.missed else "") + verb + " " + key_of(change.object).name)


@contextlib.asynccontextmanager
async def following(client, resource, scope, **options):
    informer = Informer(client, resource, scope=scope, log=LOG, **{"backoff": QUICK} | options)
    story = Story()
    informer.add_handler(story)
    async with beside(informer.run()):
        yield informer, story


async def test_it_lists_in_pages_and_follows(client, namespace):
    for number in range(5):
        await client.create(CONFIG_MAPS, config_map(namespace, f"c{number}"))
    async with following(client, CONFIG_MAPS, Scope(namespace), page=2) as (informer, story):
        assert not informer.synced
        await informer.wait_synced()
        assert sorted(story.told) == [f"added c{number}" for number in range(5)]
        await client.merge(CONFIG_MAPS, "c1", {"data": {"x": "y"}}, namespace)
        await client.delete(CONFIG_MAPS, "c2", namespace)
        await client.create(CONFIG_MAPS, config_map(namespace, "c9"))
        await until(lambda: len(story.told) == 8)
        assert story.told[5:] == ["changed c1", "deleted c2", "added c9"]
        late = Story()
        informer.add_handler(late)
        assert len(late.told) == len(informer.cache) == 5
        assert all("managedFields" not in thing["metadata"] for thing in informer.cache)


async def test_a_handler_that_fails_does_not_stop_the_others(client, namespace):
    def broken(change):
        raise RuntimeError("a mistake")

    informer = Informer(client, CONFIG_MAPS, scope=Scope(namespace), log=LOG)
    story = Story()
    informer.add_handler(broken)
    informer.add_handler(story)
    async with beside(informer.run()):
        await client.create(CONFIG_MAPS, config_map(namespace, "a"))
        await until(lambda: story.told == ["added a"])


async def test_a_resync_tells_everything_again_without_asking(client, namespace):
    await client.create(CONFIG_MAPS, config_map(namespace, "a"))
    async with following(client, CONFIG_MAPS, Scope(namespace), resync=0.1) as (_, story):
        await until(lambda: story.told[:3] == ["added a", "changed a", "changed a"])


async def test_bookmarks_move_the_position_of_a_quiet_watch(client, namespace):
    """Somewhere else there is traffic; a watch that was told nothing of it need not start over."""
    async with following(client, CONFIG_MAPS, Scope(namespace), watch_seconds=4) as (informer, _):
        await informer.wait_synced()
        before = int(informer._reflector._position)
        await client.create(CONFIG_MAPS, config_map("default", f"elsewhere-{namespace}"))
        await until(lambda: int(informer._reflector._position) > before)
        assert len(informer.cache) == 0


async def test_a_cut_watch_goes_on_where_it_was(plane, client, proxy, namespace):
    through = await plane.client(proxy.listening)
    try:
        await client.create(CONFIG_MAPS, config_map(namespace, "a"))
        async with following(through, CONFIG_MAPS, Scope(namespace)) as (informer, story):
            await informer.wait_synced()
            proxy.refuse()
            proxy.cut()
            await client.create(CONFIG_MAPS, config_map(namespace, "b"))
            await client.delete(CONFIG_MAPS, "a", namespace)
            await until(lambda: informer.trouble != "")
            proxy.admit()
            await until(lambda: len(story.told) == 3)
            # Told as it happened, not missed: the watch went on and nothing was listed again.
            assert story.told == ["added a", "added b", "deleted a"]
            assert informer.trouble == ""
    finally:
        await through.close()


async def test_a_half_open_watch_is_noticed_by_its_silence(plane, client, proxy, namespace):
    through = await plane.client(proxy.listening)
    try:
        async with following(through, CONFIG_MAPS, Scope(namespace), silence=1.5) as (informer, story):
            await informer.wait_synced()
            await client.create(CONFIG_MAPS, config_map(namespace, "a"))
            await until(lambda: story.told == ["added a"])
            proxy.stall()
            await client.create(CONFIG_MAPS, config_map(namespace, "b"))
            stalled = time.monotonic()
            await until(lambda: story.told == ["added a", "added b"])
            assert 0.5 < time.monotonic() - stalled < 5
    finally:
        await through.close()


async def test_410_as_an_error_event_lists_again_and_finds_what_was_deleted(plane, client, proxy, namespace):
    through = await plane.client(proxy.listening)
    try:
        for name in ("stays", "goes", "returns"):
            await client.create(LEASES, lease(namespace, name))
        async with following(through, LEASES, Scope(namespace)) as (informer, story):
            await informer.wait_synced()
            old = informer._reflector._position
            story.told.clear()
            proxy.refuse()
            proxy.cut()
            await client.delete(LEASES, "goes", namespace)
            await client.delete(LEASES, "returns", namespace)
            await client.create(LEASES, lease(namespace, "returns"))
            await client.create(LEASES, lease(namespace, "new"))
            now = (await client.list_page(LEASES, Scope(namespace))).resource_version
            await plane.compact(int(now))
            # This is what the informer will be told: an answer 200, and in it the event.
            (line,) = [
                line
                async for line in client._transport.lines(
                    LEASES.path(namespace), {"watch": "1", "resourceVersion": old}, {}, 10
                )
            ]
            assert (json.loads(line)["type"], json.loads(line)["object"]["code"]) == ("ERROR", 410)
            proxy.admit()
            await until(lambda: len(story.told) == 4)
            assert sorted(story.told) == [
                "added new",
                "added returns",
                "missed deleted goes",
                "missed deleted returns",
            ]
    finally:
        await through.close()


async def test_410_as_a_status_in_the_middle_of_a_list_begins_it_again(plane, client, namespace):
    for number in range(4):
        await client.create(LEASES, lease(namespace, f"l{number}"))
    forgetful = Forgetful(client, plane, namespace)
    async with following(forgetful, LEASES, Scope(namespace), page=2) as (informer, story):
        await informer.wait_synced()
        assert forgetful.refused == ["Expired"]
        # l0 was in the first page and gone by the time of the second list.
        await until(lambda: len(informer.cache) == 3)
        assert "missed deleted l0" in story.told


class Forgetful:
    """Lets the server forget the list once, after its first page."""

    def __init__(self, client, plane, namespace):
        self.client, self.plane, self.namespace = client, plane, namespace
        self.watch = client.watch
        self.refused = []

    async def list_page(self, resource, scope, *, limit, token):
        if token and not self.refused:
            await self.client.delete(LEASES, "l0", self.namespace)
            page = await self.client.list_page(resource, scope)
            await self.plane.compact(int(page.resource_version))
        try:
            return await self.client.list_page(resource, scope, limit=limit, token=token)
        except Gone as error:
            assert error.code == 410
            self.refused.append(error.reason)
            raise


async def test_a_missing_crd_or_permission_is_said_by_name_and_found_later(client):
    nothing = Resource("nobody.dev", "v1", "things", "Thing")
    async with following(client, nothing, Scope()) as (informer, _):
        await until(lambda: "things.nobody.dev" in informer.trouble)
        assert not informer.synced


async def test_informers_are_shared(client):
    informers = Informers(client, log=LOG)
    assert informers.of(SECRETS) is informers.of(SECRETS)
    assert informers.of(SECRETS) is not informers.of(SECRETS, Scope("default"))
    assert len(informers.all()) == 2


@pytest.fixture
async def own_plane(plane):
    """An API server that a test may restart."""
    programs = find_programs()
    assert programs is not None
    made = ControlPlane(programs)
    try:
        await made.start()
        yield made
    finally:
        await made.stop()


async def test_a_restart_of_the_api_server_is_survived(own_plane):
    client = await own_plane.client()
    try:
        await client.create(CONFIG_MAPS, config_map("default", "a"))
        await client.create(CONFIG_MAPS, config_map("default", "b"))
        async with following(client, CONFIG_MAPS, Scope("default")) as (informer, story):
            await informer.wait_synced()
            story.told.clear()
            await own_plane.restart_apiserver()
            await client.delete(CONFIG_MAPS, "a", "default")
            await client.create(CONFIG_MAPS, config_map("default", "c"))
            await until(lambda: {key_of(thing).name for thing in informer.cache} == {"b", "c"})
            assert [told for told in story.told if " b" in told] == []
    finally:
        await client.close()
