"""The reconcile loop: failures come back, others go on, results are counted."""

import asyncio
import contextlib

import pytest
import structlog
from prometheus_client import CollectorRegistry

from quarterdeck.controller.backoff import Backoff
from quarterdeck.controller.loop import DONE, Controller, Result
from quarterdeck.controller.metrics import ControllerMetrics
from quarterdeck.controller.queue import WorkQueue

REGISTRY_LABELS = {"controller": "c"}


@contextlib.asynccontextmanager
async def running(reconcile, **options):
    registry = CollectorRegistry()
    metrics = ControllerMetrics(registry)
    queue = WorkQueue("c", metrics, Backoff(first=0.001, most=0.01))
    controller = Controller("c", queue, reconcile, metrics=metrics, log=structlog.get_logger(), **options)
    task = asyncio.create_task(controller.run())
    try:
        yield queue, registry
    finally:
        queue.close()
        await task


async def until(condition):
    for _ in range(5000):
        if condition():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("not within 5 s")


async def test_a_failing_key_is_tried_again_and_others_go_on():
    looks = []

    async def reconcile(key):
        looks.append(key)
        if key == "bad" and looks.count("bad") < 4:
            raise RuntimeError("not yet")
        return DONE

    async with running(reconcile) as (queue, registry):
        queue.add("bad")
        queue.add("good")
        await until(lambda: looks.count("bad") == 4 and queue.idle)
        assert looks.count("good") == 1
        value = registry.get_sample_value
        assert value("controller_runtime_reconcile_total", {**REGISTRY_LABELS, "result": "error"}) == 3
        assert value("controller_runtime_reconcile_total", {**REGISTRY_LABELS, "result": "success"}) == 2
        assert value("workqueue_retries_total", {"name": "c"}) == 3


async def test_a_reconcile_that_hangs_is_ended():
    looks = []

    async def reconcile(key):
        looks.append(key)
        if len(looks) == 1:
            await asyncio.Event().wait()
        return DONE

    async with running(reconcile, timeout=0.02) as (queue, _):
        queue.add("a")
        await until(lambda: len(looks) == 2)


async def test_again_after_comes_back():
    looks = []

    async def reconcile(key):
        looks.append(key)
        return Result(again_after=0.005) if len(looks) < 3 else DONE

    async with running(reconcile) as (queue, registry):
        queue.add("a")
        await until(lambda: len(looks) == 3)
        labels = {**REGISTRY_LABELS, "result": "requeue_after"}
        assert registry.get_sample_value("controller_runtime_reconcile_total", labels) == 2


@pytest.mark.parametrize("workers", [1, 4])
async def test_no_more_than_the_workers_at_a_time(workers):
    now, most = 0, 0

    async def reconcile(_key):
        nonlocal now, most
        now, most = now + 1, max(most, now + 1)
        await asyncio.sleep(0.001)
        now -= 1
        return DONE

    async with running(reconcile, workers=workers) as (queue, _):
        for key in range(20):
            queue.add(key)
        await until(lambda: queue.idle)
    assert most == workers
