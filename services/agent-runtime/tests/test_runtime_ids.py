"""Ids of retries, forks and their children come from the engine's maker of ids, so a seed can repeat them."""

import itertools

from quarterdeck.runtime.operations.forking import Forker
from quarterdeck.runtime.operations.retrying import Retrier
from quarterdeck.runtime.testing.harness import TENANT, Harness
from quarterdeck.runtime.testing.stubs import ToolFailure

SPECS = {
    "Workflow/w": {
        "nodes": [
            {
                "name": "each",
                "map": {"items": "${[1, 2]}", "workflow": "item", "input": {"n": "${item}"}},
            }
        ]
    },
    "Workflow/item": {
        "nodes": [{"name": "a", "tool": {"server": "s", "name": "a", "arguments": {"n": "${input.n}"}}}]
    },
}


async def test_new_runs_have_ids_of_the_engine(tmp_path):
    async def second_fails(arguments):
        if arguments["n"] == 2:
            raise ToolFailure("no")

    async with Harness(tmp_path, specs=SPECS, tools={"s/a": second_fails}) as h:
        run = await h.start("Workflow", "w", {})
        await h.error(run)
        numbers = itertools.count(1)
        h.engine.new_id = lambda: f"00000000-0000-7000-8000-{next(numbers):012}"
        retried = await Retrier(h.engine).retry(TENANT, run, "me", "", dry_run=False)
        tree = sorted(await h.tree(retried.run_id))
        forked = await Forker(h.engine).fork(TENANT, run, 2, "", dry_run=False)
    made = [f"00000000-0000-7000-8000-{number:012}" for number in range(1, next(numbers))]
    assert tree == made[:3]
    assert forked.run_id in made
