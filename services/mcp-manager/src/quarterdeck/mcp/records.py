"""The durable record of a call, as the code that makes calls sees it."""

from __future__ import annotations

from typing import Any

from quarterdeck.common.clock import Clock
from quarterdeck.common.database import Database
from quarterdeck.common.errors import Unavailable
from quarterdeck.mcp import store
from quarterdeck.mcp.call import Call
from quarterdeck.mcp.flights import Flight, Key, require_same
from quarterdeck.mcp.outcome import Outcome, Status, not_sent

_LOST = "the platform ended while the call was under way; what became of it is not known"


class Records:
    """Writes and reads records of calls."""

    def __init__(self, database: Database, clock: Clock, log: Any) -> None:
        self._database = database
        self._clock = clock
        self._log = log

    async def begin(self, flight: Flight, incarnation: str) -> Outcome | None:
        """Records the intent; returns the outcome of a call that must not be sent."""
        call = flight.call
        flight.intent = store.Intent(
            tenant_id=call.tenant_id,
            call_id=call.call_id,
            server=call.server,
            tool=call.tool,
            arguments_hash=call.arguments_hash,
            run_id=call.run,
            approval_id=call.approval_id if call.approved else None,
            incarnation=incarnation,
            started_at=self._clock.now(),
        )
        try:
            known = await self._database.write(store.begin, flight.intent)
        except store.ApprovalSpent as error:
            return Outcome(Status.DENIED, message=f"{error}; ask for a new one")
        except Unavailable as error:
            return not_sent(call.server, f"the intent cannot be recorded: {error.message}")
        return None if known is None else replayed(call, known)

    async def withdraw(self, flight: Flight) -> None:
        """Takes back the intent of a call that was not sent after all. An older one under its id stays."""
        if flight.intent is not None:
            await self._database.write(store.withdraw, flight.intent)

    async def finish(self, call: Call, outcome: Outcome) -> None:
        """Records how a call ended."""
        try:
            await self._database.write(store.finish, *call.key, outcome, self._clock.now())
        except Unavailable as error:
            # The caller still learns the outcome; without its record a restart makes it uncertain.
            self._log.error("call.outcome_not_recorded", call_id=call.call_id, reason=error.message)

    async def find(self, key: Key) -> store.Recorded | None:
        """Returns what is on record about a call id."""
        return await self._database.read(store.find, *key)


def replayed(call: Call, recorded: store.Recorded) -> Outcome:
    """Returns what a repeat of a recorded call is answered. Raises InvalidArgument if it is none."""
    require_same(call, recorded.server, recorded.tool, recorded.arguments_hash)
    return outcome_of(recorded)


def outcome_of(recorded: store.Recorded) -> Outcome:
    """Returns the recorded outcome; an intent without one is uncertain."""
    if recorded.outcome is not None:
        return recorded.outcome
    incarnation = recorded.incarnation
    return Outcome(Status.UNCERTAIN, message=_LOST, incarnation=incarnation, replayed=True)
