"""The engine on a database of its own, for tests and benchmarks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry
from sqlalchemy import Connection, Delete, Insert, Row, Select, Update

from quarterdeck.common import codec
from quarterdeck.common.artifacts import ArtifactStore, DirectoryArtifacts
from quarterdeck.common.bus import Bus, InProcessBus
from quarterdeck.common.cache import Cache
from quarterdeck.common.clock import Clock, SystemClock
from quarterdeck.common.database import Database, across_tenants, open_database
from quarterdeck.common.identity import Principal
from quarterdeck.common.ids import uuid7
from quarterdeck.common.tenants import TenantId
from quarterdeck.runtime.approvals import deciding
from quarterdeck.runtime.claims.shares import ShareOf, usual_share
from quarterdeck.runtime.definition import lane_of
from quarterdeck.runtime.engine import ApprovalExpiry, Engine, Performer, ToolLister
from quarterdeck.runtime.execution.worker import Worker
from quarterdeck.runtime.instruments import Instruments
from quarterdeck.runtime.operations import deliveries
from quarterdeck.runtime.operations.terminating import Terminator
from quarterdeck.runtime.starting.accepting import Start, accept_here, gate_of, request_hash
from quarterdeck.runtime.starting.newborn import run_row
from quarterdeck.runtime.store import approvals, definitions, runs, trees
from quarterdeck.runtime.store.journal import read_events
from quarterdeck.runtime.streaming.live import LiveEvents
from quarterdeck.runtime.tables import METADATA
from quarterdeck.runtime.testing.stubs import LocalTool, LocalTools

TENANT = TenantId("default", "00000000-0000-7000-8000-000000000001")
PRINCIPAL = Principal("test:user")
LONG = 10_000


class Harness:
    """A worker and everything it needs.

    Use as `async with Harness(folder, specs={"Workflow/w": {…}}, tools={"server/tool": f}) as h`.

    Args:
        specs: what a run pins, by "Kind/name", the root first.
        tools: tools in process. With a "tool" among `performers` and a `lister` they are not used.
        database: default: one of its own in `folder`. It is closed at the end either way.
        grace: seconds that effects in flight get at the end.
    """

    @staticmethod
    def url_of(folder: Path) -> str:
        """Returns the URL of the database that belongs to a folder."""
        return f"sqlite:///{folder / 'runtime.db'}"

    def __init__(
        self,
        folder: Path,
        *,
        specs: Mapping[str, Mapping[str, Any]],
        tools: Mapping[str, LocalTool] | None = None,
        performers: Mapping[str, Performer] | None = None,
        clock: Clock | None = None,
        bus: Bus | None = None,
        concurrency: int = 64,
        lister: ToolLister | None = None,
        approval_expiry: ApprovalExpiry = lambda _tenant, _policy: None,
        artifacts: ArtifactStore | None = None,
        database: Database | None = None,
        grace: float = 1.0,
        cache: Cache | None = None,
        share_of: ShareOf = usual_share,
    ) -> None:
        self._folder = folder
        self._specs = specs
        self._concurrency = concurrency
        self.clock = clock or SystemClock()
        self.bus = bus or InProcessBus()
        self.artifacts = artifacts or DirectoryArtifacts(folder / "artifacts")
        self.tools = LocalTools(tools or {}, self.artifacts)
        self._performers = dict(performers or {})
        self._lister = lister or self.tools
        self._approval_expiry = approval_expiry
        self._given = database
        self._grace = grace
        self._cache = cache
        self._share_of = share_of
        self.database: Database
        self.engine: Engine
        self.worker: Worker
        self._closure = ""

    async def __aenter__(self) -> Harness:
        """Opens the database and starts the worker."""
        self.database = self._given or await open_database(self.url_of(self._folder), METADATA)
        await self._pin()
        await self.start_worker()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Drains and closes."""
        await self.worker.drain(self._grace)
        await self.bus.close()
        await self.database.close()

    async def start_worker(self) -> None:
        """Starts a worker that takes over whatever a former one left."""
        self.engine = Engine(
            worker=uuid7(),
            database=self.database,
            clock=self.clock,
            artifacts=self.artifacts,
            performers={"tool": self.tools, **self._performers},
            tools=self._lister,
            live=LiveEvents(),
            instruments=Instruments(CollectorRegistry()),
            approval_expiry=self._approval_expiry,
            wake=self._wake,
            cache=self._cache,
            share_of=self._share_of,
        )
        self.worker = Worker(self.engine, self.bus, concurrency=self._concurrency, alone=True)
        await self.worker.start()

    async def look(self, query: Select[Any]) -> list[Row[Any]]:
        """Returns what is in the database, past the engine and whoever's it is."""

        def look(connection: Connection) -> list[Row[Any]]:
            across_tenants(connection)
            return list(connection.execute(query).all())

        return await self.database.read(look)

    async def change(self, statement: Insert | Update | Delete) -> None:
        """Changes what is in the database, past the engine and whoever's it is."""

        def change(connection: Connection) -> None:
            across_tenants(connection)
            connection.execute(statement)

        await self.database.write(change)

    async def _wake(self, ready: list[str], poke: dict[str, str]) -> None:
        await self.worker.wake(ready, poke)

    async def _pin(self) -> None:
        specs = []
        for key, spec in self._specs.items():
            kind, name = key.split("/")
            revision = f"{key}@{codec.digest(spec)[:12]}"
            specs.append((revision, kind, name, codec.dumps(spec)))
        root = tuple(next(iter(self._specs)).split("/"))
        self._closure = await self.database.write(
            definitions.save_closure, TENANT.id, (root[0], root[1]), specs
        )

    async def start(self, kind: str, name: str, value: Any = None, **more: Any) -> str:
        """Starts a run and returns its id. `more` as in `Start`."""
        wish = Start(TENANT, kind, name, value, PRINCIPAL, **more)
        definition = await self.engine.definition(TENANT.id, self._closure, kind, name)
        revisions = await self.engine.revisions(TENANT.id, self._closure)
        row = run_row(
            run_id=uuid7(),
            tenant_id=TENANT.id,
            tenant=TENANT.name,
            kind=kind,
            name=name,
            revision=revisions[f"{kind}/{name}"],
            closure=self._closure,
            value=value,
            budget=definition.budget,
            principal={"subject": PRINCIPAL.subject, "groups": []},
            labels=wish.labels,
            priority=wish.priority,
            now=self.clock.now(),
            session=wish.session,
            run_key=wish.key,
            gate=gate_of(wish),
            idempotency_key=wish.idempotency_key or None,
            request_hash=request_hash(wish),
            **lane_of(definition),
        )
        return (await accept_here(self.engine, self.worker.begin, wish, row)).run_id

    async def row(self, run_id: str) -> Any:
        """Returns the run's row."""
        return await self.database.read(runs.get_run, TENANT.id, run_id)

    async def wait(self, run_id: str, *states: str, timeout: float = 20.0) -> Any:
        """Waits until the run is in one of `states` (over, by default) and returns its row."""
        wanted = states or ("succeeded", "failed", "cancelled", "timed-out", "quarantined")
        async with asyncio.timeout(timeout):
            while True:
                row = await self.row(run_id)
                if row.state in wanted:
                    return row
                await asyncio.sleep(0.005)

    async def until(self, look: Callable[[], Awaitable[Any]], timeout: float = 20.0) -> Any:
        """Awaits `look()` again and again until what it returns is true, and returns that."""
        async with asyncio.timeout(timeout):
            while True:
                if found := await look():
                    return found
                await asyncio.sleep(0.005)

    async def output(self, run_id: str, timeout: float = 20.0) -> Any:
        """Waits for the run's success and returns its output."""
        row = await self.wait(run_id, timeout=timeout)
        assert row.state == "succeeded", (row.state, row.reason, row.error)
        value = codec.loads(row.output) if row.output else None
        from quarterdeck.common.artifacts import internalise

        return await internalise(self.artifacts, TENANT.id, value)

    async def error(self, run_id: str) -> dict[str, Any]:
        """Waits for the run's end without success and returns its error."""
        row = await self.wait(run_id)
        assert row.state != "succeeded", codec.loads(row.output) if row.output else None
        error: dict[str, Any] = codec.loads(row.error)
        return error

    async def journal(self, run_id: str) -> list[Any]:
        """Returns the run's journal as events."""
        recorded = await self.database.read(read_events, TENANT.id, run_id, 0, LONG)
        return [entry.event() for entry in recorded]

    async def approvals(self) -> list[Any]:
        """Returns open approvals, oldest first."""
        return await self.database.read(approvals.list_approvals, TENANT.id, ["open"], [], "", LONG)

    async def approve(
        self, approval_id: str, *, yes: bool = True, by: str = PRINCIPAL.subject, **more: Any
    ) -> None:
        """Decides an approval. `more` as in `Vote`."""
        vote = deciding.Vote(approval_id, yes, by, **more)
        ready: list[str] = []
        poke: dict[str, str] = {}
        await self.database.write(deciding.decide, TENANT, vote, self.clock.now(), ready, poke)
        await self._wake(ready, poke)

    async def tree(self, run_id: str) -> list[str]:
        """Returns the ids of a run and of every run below it, parents first."""
        return [run_id, *await self.database.read(trees.descendants, TENANT.id, run_id)]

    async def cancel(self, run_id: str, reason: str = "test") -> None:
        """Asks the run to stop."""
        woken = await self.database.write(
            deliveries.cancel, TENANT, run_id, reason, PRINCIPAL.subject, self.clock.now()
        )
        await self._wake(*woken)

    async def pause(self, run_id: str, reason: str = "") -> None:
        """Asks the run to stand still."""
        woken = await self.database.write(
            deliveries.pause, TENANT, run_id, reason, PRINCIPAL.subject, self.clock.now()
        )
        await self._wake(*woken)

    async def terminate(self, run_id: str, reason: str = "") -> None:
        """Ends the run at once."""
        await Terminator(self.engine).terminate(TENANT, run_id, reason, PRINCIPAL.subject)

    async def signal(self, run_id: str, name: str, payload: Any = None, signal_id: str = "") -> None:
        """Sends the run a signal."""
        woken = await self.database.write(
            deliveries.signal, TENANT, run_id, name, payload, signal_id, self.clock.now()
        )
        await self._wake(*woken)

    async def resume(self, run_id: str, **data: Any) -> None:
        """Resumes the run."""
        woken = await self.database.write(deliveries.resume, TENANT, run_id, data, self.clock.now())
        await self._wake(*woken)
