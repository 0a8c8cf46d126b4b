"""Ours: turns of an agent whose model answers at once, and that model called directly.

Every turn but the last calls a tool, registered in this process. Driven as `answers.py` says; `concurrency`
is how many turns a run has. Says the median milliseconds of a turn, and of a bare call of the model.

    python bench/sides/quarterdeck_turns.py DIRECTORY DATABASE_URL
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import uvloop
from answers import serve
from quarterdeck_runs import one

from quarterdeck.common.database import open_database
from quarterdeck.common.garbage import keep_for_good
from quarterdeck.runtime.tables import METADATA
from quarterdeck.runtime.testing.harness import Harness
from quarterdeck.runtime.testing.stubs import LocalModels

MOST_TURNS = 10
SPEC = {
    "instructions": "Be brief.",
    "tools": [{"server": "bench", "names": ["noop"]}],
    "limits": {"turns": MOST_TURNS},
}
ANSWER = {"role": "assistant", "content": [{"type": "text", "text": "done"}]}


async def noop(arguments: Any) -> Any:
    """The tool."""
    return arguments


class Model:
    """Calls the tool until the run has had its turns."""

    turns = MOST_TURNS

    async def answer(self, _facts: Any, state: Any) -> dict[str, Any]:
        """Returns the next message at once."""
        turn = state.agent.turn if state is not None else 0
        if turn + 1 >= self.turns:
            return ANSWER
        use = {"type": "toolUse", "id": f"u{turn}", "name": "noop", "arguments": {"i": turn}}
        return {"role": "assistant", "content": [use]}


async def measure(harness: Harness, model: Model, turns: int, runs: int) -> Mapping[str, float]:
    """Does `runs` runs of `turns` turns, one at a time."""
    model.turns = turns
    taken, direct = [], []
    for _ in range(runs):
        began = time.perf_counter()
        await one(harness, "Agent", "a")
        taken.append((time.perf_counter() - began) / turns)
        began = time.perf_counter()
        await model.answer(None, None)
        direct.append(time.perf_counter() - began)
    return {"turn": statistics.median(taken) * 1000, "direct": statistics.median(direct) * 1000}


async def open_harness(directory: Path, url: str, model: Model) -> Harness:
    """Returns the engine, its worker started."""
    return await Harness(
        directory,
        specs={"Agent/a": SPEC},
        tools={"bench/noop": noop},
        performers={"model": LocalModels(model.answer)},
        database=await open_database(url, METADATA),
    ).__aenter__()


def main(directory: Path, url: str) -> None:
    """Serves measurements."""
    model = Model()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        harness = runner.run(open_harness(directory, url, model))
        keep_for_good()  # as `qd serve` does
        serve(lambda turns, runs: runner.run(measure(harness, model, turns, runs)))
        runner.run(harness.__aexit__())


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
