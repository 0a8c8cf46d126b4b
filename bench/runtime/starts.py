"""Starts at the runtime's port beside Celery's enqueue: one at a time, many at a time, and many in one call.

Celery has no call that starts many: its `group` publishes, and the broker confirms, one message for each
task. So a batch is compared with its best at enqueuing single tasks.
"""

from __future__ import annotations

import sys
from pathlib import Path

from report import Figure

from runtime.entrants import OURS, PEER_PYTHON, Field, field_of
from runtime.servers import Servers, rabbitmq
from runtime.services import runtime
from runtime.turns import best, faster, interleaved

CELERY = {"classic": "Celery, classic queue", "quorum": "Celery, quorum queue"}
LEVELS = (1, 100)
TARGET = 5.0
BATCH, BATCHES = "ours, 1,000 a call", 1000


def starts(servers: Servers, rounds: int) -> list[Figure]:
    """Measures; both sides at the same concurrency."""
    with field_of(servers, "starts") as field, rabbitmq() as broker:
        data = field.directory("data")
        with runtime(data, field.database("ours")):
            field.add(OURS, 1, sys.executable, "quarterdeck_starts.py", data)
            for kind, name in CELERY.items():
                field.add(name, 1, PEER_PYTHON, "celery_enqueue.py", kind, broker)
            found = []
            for level in LEVELS:
                for entrant in field.sides.values():
                    entrant.settle(level)
                rates = interleaved(field.sides, rounds)
                peer = best(rates, list(CELERY.values()))
                name = f"runs accepted at the runtime's port, {level} at a time"
                label = f"{peer}, confirms on"
                found.append(faster(name, "runs/s", rates[OURS], rates[peer], label, TARGET))
            found.append(_batches(field, rounds, data))
            for entrant in field.sides.values():
                entrant.side.close()
            field.sides.clear()
    return found


def _batches(field: Field, rounds: int, data: Path) -> Figure:
    """Measures batches of 1,000, one call at a time, beside Celery as it was settled last."""
    batches = field.add(BATCH, 1, sys.executable, "quarterdeck_starts.py", data, str(BATCHES))
    batches.settle(1)
    batches.runs = max(BATCHES, round(batches.runs, -3))
    rates = interleaved({name: field.sides[name] for name in (BATCH, *CELERY.values())}, rounds)
    peer = best(rates, list(CELERY.values()))
    label = f"{peer}, {LEVELS[-1]} at a time, a message each"
    name = "runs accepted at the runtime's port, 1,000 a call"
    return faster(name, "runs/s", rates[BATCH], rates[peer], label, TARGET)
