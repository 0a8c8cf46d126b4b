"""Writes a run and every run below it as a file, piece by piece."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from typing import Any

from sqlalchemy import Connection, select

from quarterdeck.common import codec
from quarterdeck.common.errors import FailedPrecondition, NotFound
from quarterdeck.common.tenants import TenantId
from quarterdeck.runtime.constants import REDUCER_VERSION
from quarterdeck.runtime.engine import Engine
from quarterdeck.runtime.operations import deliveries
from quarterdeck.runtime.store.journal import read_events
from quarterdeck.runtime.store.mentions import digests_in
from quarterdeck.runtime.store.packing import Recorded
from quarterdeck.runtime.store.trees import tree_of
from quarterdeck.runtime.transfer.chain import ChainWriter
from quarterdeck.runtime.transfer.entries import (
    ARTIFACT_PART,
    FORMAT,
    MOST_RUNS,
    AnyEntry,
    Artifact,
    Closure,
    Definition,
    End,
    Event,
    Export,
    Run,
)

EVENTS_PAGE = 100


class Exporter:
    """Exports one run.

    Definitions, journals and payloads are all there is: a journal holds no credentials, and tool servers
    and model routes, which name secrets, are not pinned.
    """

    def __init__(self, engine: Engine, tenant: TenantId) -> None:
        self._engine = engine
        self._tenant = tenant
        self._writer = ChainWriter()
        self._closures: set[str] = set()
        self._revisions: set[str] = set()
        self._digests: set[str] = set()
        self._runs = self._events = self._artifacts = 0

    async def export(self, run_id: str) -> AsyncIterator[bytes]:
        """Yields the file.

        An open run is written as it stands, up to the last event that it has when it is looked at.

        Raises:
            NotFound: there is no such run.
            FailedPrecondition: it has too many runs below it.
        """
        ids = await self._engine.database.read(_tree, self._tenant, run_id)
        head = Export(
            format=FORMAT, run=run_id, exported_at=self._engine.clock.now(), reducer=REDUCER_VERSION
        )
        yield self._writer.add([head])
        for one in ids:
            async for piece in self._run(one, run_id):
                yield piece
        async for piece in self._named_artifacts():
            yield piece
        end = End(runs=self._runs, events=self._events, artifacts=self._artifacts)
        yield self._writer.add([end]) + self._writer.close()

    async def _run(self, run_id: str, root: str) -> AsyncIterator[bytes]:
        row, page = await self._engine.database.read(_look, self._tenant, run_id)
        for content in (row.input, row.output, row.error):
            self._digests |= digests_in(bytes(content))
        entries: list[AnyEntry] = [*await self._pinned(row.closure), run_entry(row, root)]
        self._runs, written = self._runs + 1, 0
        while True:
            page = page[: row.current_seq - written]
            for recorded in page:
                self._digests |= digests_in(recorded.data)
            yield await self._add([*entries, *map(_event, page)])
            written, entries = written + len(page), []
            if not page or written == row.current_seq:
                break
            page = await self._engine.database.read(
                read_events, self._tenant.id, run_id, written, EVENTS_PAGE
            )
        self._events += written
        if written != row.current_seq:
            raise NotFound(f"the journal of run {run_id} is gone", field="runId")

    async def _pinned(self, closure: str) -> list[AnyEntry]:
        """Returns the entries of what a run pinned, unless they are in the file already."""
        if closure in self._closures:
            return []
        self._closures.add(closure)
        revisions = await self._engine.revisions(self._tenant.id, closure)
        found: list[AnyEntry] = []
        for key, revision in revisions.items():
            if revision not in self._revisions:
                self._revisions.add(revision)
                spec = await self._engine.spec(self._tenant.id, revision)
                kind, _, name = key.partition("/")
                fields = {"revision": revision, "kind": kind, "name": name, "spec": spec}
                found.append(Definition.model_validate(fields))
        return [*found, Closure(closure=closure, revisions=revisions)]

    async def _named_artifacts(self) -> AsyncIterator[bytes]:
        """Yields what the runs name, and what that names in turn."""
        waiting, seen = sorted(self._digests), set(self._digests)
        while waiting:
            digest = waiting.pop()
            try:
                data = await self._engine.artifacts.get(self._tenant.id, digest)
            except NotFound:  # a word that looks like one
                continue
            fresh = digests_in(data) - seen
            waiting, seen = waiting + sorted(fresh), seen | fresh
            self._artifacts += 1
            for at in range(0, max(1, len(data)), ARTIFACT_PART):
                yield await self._add([_part(digest, data, at)])

    async def _add(self, entries: list[AnyEntry]) -> bytes:
        return await asyncio.to_thread(self._writer.add, entries)


def _tree(connection: Connection, tenant: TenantId, run_id: str) -> list[str]:
    """Returns the ids of a run and of all below it, parents before their children."""
    deliveries.require_run(connection, tenant, run_id)
    tree = tree_of(tenant.id, run_id)
    query = select(tree.c.run_id).order_by(tree.c.level, tree.c.run_id).limit(MOST_RUNS + 1)
    found = list(connection.execute(query).scalars())
    if len(found) > MOST_RUNS:
        raise FailedPrecondition(
            f"more than {MOST_RUNS} runs belong to it, and a file holds no more",
            hint="export the runs below it one by one",
        )
    return found


def _look(connection: Connection, tenant: TenantId, run_id: str) -> tuple[Any, list[Recorded]]:
    row = deliveries.require_run(connection, tenant, run_id)
    return row, read_events(connection, tenant.id, run_id, 0, EVENTS_PAGE)


def run_entry(row: Any, root: str) -> Run:
    """Returns a run's entry from its row; of who started it, the name alone."""
    said = {name: getattr(row, name) for name in ("input", "output", "error")}
    return Run(
        id=row.run_id,
        parent="" if row.run_id == root else row.parent_run_id,
        parent_step="" if row.run_id == root else row.parent_step,
        item_index=row.item_index,
        depth=row.depth,
        kind=row.kind,
        name=row.name,
        revision=row.revision,
        closure=row.closure,
        state=row.state,
        reason=row.reason,
        key=row.run_key,
        session=row.session,
        trigger=row.trigger_name,
        labels=codec.loads(row.labels),
        principal=codec.loads(row.principal)["subject"],
        forked_from=row.forked_from,
        cost_micro_usd=row.cost,
        tokens=row.tokens,
        last_seq=row.current_seq,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        **{name: codec.loads(data) for name, data in said.items() if data},
    )


def _event(recorded: Recorded) -> Event:
    return Event(seq=recorded.seq, event=recorded.type, data=codec.loads(recorded.data), at=recorded.at)


def _part(digest: str, data: bytes, at: int) -> Artifact:
    part = base64.b64encode(data[at : at + ARTIFACT_PART]).decode()
    return Artifact(digest=digest, size=len(data), offset=at, data=part)
