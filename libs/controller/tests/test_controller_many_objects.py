"""Ten thousand objects: what they cost to list and to keep, and that they cost nothing at rest."""

import asyncio
import gc
import os
import time
from pathlib import Path

import pytest
import structlog
from prometheus_client import CollectorRegistry

from quarterdeck.controller.api.client import Client, Scope
from quarterdeck.controller.api.connection import connect
from quarterdeck.controller.api.transport import Transport
from quarterdeck.controller.caching.informer import Informers
from quarterdeck.controller.loop import DONE
from quarterdeck.controller.metrics import ClientMetrics, ControllerMetrics
from quarterdeck.controller.running.object_controller import ObjectController
from quarterdeck.controller.running.process import ControllerProcess
from quarterdeck.controller.running.sources import For
from quarterdeck.controller.testing.waiting import beside, until

COUNT = 10_000
# For an object of about 1 KB, 3,300 bytes and 0.14 ms of processor time were measured.
BYTES_EACH, SECONDS_EACH = 8_000, 0.0005
LONGEST_PAUSE = 0.05


def resident():
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def agent(namespace, number):
    return {
        "apiVersion": "quarterdeck.dev/v1alpha1",
        "kind": "Agent",
        "metadata": {
            "name": f"agent-{number:05}",
            "namespace": namespace,
            "labels": {"team": f"t{number % 10}"},
        },
        "spec": {"instructions": f"Number {number}. " + "Match the invoice. " * 40},
    }


class Pulse:
    """Measures in processor time how long the event loop does not come round."""

    def __init__(self):
        self.longest = 0.0

    async def __call__(self):
        last = time.process_time()
        while True:
            await asyncio.sleep(0)
            now = time.process_time()
            self.longest, last = max(self.longest, now - last), now


@pytest.mark.timeout(300)
async def test_ten_thousand_objects(plane, client, agents, namespace):
    await plane.seed(agents, [agent(namespace, number) for number in range(COUNT)])
    registry = CollectorRegistry()
    transport = Transport(await connect(str(plane.kubeconfig)), metrics=ClientMetrics(registry))
    seen = set()

    async def reconcile(key, thing):
        seen.add(key)
        return DONE

    informers = Informers(Client(transport), log=structlog.get_logger())
    controller = ObjectController(
        "many",
        reconcile,
        For(agents, scope=Scope(namespace)),
        informers,
        metrics=ControllerMetrics(registry),
        log=structlog.get_logger(),
    )
    memory, work, began = resident(), time.process_time(), time.monotonic()
    async with beside(ControllerProcess(informers, [controller], log=structlog.get_logger()).run()):
        await until(lambda: len(seen) == COUNT, seconds=200)
        took, work = time.monotonic() - began, time.process_time() - work
        memory = resident() - memory
        print(
            f"{COUNT} objects listed and reconciled in {took:.1f} s, {work:.2f} s of processor time, "
            f"{memory / 2**20:.0f} MiB"
        )
        assert memory < COUNT * BYTES_EACH
        assert work < COUNT * SECONDS_EACH
        # At rest nothing is asked, and one change costs one look.
        asked = requests(registry)
        seen.clear()
        await client.merge(agents, "agent-00007", {"spec": {"instructions": "Another."}}, namespace)
        await until(lambda: seen, seconds=10)
        await asyncio.sleep(1)
        assert len(seen) == 1
        assert requests(registry) == asked
        assert len(controller.informer.cache.find("namespace", namespace)) == COUNT
    await transport.close()


async def test_a_long_list_does_not_hold_the_event_loop_up(plane, client, agents, namespace):
    await plane.seed(agents, [agent(namespace, number) for number in range(2_000)])
    informers = Informers(client, log=structlog.get_logger())
    informer = informers.of(agents, Scope(namespace))
    pulse = Pulse()
    async with beside(pulse()), beside(informer.run()):
        await informer.wait_synced()
        assert len(informer.cache) == 2_000
    print(f"longest pause of the event loop: {pulse.longest * 1000:.0f} ms")
    assert pulse.longest < LONGEST_PAUSE


def requests(registry):
    """How many requests were made, but for watches."""
    return sum(
        sample.value
        for metric in registry.collect()
        for sample in metric.samples
        if sample.name == "rest_client_requests_total" and sample.labels["method"] != "WATCH"
    )
