"""What a worker knows of the ready runs: in which strands there are some, and which it asks for next.

A strand is the ready runs of one tenant, lane and priority, oldest first. The ring has those in which there
may be some, each with the time before which there are none: so that a claim begins where the living are, and
passes neither those that were claimed before nor those that nobody may claim.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from quarterdeck.runtime.claims.precedence import is_ahead
from quarterdeck.runtime.claims.shares import ShareOf
from quarterdeck.runtime.claims.slots import LOOK_AGAIN, WHOLE, Scope, Slots, scopes_of
from quarterdeck.runtime.claims.turns import Turns


class Strand(NamedTuple):
    """Ready runs that differ only by their age. `lane`: the agent whose limit they share, or empty."""

    tenant_id: str
    lane: str
    priority: int


@dataclass(frozen=True, slots=True)
class Sighting:
    """A strand with ready runs: none is older than `since`; `limit` is its lane's, 0 for none."""

    strand: Strand
    since: float
    limit: int = 0


@dataclass(frozen=True, slots=True)
class Ask:
    """So many runs of a strand are wanted."""

    strand: Strand
    since: float
    limit: int
    wanted: int


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of asking: runs taken, how many there were (as many as wanted at most), the oldest's time.

    `refused`: some were left because a limit has been reached.
    """

    taken: int = 0
    seen: int = 0
    oldest: float | None = None
    refused: bool = False


_NO_REPLY = Reply()


class Ring:
    """The strands that may have ready runs, and the turns of their tenants.

    Args:
        slots: what this worker may have of limits.
    """

    def __init__(self, share_of: ShareOf, slots: Slots) -> None:
        self._share_of = share_of
        self._slots = slots
        self._turns = Turns()
        self._strands: dict[str, dict[tuple[str, int], Sighting]] = {}
        # Tenants whose strands all wait: for a slot, or for rows that somebody else has locked.
        self._resting: dict[str, float] = {}
        self._contended: set[Strand] = set()
        self._ahead: set[Strand] = set()

    def __len__(self) -> int:
        return sum(map(len, self._strands.values()))

    @property
    def is_quiet(self) -> bool:
        """There is nothing that could be asked for now."""
        return len(self._strands) == len(self._resting)

    @property
    def is_contended(self) -> bool:
        """Some could not be had because somebody else had locked them at that moment."""
        return bool(self._contended)

    @property
    def has_taken_over(self) -> bool:
        """Runs that were taken over from a dead worker could be asked for."""
        return any(strand.tenant_id not in self._resting for strand in self._ahead)

    def see(self, found: Iterable[Sighting]) -> None:
        """Takes in strands that a look found."""
        for sighting in found:
            tenant_id, lane, priority = sighting.strand
            strands = self._strands.setdefault(tenant_id, {})
            known = strands.get((lane, priority))
            since = sighting.since if known is None else min(known.since, sighting.since)
            strands[lane, priority] = Sighting(sighting.strand, since, sighting.limit)
            if known is None:
                self._resting.pop(tenant_id, None)
            if is_ahead(priority):
                self._ahead.add(sighting.strand)
            if tenant_id not in self._resting:
                self._turns.enter(tenant_id, self._share_of(tenant_id))

    def stir(self, now: float) -> None:
        """Lets tenants ask again that rested long enough. To be called now and then, not at every claim."""
        self._contended.clear()
        for tenant_id in [tenant for tenant, until in self._resting.items() if until <= now]:
            self.wake(tenant_id)

    def wake(self, tenant_id: str) -> bool:
        """Lets a tenant ask again: a slot of its own came free. Returns whether it rested."""
        if self._resting.pop(tenant_id, None) is None:
            return False
        self._turns.enter(tenant_id, self._share_of(tenant_id))
        return True

    def choose(self, room: int, now: float) -> list[Ask]:
        """Returns what to ask for, so that there is room for all of it. Each is to be settled."""
        wanted: dict[Strand, int] = {}
        while room and (tenant_id := self._turns.next()) is not None:
            strand = self._best(tenant_id, wanted, now)
            if strand is None:
                if not any(asked.tenant_id == tenant_id for asked in wanted):
                    contended = any(locked.tenant_id == tenant_id for locked in self._contended)
                    self._resting[tenant_id] = now + (0.0 if contended else LOOK_AGAIN)
                continue
            wanted[strand] = wanted.get(strand, 0) + 1
            self._turns.again(tenant_id, self._share_of(tenant_id))
            room -= 1
        return [self._ask(strand, count) for strand, count in wanted.items()]

    def _best(self, tenant_id: str, wanted: Mapping[Strand, int], now: float) -> Strand | None:
        """Returns the most urgent strand of a tenant for which there is a slot."""
        strands = self._strands[tenant_id]
        for lane, priority in sorted(strands, key=lambda key: (-key[1], strands[key].since)):
            strand = Strand(tenant_id, lane, priority)
            if strand not in self._contended and self._has_slot(strands[lane, priority], wanted, now):
                return strand
        return None

    def _has_slot(self, sighting: Sighting, wanted: Mapping[Strand, int], now: float) -> bool:
        tenant_id, lane, _ = sighting.strand
        for scope in scopes_of(tenant_id, lane):
            limit = sighting.limit if scope[1] else self._share_of(tenant_id).running
            if limit and self._slots.free(scope, limit, now) <= _asked(wanted, scope):
                return False
        return True

    def _ask(self, strand: Strand, wanted: int) -> Ask:
        sighting = self._strands[strand.tenant_id][strand.lane, strand.priority]
        return Ask(strand, sighting.since, sighting.limit, wanted)

    def settle(self, asks: Iterable[Ask], replies: Mapping[Strand, Reply]) -> None:
        """Takes in what came of asking; without a reply nothing is known to have changed."""
        for ask in asks:
            reply = replies.get(ask.strand, _NO_REPLY)
            tenant_id = ask.strand.tenant_id
            self._turns.settle(tenant_id, self._share_of(tenant_id), ask.wanted, reply.taken)
            self._note(ask, reply)

    def _note(self, ask: Ask, reply: Reply) -> None:
        tenant_id, lane, priority = ask.strand
        strands = self._strands[tenant_id]
        if reply is not _NO_REPLY and reply.taken == reply.seen < ask.wanted:
            del strands[lane, priority]
            self._ahead.discard(ask.strand)
        elif reply is not _NO_REPLY:
            since = ask.since if reply.oldest is None else reply.oldest
            strands[lane, priority] = Sighting(ask.strand, since, ask.limit)
            if reply.taken < ask.wanted and not reply.refused:
                self._contended.add(ask.strand)
        if strands:
            self._turns.enter(tenant_id, self._share_of(tenant_id))
        else:
            del self._strands[tenant_id]
            self._turns.leave(tenant_id)


def _asked(wanted: Mapping[Strand, int], scope: Scope) -> int:
    """Returns how many of the runs that are wanted would count against a limit."""
    tenant_id, lane = scope
    return sum(
        count
        for strand, count in wanted.items()
        if strand.tenant_id == tenant_id and lane in (WHOLE, strand.lane)
    )
