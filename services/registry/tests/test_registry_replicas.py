"""Several replicas on one database: what one writes, each reads, and each streams."""

import asyncio

import pytest
from registry_support import World, agent, body, workflow

from quarterdeck.registry import history
from quarterdeck.v1 import resources_pb2 as pb

TRANSFORM = {"name": "n", "transform": {"output": "x"}}


@pytest.fixture
async def pair(tmp_path, postgres_database, monkeypatch):
    """Two replicas, and nobody looks for changes but who is asked."""
    monkeypatch.setenv("QD_DATABASE_URL", postgres_database)
    monkeypatch.setenv("QD_REGISTRY_FOLLOW_PERIOD", "1000")
    worlds = [World(tmp_path / name) for name in ("a", "b")]
    for world in worlds:
        await world.start()
    yield worlds
    for world in worlds:
        await world.stop()


async def test_what_one_has_answered_the_other_reads(pair):
    writer, reader = pair
    for index in range(20):
        written = await writer.admin.apply(agent("a", description=str(index)))
        assert body(await reader.admin.get("Agent", "a"))["spec"]["description"] == str(index)
        closure = await reader.client("agent-runtime").closure("Agent", "a")
        assert closure.revisions[0].revision == written.object.revision
        writer, reader = reader, writer
    await writer.admin.delete("Agent", "a")
    assert not (await reader.admin.list("Agent")).objects


async def test_both_write_at_once_and_agree(pair):
    writes = [
        world.admin.apply(agent(f"{side}-{index}"))
        for index in range(15)
        for side, world in zip(("one", "other"), pair, strict=True)
    ]
    await asyncio.gather(*writes)
    lists = [await world.admin.list("Agent", page_size=100) for world in pair]
    names = [[item.name for item in found.objects] for found in lists]
    assert len(names[0]) == 30
    assert names[0] == names[1]


async def test_a_watch_streams_what_another_replica_writes(pair):
    one, other = pair
    following = other.service._following
    task = asyncio.create_task(following.run(0.05))
    stream = other.admin.watch(tenant="default", kind="Workflow")
    try:
        await one.admin.apply(workflow("w", TRANSFORM))
        async with asyncio.timeout(2):
            async for event in stream:
                if event.type == pb.WatchEvent.TYPE_ADDED:
                    assert event.object.name == "w"
                    break
    finally:
        task.cancel()


async def test_a_replica_that_slept_through_what_is_forgotten_loads_again(pair):
    one, other = pair
    first, second = one.admin, other.admin
    await first.apply(agent("stays"))
    await first.apply(agent("goes"))
    await second.get("Agent", "goes")
    heard = []
    other.feed.listen(lambda change: heard.append((change.name, change.deleted)))
    await first.delete("Agent", "goes")
    await first.apply(agent("comes"))
    await one.platforms["registry"].database.write(history.trim, 0, 1e12)
    assert [item.name for item in (await second.list("Agent")).objects] == ["comes", "stays"]
    assert ("goes", True) in heard
    assert ("comes", False) in heard
