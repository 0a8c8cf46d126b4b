"""A worker's claims: looks where there are ready runs, chooses whose turn it is, and takes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from quarterdeck.common.database import LAST, Placed
from quarterdeck.runtime.claims.ring import Ask, Ring, Strand
from quarterdeck.runtime.claims.slots import WHOLE, Scope, Slots
from quarterdeck.runtime.constants import HEARTBEAT_PERIOD, SUSPECT_LOOK, SWEEP_PERIOD
from quarterdeck.runtime.engine import Engine
from quarterdeck.runtime.store import allotments, claiming, strands
from quarterdeck.runtime.store.allotments import Grant
from quarterdeck.runtime.store.claiming import Standing
from quarterdeck.runtime.store.queue import Claim
from quarterdeck.runtime.store.suspicion import Verdict

# Runs that one claim takes.
BATCH = 32
# Seconds. A look reads what came in the last one again: it may have been committed after a later one.
LATE = 1.0
# While there is work, it looks for other work as often as this.
LOOK_PERIOD = 0.05
# From the beginning of one patrol of all strands to that of the next: at least, and for each strand.
# And between two looks within one.
PATROL_PERIOD, PATROL_SECONDS = 5.0, 0.002
PATROL_STEP = 0.1
# They wait for nobody.
_TAKE, _TAKE_SUSPECTS = Placed(claiming.take, LAST), Placed(claiming.take_suspects, LAST)
_NO_SUSPECTS = claiming.Suspicion(Verdict.IGNORE)
_FIRST = Strand("", "", strands.LEAST_PRIORITY)


@dataclass(frozen=True, slots=True)
class Haul:
    """What a claim brought.

    Attributes:
        claims: runs that the worker holds now; of one that is `alone` it must be the only one.
        poisoned: runs that were put into quarantine instead.
        delay: seconds until it is worth claiming again, if nothing is heard before; 0: at once.
        makes_room: the worker takes nothing new until it holds nothing, or the suspects are gone.
    """

    claims: list[Claim] = field(default_factory=list)
    poisoned: list[str] = field(default_factory=list)
    delay: float = SWEEP_PERIOD
    makes_room: bool = False


class Claimer:
    """Claims for one worker, which says what it begins and ends. Not to be called twice at once."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._slots = Slots()
        self._ring = Ring(engine.share_of, self._slots)
        self._since: strands.Place = (0.0, "", "", strands.LEAST_PRIORITY)
        self._looked = self._trimmed = self._patrol_began = float("-inf")
        self._patrol: Strand | None = _FIRST
        self._patrolled = 0
        self._heard = True
        self._due: float | None = None
        self._suspects = False

    # -- what the worker says --------------------------------------------------------------------

    def hear(self) -> None:
        """Somewhere a run became ready."""
        self._heard = True

    def begins(self, tenant_id: str, lane: str) -> None:
        """The worker works on a run."""
        self._slots.take(tenant_id, lane)

    def ended(self, tenant_id: str, lane: str) -> bool:
        """It does not any more. Returns whether others of the tenant waited for that."""
        self._slots.give(tenant_id, lane)
        return self._ring.wake(tenant_id)

    def may_begin(self, tenant_id: str, lane_limit: int) -> bool:
        """Returns whether a run may begin without a claim.

        It may not if it counts against a limit, nor while runs wait that were taken over from a dead worker.
        """
        limited = lane_limit or self._engine.share_of(tenant_id).running
        return not limited and not self._ring.has_taken_over

    async def tend(self) -> None:
        """Gives back, now and then, what of this worker's allotments lay idle."""
        now = self._engine.clock.now()
        if 0.0 <= now - self._trimmed < HEARTBEAT_PERIOD or not self._slots.has_allotments:
            return
        self._trimmed = now
        await self._engine.database.write(allotments.trim, self._engine.worker, self._slots.needed())

    # -- claiming --------------------------------------------------------------------------------

    async def claim(self, room: int, *, idle: bool) -> Haul:
        """Takes up to `room` runs, or suspects.

        Args:
            idle: the worker holds no run.
        """
        now = self._engine.clock.now()
        if self._heard or self._ring.is_quiet or not 0.0 <= now - self._looked < LOOK_PERIOD:
            await self._look(now)
        found = await self._judge(room, now, idle) if self._suspects else _NO_SUSPECTS
        if found.verdict is Verdict.MAKE_ROOM:
            return Haul([], found.poisoned, SUSPECT_LOOK, makes_room=True)
        if found.claims:
            return Haul(found.claims, found.poisoned, SUSPECT_LOOK)
        asks = self._ring.choose(min(room, BATCH), now)
        claims = await self._take(asks, now) if asks else []
        return Haul(claims, found.poisoned, self._delay(now, tried=bool(asks)))

    def _delay(self, now: float, *, tried: bool) -> float:
        if (tried and not self._ring.is_quiet) or self._heard:
            return 0.0
        wait = SUSPECT_LOOK if self._suspects else SWEEP_PERIOD
        if self._ring.is_contended:
            wait = min(wait, LOOK_PERIOD)
        if self._patrol is not None:
            wait = min(wait, PATROL_STEP)
        if self._due is not None:
            wait = min(wait, max(0.001, self._due - now))
        return wait

    async def _look(self, now: float) -> None:
        """Looks for strands with ready runs."""
        self._heard = False
        period = max(PATROL_PERIOD, PATROL_SECONDS * self._patrolled)
        if self._patrol is None and not 0.0 <= now - self._patrol_began < period:
            self._patrol, self._patrol_began, self._patrolled = _FIRST, now, 0
        if self._since[0] > now:  # the clock was set back
            self._since = (now - LATE, *self._since[1:])
        sight = await self._engine.database.read(strands.look, self._since, self._patrol, now)
        self._looked, self._patrol, self._due = now, sight.patrolled, sight.due
        self._patrolled += sight.strands
        self._suspects = sight.suspects
        self._since = sight.last or (now - LATE, "", "", strands.LEAST_PRIORITY)
        self._heard = self._heard or sight.last is not None
        self._ring.stir(now)
        self._ring.see(sight.found)

    async def _take(self, asks: list[Ask], now: float) -> list[Claim]:
        taken = claiming.Taken()
        try:
            limits = self._limits_of_all(asks)
            taken = await self._engine.database.write(_TAKE, self._engine.worker, asks, limits, now)
        finally:
            self._learn(taken.grants, now)
            self._ring.settle(asks, taken.replies)
        return taken.claims

    async def _judge(self, room: int, now: float, idle: bool) -> claiming.Suspicion:
        """Takes suspects, or says that there must be room for one."""
        take, me = _TAKE_SUSPECTS, self._engine.worker
        found = await self._engine.database.write(take, me, self._limits_of, room, now, idle=idle)
        self._learn(found.grants, now)
        return found

    # -- limits ----------------------------------------------------------------------------------

    def _limits_of_all(self, asks: Iterable[Ask]) -> dict[Scope, Standing]:
        limits: dict[Scope, Standing] = {}
        for ask in asks:
            limits.update(self._limits_of(ask.strand.tenant_id, ask.strand.lane, ask.limit))
        return limits

    def _limits_of(self, tenant_id: str, lane: str, lane_limit: int) -> dict[Scope, Standing]:
        wanted = {(tenant_id, lane): lane_limit, (tenant_id, WHOLE): self._engine.share_of(tenant_id).running}
        return {
            scope: (limit, self._slots.used(scope), self._slots.granted(scope))
            for scope, limit in wanted.items()
            if limit
        }

    def _learn(self, grants: Mapping[Scope, Grant], now: float) -> None:
        granted = {scope: grant.slots for scope, grant in grants.items()}
        self._slots.learn(granted, {scope: grant.full for scope, grant in grants.items()}, now)
