"""The work queue's promises: one worker a key, no change missed, waits that grow and end."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from quarterdeck.controller.backoff import Backoff
from quarterdeck.controller.metrics import ControllerMetrics
from quarterdeck.controller.queue import QueueClosed, WorkQueue


@pytest.fixture
def registry():
    return CollectorRegistry()


@pytest.fixture
def queue(registry):
    return WorkQueue("q", ControllerMetrics(registry), Backoff(first=0.01, most=0.04))


async def test_a_key_added_twice_waits_once(queue):
    queue.add("a")
    queue.add("a")
    queue.add("b")
    assert len(queue) == 2
    assert [await queue.get(), await queue.get()] == ["a", "b"]


async def test_a_key_in_work_is_not_given_to_a_second_worker(queue):
    queue.add("a")
    key = await queue.get()
    queue.add("a")
    assert len(queue) == 0
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(queue.get(), 0.02)
    queue.done(key)
    assert await asyncio.wait_for(queue.get(), 1) == "a"


async def test_done_without_a_change_leaves_the_queue_idle(queue):
    queue.add("a")
    assert not queue.idle
    queue.done(await queue.get())
    assert queue.idle


async def test_add_after_keeps_the_earliest_promise(queue):
    queue.add_after("a", 5)
    queue.add_after("a", 0.02)
    queue.add_after("a", 5)
    assert len(queue) == 0
    assert await asyncio.wait_for(queue.get(), 1) == "a"
    queue.done("a")
    assert queue.idle and not queue._timers


async def test_back_off_grows_by_key_and_is_forgotten(queue):
    assert [queue.add_failed("a") for _ in range(4)] == [0.01, 0.02, 0.04, 0.04]
    assert queue.add_failed("b") == 0.01
    queue.forget("a")
    assert queue.add_failed("a") == 0.01


async def test_close_ends_every_get(queue):
    takers = [asyncio.create_task(queue.get()) for _ in range(3)]
    await asyncio.sleep(0)
    queue.add_after("late", 0.01)
    queue.close()
    results = await asyncio.gather(*takers, return_exceptions=True)
    assert all(isinstance(result, QueueClosed) for result in results)
    queue.add("x")
    assert len(queue) == 0


async def test_a_cancelled_taker_does_not_swallow_a_key(queue):
    first = asyncio.create_task(queue.get())
    second = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    queue.add("a")
    first.cancel()
    assert await asyncio.wait_for(second, 1) == "a"


async def test_depth_is_measured(queue, registry):
    queue.add("a")
    queue.add("b")
    assert registry.get_sample_value("workqueue_depth", {"name": "q"}) == 2
    await queue.get()
    assert registry.get_sample_value("workqueue_depth", {"name": "q"}) == 1
    assert registry.get_sample_value("workqueue_adds_total", {"name": "q"}) == 2


@given(failures=st.integers(-3, 10_000))
def test_back_off_is_bounded(failures):
    backoff = Backoff(0.5, 30)
    assert 0 <= backoff.delay(failures) <= 30
    assert backoff.delay(failures) <= backoff.delay(failures + 1)


@given(adds=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), max_size=60))
def test_every_change_is_seen_by_a_later_look(adds):
    """After the last change of a key there is a look at it, and never two at a time."""

    async def scenario():
        queue = WorkQueue("q", ControllerMetrics(CollectorRegistry()))
        versions, seen, busy = dict.fromkeys(range(5), 0), dict.fromkeys(range(5), 0), set()

        async def work():
            while True:
                key = await queue.get()
                assert key not in busy
                busy.add(key)
                version = versions[key]
                await asyncio.sleep(0)
                await asyncio.sleep(0)
                seen[key] = version
                busy.discard(key)
                queue.done(key)

        workers = [asyncio.create_task(work()) for _ in range(3)]
        for key, pauses in adds:
            versions[key] += 1
            queue.add(key)
            for _ in range(pauses):
                await asyncio.sleep(0)
        for _ in range(10 * len(adds) + 10):
            await asyncio.sleep(0)
        assert queue.idle
        queue.close()
        results = await asyncio.gather(*workers, return_exceptions=True)
        assert all(isinstance(result, QueueClosed) for result in results)
        assert seen == versions

    asyncio.run(scenario())


async def test_work_that_is_not_done_is_shown_while_it_lasts(queue, registry):
    def shown(name):
        return registry.get_sample_value(f"workqueue_{name}_seconds", {"name": "q"})

    assert (shown("unfinished_work"), shown("longest_running_processor")) == (0, 0)
    queue.add("a")
    queue.add("b")
    keys = [await queue.get(), await queue.get()]
    await asyncio.sleep(0.05)
    assert shown("longest_running_processor") >= 0.04
    assert shown("unfinished_work") > shown("longest_running_processor")
    for key in keys:
        queue.done(key)
    assert (shown("unfinished_work"), shown("longest_running_processor")) == (0, 0)
