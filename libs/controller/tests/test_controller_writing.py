"""Writes against a real API server: what is owned, statuses, finalizers, events."""

import pytest
import structlog

from quarterdeck.controller.api.client import Client, Scope
from quarterdeck.controller.api.errors import Conflict, NotFound
from quarterdeck.controller.api.resource import CONFIG_MAPS, EVENTS
from quarterdeck.controller.caching.cache import ObjectCache
from quarterdeck.controller.testing.samples import config_map
from quarterdeck.controller.testing.waiting import beside, until
from quarterdeck.controller.writing.apply import ControlledByOther, OwnedObjects
from quarterdeck.controller.writing.conditions import Condition, find
from quarterdeck.controller.writing.events import WARNING, EventRecorder
from quarterdeck.controller.writing.finalizers import Finalizer, finalizers_of
from quarterdeck.controller.writing.status import StatusWriter

APPLIED = "example.dev/applied"
LOG = structlog.get_logger()


class Counting(Client):
    """A client that notes its writes."""

    def __init__(self, client):
        super().__init__(client._transport)
        self.writes = []

    async def _write(self, method, path, body, **rest):
        self.writes.append(method)
        return await super()._write(method, path, body, **rest)


@pytest.fixture
def counting(client):
    return Counting(client)


async def owner_in(client, namespace, name="owner"):
    return await client.create(CONFIG_MAPS, config_map(namespace, name))


async def test_what_is_as_it_should_be_costs_no_request(client, counting, namespace):
    owner = await owner_in(client, namespace)
    objects = OwnedObjects(counting, "example", APPLIED)
    cache = ObjectCache()
    wanted = config_map(namespace, "c", {"a": "1", "b": "2"})
    cache.put(await objects.ensure(CONFIG_MAPS, wanted, owner, cache))
    assert counting.writes == ["PATCH"]
    await objects.ensure(CONFIG_MAPS, wanted, owner, cache)
    assert counting.writes == ["PATCH"]
    # Somebody changes our field and adds one of their own.
    cache.put(await client.merge(CONFIG_MAPS, "c", {"data": {"a": "9", "theirs": "x"}}, namespace))
    cache.put(await objects.ensure(CONFIG_MAPS, wanted, owner, cache))
    assert (await client.get(CONFIG_MAPS, "c", namespace))["data"] == {"a": "1", "b": "2", "theirs": "x"}
    # We want less than before.
    cache.put(await objects.ensure(CONFIG_MAPS, config_map(namespace, "c", {"a": "1"}), owner, cache))
    assert (await client.get(CONFIG_MAPS, "c", namespace))["data"] == {"a": "1", "theirs": "x"}
    assert counting.writes == ["PATCH"] * 3


async def test_what_outlives_its_owner_does_not_refer_to_it(client, counting, namespace):
    mine = await owner_in(client, namespace)
    objects, cache = OwnedObjects(counting, "example", APPLIED), ObjectCache()
    wanted = config_map(namespace, "c", {"a": "1"})

    async def owners(**how):
        cache.put(await objects.ensure(CONFIG_MAPS, wanted, mine, cache, **how))
        meta = (await client.get(CONFIG_MAPS, "c", namespace))["metadata"]
        return [owner["uid"] for owner in meta.get("ownerReferences", [])]

    assert await owners(outlives=True) == []
    assert await owners() == [mine["metadata"]["uid"]]
    assert await owners(outlives=True) == []
    assert await owners(outlives=True) == []
    assert counting.writes == ["PATCH"] * 3
    cache.put(await OwnedObjects(client, "other", APPLIED).ensure(CONFIG_MAPS, wanted, mine, cache))
    stranger = await owner_in(client, namespace, "other")
    with pytest.raises(ControlledByOther):
        await objects.ensure(CONFIG_MAPS, wanted, stranger, cache, outlives=True)


@pytest.mark.parametrize("cached", [True, False])
async def test_what_somebody_else_controls_is_left_alone(client, counting, namespace, cached):
    """Also if the cache has not heard of it yet."""
    mine, theirs = await owner_in(client, namespace), await owner_in(client, namespace, "other")
    cache = ObjectCache()
    await OwnedObjects(client, "other", APPLIED).ensure(
        CONFIG_MAPS, config_map(namespace, "c", {"x": "1"}), theirs
    )
    if cached:
        cache.put(await client.get(CONFIG_MAPS, "c", namespace))
    with pytest.raises(ControlledByOther, match="controlled by ConfigMap other"):
        await OwnedObjects(counting, "example", APPLIED).ensure(
            CONFIG_MAPS, config_map(namespace, "c", {"x": "2"}), mine, cache
        )
    assert counting.writes == []
    live = await client.get(CONFIG_MAPS, "c", namespace)
    with pytest.raises(ControlledByOther):
        await OwnedObjects(counting, "example", APPLIED).remove(CONFIG_MAPS, live, mine)


async def test_what_was_there_before_is_taken_only_when_it_is_given(client, counting, namespace):
    owner = await owner_in(client, namespace)
    objects = OwnedObjects(counting, "example", APPLIED)
    wanted = config_map(namespace, "c", {"ours": "2"})
    await client.create(CONFIG_MAPS, config_map(namespace, "c", {"theirs": "1"}))
    with pytest.raises(ControlledByOther, match="somebody's own"):
        await objects.ensure(CONFIG_MAPS, wanted, owner)
    assert counting.writes == []
    await client.merge(CONFIG_MAPS, "c", {"metadata": {"annotations": {APPLIED: "given"}}}, namespace)
    made = await objects.ensure(CONFIG_MAPS, wanted, owner)
    assert made["data"] == {"theirs": "1", "ours": "2"}
    assert made["metadata"]["ownerReferences"][0]["uid"] == owner["metadata"]["uid"]
    await client.create(CONFIG_MAPS, config_map(namespace, "d", {"theirs": "1"}))
    await objects.ensure(CONFIG_MAPS, config_map(namespace, "d"), owner, given=True)


async def test_an_orphan_of_ours_is_adopted(client, namespace):
    owner = await owner_in(client, namespace)
    objects = OwnedObjects(client, "example", APPLIED)
    wanted = config_map(namespace, "c", {"a": "1"})
    await objects.ensure(CONFIG_MAPS, wanted, owner)
    left = await client.merge(CONFIG_MAPS, "c", {"metadata": {"ownerReferences": None}}, namespace)
    cache = ObjectCache()
    cache.put(left)
    made = await objects.ensure(CONFIG_MAPS, wanted, owner, cache)
    assert made["metadata"]["ownerReferences"][0]["uid"] == owner["metadata"]["uid"]


async def test_what_is_being_deleted_is_left_to_that(client, counting, namespace):
    owner = await owner_in(client, namespace)
    objects = OwnedObjects(counting, "example", APPLIED)
    wanted = config_map(namespace, "c", {"a": "1"})
    await objects.ensure(CONFIG_MAPS, wanted, owner)
    await client.merge(CONFIG_MAPS, "c", {"metadata": {"finalizers": ["example.dev/held"]}}, namespace)
    await client.delete(CONFIG_MAPS, "c", namespace)
    found = await objects.ensure(CONFIG_MAPS, config_map(namespace, "c", {"a": "2"}), owner)
    assert found["metadata"]["deletionTimestamp"] and found["data"] == {"a": "1"}
    assert counting.writes == ["PATCH"], "made once, and nothing since"
    await client.merge(CONFIG_MAPS, "c", {"metadata": {"finalizers": None}}, namespace)
    assert (await objects.ensure(CONFIG_MAPS, wanted, owner))["metadata"].get("deletionTimestamp") is None


async def test_only_what_was_read_is_removed(client, namespace):
    owner = await owner_in(client, namespace)
    objects = OwnedObjects(client, "example", APPLIED)
    made = await objects.ensure(CONFIG_MAPS, config_map(namespace, "c"), owner)
    changed = await client.merge(CONFIG_MAPS, "c", {"data": {"a": "1"}}, namespace)
    with pytest.raises(Conflict):
        await objects.remove(CONFIG_MAPS, made, owner)
    await objects.remove(CONFIG_MAPS, changed, owner)
    await objects.remove(CONFIG_MAPS, changed, owner)
    with pytest.raises(NotFound):
        await client.get(CONFIG_MAPS, "c", namespace)


def agent(namespace, name="a"):
    return {
        "apiVersion": "quarterdeck.dev/v1alpha1",
        "kind": "Agent",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"instructions": "Count."},
    }


async def test_a_status_is_written_when_it_says_something_new(client, counting, agents, namespace):
    made = await client.create(agents, agent(namespace))
    writer = StatusWriter(counting, agents, "example-status")
    no = [Condition("Ready", False, "RouteMissing", "There is no ModelRoute x; apply one.")]
    assert await writer.write(made, no)
    after = await client.get(agents, "a", namespace)
    ready = find(after["status"]["conditions"], "Ready")
    assert (ready["status"], ready["reason"], ready["observedGeneration"]) == ("False", "RouteMissing", 1)
    assert not await writer.write(after, no)
    assert await writer.write(after, [Condition("Ready", True, "AsDeclared")])
    assert counting.writes == ["PATCH", "PATCH"]
    assert (await client.get(agents, "a", namespace))["metadata"]["generation"] == 1


async def test_a_status_never_reaches_another_object_of_the_same_name(client, agents, namespace):
    old = await client.create(agents, agent(namespace))
    await client.delete(agents, "a", namespace)
    writer = StatusWriter(client, agents, "example-status")
    with pytest.raises((NotFound, Conflict)):
        await writer.write(old, [Condition("Ready", True, "AsDeclared")])
    await client.create(agents, agent(namespace))
    with pytest.raises(Conflict):
        await writer.write(old, [Condition("Ready", True, "AsDeclared")])
    assert "status" not in await client.get(agents, "a", namespace)


async def test_a_finalizer_holds_an_object_until_it_is_removed(client, counting, namespace):
    finalizer = Finalizer(counting, CONFIG_MAPS, "example.dev/cleanup")
    made = await client.create(CONFIG_MAPS, config_map(namespace, "a", finalizers=["else.dev/theirs"]))
    held = await finalizer.add(made)
    assert finalizers_of(held) == ["else.dev/theirs", "example.dev/cleanup"]
    assert await finalizer.add(held) == held
    await client.delete(CONFIG_MAPS, "a", namespace)
    deleting = await client.get(CONFIG_MAPS, "a", namespace)
    with pytest.raises(Conflict):
        await finalizer.remove(held)
    await finalizer.remove(deleting)
    left = await client.get(CONFIG_MAPS, "a", namespace)
    assert finalizers_of(left) == ["else.dev/theirs"]
    assert await finalizer.add(left) == left
    await Finalizer(client, CONFIG_MAPS, "else.dev/theirs").remove(left)
    await finalizer.remove(deleting)
    with pytest.raises(NotFound):
        await client.get(CONFIG_MAPS, "a", namespace)
    assert counting.writes == ["PATCH"] * 4


async def test_events_are_counted_not_repeated(client, namespace):
    about = await client.create(CONFIG_MAPS, config_map(namespace, "a"))
    recorder = EventRecorder(client, "example", log=LOG, instance="pod-1")
    async with beside(recorder.run()):
        for _ in range(3):
            recorder.event(about, "ImageNotFound", "There is no image x.", type=WARNING)
        recorder.event(about, "Created", "Made a Deployment.")
        await until(recorder._waiting.empty)
        seen = []
        for _ in range(200):
            seen = await client.list_all(EVENTS, Scope(namespace))
            if len(seen) == 2:
                break
    by_reason = {event["reason"]: event for event in seen}
    assert by_reason["ImageNotFound"]["count"] == 3
    assert by_reason["ImageNotFound"]["type"] == "Warning"
    assert by_reason["ImageNotFound"]["involvedObject"]["uid"] == about["metadata"]["uid"]
    assert by_reason["Created"]["count"] == 1


async def test_events_that_cannot_be_written_are_in_nobodys_way(plane):
    nowhere = await plane.client(port=1)
    about = config_map("default", "a", uid="u", resourceVersion="1")
    recorder = EventRecorder(nowhere, "example", log=LOG)
    async with beside(recorder.run()) as task:
        for number in range(1100):
            recorder.event(about, "Failed", f"message {number}")
        await until(recorder._waiting.empty)
        assert not task.done()
    await nowhere.close()
