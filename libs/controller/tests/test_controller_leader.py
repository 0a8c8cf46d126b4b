"""Leaders against a real API server: one at a time, gone in time, and given back on the way out."""

import asyncio
import contextlib
import time

import pytest
import structlog
from prometheus_client import CollectorRegistry

from quarterdeck.controller.api.resource import CONFIG_MAPS, LEASES
from quarterdeck.controller.leading.election import Terms
from quarterdeck.controller.leading.leader import Leader, LeadershipLost
from quarterdeck.controller.metrics import LeaderMetrics
from quarterdeck.controller.objects import ObjectKey
from quarterdeck.controller.testing.samples import config_map
from quarterdeck.controller.testing.waiting import beside, until

TERMS = Terms(lease=3, renew=2, retry=0.2)
LOG = structlog.get_logger()


class Work:
    """What a leader does: it notes when it began and when it was told to end."""

    def __init__(self):
        self.began = self.ended = None

    async def __call__(self):
        self.began = time.monotonic()
        try:
            await asyncio.Event().wait()
        finally:
            self.ended = time.monotonic()


def leader(client, namespace, identity, **options):
    return Leader(client, ObjectKey(namespace, "l"), identity, log=LOG, **{"terms": TERMS} | options)


async def test_one_leads_and_the_next_begins_at_once_when_it_ends_well(client, namespace):
    registry = CollectorRegistry()
    metrics = LeaderMetrics(registry)
    first, second = Work(), Work()
    one = leader(client, namespace, "one", metrics=metrics)
    two = leader(client, namespace, "two")

    def shown():
        return registry.get_sample_value("leader_election_master_status", {"name": f"{namespace}/l"})

    assert shown() == 0
    async with beside(one.run(first)):
        await until(lambda: first.began)
        assert shown() == 1
        async with beside(two.run(second)):
            await asyncio.sleep(TERMS.lease + 1)
            assert (first.ended, second.began) == (None, None)
            assert two.holder == "one"
    assert first.ended
    assert shown() == 0
    assert (await client.get(LEASES, "l", namespace))["spec"]["holderIdentity"] == ""
    started = time.monotonic()
    async with beside(leader(client, namespace, "three").run(second)):
        await until(lambda: second.began)
        assert time.monotonic() - started < TERMS.lease / 2
        assert (await client.get(LEASES, "l", namespace))["spec"]["leaseTransitions"] == 1


async def test_who_cannot_renew_stops_before_anybody_else_begins(plane, client, proxy, namespace):
    through = await plane.client(proxy.listening)
    cut_off, rival = Work(), Work()
    one = leader(through, namespace, "one")
    try:
        running = asyncio.create_task(one.run(cut_off))
        await until(lambda: cut_off.began)
        proxy.refuse()
        proxy.stall()
        lost_at = time.monotonic()
        async with beside(leader(client, namespace, "two").run(rival)):
            with pytest.raises(LeadershipLost):
                await running
            assert cut_off.ended - lost_at <= TERMS.renew + 0.5
            await until(lambda: rival.began)
        assert rival.began > cut_off.ended
        assert rival.began - lost_at < TERMS.lease + TERMS.retry * 2 + 1
    finally:
        await through.close()


async def test_a_short_outage_costs_nobody_the_lead(plane, proxy, namespace):
    through = await plane.client(proxy.listening)
    work = Work()
    try:
        async with beside(leader(through, namespace, "one").run(work)):
            await until(lambda: work.began)
            proxy.refuse()
            proxy.cut()
            await asyncio.sleep(TERMS.renew / 2)
            proxy.admit()
            await asyncio.sleep(TERMS.renew)
            assert work.ended is None
    finally:
        await through.close()


async def test_a_lease_taken_by_force_is_noticed_at_the_next_renewal(client, namespace):
    work = Work()
    running = asyncio.create_task(leader(client, namespace, "one").run(work))
    await until(lambda: work.began)
    taken = await client.merge(LEASES, "l", {"spec": {"holderIdentity": "intruder"}}, namespace)
    assert taken["spec"]["holderIdentity"] == "intruder"
    with pytest.raises(LeadershipLost):
        await running
    assert work.ended
    # What belongs to somebody else is not given back.
    assert (await client.get(LEASES, "l", namespace))["spec"]["holderIdentity"] == "intruder"


async def test_who_slept_through_the_deadline_writes_nothing_more(client, namespace):
    """A process that was frozen: its clock jumps, and the first thing that runs is a write."""
    jump = 0.0
    one = leader(client, namespace, "one", clock=lambda: time.monotonic() + jump)
    refused = asyncio.Event()
    awake = asyncio.Event()

    async def work():
        fenced = one.fenced(client)
        await fenced.create(CONFIG_MAPS, config_map(namespace, "before"))
        await awake.wait()
        try:
            await fenced.create(CONFIG_MAPS, config_map(namespace, "after"))
        except LeadershipLost:
            refused.set()
            raise

    running = asyncio.create_task(one.run(work))
    await until(lambda: one.leading)
    await asyncio.sleep(0.1)
    jump = 100.0
    awake.set()
    with pytest.raises(LeadershipLost):
        await running
    assert refused.is_set()
    names = {item["metadata"]["name"] for item in await client.list_all(CONFIG_MAPS)}
    assert "after" not in names


async def test_work_that_will_not_end_does_not_keep_the_lease(client, namespace):
    """It ignores its cancellation; the process is told in time to end all the same."""
    freed = asyncio.Event()

    async def stubborn():
        while not freed.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await freed.wait()

    running = asyncio.create_task(leader(client, namespace, "one").run(stubborn))
    work_began = time.monotonic()
    await asyncio.sleep(0.5)
    await client.merge(LEASES, "l", {"spec": {"holderIdentity": "intruder"}}, namespace)
    with pytest.raises(LeadershipLost):
        await running
    assert time.monotonic() - work_began < TERMS.lease + 2
    freed.set()


async def test_a_lease_that_was_deleted_is_made_again(client, namespace):
    work = Work()
    async with beside(leader(client, namespace, "one").run(work)):
        await until(lambda: work.began)
        await client.delete(LEASES, "l", namespace)
        await asyncio.sleep(TERMS.renew + 0.5)
        assert work.ended is None
        assert (await client.get(LEASES, "l", namespace))["spec"]["holderIdentity"] == "one"


async def test_a_missing_namespace_is_said(client, capsys):
    async with beside(leader(client, "not-there", "one").run(Work())):
        await asyncio.sleep(0.5)
    assert 'namespaces "not-there" not found' in capsys.readouterr().out
