"""A run that begins where it is accepted: one commit holds its row, its claim and its first steps.

That saves a new run two commits and the wait for a claim. Whatever cannot begin so, because the
worker is full or the run waits at a gate, is accepted for the queue and claimed like any other.
"""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from sqlalchemy import Connection

from quarterdeck.common.database import Database
from quarterdeck.common.errors import QuarterdeckError, Unavailable
from quarterdeck.runtime.execution.loading import Loaded, facts_of
from quarterdeck.runtime.starting.accepting import Accepted, Start, accept
from quarterdeck.runtime.state import RunState
from quarterdeck.runtime.store.commits import Commit, Committed, commit
from quarterdeck.runtime.store.queue import Claim
from quarterdeck.runtime.tables import RUNS

FIRST_EPOCH = 1
_DEFAULTS = {column.name: getattr(column.default, "arg", None) for column in RUNS.c}


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
        row = SimpleNamespace(**{**_DEFAULTS, "inbox": 0, **self._row})
        return Loaded(facts_of(row), RunState(run_id=row.run_id), row)

    async def commit(self, unit: Commit, now: float) -> Committed:
        """Accepts the run together with its first append. Raises Unborn."""
        try:
            accepted, answer = await self._database.write(_accept_held, self._wish, self._row, unit, now)
        except QuarterdeckError as error:
            self._settle(error)
            raise Unborn from error
        self._settle(accepted)
        if answer is None:
            raise Unborn
        return answer

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


def _accept_held(
    connection: Connection, wish: Start, row: dict[str, Any], unit: Commit, now: float
) -> tuple[Accepted, Committed | None]:
    """Accepts the run as one that the unit's worker holds, and makes its first append."""
    held = {**row, "queue_status": "held", "worker": unit.worker, "epoch": unit.epoch}
    accepted = accept(connection, wish, held, now)
    return accepted, commit(connection, unit, now) if accepted.begun else None
