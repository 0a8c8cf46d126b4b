"""Moves the clock until a run is over, or until only people can bring it on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import Connection, select

from quarterdeck.runtime.constants import LOOK
from quarterdeck.runtime.tables import RUN_QUEUE, TIMERS
from quarterdeck.runtime.testing.harness import Harness
from quarterdeck.runtime.testing.virtual_time import VirtualClock, quiet_loop

# Timers by which the run itself goes on. The others bound how long somebody else may take.
OWN_TIMERS = frozenset({"wait", "retry", LOOK.rstrip(":")})
# Moves of the clock for one run; what needs more never comes to rest.
MOST_MOVES = 1000


class Actor(Protocol):
    """Somebody outside the run who does things at certain times: decides, signals, cancels."""

    async def act(self, run_id: str) -> bool:
        """Does the next thing that is due. Returns False if nothing was."""

    async def next_act(self, run_id: str) -> float | None:
        """Returns when the next thing is due (Unix time), None if nothing will be."""


class Restless(Exception):
    """The run goes on for ever."""


@dataclass(frozen=True, slots=True)
class Pending:
    """What is due: by the run itself, by others' limits, and runs that may be claimed."""

    own: list[float]
    limits: list[float]


def pending(connection: Connection) -> Pending:
    """Reads every timer, and when each ready run may be claimed."""
    found = Pending([], [])
    for row in connection.execute(select(TIMERS.c.timer, TIMERS.c.due)):
        purpose = str(row.timer).partition(":")[0]
        (found.own if purpose in OWN_TIMERS else found.limits).append(row.due)
    ready = select(RUN_QUEUE.c.ready_at).where(RUN_QUEUE.c.status == "ready")
    found.own.extend(connection.execute(ready).scalars())
    return found


class Skipper:
    """Skips the time of one harness, which must run on a `QuietLoop` and have this clock.

    Args:
        patience: seconds that may pass when the run only waits for others. Within them its
            limits on them come due: expiry of approvals, time-outs of signals and of the run.
        is_stuck: true when trying again is of no use; waiting to try again then is rest.
        is_over: true when the result does not matter any more.
    """

    def __init__(
        self,
        harness: Harness,
        clock: VirtualClock,
        actors: Sequence[Actor] = (),
        *,
        patience: float = 0.0,
        is_stuck: Callable[[], bool] = lambda: False,
        is_over: Callable[[], bool] = lambda: False,
    ) -> None:
        self._harness = harness
        self._clock = clock
        self._actors = actors
        self._patience = patience
        self._is_stuck = is_stuck
        self._is_over = is_over
        self._rest_until: float | None = None
        self._woken_at = 0.0

    async def until_rest(self, run_id: str) -> Any:
        """Lets the run go on as far as it can and returns its row. Raises Restless."""
        for _ in range(MOST_MOVES):
            await quiet_loop().quiet()
            row = await self._harness.row(run_id)
            if row.finished_at is not None or row.state == "quarantined" or self._is_over():
                return row
            if await self._somebody_acts(run_id):
                continue
            moment = await self._next_moment(run_id)
            if moment is None:
                return row
            await self._move(moment)
        raise Restless(f"the clock was moved {MOST_MOVES} times and the run still goes on: {row.reason}")

    async def _somebody_acts(self, run_id: str) -> bool:
        for actor in self._actors:
            if await actor.act(run_id):
                return True
        return False

    async def _next_moment(self, run_id: str) -> float | None:
        """Returns the next moment at which something happens by itself, None if nothing will."""
        due = await self._harness.database.read(pending)
        now = self._clock.now()
        if self._woken_at < now and any(moment <= now for moment in due.own + due.limits):
            return now  # nobody was told yet
        own = [] if self._is_stuck() else list(due.own)
        others = [self._clock.next_alarm(), *[await actor.next_act(run_id) for actor in self._actors]]
        own = [moment for moment in (*own, *others) if moment is not None and moment > now]
        limits = [moment for moment in due.limits if moment > now]
        if own:
            return min(own + limits)
        if self._rest_until is None:
            self._rest_until = now + self._patience
        return min((moment for moment in limits if moment <= self._rest_until), default=None)

    async def _move(self, moment: float) -> None:
        self._clock.move_to(moment)
        self._woken_at = moment
        self._harness.engine.timers_changed.set()
        await self._harness.worker.wake(["due"], {})
