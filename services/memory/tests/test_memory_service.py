"""Saving, searching, expiry, caching and tenants, on a real engine and a real database."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from quarterdeck.common.errors import InvalidArgument, NotFound
from quarterdeck.common.telemetry import Telemetry
from quarterdeck.memory import store
from quarterdeck.memory.constants import DROP_GRACE, QUERY_TTL
from quarterdeck.memory.items import NewItem
from quarterdeck.memory.search import Question
from quarterdeck.memory.sweeper import Sweeper

TENANT = str(uuid.uuid4())
PAYLOAD = {"vendor": "keyword", "amount": "float", "matched": "bool", "number": "integer", "due": "datetime"}
INVOICES = [
    NewItem("1", "SNCB train ticket Brussels Ghent", {"vendor": "SNCB", "amount": 22.7, "matched": False}),
    NewItem("2", "Albert Heijn groceries", {"vendor": "AH", "amount": 88.1, "matched": True}),
    NewItem("3", "SNCB season ticket first class", {"vendor": "SNCB", "amount": 310, "matched": True}),
]


async def ids(house: Any, query: str, tenant: str = TENANT, **more: Any) -> list[str]:
    found = await house.search.find(tenant, "invoices", Question(query, **more))
    return [hit.document["id"] for hit in found.hits]


async def filled(house: Any, **spec: Any) -> None:
    await house.collection(TENANT, "invoices", payload=PAYLOAD, **spec)
    assert await house.items.save(TENANT, "invoices", INVOICES) == ["1", "2", "3"]


async def test_finds_the_nearest_first(house: Any) -> None:
    await filled(house)
    found = await house.search.find(TENANT, "invoices", Question("SNCB ticket Ghent"))
    assert [hit.document["id"] for hit in found.hits] == ["1", "3", "2"]
    assert found.hits[0].score == pytest.approx(1.0)
    assert found.hits[0].document["p"] == {"vendor": "SNCB", "amount": 22.7, "matched": False}
    assert await ids(house, "groceries", limit=1) == ["2"]


async def test_filters_limits_and_least_scores(house: Any) -> None:
    await filled(house)
    assert await ids(house, "SNCB ticket", filter={"matched": True}) == ["3", "2"]
    assert await ids(house, "SNCB ticket", filter={"amount": {"lt": 100}, "vendor": "SNCB"}) == ["1"]
    assert await ids(house, "SNCB train ticket Brussels Ghent", min_score=0.99) == ["1"]


async def test_one_ranking_alone_when_the_spec_says_so(house: Any) -> None:
    await filled(house, hybrid={"dense": 1})
    found = await house.search.find(TENANT, "invoices", Question(INVOICES[1].text))
    assert found.hits[0].score == pytest.approx(1.0, abs=1e-5)
    assert found.hits[-1].score < 0.5


async def test_equal_scores_come_in_a_fixed_order(house: Any) -> None:
    await house.collection(TENANT, "invoices")
    await house.items.save(TENANT, "invoices", [NewItem(str(n), "the same words") for n in range(40)])
    first = await ids(house, "the same words", limit=40)
    await house.items.save(TENANT, "invoices", [NewItem("x", "other")])
    assert [i for i in await ids(house, "the same words", limit=41) if i != "x"] == first


async def test_an_answer_is_cached_until_something_changes(house: Any) -> None:
    await filled(house)

    async def cached(query: str = "SNCB") -> bool:
        return bool((await house.search.find(TENANT, "invoices", Question(query))).cached)

    assert [await cached(), await cached(), await cached("AH"), await cached()] == [False, True, False, True]
    hits, misses = "memory_cache_hit_total", "memory_cache_miss_total"
    assert (house.count(hits, "invoices"), house.count(misses, "invoices")) == (2, 2)
    await house.items.save(TENANT, "invoices", [NewItem("4", "SNCB bus")])
    assert not await cached()
    assert "4" in await ids(house, "SNCB")
    await house.items.delete(TENANT, "invoices", ["4"], None)
    assert "4" not in await ids(house, "SNCB")
    assert await house.items.delete(TENANT, "invoices", ["4"], None) == 0
    assert await cached()


async def test_saving_again_replaces(house: Any) -> None:
    await filled(house)
    await house.items.save(TENANT, "invoices", [NewItem("2", "Delhaize", {"vendor": "D", "amount": None})])
    document = await house.items.get(TENANT, "invoices", "2")
    assert (document["text"], document["p"]) == ("Delhaize", {"vendor": "D"})
    assert len(await ids(house, "ticket", limit=10)) == 3


async def test_an_item_without_an_id_is_given_one(house: Any) -> None:
    await house.collection(TENANT, "invoices")
    (item_id,) = await house.items.save(TENANT, "invoices", [NewItem("", "text")])
    assert (await house.items.get(TENANT, "invoices", item_id))["text"] == "text"


async def test_deletes_by_filter_in_pages(house: Any) -> None:
    await house.collection(TENANT, "invoices", payload={"number": "integer"})
    for start in (0, 600):
        items = [NewItem(str(n), f"item {n}", {"number": n}) for n in range(start, start + 600)]
        await house.items.save(TENANT, "invoices", items)
    assert await house.items.delete(TENANT, "invoices", [], {"number": {"gte": 100}}) == 1100
    assert await ids(house, "item", filter={"number": {"gte": 100}}) == []
    assert len(await ids(house, "item", limit=200)) == 100


@pytest.mark.parametrize(("chosen", "where"), [([], None), (["1"], {"vendor": "AH"}), ([], {})])
async def test_a_delete_says_what_exactly(house: Any, chosen: list[str], where: Any) -> None:
    await filled(house)
    with pytest.raises(InvalidArgument):
        await house.items.delete(TENANT, "invoices", chosen, where)
    assert len(await ids(house, "ticket")) == 3


async def test_tenants_share_nothing_but_names(house: Any) -> None:
    other = str(uuid.uuid4())
    await filled(house)
    await house.collection(other, "invoices", payload=PAYLOAD)
    assert await ids(house, "SNCB", tenant=other) == []
    await house.items.save(other, "invoices", [NewItem("1", "SNCB of the other tenant")])
    assert (await house.items.get(TENANT, "invoices", "1"))["text"].startswith("SNCB train")
    assert await house.items.delete(other, "invoices", ["1", "2", "3"], None) == 1
    assert len(await ids(house, "SNCB")) == 3
    with pytest.raises(NotFound):
        await house.items.get(str(uuid.uuid4()), "invoices", "1")


async def test_an_expired_item_is_never_shown_and_is_swept(house: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("quarterdeck.memory.sweeper.SWEEP_PAGE", 2)
    await filled(house)
    soon = [NewItem(f"s{n}", "SNCB soon gone", {}, "2023-11-14T22:14:00Z") for n in range(5)]
    await house.items.save(TENANT, "invoices", soon)
    assert len(await ids(house, "SNCB soon gone")) == 8
    house.clock.time += 60
    # The cache entry lives in real time; a search for other words asks the engine anew.
    assert await ids(house, "SNCB soon gone !") == await ids(house, "SNCB soon gone ?")
    assert len(await ids(house, "SNCB soon gone !")) == 3
    with pytest.raises(NotFound):
        await house.items.get(TENANT, "invoices", "s1")
    sweeper = Sweeper(house.catalog, house.clock, Telemetry("memory"))
    assert await sweeper.sweep() == 5
    assert await sweeper.sweep() == 0
    collection = await house.catalog.find(TENANT, "invoices")
    assert await house.catalog.engine.count(collection.key) == 3


async def test_an_answer_is_cached_no_longer_than_its_items_live(house: Any, monkeypatch: Any) -> None:
    kept: list[float] = []

    async def keep(asked: Any, answer: Any, ttl: float) -> None:
        kept.append(ttl)

    monkeypatch.setattr(house.search._cache, "set", keep)
    await filled(house)
    await ids(house, "SNCB")
    await house.items.save(TENANT, "invoices", [NewItem("s", "SNCB", {}, "2023-11-14T22:14:00Z")])
    await ids(house, "SNCB")
    assert kept == [QUERY_TTL, pytest.approx(40.0)]


async def test_retention_holds_for_what_was_saved_before(house: Any) -> None:
    await filled(house, retention={"ttl": "1h"})
    house.clock.time += 3599
    assert len(await ids(house, "SNCB ticket")) == 3
    await house.items.save(TENANT, "invoices", [NewItem("4", "SNCB late")])
    house.clock.time += 2
    assert await ids(house, "SNCB ticket") == ["4"]


async def test_a_removed_collection_is_refused_at_once_and_dropped_later(house: Any) -> None:
    await filled(house)
    collection = await house.catalog.find(TENANT, "invoices")
    await house.database.write(store.mark_deleted, TENANT, "invoices", house.clock.now())
    with pytest.raises(NotFound):
        await ids(house, "SNCB")
    sweeper = Sweeper(house.catalog, house.clock, Telemetry("memory"))
    await sweeper.sweep()
    assert await house.catalog.engine.count(collection.key) == 3
    house.clock.time += DROP_GRACE + 1
    await sweeper.sweep()
    assert await house.database.read(store.find, TENANT, "invoices") is None
    with pytest.raises(NotFound):
        await house.catalog.engine.count(collection.key)


@pytest.mark.parametrize(
    ("item", "path"),
    [
        (NewItem("1", " "), "items[0].text"),
        (NewItem("1", "x" * 100_001), "items[0].text"),
        (NewItem("1" * 513, "x"), "items[0].id"),
        (NewItem("1", "x", {"vendr": "a"}), "items[0].payload.vendr"),
        (NewItem("1", "x", {"amount": "12"}), "items[0].payload.amount"),
        (NewItem("1", "x", {"amount": True}), "items[0].payload.amount"),
        (NewItem("1", "x", {"number": 1.5}), "items[0].payload.number"),
        (NewItem("1", "x", {"number": 2**53}), "items[0].payload.number"),
        (NewItem("1", "x", {"due": "2025-01-01"}), "items[0].payload.due"),
        (NewItem("1", "x", ["a"]), "items[0].payload"),
        (NewItem("1", "x", {"vendor": "v" * 70_000}), "items[0].payload"),
        (NewItem("1", "x", {}, "tomorrow"), "items[0].expires_at"),
    ],
)
async def test_a_wrong_item_is_refused_with_its_path(house: Any, item: NewItem, path: str) -> None:
    await house.collection(TENANT, "invoices", payload=PAYLOAD)
    with pytest.raises(InvalidArgument) as caught:
        await house.items.save(TENANT, "invoices", [item])
    assert caught.value.field == path


async def test_all_wrong_fields_are_named_together(house: Any) -> None:
    await house.collection(TENANT, "invoices", payload=PAYLOAD)
    items = [NewItem("1", "", {"vendr": 1}), NewItem("1", "x")]
    with pytest.raises(InvalidArgument) as caught:
        await house.items.save(TENANT, "invoices", items)
    paths = [path for path, _ in caught.value.violations]
    assert paths == ["items[0].text", "items[0].payload.vendr", "items[1].id"]


@pytest.mark.parametrize(
    ("question", "field"),
    [(Question(" "), "query"), (Question("x", -1), "limit"), (Question("x", 1001), "limit")],
)
async def test_a_wrong_question_is_refused(house: Any, question: Question, field: str) -> None:
    await house.collection(TENANT, "invoices")
    with pytest.raises(InvalidArgument) as caught:
        await house.search.find(TENANT, "invoices", question)
    assert caught.value.field == field
