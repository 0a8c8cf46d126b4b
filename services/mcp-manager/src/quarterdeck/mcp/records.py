"""The durable record of a call, as the code that makes calls sees it."""

from __future__ import annotations

from typing import Any

from quarterdeck.common.clock import Clock
from quarterdeck.common.database import Database
from quarterdeck.common.errors import Unavailable
from quarterdeck.mcp import store
from quarterdeck.mcp.call import Call
from quarterdeck.mcp.flights import Flight, Key, require_same
from quarterdeck.mcp.outcome import CALLED_OFF, Outcome, Status

_LOST = "the platform ended while the call was under way; what became of it is not known"


class Records:
    """Writes and reads records of calls."""

    def __init__(self, database: Database, clock: Clock, log: Any) -> None:
        self._database = database
        self._clock = clock
        self._log = log

    async def begin(self, flight: Flight, incarnation: str) -> Outcome | None:
        """Records the intent; returns the outcome of a call that must not be sent.

        Raises:
            Unavailable: it cannot be recorded; nothing was sent, and the same may be asked again.
        """
        call = flight.call
        flight.intent = self._intent(call, incarnation, call.approval_id if call.approved else None)
        try:
            known = await self._database.write(store.begin, flight.intent)
        except store.ApprovalSpent as error:
            return Outcome(Status.DENIED, message=f"{error}; ask for a new one")
        except Unavailable as error:
            raise Unavailable(f"the intent cannot be recorded: {error.message}", retry_after=1.0) from error
        return None if known is None else replayed(call, known)

    async def refuse(self, call: Call, outcome: Outcome) -> Outcome:
        """Records that a run's call was not sent, and returns that; or what is on record about it already.

        The run goes on with this answer. A worker that lost the run before it asked for the same call may
        still do so when it thaws, and must not be the one who makes it after all.
        """
        known = await self._database.write(store.close, self._intent(call, "", None), outcome)
        return outcome if known is None else replayed(call, known)

    async def seal(self, key: Key) -> Outcome:
        """Closes a call id, and returns what is on record about it from now on."""
        tenant_id, call_id = key
        nothing = store.Intent(tenant_id, call_id, "", "", "", "", None, "", self._clock.now())
        known = await self._database.write(store.close, nothing, CALLED_OFF)
        return CALLED_OFF if known is None else outcome_of(known)

    def _intent(self, call: Call, incarnation: str, approval_id: str | None) -> store.Intent:
        return store.Intent(
            tenant_id=call.tenant_id,
            call_id=call.call_id,
            server=call.server,
            tool=call.tool,
            arguments_hash=call.arguments_hash,
            run_id=call.run,
            approval_id=approval_id,
            incarnation=incarnation,
            started_at=self._clock.now(),
        )

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
    if recorded.server:  # an id that was closed unseen is closed for every call
        require_same(call, recorded.server, recorded.tool, recorded.arguments_hash)
    return outcome_of(recorded)


def outcome_of(recorded: store.Recorded) -> Outcome:
    """Returns the recorded outcome; an intent without one is uncertain."""
    if recorded.outcome is not None:
        return recorded.outcome
    incarnation = recorded.incarnation
    return Outcome(Status.UNCERTAIN, message=_LOST, incarnation=incarnation, replayed=True)
