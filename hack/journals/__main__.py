"""Records a set of journals: `python -m hack.journals services/agent-runtime/tests/golden_journals`.

A set is recorded once: one that is there already is never overwritten. When `REDUCER_VERSION` goes up, a new
set is recorded beside the old ones, and all of them are folded by the tests.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from hack.journals import agents, endings, workflows
from hack.journals.house import House
from quarterdeck.runtime.constants import REDUCER_VERSION
from quarterdeck.runtime.events import Event
from quarterdeck.runtime.reducer import apply
from quarterdeck.runtime.state import RunState

SCENARIOS = (*workflows.SCENARIOS, *agents.SCENARIOS, *endings.SCENARIOS)
# A state is recorded after so many events, and before and after the last.
EVERY = 7


async def record(folder: Path) -> int:
    """Plays every scenario and writes the journals of its runs. Returns how many there are."""
    count = 0
    for scenario in SCENARIOS:
        with tempfile.TemporaryDirectory() as place:
            house = House(Path(place))
            await scenario(house)
        for number, (run_id, journal) in enumerate(house.recorded):
            _write(folder / f"{scenario.__name__.replace('_', '-')}-{number}", run_id, journal)
            count += 1
    return count


def _write(stem: Path, run_id: str, journal: list[Event]) -> None:
    lines = [{"type": event.type, "data": event.data, "at": event.at} for event in journal]
    stem.with_suffix(".jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    states = {"run": run_id, "states": _states(run_id, journal)}
    stem.with_suffix(".json").write_text(json.dumps(states, indent=1) + "\n")


def _states(run_id: str, journal: list[Event]) -> dict[str, Any]:
    state, found = RunState(run_id=run_id), {}
    for seq, event in enumerate(journal, 1):
        apply(state, event)
        if seq % EVERY == 0 or seq >= len(journal) - 1:
            found[str(seq)] = json.loads(json.dumps(state.to_json()))
    return found


def main() -> int:
    """Returns the exit code."""
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    folder = Path(sys.argv[1]) / f"v{REDUCER_VERSION}"
    if folder.exists():
        print(f"{folder} is there already; a recorded set is never overwritten", file=sys.stderr)
        return 1
    folder.mkdir(parents=True)
    print(f"{asyncio.run(record(folder))} journals in {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
