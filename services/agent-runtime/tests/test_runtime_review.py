"""Corners where a run could get stuck, lose an undo, act twice or forget what it knew."""

import asyncio

import pytest
from sqlalchemy import select, update

from quarterdeck.common import codec
from quarterdeck.common.bus import FaultPlan, InProcessBus
from quarterdeck.common.errors import Conflict, FailedPrecondition, InvalidArgument, Unavailable
from quarterdeck.runtime.approvals import deciding
from quarterdeck.runtime.events import Event
from quarterdeck.runtime.execution import committing, executor, loading, performing, worker
from quarterdeck.runtime.execution.timers import fire_due
from quarterdeck.runtime.operations import deliveries
from quarterdeck.runtime.operations.forking import Forker
from quarterdeck.runtime.reducer import fold
from quarterdeck.runtime.store import definitions, queue
from quarterdeck.runtime.tables import APPROVALS, DEFINITIONS, DELIVERED, RUN_QUEUE, RUNS, SNAPSHOTS, TIMERS
from quarterdeck.runtime.testing.harness import TENANT, Harness
from quarterdeck.runtime.testing.stubs import LocalModels, ToolFailure


def tool(name, tool_name="echo", arguments=None, **more):
    return {"name": name, "tool": {"server": "s", "name": tool_name, "arguments": arguments or {}}, **more}


def signal(name, awaited="go", **more):
    return {"name": name, "wait": {"signal": {"name": awaited}}, **more}


def undo(**arguments):
    return {"tool": {"server": "s", "name": "undo", "arguments": arguments}}


async def echo(arguments):
    return arguments


async def broken(arguments):
    raise ToolFailure("no")


def harness(tmp_path, *nodes, specs=None, tools=None, **more):
    local = {"s/echo": echo, "s/undo": echo, "s/broken": broken}
    local |= {f"s/{name}": function for name, function in (tools or {}).items()}
    every = {"Workflow/w": {"nodes": list(nodes)}, **(specs or {})}
    return Harness(tmp_path, specs=every, tools=local, **more)


def undone(h):
    return [arguments for name, arguments in h.tools.calls if name == "s/undo"]


async def restart(h):
    """Ends the worker as a crash would, and starts another that remembers nothing."""
    for task in [*h.worker._loops, *h.worker._runs.values()]:
        task.cancel()
    await asyncio.gather(*h.worker._loops, *h.worker._runs.values(), return_exceptions=True)
    await h.start_worker()


async def count(h, table, run):
    return len(await h.look(select(table.c.run_id).where(table.c.run_id == run)))


async def until(condition, timeout=10.0):
    async with asyncio.timeout(timeout):
        while True:
            if await condition():
                return
            await asyncio.sleep(0.01)


# -- memory and journal --------------------------------------------------------------------------


async def test_a_journal_longer_than_a_page_is_read_to_its_end(tmp_path, monkeypatch):
    monkeypatch.setattr(loading, "JOURNAL_PAGE", 5)
    nodes = tool("a", next="b", maxVisits=9), signal("b", next=[{"to": "a"}], maxVisits=3)
    async with harness(tmp_path, *nodes) as h:
        run = await h.start("Workflow", "w", {})
        await h.wait(run, "waiting")
        seq = (await h.row(run)).current_seq
        assert seq > 5
        await restart(h)
        await h.signal(run, "go")
        await until(lambda: _advanced(h, run, seq))


async def _advanced(h, run, seq):
    row = await h.row(run)
    assert row.state != "quarantined", row.reason
    return row.state == "waiting" and row.current_seq > seq


async def test_a_run_that_parks_often_is_snapshotted_all_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(committing, "SNAPSHOT_EVERY", 20)
    async with harness(tmp_path, signal("b", next="b", maxVisits=50)) as h:
        run = await h.start("Workflow", "w", {})
        await h.wait(run, "waiting")
        for number in range(10):
            seq = (await h.row(run)).current_seq
            await h.signal(run, "go", number)
            await until(lambda seq=seq: _advanced(h, run, seq))
            if number % 3 == 0:
                await restart(h)
        assert await count(h, SNAPSHOTS, run) == 1


def test_the_fold_leaves_events_as_they_are():
    message = {"role": "user", "content": []}
    journal = [
        Event("run.started", {"kind": "Agent", "name": "a", "tenant": "t"}),
        Event("context.compacted", {"messages": [message]}),
        Event("message.appended", {"message": {"role": "assistant", "content": []}}),
    ]
    before = codec.dumps([event.data for event in journal])
    state = fold("r", journal)
    assert len(state.agent.messages) == 2
    assert codec.dumps([event.data for event in journal]) == before


async def test_a_compacted_transcript_may_be_large(tmp_path):
    async def model(facts, state):
        return {"role": "assistant", "content": [{"type": "text", "text": str(len(state.agent.messages))}]}

    class Compacting(LocalModels):
        async def perform(self, facts, definition, state, effect):
            kept = [{"role": "user", "content": [{"type": "text", "text": "x" * 20_000}]}] * 8
            return [
                Event("context.compacted", {"messages": kept}),
                *await super().perform(facts, definition, state, effect),
            ]

    specs = {"Agent/a": {"instructions": "x"}}
    async with harness(tmp_path, tool("n"), specs=specs, performers={"model": Compacting(model)}) as h:
        assert await h.output(await h.start("Agent", "a", "q")) == "1"


async def test_nothing_is_kept_for_a_run_that_is_over_but_its_journal(tmp_path, monkeypatch):
    monkeypatch.setattr(committing, "SNAPSHOT_EVERY", 1)
    async with harness(tmp_path, tool("a", next="b"), signal("b")) as h:
        run = await h.start("Workflow", "w", {})
        await h.wait(run, "waiting")
        await h.signal(run, "go", 1, "same")
        await h.output(run)
        assert [await count(h, table, run) for table in (DELIVERED, SNAPSHOTS, TIMERS)] == [0, 0, 0]


# -- cancel and compensation -----------------------------------------------------------------------


async def test_what_ended_while_the_cancel_arrived_is_undone(tmp_path):
    async def cancelled_meanwhile(arguments):
        await h.database.write(deliveries.cancel, TENANT, runs[0], "", "me", h.clock.now())
        h.worker._executors[runs[0]].poke()
        return arguments

    runs = []
    nodes = signal("s", next="a"), tool("a", "late", {"n": 1}, compensate=undo(n="${output.n}"))
    async with harness(tmp_path, *nodes, tools={"late": cancelled_meanwhile}) as h:
        runs.append(await h.start("Workflow", "w", {}))
        await h.wait(runs[0], "waiting")
        await h.signal(runs[0], "go")
        assert (await h.wait(runs[0])).state == "cancelled"
        assert undone(h) == [{"n": 1}]


async def test_the_last_visit_of_a_loop_that_is_too_long_is_undone_too(tmp_path):
    async with harness(tmp_path, tool("a", next="a", maxVisits=2, compensate=undo(n=1))) as h:
        assert (await h.error(await h.start("Workflow", "w", {})))["class"] == "limit"
        assert len(undone(h)) == 2


async def test_branches_are_undone(tmp_path):
    branches = [tool("x", arguments={"n": 1}, compensate=undo(n="${output.n}")), tool("y", "broken")]
    async with harness(tmp_path, {"name": "p", "parallel": {"branches": branches}}) as h:
        assert (await h.error(await h.start("Workflow", "w", {})))["message"] == "no"
        assert undone(h) == [{"n": 1}]


async def test_a_run_over_a_limit_undoes_what_it_did(tmp_path):
    listen = {"name": "b", "wait": {"signal": {"name": "${input}" * 4}}}
    nodes = tool("a", compensate=undo(n=1), next="b"), listen
    async with harness(tmp_path, *nodes) as h:
        error = await h.error(await h.start("Workflow", "w", "x" * 20_000))
        assert error["class"] == "limit" and "signal.awaited" in error["message"]
        assert undone(h) == [{"n": 1}]


async def test_a_map_whose_items_all_ended_is_undone_though_its_join_came_late(tmp_path, monkeypatch):
    async def late_join(engine, facts, step):
        await h.database.write(deliveries.cancel, TENANT, facts.run_id, "", "me", h.clock.now())
        h.worker._executors[facts.run_id].poke()
        await asyncio.sleep(0.1)
        return await join(engine, facts, step)

    join = performing.join_children
    monkeypatch.setattr(performing, "join_children", late_join)
    body = {"items": "${[1, 2]}", "tool": {"server": "s", "name": "echo", "arguments": {"n": "${item}"}}}
    async with harness(tmp_path, {"name": "m", "map": body, "compensate": undo(all="${output}")}) as h:
        assert (await h.wait(await h.start("Workflow", "w", {}))).state == "cancelled"
        assert undone(h) == [{"all": [{"n": 1}, {"n": 2}]}]


async def test_an_undo_that_cannot_be_rendered_does_not_stop_the_others(tmp_path):
    async def cancelled_meanwhile(arguments):
        await h.cancel(runs[0])
        await asyncio.sleep(0.1)
        return arguments

    runs = []
    nodes = (
        signal("s", next="a"),
        tool("a", next="b", compensate=undo(n=1)),
        tool("b", "late", compensate=undo(n="${output.missing.more}")),
    )
    async with harness(tmp_path, *nodes, tools={"late": cancelled_meanwhile}) as h:
        runs.append(await h.start("Workflow", "w", {}))
        await h.wait(runs[0], "waiting")
        await h.signal(runs[0], "go")
        assert (await h.wait(runs[0])).state == "cancelled"
        assert undone(h) == [{"n": 1}]


async def test_the_first_to_succeed_stops_the_maps_beside_it(tmp_path):
    branches = [
        tool("x"),
        {"name": "y", "map": {"items": "${[1, 2]}", "workflow": "slow"}},
    ]
    specs = {"Workflow/slow": {"nodes": [signal("never", "never")]}}
    nodes = {"name": "p", "parallel": {"branches": branches, "join": "any"}, "next": "z"}, signal("z")
    async with harness(tmp_path, *nodes, specs=specs) as h:
        run = await h.start("Workflow", "w", {})

        async def children_over():
            _, *children = [await h.row(one) for one in await h.tree(run)]
            return len(children) == 2 and all(child.state == "cancelled" for child in children)

        await until(children_over)


async def test_nothing_follows_the_end_of_a_run(tmp_path, monkeypatch):
    async def refuse(value, schema, field="input"):
        child = (await h.tree(run))[-1]
        await h.cancel(child)
        raise InvalidArgument("no")

    monkeypatch.setattr(executor, "check_input", refuse)
    specs = {"Workflow/c": {"input": {"schema": {"type": "string"}}, "nodes": [tool("a")]}}
    nodes = signal("s", next="sub"), {"name": "sub", "workflow": {"name": "c"}}
    async with harness(tmp_path, *nodes, specs=specs) as h:
        run = await h.start("Workflow", "w", {})
        await h.wait(run, "waiting")
        await h.signal(run, "go")
        await h.wait(run)
        journal = await h.journal((await h.tree(run))[-1])
        assert [event.type for event in journal] == ["run.started", "run.failed"]


# -- attempts ----------------------------------------------------------------------------------------


async def test_an_attempt_has_its_own_timeout(tmp_path):
    waits = iter([0.3, 0.5])
    failures = iter([True, False])

    async def slow(arguments):
        await asyncio.sleep(next(waits))
        if next(failures):
            raise ToolFailure("first")
        return "second"

    retry = [{"errors": ["*"], "attempts": 2, "delay": "1ms"}]
    node = {"name": "a", "workflow": {"name": "c"}, "timeout": "600ms", "retry": retry}
    specs = {"Workflow/c": {"nodes": [tool("t", "slow")]}}
    async with harness(tmp_path, node, specs=specs, tools={"slow": slow}) as h:
        assert await h.output(await h.start("Workflow", "w", {})) == "second"


async def test_a_question_that_nobody_waits_for_any_more_is_withdrawn(tmp_path):
    ask = {"name": "a", "approval": {"policy": "p", "title": "t"}, "timeout": "50ms"}
    ask["catch"] = [{"errors": ["timeout"], "to": "b"}]
    async with harness(tmp_path, ask, signal("b")) as h:
        run = await h.start("Workflow", "w", {})

        async def withdrawn():
            return not await h.approvals()

        await h.wait(run, "waiting")
        assert await h.approvals()
        await until(withdrawn)
        assert (await h.row(run)).state in ("running", "waiting")


async def test_a_decision_that_came_too_late_is_refused(tmp_path):
    ask = {"name": "a", "approval": {"policy": "p", "title": "t"}}
    async with harness(tmp_path, ask, approval_expiry=lambda _tenant, _policy: 60.0) as h:
        run = await h.start("Workflow", "w", {})
        await h.wait(run, "waiting")
        (asked,) = await h.approvals()

        def both(connection):
            connection.execute(update(TIMERS).values(due=0.0))
            assert fire_due(connection, 0.0, h.clock.now(), 10)[0] == 1
            vote = deciding.Vote(asked.approval_id, True, "me")
            with pytest.raises(Conflict):
                deciding.decide(connection, TENANT, vote, h.clock.now(), [], {})

        await h.database.write(both)
        await h.engine.wake([run], {})
        assert (await h.output(run))["expired"] is True


async def test_a_decision_in_time_holds_though_the_alarm_goes_off(tmp_path):
    ask = {"name": "a", "approval": {"policy": "p", "title": "t"}}
    async with harness(tmp_path, ask, approval_expiry=lambda _tenant, _policy: 60.0) as h:
        run = await h.start("Workflow", "w", {})
        await h.wait(run, "waiting")
        (asked,) = await h.approvals()

        def both(connection):
            vote = deciding.Vote(asked.approval_id, True, "me")
            fire_due(connection, 0.0, h.clock.now() + 59.0, 10)
            deciding.decide(connection, TENANT, vote, h.clock.now(), [], {})
            fire_due(connection, 0.0, h.clock.now() + 61.0, 10)

        await h.database.write(both)
        await h.engine.wake([run], {})
        assert (await h.output(run))["approved"] is True


async def test_a_second_attempt_of_a_parallel_begins_afresh(tmp_path):
    calls = []

    async def flaky(arguments):
        calls.append(1)
        if len(calls) < 3:
            raise ToolFailure("no")
        return {"call": len(calls)}

    node = {
        "name": "p",
        "parallel": {"branches": [tool("x", "flaky"), tool("y", "flaky")]},
        "retry": [{"errors": ["tool"], "attempts": 3, "delay": "1ms"}],
    }
    async with harness(tmp_path, node, tools={"flaky": flaky}) as h:
        output = await h.output(await h.start("Workflow", "w", {}))
        assert sorted(branch["call"] for branch in output.values()) == [3, 4]


async def test_uncertainty_is_not_retried_for_ever(tmp_path):
    async def dies(arguments):
        raise ToolFailure("it died", status="uncertain", kind="uncertain", policy="retry")

    async with harness(tmp_path, tool("a", "dies"), tools={"dies": dies}) as h:
        assert (await h.error(await h.start("Workflow", "w", {})))["class"] == "uncertain"
        assert 2 <= len(h.tools.calls) <= 4


@pytest.mark.parametrize("wait", [{"until": "${input}"}, {"duration": "${input}"}])
async def test_a_wait_that_makes_no_sense_fails_its_step(tmp_path, wait):
    async with harness(tmp_path, {"name": "a", "wait": wait}) as h:
        error = await h.error(await h.start("Workflow", "w", "soon"))
        assert error["class"] == "validation" and "soon" in error["message"]


async def test_the_items_of_a_map_are_data_not_templates(tmp_path):
    body = {"items": "${input}", "tool": {"server": "s", "name": "echo", "arguments": {"v": "${item}"}}}
    items = ["${1 + 1}", "${oops", "$${x}"]
    async with harness(tmp_path, {"name": "m", "map": body}) as h:
        assert await h.output(await h.start("Workflow", "w", items)) == [{"v": item} for item in items]
        assert len(await h.look(select(DEFINITIONS.c.revision))) == 2


# -- what is outside fails ---------------------------------------------------------------------------


async def test_an_outcome_that_could_not_be_stored_is_asked_for_again(tmp_path):
    asked = []

    class DiskFull:
        async def perform(self, facts, definition, state, effect):
            asked.append(effect.id)
            if len(asked) == 1:
                raise Unavailable("the disk is full")
            return [Event("effect.outcome", {"effect": effect.id, "status": "ok", "result": 1})]

    async with harness(tmp_path, tool("a"), performers={"tool": DiskFull()}) as h:
        assert await h.output(await h.start("Workflow", "w", {})) == 1
    assert asked == ["e1", "e1"]


async def test_a_full_disk_is_not_the_fault_of_a_run(tmp_path, monkeypatch):
    monkeypatch.setattr(worker, "RETRY_DELAY", 0.01)
    async with harness(tmp_path, signal("a")) as h:
        run = await h.start("Workflow", "w", {})
        await h.wait(run, "waiting")
        write, left = h.database.write_together, [6]

        async def failing(function, item):
            if left[0]:
                left[0] -= 1
                raise Unavailable("the disk is full")
            return await write(function, item)

        monkeypatch.setattr(h.database, "write_together", failing)
        await h.signal(run, "go", 1)
        assert await h.output(run) == 1 and left == [0]


async def test_a_lost_poke_costs_a_sweep_though_an_effect_is_in_flight(tmp_path, monkeypatch):
    monkeypatch.setattr(worker, "HEARTBEAT_PERIOD", 0.05)
    forever, began = asyncio.Event(), asyncio.Event()

    async def stuck(arguments):
        began.set()
        await forever.wait()
        return 1

    bus = InProcessBus(FaultPlan(loss=1.0))
    async with harness(tmp_path, tool("a", "stuck"), tools={"stuck": stuck}, bus=bus) as h:
        run = await h.start("Workflow", "w", {})
        await began.wait()
        await h.cancel(run)

        async def stopping():
            return "run.stopping" in [event.type for event in await h.journal(run)]

        await until(stopping, timeout=5)
        forever.set()
        assert (await h.wait(run)).state == "cancelled"


class Refusing(InProcessBus):
    """A bus whose broker is away."""

    async def publish(self, message):
        raise Unavailable("RabbitMQ cannot be reached")


async def test_a_bus_that_takes_nothing_holds_up_nobody(tmp_path, monkeypatch):
    monkeypatch.setattr(worker, "SWEEP_PERIOD", 60.0)
    async with harness(tmp_path, signal("a"), bus=Refusing()) as h:
        run = await h.start("Workflow", "w", {})
        await h.wait(run, "waiting")
        await h.signal(run, "go", 1)
        assert await h.output(run, timeout=5) == 1


async def test_a_run_held_by_nobody_known_is_taken_over(tmp_path):
    async with harness(tmp_path, signal("a")) as h:
        run = await h.start("Workflow", "w", {})
        await h.wait(run, "waiting")
        ghost = update(RUN_QUEUE).where(RUN_QUEUE.c.run_id == run).values(status="held", worker="ghost")
        await h.change(ghost)
        assert await h.database.write(queue.take_over, h.clock.now(), 10.0) == 1


async def test_repinning_saves_a_run_whose_definition_is_unusable(tmp_path, monkeypatch):
    monkeypatch.setattr(worker, "RETRY_DELAY", 0.01)
    async with harness(tmp_path, signal("a")) as h:
        run = await h.start("Workflow", "w", {})
        await h.wait(run, "waiting")
        spoilt = codec.dumps({"nodes": [{"name": "a", "transform": {"output": "${oops"}}]})
        await h.change(update(DEFINITIONS).values(spec=spoilt))
        await restart(h)
        await h.signal(run, "go", 1)
        row = await h.wait(run)
        assert row.state == "quarantined"
        spec = {"nodes": [signal("a", next="b"), {"name": "b", "transform": {"output": "mended"}}]}
        specs = [("Workflow/w@2", "Workflow", "w", codec.dumps(spec))]
        closure = await h.database.write(definitions.save_closure, TENANT.id, ("Workflow", "w"), specs)
        woken = await h.database.write(deliveries.repin, TENANT, run, closure, [], h.clock.now())
        await h.engine.wake(*woken)
        await until(lambda: _in_state(h, run, "succeeded"))
        assert await h.output(run) == "mended"


async def _in_state(h, run, state):
    return (await h.row(run)).state == state


# -- gates and sessions --------------------------------------------------------------------------------


async def test_a_turn_that_waits_for_its_session_can_be_cancelled(tmp_path):
    async with harness(tmp_path, signal("a")) as h:
        first, second, third = [await h.start("Workflow", "w", {}, session="s") for _ in range(3)]
        await h.wait(first, "waiting")
        await h.cancel(second)
        assert (await h.wait(second)).state == "cancelled"
        await asyncio.sleep(0.1)
        assert (await h.row(third)).state == "pending"
        await h.signal(first, "go")
        await h.wait(third, "waiting")


async def test_a_turn_remembers_what_was_said_before_it_whatever_its_id(tmp_path, monkeypatch):
    async def model(facts, state):
        texts = [block["text"] for m in state.agent.messages for block in m["content"]]
        return {"role": "assistant", "content": [{"type": "text", "text": "|".join(texts)}]}

    ids = iter(["worker", "ffffffff", "00000000", "88888888"])
    monkeypatch.setattr("quarterdeck.runtime.testing.harness.uuid7", lambda: next(ids))
    specs = {"Agent/a": {"instructions": "x"}}
    async with harness(tmp_path, tool("n"), specs=specs, performers={"model": LocalModels(model)}) as h:
        runs = [await h.start("Agent", "a", text, session="s") for text in ("1", "2", "3")]
        assert [await h.output(run) for run in runs] == ["1", "1|1|2", "1|1|2|1|1|2|3"]


# -- forks ---------------------------------------------------------------------------------------------


async def test_fork_refuses_an_open_question(tmp_path):
    ask = {"name": "a", "approval": {"policy": "p", "title": "t"}}
    async with harness(tmp_path, ask) as h:
        run = await h.start("Workflow", "w", {})
        await h.wait(run, "waiting")
        seq = (await h.row(run)).current_seq
        with pytest.raises(FailedPrecondition, match="question"):
            await Forker(h.engine).fork(TENANT, run, seq + 1, "", dry_run=True)


async def test_a_fork_between_a_retry_and_its_timer_goes_on(tmp_path):
    failures = iter([True, False, False])

    async def flaky(arguments):
        if next(failures):
            raise ToolFailure("no")
        return "yes"

    retry = [{"errors": ["tool"], "attempts": 3, "delay": "1ms"}]
    async with harness(tmp_path, tool("a", "flaky", retry=retry), tools={"flaky": flaky}) as h:
        run = await h.start("Workflow", "w", {})
        await h.output(run)
        journal = await h.journal(run)
        after = next(n for n, e in enumerate(journal, 1) if e.type == "step.retrying")
        made = await Forker(h.engine).fork(TENANT, run, after + 1, "", dry_run=False)
        assert await h.output(made.run_id) == "yes"


async def test_a_fork_of_an_old_run_has_its_time_again(tmp_path):
    specs = {"Workflow/w": {"timeout": "1h", "nodes": [signal("a")]}}
    async with harness(tmp_path, specs=specs) as h:
        run = await h.start("Workflow", "w", {})
        await h.wait(run, "waiting")
        h.clock = h.engine.clock = Later(h.clock, 2 * 3600.0)
        seq = (await h.row(run)).current_seq
        made = await Forker(h.engine).fork(TENANT, run, seq + 1, "", dry_run=False)
        await h.wait(made.run_id, "waiting")
        ((due,),) = await h.look(select(TIMERS.c.due).where(TIMERS.c.run_id == made.run_id))
        assert 3500 < due - h.clock.now() < 3700


class Later:
    """A clock that is ahead of another one."""

    def __init__(self, clock, seconds):
        self._clock, self._seconds = clock, seconds

    def now(self):
        return self._clock.now() + self._seconds

    async def sleep(self, seconds):
        await self._clock.sleep(seconds)


async def test_an_expired_question_and_its_record_say_the_same(tmp_path):
    ask = {"name": "a", "approval": {"policy": "p", "title": "t"}}
    more = {"approval_expiry": lambda _tenant, _policy: 0.05}
    async with harness(tmp_path, ask, **more) as h:
        run = await h.start("Workflow", "w", {})
        assert (await h.output(run))["expired"] is True
        approvals = await h.look(select(APPROVALS.c.state).where(APPROVALS.c.run_id == run))
        assert [row.state for row in approvals] == ["expired"]
        assert len(await h.look(select(RUNS.c.run_id))) == 1
