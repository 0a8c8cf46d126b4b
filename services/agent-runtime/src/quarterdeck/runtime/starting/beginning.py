"""A run that begins where it is accepted: one commit holds its row, its claim and its first steps.

That saves a new run two commits and the wait for a claim. Whatever cannot begin so, because the
worker is full or the run waits at a gate, is accepted for the queue and claimed like any other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from quarterdeck.common.database import Database
from quarterdeck.common.errors import QuarterdeckError, Unavailable
from quarterdeck.runtime.execution.loading import Loaded, facts_of
from quarterdeck.runtime.starting.accepting import Accepted, Start, accept, once
from quarterdeck.runtime.starting.newborn import as_written
from quarterdeck.runtime.state import RunState
from quarterdeck.runtime.store.births import Newborn, create_together, may_go_together
from quarterdeck.runtime.store.commits import Commit, Committed, Fate, commit
from quarterdeck.runtime.store.queue import Claim

FIRST_EPOCH = 1
# What a birth is made from, and what it comes to: no second part if the run waits at its gate.
Wanted = tuple[Start, dict[str, Any], Commit, float]
Begun = tuple[Accepted, Committed | None]


class Unborn(Exception):
    """The run was not created, or it waits at its gate: there is nothing to advance here."""


class Birth:
    """The first commit of a run that this worker both accepts and holds.

    `accepted` becomes what the caller of `StartRun` is told; None means that nothing was
    accepted and that the run may be accepted for the queue instead.
    """

    def __init__(self, database: Database, wish: Start, row: dict[str, Any]) -> None:
        self._database = database
        self._wish = wish
        self._row = row
        self.accepted: asyncio.Future[Accepted | None] = asyncio.get_running_loop().create_future()

    @property
    def claim(self) -> Claim:
        """The claim that the run is born with."""
        return Claim(self._row["run_id"], self._row["tenant_id"], FIRST_EPOCH, 0, 1)

    def loaded(self) -> Loaded:
        """Returns the run as an executor begins with it; there is nothing to read yet."""
        row = as_written({"inbox": 0, **self._row}, "held")
        return Loaded(facts_of(row), RunState(run_id=row.run_id), row)

    async def commit(self, unit: Commit, now: float) -> Committed:
        """Accepts the run together with its first append. Raises Unborn."""
        try:
            accepted, answer = await self._make(unit, now)
        except QuarterdeckError as error:
            self._settle(error)
            raise Unborn from error
        self._settle(accepted)
        if answer is None:
            raise Unborn
        return answer

    async def _make(self, unit: Commit, now: float) -> Begun:
        wanted = (self._wish, self._row, unit, now)
        if self._wish.wanted is None and may_go_together(self._row, unit):
            made = await self._database.write_together(begin_together, wanted)
            if made is not None:
                return made
        return await self._database.write(_accept_held, *wanted)

    def decline(self) -> bool:
        """Leaves the run to the queue. Returns False if it is too late: its fate is known already."""
        open_yet = not self.accepted.done()
        self._settle(None)
        return open_yet

    def abandon(self) -> None:
        """The worker goes, and nobody knows whether the commit was made."""
        self._settle(Unavailable("the worker leaves", hint="try again with the same idempotency key"))

    def _settle(self, result: Accepted | QuarterdeckError | None) -> None:
        if self.accepted.done():
            return
        if isinstance(result, QuarterdeckError):
            self.accepted.set_exception(result)
        else:
            self.accepted.set_result(result)


def begin_together(connection: Connection, items: Sequence[Wanted]) -> list[Begun | Exception | None]:
    """Accepts runs that may go together (see `births`), each held and with its first append.

    Answers with None for a run whose idempotency key was used before: it is for `_accept_held` to say what
    follows from that.
    """
    if connection.dialect.name != "postgresql":
        return [_accept_held(connection, *item) for item in items]
    births = [Newborn(row, unit, once(wish)) for wish, row, unit, _ in items]
    created = create_together(connection, births)
    return [_begun(birth) if birth.row["run_id"] in created else None for birth in births]


def _begun(birth: Newborn) -> Begun:
    row = as_begun(birth.row, birth.unit)
    return Accepted(row.run_id, created=True, begun=True, row=row), Committed(Fate.DONE)


def as_begun(row: dict[str, Any], unit: Commit) -> Any:
    """Returns the row of a run after its first commit, with what `runs.get_run` adds to it."""
    return as_written({**row, **unit.run}, "held", len(unit.events))


def _accept_held(connection: Connection, wish: Start, row: dict[str, Any], unit: Commit, now: float) -> Begun:
    """Accepts the run as one that the unit's worker holds, and makes its first append."""
    held = {**row, "queue_status": "held", "worker": unit.worker, "epoch": unit.epoch}
    accepted = accept(connection, wish, held, now)
    if not accepted.begun:
        return accepted, None
    accepted.row = as_begun(row, unit)
    return accepted, commit(connection, unit, now)
