"""A claim whose answer comes late, when others have gone on with the run, is no fault of anybody's."""

import pytest

from quarterdeck.common.errors import Unavailable
from quarterdeck.runtime.execution import worker
from quarterdeck.runtime.execution.loading import Fenced, load
from quarterdeck.runtime.store import queue
from quarterdeck.runtime.store.inbox import Delivery, deliver
from quarterdeck.runtime.testing.claiming import claim_once
from quarterdeck.runtime.testing.harness import TENANT, Harness

WAITING = {"Workflow/w": {"nodes": [{"name": "s", "wait": {"signal": {"name": "go"}}}]}}
TOO_LARGE = {
    "Workflow/w": {"nodes": [{"name": "ask", "approval": {"policy": "p", "title": "t", "data": "${input}"}}]}
}


async def test_a_late_claim_is_fenced(tmp_path):
    async with Harness(tmp_path, specs=WAITING) as h:
        run = await h.start("Workflow", "w", {})
        await h.wait(run, "waiting")
        await h.worker.drain(1.0)

        def claimed_twice(connection):
            deliver(connection, Delivery(run, TENANT.id, "signal", {"name": "x"}), 0.0, [], {})
            (late,) = claim_once(connection, "late", 1, 1e12).claims
            queue.hand_back(connection, run, late.epoch, 0.0)
            (claim,) = claim_once(connection, "other", 1, 1e12).claims
            return late, claim

        late, claim = await h.database.write(claimed_twice)
        with pytest.raises(Fenced):
            await load(h.engine, late)
        assert (await load(h.engine, claim)).facts.run_id == run
        await h.database.write(queue.hand_back, run, claim.epoch, 0.0)
        await h.start_worker()


async def test_a_run_that_cannot_be_failed_now_is_failed_later(tmp_path, monkeypatch):
    real, tries = worker.fail_run, []

    async def fails_at_first(*args):
        tries.append(args)
        if len(tries) == 1:
            raise Unavailable("the disk is full")
        await real(*args)

    monkeypatch.setattr(worker, "fail_run", fails_at_first)
    async with Harness(tmp_path, specs=TOO_LARGE) as h:
        run = await h.start("Workflow", "w", "x" * 70_000)
        assert (await h.error(run))["class"] == "limit"
        assert len(tries) == 2
