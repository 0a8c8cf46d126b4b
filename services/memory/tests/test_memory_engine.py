"""The engine: one conformance suite for every adapter, then what only Qdrant Edge in processes has."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import uuid
from array import array
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from quarterdeck.common.errors import FailedPrecondition, NotFound, QuarterdeckError, Unavailable
from quarterdeck.memory.engine.client import EdgeEngine
from quarterdeck.memory.engine.conditions import Matches, Within
from quarterdeck.memory.engine.interface import CollectionKey, Point, SearchQuery, Shape, VectorEngine

SIZE = 8
SHAPE = Shape(SIZE, {"p.n": "integer", "p.kind": "keyword"})


def point(number: int, **payload: Any) -> Point:
    """Returns a point whose vector and text depend on its number."""
    vector = array("f", [0.1] * SIZE)
    vector[number % SIZE] += 1.0
    vector[(number // SIZE) % SIZE] += 0.5
    document = {"id": str(number), "text": f"item number {number}", "saved": 0.0, "p": payload}
    return Point(str(uuid.UUID(int=number)), vector, document)


# --- every engine ---------------------------------------------------------------------------------


@pytest.fixture(params=["edge"])
async def engine(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[VectorEngine]:
    made = EdgeEngine(tmp_path / "vectors")
    await made.open()
    yield made
    await made.close()


async def test_saves_reads_and_replaces(engine: VectorEngine, key: CollectionKey) -> None:
    await engine.ensure(key, SHAPE)
    await engine.upsert(key, [point(1, n=1), point(2, n=2)])
    await engine.upsert(key, [point(2, n=20)])
    found = await engine.get(key, [point(1).id, point(2).id, point(3).id])
    assert {stored.id: stored.payload["p"]["n"] for stored in found} == {point(1).id: 1, point(2).id: 20}
    assert await engine.count(key) == 2


async def test_ranks_by_vector_and_by_words(engine: VectorEngine, key: CollectionKey) -> None:
    await engine.ensure(key, SHAPE)
    await engine.upsert(key, [point(number, n=number) for number in range(20)])
    answer = await engine.search(key, SearchQuery(point(5).vector, "number 13", 3))
    assert answer.dense[0].id == point(5).id
    assert answer.sparse[0].id == point(13).id
    assert len(answer.dense) == len(answer.sparse) == 3
    assert answer.dense[0].score == pytest.approx(1.0)
    assert {entry.id for entry in (*answer.dense, *answer.sparse)} == set(answer.payloads)


async def test_searches_one_way_only(engine: VectorEngine, key: CollectionKey) -> None:
    await engine.ensure(key, SHAPE)
    await engine.upsert(key, [point(1)])
    assert (await engine.search(key, SearchQuery(None, "item", 3))).dense == []
    assert (await engine.search(key, SearchQuery(point(1).vector, "", 3))).sparse == []
    assert (await engine.search(key, SearchQuery(None, "!!", 3))).sparse == []


async def test_conditions_narrow_search_count_and_scroll(engine: VectorEngine, key: CollectionKey) -> None:
    await engine.ensure(key, SHAPE)
    await engine.upsert(key, [point(n, n=n, kind="odd" if n % 2 else "even") for n in range(10)])
    odd = Matches("p.kind", ("odd",))
    answer = await engine.search(key, SearchQuery(point(4).vector, "item", 10, odd))
    assert {entry.id for entry in answer.dense} == {point(n).id for n in (1, 3, 5, 7, 9)}
    assert {entry.id for entry in answer.sparse} == {point(n).id for n in (1, 3, 5, 7, 9)}
    assert await engine.count(key, Within("p.n", gte=7)) == 3


async def test_pages_cover_everything_once(engine: VectorEngine, key: CollectionKey) -> None:
    await engine.ensure(key, SHAPE)
    await engine.upsert(key, [point(n) for n in range(25)])
    seen: list[str] = []
    after: str | None = None
    while True:
        page = await engine.scroll(key, None, 10, after)
        seen += [stored.id for stored in page.points]
        after = page.after
        if after is None:
            break
    assert seen == [point(n).id for n in range(25)]


async def test_deletes_and_says_how_many(engine: VectorEngine, key: CollectionKey) -> None:
    await engine.ensure(key, SHAPE)
    await engine.upsert(key, [point(n) for n in range(5)])
    assert await engine.delete(key, [point(1).id, point(2).id, point(99).id]) == 2
    assert await engine.delete(key, [point(1).id]) == 0
    assert await engine.count(key) == 3


async def test_tenants_do_not_meet(engine: VectorEngine) -> None:
    mine, theirs = CollectionKey("tenant-a", "same"), CollectionKey("tenant-b", "same")
    for each in (mine, theirs):
        await engine.ensure(each, SHAPE)
    await engine.upsert(mine, [point(1, n=1)])
    assert await engine.get(theirs, [point(1).id]) == []
    await engine.upsert(theirs, [point(1, n=2)])
    await engine.drop(theirs)
    assert (await engine.get(mine, [point(1).id]))[0].payload["p"] == {"n": 1}


async def test_another_shape_is_refused(engine: VectorEngine, key: CollectionKey) -> None:
    await engine.ensure(key, SHAPE)
    with pytest.raises(FailedPrecondition) as size:
        await engine.ensure(key, Shape(SIZE + 1))
    with pytest.raises(FailedPrecondition) as distance:
        await engine.ensure(key, Shape(SIZE, distance="dot"))
    assert {size.value.reason, distance.value.reason} == {"DimensionMismatch"}


async def test_distances_are_ranked_nearest_first(engine: VectorEngine, key: CollectionKey) -> None:
    await engine.ensure(key, Shape(SIZE, distance="euclid"))
    await engine.upsert(key, [point(n) for n in range(6)])
    answer = await engine.search(key, SearchQuery(point(2).vector, "", 6))
    assert answer.dense[0].id == point(2).id
    assert [entry.score for entry in answer.dense] == sorted((e.score for e in answer.dense), reverse=True)


async def test_indexes_are_added_and_changed_later(engine: VectorEngine, key: CollectionKey) -> None:
    await engine.ensure(key, Shape(SIZE))
    await engine.upsert(key, [point(1, kind="a", n=1)])
    await engine.ensure(key, SHAPE)
    await engine.ensure(key, Shape(SIZE, {"p.kind": "text"}))
    await engine.upsert(key, [point(2, kind="a", n=2)])
    assert await engine.count(key, Matches("p.kind", ("a",))) == 2


async def test_what_was_never_made_is_not_found(engine: VectorEngine, key: CollectionKey) -> None:
    with pytest.raises(NotFound):
        await engine.count(key)
    await engine.drop(key)


# --- Qdrant Edge in processes ---------------------------------------------------------------------


async def test_everything_is_there_after_a_restart(tmp_path: Path, key: CollectionKey) -> None:
    for expected in (0, 10, 20):
        engine = EdgeEngine(tmp_path)
        await engine.open()
        await engine.ensure(key, SHAPE)
        assert await engine.count(key) == expected
        await engine.upsert(key, [point(expected + n) for n in range(10)])
        await engine.close()


async def test_killing_the_process_loses_nothing_acknowledged(edge: EdgeEngine, key: CollectionKey) -> None:
    await edge.ensure(key, SHAPE)
    acknowledged: set[int] = set()
    interrupted, kills = 0, 4
    finished = asyncio.Event()

    async def save(worker: int) -> None:
        nonlocal interrupted
        number = worker
        while not finished.is_set():
            try:
                await edge.upsert(key, [point(number, n=number)])
                acknowledged.add(number)
            except Unavailable:
                interrupted += 1
            number += 4

    async def kill() -> None:
        for pause in range(kills):
            await edge.count(key)  # the process runs again
            await asyncio.sleep(0.1 + 0.03 * pause)
            os.kill(edge.shared.process_id, signal.SIGKILL)
        finished.set()

    await asyncio.gather(kill(), *(save(worker) for worker in range(4)))
    found = await edge.get(key, [point(number).id for number in acknowledged])
    assert interrupted >= kills
    assert {stored.payload["p"]["n"] for stored in found} == acknowledged


WRITER = """
import asyncio, sys, uuid
from array import array
from pathlib import Path
from quarterdeck.memory.engine.client import EdgeEngine
from quarterdeck.memory.engine.interface import CollectionKey, Point, Shape

def point(number):
    return Point(str(uuid.UUID(int=number)), array("f", [1.0] * 8), {"text": "x", "n": number})

async def main():
    engine = EdgeEngine(Path(sys.argv[1]))
    await engine.open()
    key = CollectionKey("tenant", "things")
    await engine.ensure(key, Shape(8, {"n": "integer"}))
    number = int(sys.argv[2])
    while True:
        await engine.upsert(key, [point(number), point(number + 1)])
        print(number, flush=True)
        number += 2

asyncio.run(main())
"""


async def test_killing_the_service_loses_nothing_acknowledged(tmp_path: Path) -> None:
    """The service dies; its engine process follows, and the next service finds every answer given."""
    key, written = CollectionKey("tenant", "things"), 0
    for round_ in range(2):
        command = [sys.executable, "-c", WRITER, str(tmp_path), str(written)]
        service = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        assert service.stdout is not None
        while written < 100 * (round_ + 1):
            written = int(await service.stdout.readline()) + 2
        service.kill()
        await service.wait()
        for line in (await service.stdout.read()).splitlines():
            written = max(written, int(line) + 2)
        engine = EdgeEngine(tmp_path)
        await engine.open()
        found = await engine.get(key, [point(number).id for number in range(written)])
        await engine.close()
        assert len(found) == written


async def test_reads_in_flight_are_asked_again_when_the_process_dies(
    edge: EdgeEngine, key: CollectionKey
) -> None:
    await edge.ensure(key, SHAPE)
    await edge.upsert(key, [point(1)])
    os.kill(edge.shared.process_id, signal.SIGSTOP)
    reading = asyncio.create_task(edge.count(key))
    await asyncio.sleep(0.05)
    os.kill(edge.shared.process_id, signal.SIGKILL)
    assert await reading == 1


async def test_a_write_in_flight_fails_when_the_process_dies(edge: EdgeEngine, key: CollectionKey) -> None:
    await edge.ensure(key, SHAPE)
    os.kill(edge.shared.process_id, signal.SIGSTOP)
    writing = asyncio.create_task(edge.upsert(key, [point(1)]))
    await asyncio.sleep(0.05)
    os.kill(edge.shared.process_id, signal.SIGKILL)
    with pytest.raises(Unavailable) as caught:
        await writing
    assert caught.value.reason == "EngineRestarted"
    await edge.upsert(key, [point(1)])


@pytest.mark.parametrize(
    "victim",
    ["collection.json", "data-0/edge_config.json", "data-0/wal/open-1", "data-0/segments/*/segment.json"],
)
async def test_a_corrupt_directory_is_one_clear_error(
    tmp_path: Path, key: CollectionKey, victim: str
) -> None:
    healthy = CollectionKey(key.tenant_id, "healthy")
    engine = EdgeEngine(tmp_path)
    await engine.open()
    for each in (key, healthy):
        await engine.ensure(each, SHAPE)
        await engine.upsert(each, [point(1)])
    await engine.close()
    directory = tmp_path / key.tenant_id / key.name
    for path in directory.glob(victim):
        path.write_bytes(b"\xff" * 4096)
    engine = EdgeEngine(tmp_path)
    await engine.open()
    with pytest.raises(FailedPrecondition) as caught:
        await engine.count(key)
    assert caught.value.reason == "CorruptCollection"
    assert str(directory) in caught.value.message
    assert "backup" in caught.value.hint
    assert await engine.count(healthy) == 1
    await engine.drop(key)
    await engine.ensure(key, SHAPE)
    assert await engine.count(key) == 0
    await engine.close()


async def test_a_collection_that_kills_the_process_is_set_aside(edge: EdgeEngine, key: CollectionKey) -> None:
    healthy = CollectionKey(key.tenant_id, "healthy")
    for each in (key, healthy):
        await edge.ensure(each, SHAPE)
    for _ in range(3):
        os.kill(edge.shared.process_id, signal.SIGSTOP)
        reading = asyncio.create_task(edge.delete(key, [point(1).id]))
        await asyncio.sleep(0.05)
        os.kill(edge.shared.process_id, signal.SIGKILL)
        with pytest.raises(QuarterdeckError):
            await reading
        assert await edge.count(healthy) == 0
    with pytest.raises(FailedPrecondition, match="several times"):
        await edge.count(key)
    assert await edge.count(healthy) == 0


async def test_one_directory_has_one_service(edge: EdgeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quarterdeck.memory.engine.lock.WAIT_SECONDS", 0.2)
    with pytest.raises(Unavailable) as caught:
        await EdgeEngine(edge.root).open()
    assert caught.value.reason == "DirectoryInUse"
    assert str(edge.root) in caught.value.message


async def test_a_full_disk_is_refused_before_the_engine_writes(tmp_path: Path, key: CollectionKey) -> None:
    from quarterdeck.memory.engine.committer import Committer
    from quarterdeck.memory.engine.frames import FrameBuffer, join_vectors
    from quarterdeck.memory.engine.operations import Operations

    frames: list[bytes] = []
    operations = Operations(tmp_path, Committer(frames.append), frames.append)
    operations.free_bytes_least = 1 << 62
    header = {"id": 1, "op": "ensure", "collection": "t/c", "size": 1, "distance": "cosine", "indexes": {}}
    operations.serve(header, join_vectors([]))
    answers = list(FrameBuffer().feed(frames[0]))
    assert answers[0][0]["error"]["kind"] == "full"
    assert not (tmp_path / "t").exists()


def test_names_that_are_no_names_are_refused() -> None:
    for name in ("", "..", ".x", "a/b"):
        with pytest.raises(ValueError, match="cannot name"):
            CollectionKey(str(uuid.uuid4()), name)
