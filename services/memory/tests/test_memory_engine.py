"""What only Qdrant Edge in processes has: deaths, corrupt files, full disks. See test_memory_conformance."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import uuid
from array import array
from pathlib import Path
from typing import Any

import pytest

from quarterdeck.common.errors import FailedPrecondition, QuarterdeckError, Unavailable
from quarterdeck.memory.engine.client import EdgeEngine
from quarterdeck.memory.engine.interface import CollectionKey, Point, Shape

SIZE = 8
SHAPE = Shape(SIZE, {"p.n": "integer", "p.kind": "keyword"})


def point(number: int, **payload: Any) -> Point:
    """Returns a point whose vector and text depend on its number."""
    vector = array("f", [0.1] * SIZE)
    vector[number % SIZE] += 1.0
    vector[(number // SIZE) % SIZE] += 0.5
    document = {"id": str(number), "text": f"item number {number}", "saved": 0.0, "p": payload}
    return Point(str(uuid.UUID(int=number)), vector, document)


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
