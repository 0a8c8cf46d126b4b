"""What a run keeps, and what it reads again."""

from runtime_kit.corners import count, harness, restart, signal, tool, until

from quarterdeck.common import codec
from quarterdeck.runtime.events import Event
from quarterdeck.runtime.execution import committing, loading
from quarterdeck.runtime.reducer import fold
from quarterdeck.runtime.tables import DELIVERED, SNAPSHOTS, TIMERS
from quarterdeck.runtime.testing.stubs import LocalModels


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
