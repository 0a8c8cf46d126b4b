"""A run that is over has no call made any more, and a retry learns what became of those it left behind."""

import asyncio

import pytest

from quarterdeck.common import codec
from quarterdeck.common.errors import FailedPrecondition, Unavailable
from quarterdeck.runtime.effects.sealing import ToolCallSeals
from quarterdeck.runtime.effects.tool_directory import ToolDirectory
from quarterdeck.runtime.effects.tools import ToolPerformer
from quarterdeck.runtime.operations.retrying import Retrier
from quarterdeck.runtime.testing.harness import TENANT, Harness
from quarterdeck.runtime.testing.local_peer import LocalPeer
from quarterdeck.v1 import tools_pb2

Status, State = tools_pb2.ToolOutcome.Status, tools_pb2.CallRecord.State
NODES = {"nodes": [{"name": "a", "tool": {"server": "s", "name": "pay", "arguments": {"n": 1}}}]}


class Manager:
    """The part of mcp-manager that keeps call ids. `gate` holds up requests on their way to it."""

    def __init__(self):
        self.records, self.made, self.gate, self.away = {}, [], asyncio.Event(), False
        self.arrived, self.taken, self.answer = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.answer.set()

    async def CallTool(self, request):
        self.arrived.set()
        await self.gate.wait()
        if request.call_id not in self.records:
            self.made.append(request.call_id)
            self.records[request.call_id] = None
            self.taken.set()
            await self.answer.wait()
            result = codec.dumps({"paid": len(self.made)})
            self.records[request.call_id] = tools_pb2.ToolOutcome(status=Status.STATUS_OK, result_json=result)
        return self.records[request.call_id]

    async def SealCalls(self, request):
        if self.away:
            raise Unavailable("the manager is away")
        called_off = tools_pb2.ToolOutcome(status=Status.STATUS_CANCELLED, message="called off")
        response = tools_pb2.SealCallsResponse()
        for call_id in request.call_ids:
            outcome = self.records.setdefault(call_id, called_off)
            state = State.STATE_IN_FLIGHT if outcome is None else State.STATE_DONE
            response.records.append(tools_pb2.CallRecord(call_id=call_id, state=state, outcome=outcome))
        return response

    async def ListTools(self, request):
        return tools_pb2.ListToolsResponse()


@pytest.fixture
async def manager():
    return Manager()


@pytest.fixture
async def h(tmp_path, manager):
    made = Harness(tmp_path, specs={"Workflow/w": NODES})
    peer = LocalPeer("mcp-manager", manager)
    tools = ToolPerformer(peer, ToolDirectory(peer, made.clock), made.artifacts, made.clock)
    made._performers["tool"] = tools
    async with made:
        made.engine.calls = ToolCallSeals(tools, peer)
        yield made


async def frozen(h, manager):
    """Starts a run whose worker has announced the call and does not get to make it; ends the run."""
    run = await h.start("Workflow", "w", {})
    await manager.arrived.wait()
    late = h.worker._executors[run]._work._tasks["e1"]
    late.cancel = lambda *_: False  # a frozen process notices nothing
    await h.terminate(run)
    return run, late


async def retry(h, run):
    return (await Retrier(h.engine).retry(TENANT, run, "me", "", dry_run=False)).run_id


async def test_a_call_that_was_announced_is_not_made_once_the_run_is_over(h, manager):
    run, late = await frozen(h, manager)
    manager.gate.set()
    await late
    assert manager.made == []
    again = await retry(h, run)
    assert await h.output(again) == {"paid": 1}  # and nobody had to be asked
    assert manager.made == [f"{again}:e2"]


async def test_a_retry_closes_what_could_not_be_closed_at_the_end(h, manager):
    manager.away = True
    run, late = await frozen(h, manager)
    with pytest.raises(Unavailable, match="the manager is away"):
        await retry(h, run)
    manager.away = False
    again = await retry(h, run)
    manager.gate.set()
    await late
    assert await h.output(again) == {"paid": 1}
    assert manager.made == [f"{again}:e2"]


async def test_a_retry_takes_over_what_was_done_after_the_end(h, manager):
    manager.away = True
    run, late = await frozen(h, manager)
    manager.gate.set()
    await late
    manager.away = False
    again = await retry(h, run)
    assert await h.output(again) == {"paid": 1}
    assert manager.made == [f"{run}:e1"]


async def test_a_retry_waits_for_a_call_under_way(h, manager):
    manager.answer.clear()
    run, late = await frozen(h, manager)
    manager.records.clear()  # it was not closed in time
    manager.gate.set()
    await manager.taken.wait()
    with pytest.raises(FailedPrecondition, match="is still under way") as wrong:
        await retry(h, run)
    assert wrong.value.reason == "CallUnderWay"
    manager.answer.set()
    await late
    assert await h.output(await retry(h, run)) == {"paid": 1}
    assert manager.made == [f"{run}:e1"]


async def test_a_dry_run_closes_nothing(h, manager):
    manager.away = True
    run, late = await frozen(h, manager)
    manager.away = False
    would = await Retrier(h.engine).retry(TENANT, run, "me", "", dry_run=True)
    assert would.uncertain
    assert manager.records == {}
    manager.gate.set()
    await late
