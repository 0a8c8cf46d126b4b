"""Takes ready runs: those of the strands that a worker asks for, as far as limits allow, or suspects.

Nothing here waits for another transaction: runs and limits that somebody else has locked are left out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, text

from quarterdeck.common.prepared import Prepared
from quarterdeck.runtime.claims.ring import Ask, Reply, Strand
from quarterdeck.runtime.claims.slots import Scope, scopes_of
from quarterdeck.runtime.store import statements
from quarterdeck.runtime.store.allotments import Grant, Need, grant
from quarterdeck.runtime.store.queue import Claim, last_intent, quarantine
from quarterdeck.runtime.store.strands import CLAIMABLE
from quarterdeck.runtime.store.suspicion import Suspect, Verdict, guilty, judge, ready_suspects

# What a worker knows about a limit: the limit, how much of it it fills, and how much it counts on.
Standing = tuple[int, int, int]
# (tenant, lane, the lane's limit) to what is known about the limits that such a run counts against.
LimitsOf = Callable[[str, str, int], Mapping[Scope, Standing]]


@dataclass(slots=True)
class Taken:
    """What a claim brought: runs that the worker holds now, and what it learned of strands and limits."""

    claims: list[Claim] = field(default_factory=list)
    replies: dict[Strand, Reply] = field(default_factory=dict)
    grants: dict[Scope, Grant] = field(default_factory=dict)


@dataclass(slots=True)
class Suspicion:
    """What came of looking at suspects: those that are held now, and those that went into quarantine."""

    verdict: Verdict
    claims: list[Claim] = field(default_factory=list)
    poisoned: list[str] = field(default_factory=list)
    grants: dict[Scope, Grant] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A ready run that this transaction has locked."""

    claim: Claim
    strand: Strand


_MINE = f"{CLAIMABLE} AND tenant_id = {{0}}tenant_id AND lane = {{0}}lane AND priority = {{0}}priority"
_DUE = "ready_at >= {0}since AND ready_at <= {1}"
_OF_ONE = f"{_MINE} AND {_DUE}".format(":", ":now")
_OF_EACH = f"{_MINE} AND {_DUE}".format("asked.", "$6")
_COLUMNS = "run_id, epoch, seq, attempts"
# Each asks its strand's part of the index, from where the living begin; `seen` is before anything is locked.
_ON_POSTGRESQL = f"""
    SELECT asked.place, q.run_id, q.epoch, q.seq, q.attempts, seen.oldest, seen.count
    FROM unnest($1::text[], $2::text[], $3::integer[], $4::float8[], $5::integer[])
        WITH ORDINALITY AS asked(tenant_id, lane, priority, since, wanted, place)
    CROSS JOIN LATERAL (
        SELECT min(ready_at) AS oldest, count(*) AS count FROM (
            SELECT ready_at FROM run_queue WHERE {_OF_EACH} ORDER BY ready_at LIMIT asked.wanted
        ) AS first
    ) AS seen
    LEFT JOIN LATERAL (
        SELECT {_COLUMNS} FROM run_queue WHERE {_OF_EACH} ORDER BY ready_at LIMIT asked.wanted
        FOR UPDATE SKIP LOCKED
    ) AS q ON true
"""
_ON_SQLITE = Prepared(
    text(f"SELECT {_COLUMNS}, ready_at FROM run_queue WHERE {_OF_ONE} ORDER BY ready_at LIMIT :wanted")
)


def take(
    connection: Connection, worker: str, asks: Sequence[Ask], limits: Mapping[Scope, Standing], now: float
) -> Taken:
    """Takes the oldest runs of the strands that are asked for.

    Args:
        limits: what holds of the limits that these runs count against; what is not there has none.
    """
    locked, replies = _locked(connection, asks, now)
    taken = Taken(replies=replies, grants=_grants(connection, worker, locked, limits))
    allowed = _allowed(locked, taken.grants)
    taken.claims = _held(connection, worker, [candidate.claim for candidate in allowed])
    got = defaultdict[Strand, int](int)
    for candidate in allowed:
        got[candidate.strand] += 1
    refused = {candidate.strand for candidate in locked} if len(allowed) < len(locked) else set()
    for ask in asks:
        reply = replies[ask.strand]
        less = ask.strand in refused and got[ask.strand] < reply.seen
        replies[ask.strand] = Reply(got[ask.strand], reply.seen, reply.oldest, refused=less)
    return taken


def _locked(
    connection: Connection, asks: Sequence[Ask], now: float
) -> tuple[list[_Candidate], dict[Strand, Reply]]:
    find = _on_postgresql if connection.dialect.name == "postgresql" else _on_sqlite
    return find(connection, asks, now)


def _on_postgresql(
    connection: Connection, asks: Sequence[Ask], now: float
) -> tuple[list[_Candidate], dict[Strand, Reply]]:
    columns = zip(*((*ask.strand, ask.since, ask.wanted) for ask in asks), strict=True)
    cursor = connection.connection.cursor()
    cursor.execute(_ON_POSTGRESQL, [*map(list, columns), now])
    found: list[_Candidate] = []
    replies: dict[Strand, Reply] = {}
    for place, run_id, epoch, seq, attempts, oldest, seen in cursor.fetchall():
        strand = asks[place - 1].strand
        replies[strand] = Reply(0, seen, oldest)
        if run_id is not None:
            found.append(_candidate(strand, run_id, epoch, seq, attempts))
    return found, replies


def _on_sqlite(
    connection: Connection, asks: Sequence[Ask], now: float
) -> tuple[list[_Candidate], dict[Strand, Reply]]:
    found: list[_Candidate] = []
    replies: dict[Strand, Reply] = {}
    for ask in asks:
        values = {**ask.strand._asdict(), "since": ask.since, "wanted": ask.wanted, "now": now}
        rows = _ON_SQLITE.rows(connection, values)
        replies[ask.strand] = Reply(0, len(rows), rows[0][4] if rows else None)
        found.extend(_candidate(ask.strand, *row[:4]) for row in rows)
    return found, replies


def _candidate(strand: Strand, run_id: str, epoch: int, seq: int, attempts: int) -> _Candidate:
    claim = Claim(run_id, strand.tenant_id, epoch + 1, seq, attempts + 1, lane=strand.lane)
    return _Candidate(claim, strand)


def _grants(
    connection: Connection, worker: str, locked: Sequence[_Candidate], limits: Mapping[Scope, Standing]
) -> dict[Scope, Grant]:
    """Gets a slot of each limit for each run, as far as there are any."""
    wanted = defaultdict[Scope, int](int)
    for candidate in locked:
        for scope in _limited(candidate.claim, limits):
            wanted[scope] += 1
    return {
        scope: grant(connection, worker, Need(scope, *limits[scope], more))
        for scope, more in sorted(wanted.items())
    }


def _limited(claim: Claim, limits: Collection[Scope]) -> list[Scope]:
    return [scope for scope in scopes_of(claim.tenant_id, claim.lane) if scope in limits]


def _allowed(locked: Sequence[_Candidate], grants: Mapping[Scope, Grant]) -> list[_Candidate]:
    """Returns the runs that have a slot of every limit that they count against."""
    left = {scope: given.more for scope, given in grants.items()}
    allowed = []
    for candidate in locked:
        scopes = _limited(candidate.claim, grants)
        if all(left[scope] > 0 for scope in scopes):
            allowed.append(candidate)
            for scope in scopes:
                left[scope] -= 1
    return allowed


def _held(connection: Connection, worker: str, claims: list[Claim]) -> list[Claim]:
    if claims:
        statements.TAKE.many(connection, [{"b_run": claim.run_id, "b_worker": worker} for claim in claims])
    return claims


def take_suspects(
    connection: Connection, worker: str, limits_of: LimitsOf, room: int, now: float, *, idle: bool
) -> Suspicion:
    """Takes one suspect alone, or those that have waited for too long; quarantines those that are guilty.

    Args:
        idle: the worker holds no run.
    """
    suspects, poisoned = _quarantine_guilty(connection, ready_suspects(connection, now))
    limits: dict[Scope, Standing] = {}
    able = []
    for suspect in suspects:
        mine = limits_of(suspect.tenant_id, suspect.lane, suspect.lane_limit)
        limits.update(mine)
        if all(limit > used for limit, used, _ in mine.values()):
            able.append(suspect)
    verdict, chosen = judge(able, idle=idle, now=now)
    found = [_suspected(suspect, alone=verdict is Verdict.TAKE) for suspect in chosen[:room]]
    grants = _grants(connection, worker, found, limits)
    claims = [candidate.claim for candidate in _allowed(found, grants)]
    return Suspicion(verdict, _held(connection, worker, claims), poisoned, grants)


def _suspected(suspect: Suspect, *, alone: bool) -> _Candidate:
    epoch, attempts = suspect.epoch + 1, suspect.attempts + 1
    claim = Claim(suspect.run_id, suspect.tenant_id, epoch, suspect.seq, attempts, alone, suspect.lane)
    return _Candidate(claim, Strand(suspect.tenant_id, suspect.lane, 0))


def _quarantine_guilty(connection: Connection, suspects: list[Suspect]) -> tuple[list[Suspect], list[str]]:
    """Returns the suspects that are left, and the ids of the others."""
    poisoned = []
    for suspect in filter(guilty, suspects):
        last = last_intent(connection, suspect.tenant_id, suspect.run_id)
        reason = f"no progress in {suspect.attempts} attempts{last}"
        quarantine(connection, suspect.tenant_id, suspect.run_id, reason)
        poisoned.append(suspect.run_id)
    return [suspect for suspect in suspects if not guilty(suspect)], poisoned
