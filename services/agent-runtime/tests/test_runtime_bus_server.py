"""Dead letters as the runtime serves them."""

import asyncio

import pytest

from quarterdeck.common.bus import InProcessBus, Message
from quarterdeck.common.bus.delivery import DeliveryRules
from quarterdeck.common.errors import InvalidArgument
from quarterdeck.common.tenants import TenantId
from quarterdeck.runtime.rpcs.bus import MOST_LETTERS, BusServicer
from quarterdeck.v1.bus_pb2 import ListDeadLettersRequest, ReplayDeadLettersRequest


class Tenants:
    """Knows two tenants."""

    async def resolve(self, name):
        return TenantId(name, {"one": "id-1", "two": "id-2"}[name])


@pytest.fixture
async def graves():
    """A servicer, and what its bus's only handler got; two messages died, one for each tenant."""
    bus, got = InProcessBus(rules=DeliveryRules(delivery_limit=0)), []

    async def take(message):
        got.append((message.tenant_id, message.data["n"]))
        if len(got) <= 2:
            raise ValueError("not yet")

    await bus.subscribe("events.*", take, group="agent-runtime")
    await bus.publish(Message("events.paid", "id-1", {"n": 1}))
    await bus.publish(Message("events.paid", "id-2", {"n": 2}))
    servicer = BusServicer(bus, Tenants())
    async with asyncio.timeout(5):
        while len(await bus.dead_letters(9)) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0)
    yield servicer, got
    await bus.close()


async def listed(servicer, **wanted):
    return (await servicer.ListDeadLetters(ListDeadLettersRequest(**wanted), None)).letters


async def test_a_tenant_sees_its_own(graves):
    servicer, _ = graves
    assert [letter.tenant_id for letter in await listed(servicer)] == ["id-1", "id-2"]
    (own,) = await listed(servicer, tenant="two")
    assert (own.tenant_id, own.topic, own.reason, own.data_json, own.ours) == (
        "id-2",
        "events.paid",
        "delivery_limit",
        b'{"n":2}',
        True,
    )
    assert own.died_at.endswith("Z")
    assert not await listed(servicer, tenant="one", id=own.id)
    assert await listed(servicer, id=own.id) == [own]
    assert len(await listed(servicer, limit=1)) == 1


async def test_a_tenant_replays_its_own(graves):
    servicer, got = graves
    first, second = [letter.id for letter in await listed(servicer)]
    request = ReplayDeadLettersRequest(tenant="two", ids=[first, second, second])
    assert list((await servicer.ReplayDeadLetters(request, None)).replayed) == [second]
    async with asyncio.timeout(5):
        while len(got) < 3:  # noqa: ASYNC110
            await asyncio.sleep(0)
    assert got[2:] == [("id-2", 2)]
    assert [letter.id for letter in await listed(servicer)] == [first]


async def test_unbounded_wishes_are_refused(graves):
    servicer, _ = graves
    with pytest.raises(InvalidArgument):
        await listed(servicer, limit=MOST_LETTERS + 1)
    for ids in ([], ["x"] * (MOST_LETTERS + 1)):
        with pytest.raises(InvalidArgument):
            await servicer.ReplayDeadLetters(ReplayDeadLettersRequest(ids=ids), None)
