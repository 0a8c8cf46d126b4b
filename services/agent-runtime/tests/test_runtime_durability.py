"""What survives: crashes of the worker, a bad bus, stale writers, poison, and the fold itself."""

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quarterdeck.common import codec
from quarterdeck.common.bus import FaultPlan, InProcessBus
from quarterdeck.common.clock import SystemClock
from quarterdeck.runtime.events import Event
from quarterdeck.runtime.execution.asking import FIRST_PAUSE, ask_later
from quarterdeck.runtime.reducer import UnknownEvent, fold
from quarterdeck.runtime.state import RunState
from quarterdeck.runtime.store import queue
from quarterdeck.runtime.store.commits import Commit, Fate, commit
from quarterdeck.runtime.store.inbox import Delivery, deliver
from quarterdeck.runtime.testing.claiming import claim_once
from quarterdeck.runtime.testing.harness import TENANT, Harness
from quarterdeck.runtime.testing.stubs import ToolFailure


def tool(name, tool_name="echo", arguments=None, **more):
    return {"name": name, "tool": {"server": "s", "name": tool_name, "arguments": arguments or {}}, **more}


async def echo(arguments):
    return arguments


CHAIN = {
    "Workflow/w": {
        "nodes": [
            tool("a", arguments={"n": 1}, next=[{"to": "b"}]),
            tool("b", arguments={"n": 2}, next=[{"to": "c"}]),
            tool("c", arguments={"n": 3}),
        ]
    }
}
WAITING = {"Workflow/w": {"nodes": [{"name": "s", "wait": {"signal": {"name": "go"}}}]}}


async def abandon(worker):
    """Ends a worker as a crash would: nothing is handed back."""
    for loop in worker._loops:
        loop.cancel()
    for task in list(worker._runs.values()):
        task.cancel()
    await asyncio.gather(*worker._loops, *worker._runs.values(), return_exceptions=True)


async def test_runs_survive_their_worker(tmp_path):
    calls = []

    async def slow(arguments):
        calls.append(arguments["n"])
        await asyncio.sleep(0.02)
        return arguments

    nodes = [{**node, "tool": {**node["tool"], "name": "slow"}} for node in CHAIN["Workflow/w"]["nodes"]]
    async with Harness(tmp_path, specs={"Workflow/w": {"nodes": nodes}}, tools={"s/slow": slow}) as h:
        runs = [await h.start("Workflow", "w", {}) for _ in range(20)]
        for _ in range(3):
            await asyncio.sleep(0.03)
            await abandon(h.worker)
            await h.start_worker()
        for run in runs:
            assert await h.output(run) == {"n": 3}
            outcomes = [e.data["effect"] for e in await h.journal(run) if e.type == "effect.outcome"]
            assert outcomes == ["e1", "e2", "e3"]


@pytest.mark.parametrize(
    "faults", [FaultPlan(loss=1.0), FaultPlan(loss=0.3, duplication=0.5, reordering=0.5, seed=7)]
)
async def test_a_bad_bus_costs_time_only(tmp_path, faults):
    specs = {
        "Workflow/w": {"nodes": [{"name": "m", "map": {"items": "${input}", "workflow": "item"}}]},
        "Workflow/item": {"nodes": [tool("a", arguments={"v": "${input}"})]},
    }
    async with Harness(tmp_path, specs=specs, tools={"s/echo": echo}, bus=InProcessBus(faults)) as h:
        run = await h.start("Workflow", "w", [1, 2, 3])
        assert await h.output(run, timeout=30) == [{"v": 1}, {"v": 2}, {"v": 3}]


async def test_a_stale_writer_changes_nothing(tmp_path):
    async with Harness(tmp_path, specs=WAITING) as h:
        run = await h.start("Workflow", "w", {})
        await h.wait(run, "waiting")
        row = await h.row(run)
        for worker, epoch, seq in (("other", 1, row.current_seq), (h.engine.worker, 0, row.current_seq)):
            unit = Commit(
                run, TENANT.id, worker, epoch, seq, events=[Event("run.phase", {"phase": "finally"})]
            )
            answer = await h.database.write(commit, unit, 0.0)
            assert answer.fate is Fate.FENCED
        assert (await h.row(run)).current_seq == row.current_seq


async def test_parking_sees_what_arrived_meanwhile(tmp_path):
    async with Harness(tmp_path, specs=WAITING) as h:
        run = await h.start("Workflow", "w", {})
        await h.wait(run, "waiting")
        await abandon(h.worker)

        def scene(connection):
            queue.leave(connection, h.engine.worker, 0.0)
            deliver(connection, Delivery(run, TENANT.id, "signal", {"name": "x"}), 0.0, [], {})
            (claim,) = claim_once(connection, "me", 1, 1e12).claims
            late = Delivery(run, TENANT.id, "signal", {"name": "go", "payload": 1})
            deliver(connection, late, 0.0, [], {})
            unit = Commit(run, TENANT.id, "me", claim.epoch, claim.seq, park_if_inbox=1)
            return commit(connection, unit, 0.0).fate

        assert await h.database.write(scene) is Fate.NOT_PARKED
        await h.database.write(queue.hand_back, run, 2, 0.0)
        await h.start_worker()
        assert await h.output(run) == 1


async def test_poison_is_set_aside_and_released(tmp_path):
    async with Harness(tmp_path, specs=CHAIN, tools={"s/echo": echo}) as h:
        await abandon(h.worker)
        run = await h.start("Workflow", "w", {})
        for attempt in range(3):
            haul = await h.database.write(claim_once, f"dead-{attempt}", 1, 1e12)
            assert haul.claims[0].attempts == attempt + 1 and not haul.poisoned
            await h.database.write(queue.give_up, run, haul.claims[0].epoch, 0.0, 0.0)
        haul = await h.database.write(claim_once, "next", 1, 1e12)
        assert not haul.claims and haul.poisoned == [run]
        row = await h.row(run)
        assert row.state == "quarantined" and "3 attempts" in row.reason
        await h.start_worker()
        await h.resume(run, by="me")
        assert await h.output(run) == {"n": 3}


async def test_a_signal_id_counts_once(tmp_path):
    specs = {
        "Workflow/w": {
            "nodes": [
                {"name": "s", "wait": {"signal": {"name": "go"}}, "next": [{"to": "t"}]},
                {"name": "t", "wait": {"signal": {"name": "go"}}},
            ]
        }
    }
    async with Harness(tmp_path, specs=specs) as h:
        run = await h.start("Workflow", "w", {})
        await h.signal(run, "go", 1, "same")
        await h.wait(run, "waiting")
        await h.signal(run, "go", 1, "same")
        await asyncio.sleep(0.1)
        assert (await h.row(run)).state == "waiting"
        await h.signal(run, "go", 2, "other")
        assert await h.output(run) == 2


async def sample_journals(tmp_path):
    async def broken(arguments):
        raise ToolFailure("no")

    undo = {"tool": {"server": "s", "name": "echo", "arguments": {"undo": "${output.n}"}}}
    specs = {
        "Workflow/w": {
            "nodes": [
                tool("a", arguments={"n": 1}, compensate=undo, next=[{"to": "p"}]),
                {
                    "name": "p",
                    "parallel": {"branches": [tool("x", arguments={"n": 2}), tool("y")]},
                    "next": [{"to": "m"}],
                },
                {
                    "name": "m",
                    "map": {
                        "items": "${[1, 2, 3]}",
                        "tool": {"server": "s", "name": "echo", "arguments": {}},
                    },
                    "next": [{"to": "z"}],
                },
                tool("z", "broken", retry=[{"errors": ["tool"], "attempts": 2, "delay": "1ms"}]),
            ]
        }
    }
    async with Harness(tmp_path, specs=specs, tools={"s/echo": echo, "s/broken": broken}) as h:
        run = await h.start("Workflow", "w", {"x": 1})
        await h.wait(run)
        return run, await h.journal(run)


@pytest.fixture(scope="module")
def journal(tmp_path_factory):
    return asyncio.run(sample_journals(tmp_path_factory.mktemp("journal")))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(cut=st.integers(0, 200))
def test_a_snapshot_anywhere_folds_to_the_same_state(journal, cut):
    run, events = journal
    cut = min(cut, len(events))
    whole = fold(run, events)
    stored = codec.dumps(fold(run, events[:cut]).to_json())
    resumed = fold(run, events[cut:], RunState.from_json(codec.loads(stored)))
    assert resumed.to_json() == whole.to_json()


def test_the_fold_is_a_function(journal):
    run, events = journal
    assert len(events) > 20
    assert fold(run, events).to_json() == fold(run, events).to_json()


def test_an_unknown_event_is_not_guessed(journal):
    run, events = journal
    with pytest.raises(UnknownEvent, match=r"future\.event"):
        fold(run, [*events, Event("future.event", {})])


async def test_a_worker_that_leaves_does_not_wait_for_a_peer_that_is_away(tmp_path):
    """What it asks again and again is not in flight; the next worker asks under the same call id."""
    asked, began = [], asyncio.Event()

    class Away:
        async def perform(self, facts, definition, state, effect):
            pause = FIRST_PAUSE
            while True:
                asked.append(effect.id)
                began.set()
                pause = await ask_later(SystemClock(), 60 * pause, "nobody is there")

    class Back:
        async def perform(self, facts, definition, state, effect):
            asked.append(effect.id)
            return [
                Event("effect.outcome", {"effect": effect.id, "status": "ok", "result": effect.arguments})
            ]

    async with Harness(tmp_path, specs=CHAIN, performers={"tool": Away()}) as h:
        run = await h.start("Workflow", "w", {})
        async with asyncio.timeout(5):
            await began.wait()
            await h.worker.drain(60)
        h._performers["tool"] = Back()
        await h.start_worker()
        assert await h.output(run) == {"n": 3}
    assert asked == ["e1", "e1", "e2", "e3"]
