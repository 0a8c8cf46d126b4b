"""When the stream of a run may stop: only once nothing is left to tell."""

import pytest

from quarterdeck.runtime.rpcs.reading import has_come_to_rest
from quarterdeck.runtime.store import runs
from quarterdeck.runtime.testing.harness import TENANT, Harness

SPECS = {"Workflow/w": {"nodes": [{"name": "a", "wait": {"signal": {"name": "go"}}}]}}


async def test_a_run_that_goes_on_between_two_looks_is_not_at_rest(tmp_path, monkeypatch):
    async with Harness(tmp_path, specs=SPECS) as h:
        run_id = await h.start("Workflow", "w")
        row = await h.wait(run_id, "waiting")
        seen = len(await h.journal(run_id))
        assert await h.database.read(has_come_to_rest, TENANT, row, seen, True)
        await h.signal(run_id, "go")
        await h.wait(run_id)
        # It ended after its row was read: nobody works on it, and its end is still to be told.
        assert not await h.database.read(has_come_to_rest, TENANT, row, seen, True)
        end = len(await h.journal(run_id))
        assert await h.database.read(has_come_to_rest, TENANT, row, end, True)


@pytest.mark.parametrize("waiting_counts", [True, False])
async def test_the_row_is_read_after_the_queue(tmp_path, monkeypatch, waiting_counts):
    async with Harness(tmp_path, specs=SPECS) as h:
        run_id = await h.start("Workflow", "w")
        row = await h.wait(run_id, "waiting")
        seen = len(await h.journal(run_id))
        looked = []
        get_run = runs.get_run
        monkeypatch.setattr(runs, "at_work", lambda *_: looked.append("queue") or False)
        monkeypatch.setattr(runs, "get_run", lambda *args: looked.append("row") or get_run(*args))
        rests = await h.database.read(has_come_to_rest, TENANT, row, seen, waiting_counts)
        assert rests is waiting_counts
        assert looked == ["queue", "row"][not waiting_counts :]
