"""Rows beside the main ones: runs of pure nodes, and Temporal's development server."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from report import Figure

from runtime.entrants import DBOS, OURS, PEER_PYTHON, STEPS, field_of
from runtime.servers import SIDES, Servers
from runtime.turns import best, faster, interleaved

MANY = 100
TEMPORAL = "Temporal dev server (SQLite file)"
TEMPORAL_LEVELS = (16, 32)
FIND = SIDES.parent.parent / "hack/tools/temporal.sh"


def pure(servers: Servers, rounds: int) -> list[Figure]:
    """Runs of five nodes that call nothing, beside DBOS workflows that have no step."""
    with field_of(servers, "pure") as field:
        field.add_ours("pure")
        field.add_dbos("pure")
        for entrant in field.sides.values():
            entrant.units = 1
            entrant.settle(MANY) if entrant.name == OURS else entrant.settle_at_best()
        rates = interleaved(field.sides, rounds)
        peer = best(rates, DBOS)
        name = f"runs of five pure nodes, {MANY} at a time"
        return [faster(name, "runs/s", rates[OURS], rates[peer], field.sides[peer].label, None)]


def temporal(servers: Servers, rounds: int) -> list[Figure]:
    """Steps, one at a time and each at its best; nothing where Temporal was not built."""
    server = program()
    if server is None:
        print("left out: Temporal, until it is built by hack/tools/temporal.sh build", file=sys.stderr)
        return []
    with field_of(servers, "temporal") as field:
        ours = field.add_ours()
        folder = field.directory("temporal")
        peer = field.add(TEMPORAL, STEPS, PEER_PYTHON, "temporal_runs.py", server, folder)
        ours.settle(1)
        peer.settle(1)
        alone = interleaved(field.sides, rounds)
        first = faster("steps, one at a time", "steps/s", alone[OURS], alone[TEMPORAL], peer.label, None)
        ours.settle(MANY)
        peer.settle_at_best(TEMPORAL_LEVELS)
        many = interleaved(field.sides, rounds)
        title = f"steps, {MANY} at a time"
        return [first, faster(title, "steps/s", many[OURS], many[TEMPORAL], peer.label, None)]


def program() -> Path | None:
    """Returns Temporal's command line, None if it was not built."""
    found = subprocess.run(["sh", FIND, "find"], check=False, stdout=subprocess.PIPE, text=True)
    return Path(found.stdout.strip()) if found.returncode == 0 else None
