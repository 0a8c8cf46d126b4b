"""Triggers fired by hand, by a route or a webhook."""

import asyncio

import pytest
from runtime_kit.trigger_bench import SLOW, bench, daily
from sqlalchemy import delete

from quarterdeck.common import codec
from quarterdeck.common.errors import FailedPrecondition, Unavailable
from quarterdeck.runtime.tables import LATEST_CLOSURES
from quarterdeck.runtime.testing.harness import TENANT


async def test_every_firing_by_hand_is_its_own_but_a_repeated_id_is_not(tmp_path):
    async with bench(tmp_path) as b:
        await b.apply("t", {"http": {"path": "/x"}})
        first = await b.triggers.fire(TENANT, "t", {"n": 1}, "")
        second = await b.triggers.fire(TENANT, "t", {"n": 1}, "")
        assert first.runs != second.runs
        once = await b.triggers.fire(TENANT, "t", {"n": 2}, "hook-7")
        again = await b.triggers.fire(TENANT, "t", {"n": 3}, "hook-7")
        assert once.runs == again.runs and again.skipped == ""
        assert await b.inputs() == [{"n": 1}, {"n": 1}, {"n": 2}]
        assert (await b.state()).fired == 3


async def test_repeats_at_the_same_moment_start_one_run(tmp_path):
    async with bench(tmp_path) as b:
        await b.apply("t", {"webhook": {"path": "/x"}})
        fired = await asyncio.gather(*(b.triggers.fire(TENANT, "t", {"n": n}, "id" * 300) for n in range(5)))
        assert len({tuple(one.runs) for one in fired}) == 1 and len(await b.runs()) == 1


async def test_request_reaches_the_templates(tmp_path):
    async with bench(tmp_path) as b:
        spec = {
            "http": {"path": "/api/v1/accounts/{id}/analyze"},
            "input": {"account": "${request.path.id}", "body": "${request.body}", "q": "${request.query}"},
            "key": "account-${request.path.id}",
        }
        await b.apply("t", spec)
        payload = {"method": "POST", "body": {"a": 1}, "path": {"id": "A-17"}, "headers": {}}
        fired = await b.triggers.fire(TENANT, "t", payload, "f1")
        [run] = await b.runs()
        assert fired.runs == [run.run_id] and run.run_key == "account-A-17"
        assert codec.loads(run.input) == {"account": "A-17", "body": {"a": 1}, "q": {}}


async def test_template_that_fails_names_its_field(tmp_path):
    async with bench(tmp_path) as b:
        await b.apply("t", {"http": {"path": "/x"}, "input": {"a": ["${request.body.missing}"]}})
        with pytest.raises(FailedPrecondition) as caught:
            await b.triggers.fire(TENANT, "t", {"body": {}}, "f1")
        assert caught.value.field == "spec.input.a[0]"


async def test_firing_by_hand_obeys_the_overlap_rule(tmp_path):
    async with bench(tmp_path, SLOW) as b:
        await b.apply("t", daily(overlap="skip"))
        first = await b.triggers.fire(TENANT, "t", None, "")
        second = await b.triggers.fire(TENANT, "t", None, "")
        assert second.runs == [] and first.runs[0] in second.skipped


async def test_trigger_that_was_just_applied_is_waited_for(tmp_path):
    async with bench(tmp_path) as b:
        firing = asyncio.create_task(b.triggers.fire(TENANT, "t", None, "f"))
        await asyncio.sleep(0.1)
        await b.apply("t", daily())
        assert len((await firing).runs) == 1


async def test_target_without_a_revision_is_unavailable_while_the_registry_is_away(tmp_path):
    async with bench(tmp_path) as b:
        await b.h.change(delete(LATEST_CLOSURES))
        await b.apply("t", {"http": {"path": "/x"}})
        with pytest.raises(Unavailable):
            await b.triggers.fire(TENANT, "t", None, "f")
