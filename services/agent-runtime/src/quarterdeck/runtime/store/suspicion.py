"""Runs whose workers died: which are claimed alone, and which go into quarantine.

A worker that dies takes down every run it held, so that its death says little about any of them. A
run that was claimed twice without progress is a suspect: from then on it is claimed by a worker that
holds nothing else, and that claims nothing else until the suspect got on. If workers go on to die over
it, there is nobody else to blame.

No worker may be idle for long, and a suspect is most likely innocent: it waits for a while, longer with each
attempt, and is then taken in company. A worker that dies over it is idle when it comes back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from sqlalchemy import Connection

from quarterdeck.runtime.constants import (
    POISON_ALONE,
    POISON_ATTEMPTS,
    SUSPECT_ATTEMPTS,
    SUSPECT_LONGEST_WAIT,
    SUSPECT_PATIENCE,
    SUSPECT_WAIT,
)
from quarterdeck.runtime.store import statements

# Suspects looked at in one claim.
PAGE = 32


@dataclass(frozen=True, slots=True)
class Suspect:
    """A ready run with several attempts and no progress, `alone` of which it has to answer for."""

    run_id: str
    tenant_id: str
    epoch: int
    seq: int
    attempts: int
    alone: int
    ready_at: float
    lane: str = ""
    lane_limit: int = 0


class Verdict(Enum):
    """What a worker does about the suspects that are ready."""

    # There are none, or none that matters yet: claim others.
    IGNORE = "ignore"
    # Take this one, and nothing else.
    TAKE = "take"
    # They have waited for too long: take them beside others.
    TAKE_ALONG = "take-along"
    # One has waited for long: claim nothing, so that somebody becomes idle.
    MAKE_ROOM = "make-room"


def guilty(suspect: Suspect) -> bool:
    """Returns whether the run goes into quarantine: it had its attempts, and enough of them alone."""
    return suspect.alone >= POISON_ALONE and suspect.attempts >= POISON_ATTEMPTS


def patience(suspect: Suspect) -> float:
    """Returns how many seconds a suspect waits for a worker that holds nothing else."""
    doubled: float = SUSPECT_WAIT * 2 ** min(10, suspect.attempts - SUSPECT_ATTEMPTS)
    return min(SUSPECT_LONGEST_WAIT, doubled)


def judge(suspects: Sequence[Suspect], *, idle: bool, now: float) -> tuple[Verdict, list[Suspect]]:
    """Decides for a worker. Returns with the verdict what it takes.

    Args:
        suspects: those that are not guilty, oldest first.
        idle: the worker holds no run.
    """
    if not suspects:
        return Verdict.IGNORE, []
    if idle:
        return Verdict.TAKE, [suspects[0]]
    if overdue := [one for one in suspects if now - one.ready_at > patience(one)]:
        return Verdict.TAKE_ALONG, overdue
    waited = now - suspects[0].ready_at
    return (Verdict.MAKE_ROOM if waited > SUSPECT_PATIENCE else Verdict.IGNORE), []


def ready_suspects(connection: Connection, now: float) -> list[Suspect]:
    """Returns suspects that are ready, oldest first."""
    rows = statements.SUSPECTS.rows(connection, {"b_now": now, "b_limit": PAGE})
    return [Suspect(*row) for row in rows]
