"""Claims past any worker: for tests that want to be one, or several, for a moment."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import Connection

from quarterdeck.runtime.claims.ring import Ring, Strand
from quarterdeck.runtime.claims.shares import ShareOf, usual_share
from quarterdeck.runtime.claims.slots import Slots
from quarterdeck.runtime.store import claiming, strands
from quarterdeck.runtime.store.queue import Claim
from quarterdeck.runtime.store.suspicion import Verdict

_FIRST = Strand("", "", strands.LEAST_PRIORITY)


@dataclass(slots=True)
class Claimed:
    """What a claim brought. See `claims.claimer.Haul`."""

    claims: list[Claim] = field(default_factory=list)
    poisoned: list[str] = field(default_factory=list)


def claim_once(
    connection: Connection,
    worker: str,
    limit: int,
    now: float,
    *,
    idle: bool = True,
    share_of: ShareOf = usual_share,
) -> Claimed:
    """Claims as a worker does that has just come, in one transaction, until it has `limit` runs."""
    found = claiming.take_suspects(connection, worker, lambda *_: {}, limit, now, idle=idle)
    if found.claims or found.verdict is Verdict.MAKE_ROOM:
        return Claimed(found.claims, found.poisoned)
    ring, claimed = Ring(share_of, Slots()), Claimed(poisoned=found.poisoned)
    ring.see(strands.look(connection, (0.0, "", "", 0), _FIRST, now).found)
    while asks := ring.choose(limit - len(claimed.claims), now):
        taken = claiming.take(connection, worker, asks, {}, now)
        ring.settle(asks, taken.replies)
        claimed.claims += taken.claims
    return claimed
