"""Whole controllers against a real API server."""

import asyncio
import contextlib

import pytest
import structlog
from prometheus_client import CollectorRegistry

from quarterdeck.controller.api.client import Scope
from quarterdeck.controller.api.resource import CONFIG_MAPS, SECRETS, Resource
from quarterdeck.controller.backoff import Backoff
from quarterdeck.controller.caching.informer import Informers
from quarterdeck.controller.leading.election import Terms
from quarterdeck.controller.leading.leader import Leader, LeadershipLost
from quarterdeck.controller.loop import DONE, Result
from quarterdeck.controller.metrics import ControllerMetrics
from quarterdeck.controller.objects import ObjectKey, annotations_of, key_of
from quarterdeck.controller.running.object_controller import ObjectController
from quarterdeck.controller.running.process import ControllerProcess, NotSynced
from quarterdeck.controller.running.sources import For, Owns, Watches
from quarterdeck.controller.testing.samples import config_map
from quarterdeck.controller.testing.waiting import beside, until
from quarterdeck.controller.writing.apply import OwnedObjects
from quarterdeck.controller.writing.conditions import Condition
from quarterdeck.controller.writing.status import StatusWriter

LOG = structlog.get_logger()
QUICK = Backoff(first=0.05, most=0.5)
PAUSED = "example.dev/paused"


def agent(namespace, name="a", instructions="Count.", **metadata):
    return {
        "apiVersion": "quarterdeck.dev/v1alpha1",
        "kind": "Agent",
        "metadata": {"name": name, "namespace": namespace, **metadata},
        "spec": {"instructions": instructions},
    }


class Copier:
    """A controller that keeps a ConfigMap with each Agent's instructions."""

    def __init__(self, client, agents, namespace):
        self.scope = Scope(namespace)
        self.informers = Informers(client, log=LOG, backoff=QUICK)
        self.copies = self.informers.of(CONFIG_MAPS, self.scope).cache
        self.objects = OwnedObjects(client, "copier", "example.dev/applied")
        self.status = StatusWriter(client, agents, "copier-status")
        self.seen = []
        self.registry = CollectorRegistry()
        self.subject = For(agents, scope=self.scope)

    async def reconcile(self, key, thing):
        self.seen.append((key.name, thing is not None))
        if thing is None:
            return DONE
        copy = config_map(key.namespace, f"{key.name}-copy", {"text": thing["spec"]["instructions"]})
        await self.objects.ensure(CONFIG_MAPS, copy, thing, self.copies)
        await self.status.write(thing, [Condition("Ready", True, "AsDeclared")])
        return DONE

    def process(self, leader=None, reconcile=None, **options):
        controller = ObjectController(
            "copier",
            reconcile or self.reconcile,
            self.subject,
            self.informers,
            metrics=ControllerMetrics(self.registry),
            log=LOG,
            owns=[Owns(CONFIG_MAPS, scope=self.scope)],
            paused_annotation=PAUSED,
            backoff=QUICK,
            **options,
        )
        return ControllerProcess(self.informers, [controller], log=LOG, leader=leader)

    def count(self, result):
        labels = {"controller": "copier", "result": result}
        return self.registry.get_sample_value("controller_runtime_reconcile_total", labels) or 0


@pytest.fixture
def copier(client, agents, namespace):
    return Copier(client, agents, namespace)


async def text_of(client, namespace, name="a-copy"):
    try:
        return (await client.get(CONFIG_MAPS, name, namespace))["data"]["text"]
    except Exception:
        return None


async def eventually(look, wanted):
    for _ in range(300):
        if await look() == wanted:
            return
        await asyncio.sleep(0.05)
    assert await look() == wanted


async def test_drift_is_corrected_and_then_nothing_is_done(client, copier, agents, namespace):
    await client.create(agents, agent(namespace))
    async with beside(copier.process().run()):
        await eventually(lambda: text_of(client, namespace), "Count.")
        await client.merge(CONFIG_MAPS, "a-copy", {"data": {"text": "Edited."}}, namespace)
        await eventually(lambda: text_of(client, namespace), "Count.")
        before = await client.get(CONFIG_MAPS, "a-copy", namespace)
        await client.delete(CONFIG_MAPS, "a-copy", namespace)
        await eventually(lambda: text_of(client, namespace), "Count.")
        after = await client.get(CONFIG_MAPS, "a-copy", namespace)
        assert after["metadata"]["uid"] != before["metadata"]["uid"]
        await client.merge(agents, "a", {"spec": {"instructions": "Read."}}, namespace)
        await eventually(lambda: text_of(client, namespace), "Read.")
        await asyncio.sleep(0.3)
        looks = len(copier.seen)
        # A status and a label are no reason for a look.
        await client.merge(agents, "a", {"metadata": {"labels": {"x": "y"}}}, namespace)
        await asyncio.sleep(0.3)
        assert len(copier.seen) == looks
        await client.delete(agents, "a", namespace)
        await until(lambda: copier.seen[-1] == ("a", False))


async def test_a_paused_object_is_left_alone_until_it_is_not(client, copier, agents, namespace):
    await client.create(agents, agent(namespace, annotations={PAUSED: "true"}))
    async with beside(copier.process().run()):
        await until(lambda: copier.count("success") == 1)
        assert copier.seen == []
        await client.merge(agents, "a", {"metadata": {"annotations": {PAUSED: None}}}, namespace)
        await eventually(lambda: text_of(client, namespace), "Count.")


async def test_a_slow_reconcile_is_cut_off_comes_back_and_holds_nobody_up(client, copier, agents, namespace):
    tries = []

    async def reconcile(key, thing):
        if key.name == "slow":
            tries.append(key)
            if len(tries) < 3:
                await asyncio.sleep(60)
        return await copier.reconcile(key, thing)

    for name in ("slow", "quick"):
        await client.create(agents, agent(namespace, name))
    async with beside(copier.process(reconcile=reconcile, workers=2, timeout=2.0).run()):
        await eventually(lambda: text_of(client, namespace, "quick-copy"), "Count.")
        assert await text_of(client, namespace, "slow-copy") is None
        await eventually(lambda: text_of(client, namespace, "slow-copy"), "Count.")
        assert len(tries) >= 3
        errors = copier.registry.get_sample_value(
            "controller_runtime_reconcile_errors_total", {"controller": "copier"}
        )
        assert errors == copier.count("error") >= 2


async def test_what_was_deleted_while_nobody_watched_is_looked_at(plane, client, proxy, agents, namespace):
    through = await plane.client(proxy.listening)
    copier = Copier(through, agents, namespace)
    try:
        await client.create(agents, agent(namespace))
        async with beside(copier.process().run()):
            await eventually(lambda: text_of(client, namespace), "Count.")
            proxy.refuse()
            proxy.cut()
            await client.delete(agents, "a", namespace)
            await client.create(agents, agent(namespace, "b", "New."))
            proxy.admit()
            await eventually(lambda: text_of(client, namespace, "b-copy"), "New.")
            await until(lambda: ("a", False) in copier.seen)
    finally:
        await through.close()


async def test_leadership_lost_in_the_middle_of_a_reconcile(plane, client, proxy, agents, namespace):
    """The leader is cut off between its two writes: the second is never made, the next leader goes on."""
    terms = Terms(lease=3, renew=2, retry=0.2)
    through = await plane.client(proxy.listening)
    old_lease = Leader(through, ObjectKey(namespace, "l"), "old", log=LOG, terms=terms)
    # The old leader's own writes do not go through the proxy: nothing but the fence stops them.
    old = Copier(old_lease.fenced(client), agents, namespace)
    new_lease = Leader(client, ObjectKey(namespace, "l"), "new", log=LOG, terms=terms)
    new = Copier(new_lease.fenced(client), agents, namespace)
    middle, cancelled, late = asyncio.Event(), asyncio.Event(), []

    async def two_writes(key, thing):
        copy = config_map(namespace, "first", {"text": "by old"})
        await old.objects.ensure(CONFIG_MAPS, copy, thing, old.copies)
        middle.set()
        try:
            await asyncio.sleep(60)
        finally:
            cancelled.set()
            with contextlib.suppress(LeadershipLost):
                # What a careless `finally` would do: by then the fence is down for good.
                await asyncio.sleep(terms.renew)
                await old.objects.ensure(CONFIG_MAPS, config_map(namespace, "second"), thing, old.copies)
                late.append("written")
        return DONE

    await client.create(agents, agent(namespace))
    try:
        first = asyncio.create_task(old.process(old_lease, two_writes).run())
        await until(middle.is_set)
        async with beside(new.process(new_lease).run()):
            assert not new.seen
            proxy.refuse()
            proxy.cut()
            with pytest.raises(LeadershipLost):
                await first
            assert cancelled.is_set()
            await eventually(lambda: text_of(client, namespace), "Count.")
        assert late == []
        names = {key_of(item).name for item in await client.list_all(CONFIG_MAPS, Scope(namespace))}
        assert "second" not in names
    finally:
        await through.close()


async def test_a_change_of_another_kind_concerns_whom_the_mapping_names(client, namespace):
    seen = []

    async def reconcile(key, thing):
        seen.append(key.name)
        return DONE

    informers = Informers(client, log=LOG)
    controller = ObjectController(
        "readers",
        reconcile,
        For(CONFIG_MAPS, scope=Scope(namespace)),
        informers,
        metrics=ControllerMetrics(CollectorRegistry()),
        log=LOG,
        watches=[
            Watches(
                SECRETS,
                lambda secret: [ObjectKey(namespace, annotations_of(secret)["reader"])],
                scope=Scope(namespace, metadata_only=True),
            )
        ],
    )
    async with beside(ControllerProcess(informers, [controller], log=LOG).run()):
        await until(lambda: controller.informer.synced)
        secret = config_map(namespace, "s", annotations={"reader": "one"}) | {"kind": "Secret"}
        await client.create(SECRETS, secret)
        await until(lambda: seen == ["one"])
        await client.merge(SECRETS, "s", {"metadata": {"annotations": {"reader": "two"}}}, namespace)
        await until(lambda: sorted(seen) == ["one", "one", "two"])
        controller.enqueue(ObjectKey(namespace, "three"), after=0.05)
        await until(lambda: seen[-1] == "three")


async def test_again_after_a_while_is_a_result(client, copier, agents, namespace):
    looks = []

    async def reconcile(key, thing):
        looks.append(asyncio.get_running_loop().time())
        return Result(again_after=0.2)

    await client.create(agents, agent(namespace))
    async with beside(copier.process(reconcile=reconcile).run()):
        await until(lambda: len(looks) >= 3)
    assert 0.19 < looks[1] - looks[0] < 1.5


async def test_a_missing_crd_ends_the_process_by_name(client):
    informers = Informers(client, log=LOG)
    informers.of(Resource("nobody.dev", "v1", "things", "Thing"))
    informers.of(CONFIG_MAPS)
    process = ControllerProcess(informers, [], log=LOG, sync_timeout=1.0)
    with pytest.raises(NotSynced, match=r"things\.nobody\.dev: not served.*is its CRD installed") as raised:
        await process.run()
    assert "configmaps" not in str(raised.value)
    assert len(process.unready()) == 1
    assert process.behind() == process.unready()


async def test_who_does_not_lead_keeps_its_cache_warm_and_does_nothing(client, copier, agents, namespace):
    terms = Terms(lease=3, renew=2, retry=0.2)
    lease = ObjectKey(namespace, "l")
    held = asyncio.Event()

    async def lead():
        held.set()
        await asyncio.Event().wait()

    other = Leader(client, lease, "other", log=LOG, terms=terms)
    async with beside(other.run(lead)):
        await held.wait()
        mine = Leader(client, lease, "mine", log=LOG, terms=terms)
        async with beside(copier.process(mine).run()):
            await client.create(agents, agent(namespace))
            await until(lambda: len(copier.informers.of(agents, copier.scope).cache) == 1)
            await asyncio.sleep(0.5)
            assert copier.seen == []
