"""Every vector engine behaves like this. Which engines there are: `ENGINES` in conftest."""

from __future__ import annotations

import uuid
from array import array
from typing import Any

import pytest

from quarterdeck.common.errors import FailedPrecondition, NotFound
from quarterdeck.memory.engine.conditions import All, Either, HasWords, IsAbsent, Matches, Neither, Within
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
    assert sorted(seen) == [point(n).id for n in range(25)]


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


async def test_conditions_of_every_kind(engine: VectorEngine, key: CollectionKey) -> None:
    kinds: dict[str, Any] = {"p.word": "keyword", "p.note": "text", "p.whole": "integer", "p.real": "float"}
    await engine.ensure(key, Shape(SIZE, kinds))
    payloads: list[dict[str, Any]] = [
        {"word": "NS", "note": "paid late", "whole": 3, "real": 22.7},
        {"word": "ns", "note": "Late, but paid", "whole": 4, "real": 7},
        {"note": "latest news"},
    ]
    await engine.upsert(key, [point(n, **payload) for n, payload in enumerate(payloads)])
    for condition, expected in (
        (Matches("p.word", ("NS", "x")), {0}),
        (Matches("p.whole", (4, 5)), {1}),
        (Within("p.real", gt=7, lte=22.7), {0}),
        (Within("p.real", gte=7, lt=22.7), {1}),
        (Within("p.whole", gte=3.5), {1}),
        (HasWords("p.note", "PAID late"), {0, 1}),
        (HasWords("p.note", "late"), {0, 1}),
        (IsAbsent("p.word"), {2}),
        (Neither((Matches("p.word", ("NS",)),)), {1, 2}),
        (Either((Matches("p.word", ("NS",)), IsAbsent("p.real"))), {0, 2}),
        (All((Matches("p.word", ("ns",)), Within("p.whole", lt=5))), {1}),
        (All(()), {0, 1, 2}),
        (Either(()), set()),
        (Neither(()), {0, 1, 2}),
    ):
        page = await engine.scroll(key, condition, 10)
        assert {int(stored.payload["id"]) for stored in page.points} == expected, condition


async def test_one_id_in_two_collections_is_two_points(engine: VectorEngine, key: CollectionKey) -> None:
    other = CollectionKey(key.tenant_id, "others")
    for each, n in ((key, 1), (other, 2)):
        await engine.ensure(each, SHAPE)
        await engine.upsert(each, [point(7, n=n)])
    assert await engine.delete(other, [point(7).id]) == 1
    assert [stored.payload["p"] for stored in await engine.get(key, [point(7).id])] == [{"n": 1}]


async def test_searches_and_counts_see_one_tenant(engine: VectorEngine) -> None:
    mine, theirs = (CollectionKey(str(uuid.uuid4()), "same") for _ in range(2))
    for each in (mine, theirs):
        await engine.ensure(each, SHAPE)
        await engine.upsert(each, [point(n, n=n, kind=each.tenant_id) for n in range(4)])
    answer = await engine.search(mine, SearchQuery(point(1).vector, "item", 10))
    assert len(answer.dense) == len(answer.sparse) == 4
    assert {payload["p"]["kind"] for payload in answer.payloads.values()} == {mine.tenant_id}
    assert await engine.count(mine) == 4
    assert {s.payload["p"]["kind"] for s in (await engine.scroll(mine, None, 10)).points} == {mine.tenant_id}
    assert await engine.count(mine, Neither((IsAbsent("p.n"),))) == 4


async def test_the_words_of_others_do_not_move_a_ranking(engine: VectorEngine) -> None:
    mine, theirs = (CollectionKey(str(uuid.uuid4()), "same") for _ in range(2))
    for each in (mine, theirs):
        await engine.ensure(each, SHAPE)
    await engine.upsert(mine, [point(n) for n in range(5)])
    before = await engine.search(mine, SearchQuery(None, "item 3", 5))
    await engine.upsert(theirs, [point(n) for n in range(40)])
    after = await engine.search(mine, SearchQuery(None, "item 3", 5))
    assert [(one.id, one.score) for one in after.sparse] == [
        (one.id, pytest.approx(one.score)) for one in before.sparse
    ]
    assert before.sparse[0].id == point(3).id


async def test_one_field_may_have_another_type_elsewhere(engine: VectorEngine, key: CollectionKey) -> None:
    other = CollectionKey(str(uuid.uuid4()), key.name)
    await engine.ensure(key, Shape(SIZE, {"p.x": "float"}))
    await engine.ensure(other, Shape(SIZE, {"p.x": "text"}))
    await engine.upsert(key, [point(1, x=1.5)])
    await engine.upsert(other, [point(1, x="one and a half")])
    assert await engine.count(key, Within("p.x", gte=1, lte=2)) == 1
    assert await engine.count(other, HasWords("p.x", "half one")) == 1
    assert await engine.count(other, Within("p.x", gte=1, lte=2)) == 0


async def test_a_dropped_collection_can_be_made_anew(engine: VectorEngine, key: CollectionKey) -> None:
    await engine.ensure(key, SHAPE)
    await engine.upsert(key, [point(1)])
    await engine.drop(key)
    with pytest.raises(NotFound):
        await engine.count(key)
    await engine.ensure(key, Shape(SIZE * 2))
    assert await engine.count(key) == 0


async def test_many_points_at_once(engine: VectorEngine, key: CollectionKey) -> None:
    await engine.ensure(key, SHAPE)
    await engine.upsert(key, [point(n, n=n) for n in range(700)])
    assert await engine.count(key) == 700
    assert await engine.delete(key, [point(n).id for n in range(650)]) == 650
    assert await engine.count(key, Within("p.n", gte=0)) == 50
    await engine.check()
