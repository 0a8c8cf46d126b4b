"""Starts: `StartRun` at the runtime's port beside Celery's enqueue, one at a time and many."""

from __future__ import annotations

import sys

from report import Figure

from runtime.entrants import OURS, PEER_PYTHON, field_of
from runtime.servers import Servers, rabbitmq
from runtime.services import runtime
from runtime.turns import best, faster, interleaved

CELERY = {"classic": "Celery, classic queue", "quorum": "Celery, quorum queue"}
LEVELS = (1, 100)
TARGET = 5.0


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
            for entrant in field.sides.values():
                entrant.side.close()
            field.sides.clear()
    return found
