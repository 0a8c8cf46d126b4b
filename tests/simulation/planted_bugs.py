"""Bugs that are put into the engine on purpose, to see that a simulation finds them."""

import contextlib
from unittest import mock

from sqlalchemy import bindparam, update

from quarterdeck.common.errors import Unavailable
from quarterdeck.common.prepared import Prepared
from quarterdeck.runtime.effects.sealing import ToolCallSeals
from quarterdeck.runtime.execution import committing, loading, worker
from quarterdeck.runtime.planner import workflow as planner_workflow
from quarterdeck.runtime.starting import beginning
from quarterdeck.runtime.starting.accepting import Accepted
from quarterdeck.runtime.store import commits, statements
from quarterdeck.runtime.store.queue import current_seq
from quarterdeck.runtime.tables import RUN_QUEUE

RESERVE = 1000


def no_epoch_check():
    """An append asks for the run and nothing else."""
    fence = Prepared(
        update(RUN_QUEUE)
        .where(RUN_QUEUE.c.run_id == bindparam("b_run"))
        .values(seq=bindparam("b_next"), attempts=0)
    )
    return mock.patch.object(statements, "FENCE", fence)


def start_acknowledged_before_append():
    """A client is told of its run before the run is durable."""
    real = beginning.Birth.commit

    async def commit(self, unit, now):
        self._settle(Accepted(self._row["run_id"], created=True))
        return await real(self, unit, now)

    return mock.patch.object(beginning.Birth, "commit", commit)


def delivery_acknowledged_before_append():
    """Inbox rows are taken out before the events that they became are durable."""

    def take_out(connection, rows):
        statements.DROP_CONSUMED.many(connection, [{"b_id": row} for row in rows])

    async def store(self, made, now):
        if made.consumed:
            await self._engine.database.write(take_out, list(made.consumed))
        return await self._engine.database.write(commits.commit, made, now)

    return mock.patch.object(committing.Writer, "_store", store)


def park_without_inbox_check():
    """A run parks whatever arrived meanwhile."""
    park = Prepared(
        update(RUN_QUEUE)
        .where(RUN_QUEUE.c.run_id == bindparam("b_run"), RUN_QUEUE.c.epoch == bindparam("b_epoch"))
        .values(status="parked", worker="")
    )
    return mock.patch.object(statements, "PARK", park)


def blind_retry_after_unknown_commit():
    """A commit whose answer was lost is made again, behind what is there by now."""

    async def store(self, made, now):
        database = self._engine.database
        try:
            return await database.write(commits.commit, made, now)
        except Unavailable:
            made.seq = await database.read(current_seq, made.run_id) or made.seq
            return await database.write(commits.commit, made, now)

    return mock.patch.object(committing.Writer, "_store", store)


def reservation_leaked_by_a_crash():
    """Who takes a run over reserves once more for what is in flight, and nobody releases that."""
    real = loading.load

    async def load(engine, claim):
        loaded = await real(engine, claim)
        loaded.state.reserved += RESERVE * len(loaded.state.effects)
        return loaded

    return mock.patch.object(worker, "load", load)


def undo_forgotten():
    """A run that fails undoes nothing."""
    return mock.patch.object(planner_workflow, "_next_undo", lambda _planning: None)


def calls_left_open():
    """Nobody closes the calls of a run that is over: who was frozen before one makes it later."""

    async def forgotten(self, facts, effects):
        return {}

    return mock.patch.multiple(ToolCallSeals, seal=forgotten, settle=forgotten)


# Each with words of what a simulation says about it, one of which must be said.
BUGS = {
    "no epoch check": (no_epoch_check, ("a fenced worker appended",)),
    "acknowledgement before append": (start_acknowledged_before_append, ("is lost",)),
    "acknowledgement of deliveries before append": (
        delivery_acknowledged_before_append,
        ("not one of", "instead of parked", "outlives"),
    ),
    "park without the inbox check": (park_without_inbox_check, ("unread deliveries",)),
    "blind retry after an unknown commit": (
        blind_retry_after_unknown_commit,
        ("failed_to_advance", "cannot be folded", "events were appended", "ended at"),
    ),
    "reservation leaked by a crash": (reservation_leaked_by_a_crash, ("reserved",)),
    "calls left open": (calls_left_open, ("times; 1 are allowed",)),
    "undo forgotten": (undo_forgotten, ("was done and not undone",)),
}


def planted(name):
    """Returns a context within which the engine has the bug, and what is said of it."""
    plant, said = BUGS[name]
    stack = contextlib.ExitStack()
    stack.enter_context(plant())
    return stack, said
