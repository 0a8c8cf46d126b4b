"""Rows of one worker alone: a turn of an agent, the memory runs take, a map of 100,000."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from report import Figure

from runtime.baseline import said
from runtime.entrants import field_of
from runtime.servers import Servers

TURNS, RUNS = 10, 100
TURN_TARGET_MS = 3.0
RUNNING, PARKED = 1000, 5000
PARKED_TARGET_MIB = 0.5
MAP = Path(__file__).parent.parent / "map.py"


def turns(servers: Servers) -> list[Figure]:
    """What the engine adds to a turn of an agent, whose model takes no time."""
    with field_of(servers, "turns") as field:
        url = field.database("ours")
        side = field.add("ours", 1, sys.executable, "quarterdeck_turns.py", field.directory("ours"), url).side
        measured = {}
        for count in (1, TURNS):
            for _warm in range(2):
                side.ask(count, RUNS)
                measured[count] = side.answer()
    many, single = measured[TURNS], measured[1]
    added = many["turn"] - many["direct"]
    name = f"added to an agent's turn, model of 0 ms, {TURNS} turns with a tool call each"
    target, peer = f"<= {TURN_TARGET_MS:g} ms", "calling the model directly"
    met = added <= TURN_TARGET_MS
    return [
        Figure(name, "ms", added, many["direct"], peer, None, target, met),
        said("a whole run of one turn (a chat's turn), model of 0 ms", "ms", single["turn"]),
    ]


def memory(servers: Servers) -> list[Figure]:
    """What running and parked runs take."""
    with field_of(servers, "memory") as field:
        url = field.database("ours")
        side = field.add(
            "ours", 1, sys.executable, "quarterdeck_memory.py", field.directory("ours"), url
        ).side

        def after(running: int, runs: int) -> float:
            side.ask(running, runs)
            return float(side.answer()["mebibytes"])

        after(0, RUNNING)
        first = after(0, PARKED)
        parked = (after(0, PARKED) - first) / (PARKED / 1000)
        before = after(1, 1)
        running = (after(1, RUNNING) - before) / (RUNNING / 1000)
    target, met = f"<= {PARKED_TARGET_MIB:g} MiB", parked <= PARKED_TARGET_MIB
    return [
        said("a worker's memory per 1,000 running runs", "MiB", running),
        Figure("a worker's memory per 1,000 parked runs", "MiB", parked, None, "", None, target, met),
    ]


def mapping(servers: Servers, items: int) -> list[Figure]:
    """A map over many items beside maps over a hundred, in a process of its own."""
    with field_of(servers, "map") as field:
        command = [
            sys.executable,
            str(MAP),
            "--json",
            "--items",
            str(items),
            "--database",
            field.database("ours"),
        ]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return [Figure(**row) for row in json.loads(done.stdout.splitlines()[-1])]
