"""What a run amounts to with those below it: the same in a list and by itself, in one query."""

from types import SimpleNamespace

from sqlalchemy import event

from quarterdeck.runtime.rpcs.starting import StartingRpcs
from quarterdeck.runtime.store.trees import Totals, totals
from quarterdeck.runtime.testing.harness import TENANT, Harness
from quarterdeck.runtime.testing.stubs import LocalModels
from quarterdeck.v1 import runs_pb2

ASKING = {"instructions": "Ask.", "askPerson": {"policy": "p"}}
SPECS = {
    "Workflow/top": {"nodes": [{"name": "each", "map": {"items": "${input}", "workflow": "middle"}}]},
    "Workflow/middle": {"nodes": [{"name": "ask", "agent": {"name": "asker", "input": "${input}"}}]},
    "Agent/asker": ASKING,
}


async def model(facts, state):
    if state.agent.turn:
        return {"role": "assistant", "content": [{"type": "text", "text": "done"}]}
    use = {"type": "toolUse", "id": "u", "name": "ask_person", "arguments": {"question": "So?"}}
    return {"role": "assistant", "content": [use]}


def asking(tmp_path):
    return Harness(tmp_path, specs=SPECS, performers={"model": LocalModels(model, cost=100, tokens=10)})


class Rpcs(StartingRpcs):
    """The RPCs over a harness, without the wire."""

    def __init__(self, h):
        self._database = h.database
        self._tenants = SimpleNamespace(resolve=self._resolve)

    async def _resolve(self, _name):
        return TENANT

    async def get(self, run_id):
        return await self.GetRun(runs_pb2.GetRunRequest(run_id=run_id), None)

    async def page(self, **wanted):
        return {run.id: run for run in (await self.ListRuns(runs_pb2.ListRunsRequest(**wanted), None)).runs}


async def three_open(h):
    async def asked():
        return len(await h.approvals()) == 3 and (await h.row(run)).state == "waiting"

    run = await h.start("Workflow", "top", [1, 2, 3])
    await h.until(asked)
    return run


async def test_list_and_get_agree_at_every_level_while_children_are_open(tmp_path):
    async with asking(tmp_path) as h:
        root, rpcs = await three_open(h), Rpcs(h)
        tree = await h.tree(root)
        listed = await rpcs.page()
        assert set(listed) == set(tree) and len(tree) == 7
        for run_id in tree:
            assert listed[run_id] == await rpcs.get(run_id)
        shown = sorted((run.open_approvals, run.cost_micro_usd, run.tokens) for run in listed.values())
        assert shown == [(1, 100, 10)] * 6 + [(3, 300, 30)]
        assert (await rpcs.page(roots_only=True))[root].open_approvals == 3


async def test_what_an_ended_child_took_is_counted_once(tmp_path):
    async with asking(tmp_path) as h:
        root, rpcs = await three_open(h), Rpcs(h)
        (first, *_others) = await h.approvals()
        await h.approve(first.approval_id, answer="yes")

        async def one_over():
            ended = [run for run in (await rpcs.page(parent_run_id=root)).values() if run.finished_at]
            return ended and (await h.row(root)).tokens == 20

        await h.until(one_over)
        shown = await rpcs.get(root)
        assert (shown.open_approvals, shown.cost_micro_usd, shown.tokens) == (2, 400, 40)
        for approval in await h.approvals():
            await h.approve(approval.approval_id, answer="yes")
        await h.output(root)
        shown = (await rpcs.page())[root]
        assert (shown.open_approvals, shown.cost_micro_usd, shown.tokens) == (0, 600, 60)


async def test_a_page_costs_one_query_however_many_runs_it_has(tmp_path):
    async with asking(tmp_path) as h:
        root = await three_open(h)
        rows = [await h.row(run_id) for run_id in await h.tree(root)]

        def count(connection):
            asked = []
            event.listen(connection.engine, "before_cursor_execute", lambda *call: asked.append(call[2]))
            return totals(connection, TENANT.id, rows), asked

        found, asked = await h.database.read(count)
        assert len(asked) == 1
        assert found[root] == Totals(3, 300, 30) and len(found) == 7
        assert totals(None, TENANT.id, []) == {}
