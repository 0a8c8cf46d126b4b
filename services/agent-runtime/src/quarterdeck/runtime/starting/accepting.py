"""Accepting runs: what is pinned, and what idempotency, keys and sessions say."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Connection, Row

from quarterdeck.common import artifacts, codec
from quarterdeck.common.artifacts import ArtifactStore
from quarterdeck.common.clock import Clock
from quarterdeck.common.constants import INLINE_BYTES
from quarterdeck.common.database import Database, serialize, within
from quarterdeck.common.errors import (
    AlreadyExists,
    Conflict,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    Unavailable,
)
from quarterdeck.common.identity import Principal
from quarterdeck.common.rpc_client import Peer, acting_for
from quarterdeck.common.sharing import Shared
from quarterdeck.common.tenants import TenantId
from quarterdeck.runtime.constants import PRIORITY_STEP
from quarterdeck.runtime.definition import Definition, lane_of
from quarterdeck.runtime.engine import Engine
from quarterdeck.runtime.operations.signals import check_signal
from quarterdeck.runtime.starting.inputs import check_input
from quarterdeck.runtime.starting.newborn import as_written, run_row
from quarterdeck.runtime.store import definitions, gates, runs
from quarterdeck.runtime.store.inbox import Delivery, deliver
from quarterdeck.v1 import resources_pb2, resources_pb2_grpc

REJECT, JOIN, REPLACE, QUEUE = "reject", "join", "replace", "queue"
# The kind of a run that is a single tool call; its name is "server/tool".
TOOL = "Tool"

# Tenant, kind and name of what is to run, and who asks: not everybody may see everything.
Wanted = tuple[str, str, str, Principal | None]


@dataclass(frozen=True, slots=True)
class Start:
    """A wish to start a run.

    Attributes:
        wanted: asked in the transaction that would create the run: whether that is still wanted.
    """

    tenant: TenantId
    kind: str
    name: str
    input: Any
    principal: Principal
    session: str = ""
    key: str = ""
    key_conflict: str = REJECT
    labels: Mapping[str, str] = field(default_factory=dict)
    idempotency_key: str = ""
    priority: int = 0
    signal: Mapping[str, Any] | None = None
    trigger: str = ""
    wanted: Callable[[Connection], bool] | None = None


@dataclass(slots=True)
class Accepted:
    """A run that is durable now, and whom to wake.

    Attributes:
        begun: it is held by whom its row names.
        row: how it stood when it had begun, as a look at the database would have told; None: look.
    """

    run_id: str
    created: bool
    begun: bool = False
    row: Any = None
    ready: list[str] = field(default_factory=list)
    poke: dict[str, str] = field(default_factory=dict)


# (wish, row) -> a run that began here at once, or None: accept it for the queue.
Begin = Callable[[Start, dict[str, Any]], Awaitable[Accepted | None]]


class Starter:
    """Starts runs.

    Args:
        begin: begins a run in this process in the commit that accepts it; see `Worker.begin`.
    """

    def __init__(self, engine: Engine, registry: Peer, begin: Begin | None = None) -> None:
        self._engine = engine
        self._begin = begin
        self._database: Database = engine.database
        self._artifacts: ArtifactStore = engine.artifacts
        self._clock: Clock = engine.clock
        self._registry = registry
        self._stub = registry.stub(resources_pb2_grpc.RegistryServiceStub)
        self._resolve = Shared(self._ask_registry)

    async def start(self, wish: Start) -> Accepted:
        """Accepts a run, or answers with the one that this wish already started.

        Raises:
            NotFound: no such Workflow or Agent.
            FailedPrecondition: it has no accepted revision, or the tenant is suspended.
            InvalidArgument: the input breaks its schema.
            AlreadyExists: an open run has the key, under the rule `reject`.
            Conflict: the idempotency key was used for something else.
        """
        require_open(wish.tenant)
        wish, closure = await self.pin(wish)
        row = await self.prepare(wish, closure)
        return await accept_here(self._engine, self._begin, wish, row)

    async def pin(self, wish: Start) -> tuple[Start, str]:
        """Pins what a run is of; returns the wish in the terms of what was pinned, and the closure."""
        if wish.kind == TOOL:
            return await self._single_call(wish)
        return wish, await self.newest_closure(wish)

    async def prepare(self, wish: Start, closure: str) -> dict[str, Any]:
        """Checks a wish against what was pinned for it, and returns the run's row. Raises as `start`."""
        definition = await self._engine.definition(wish.tenant.id, closure, wish.kind, wish.name)
        value = await self._input(wish)
        await check_input(value, definition.input_schema)
        if wish.signal is not None:
            await check_signal(definition, wish.signal["name"], wish.signal.get("payload"), "signal.payload")
        return await self._row(wish, closure, definition, value)

    async def _input(self, wish: Start) -> Any:
        """Returns the input itself where a client named an artifact that holds it."""
        try:
            return await artifacts.internalise(self._artifacts, wish.tenant.id, wish.input)
        except (NotFound, InvalidArgument, ValueError) as error:
            message = f"the input names an artifact that cannot be read: {error}"
            raise InvalidArgument(message, field="input") from error

    async def _row(self, wish: Start, closure: str, definition: Definition, value: Any) -> dict[str, Any]:
        stored = await artifacts.externalise(self._artifacts, wish.tenant.id, value, INLINE_BYTES)
        revisions = await self._engine.revisions(wish.tenant.id, closure)
        return run_row(
            run_id=self._engine.new_id(),
            tenant_id=wish.tenant.id,
            tenant=wish.tenant.name,
            kind=wish.kind,
            name=wish.name,
            revision=revisions[f"{wish.kind}/{wish.name}"],
            closure=closure,
            value=stored,
            budget=definition.budget,
            principal={"subject": wish.principal.subject, "groups": list(wish.principal.groups)},
            labels=wish.labels,
            priority=wish.priority * PRIORITY_STEP,
            now=self._clock.now(),
            session=wish.session,
            run_key=wish.key,
            gate=gate_of(wish),
            trigger_name=wish.trigger,
            idempotency_key=wish.idempotency_key or None,
            request_hash=request_hash(wish),
            **lane_of(definition),
        )

    async def _single_call(self, wish: Start) -> tuple[Start, str]:
        """Makes a workflow of one step for a tool call from outside that needs an approval."""
        server, _, tool = wish.name.partition("/")
        if not server or not tool:
            raise InvalidArgument("write SERVER/TOOL", field="name")
        body = {"server": server, "name": tool, "arguments": "${input}"}
        spec = {"nodes": [{"name": "call", "tool": body}]}
        revision = f"Workflow/{wish.name}@{codec.digest(spec)[:12]}"
        specs = [(revision, "Workflow", wish.name, codec.dumps(spec))]
        root = ("Workflow", wish.name)
        closure = await self._database.write(definitions.save_closure, wish.tenant.id, root, specs)
        return replace(wish, kind="Workflow"), closure

    async def newest_closure(self, wish: Start) -> str:
        """Pins the newest accepted revisions; while the registry is away, those of the last start."""
        try:
            found = await self._resolve((wish.tenant.name, wish.kind, wish.name, acting_for()))
        except Unavailable:
            return await self._last_closure(wish)
        if not found.revisions:
            raise NotFound(f"{wish.kind} {wish.name} has no accepted revision", field="name")
        specs = [(r.revision, r.kind, r.name, bytes(r.spec_json)) for r in found.revisions]
        revisions = {f"{kind}/{name}": revision for revision, kind, name, _ in specs}
        closure = codec.digest(revisions)[:24]
        if not self._engine.knows_closure(wish.tenant.id, closure):
            root = (wish.kind, wish.name)
            await self._database.write(definitions.save_closure, wish.tenant.id, root, specs)
        return closure

    async def _ask_registry(self, wanted: Wanted) -> resources_pb2.Closure:
        tenant, kind, name, _ = wanted
        request = resources_pb2.ResolveClosureRequest(tenant=tenant, kind=kind, name=name)
        closure: resources_pb2.Closure = await self._registry.call(
            self._stub.ResolveClosure, request, patience=0
        )
        return closure

    async def _last_closure(self, wish: Start) -> str:
        last = await self._database.read(definitions.latest_closure, wish.tenant.id, wish.kind, wish.name)
        if last is None:
            raise Unavailable(
                "the registry is away, and no earlier run pinned this definition", hint="try again"
            )
        return last


def require_open(tenant: TenantId) -> None:
    """Raises FailedPrecondition if the tenant is suspended."""
    if tenant.suspended:
        raise FailedPrecondition(f"tenant {tenant.name} is suspended", hint="resume the tenant first")


def gate_of(wish: Start) -> str:
    """Returns the name under which the runs of a key wait for each other; turns wait by their session."""
    if wish.key:
        return f"{wish.tenant.id}/key/{wish.kind}/{wish.name}/{wish.key}"
    return ""


def request_hash(wish: Start) -> str:
    """Returns a hash of what was asked for, to tell a repeat from another request with the same key.

    It is empty without an idempotency key: nobody will compare it.
    """
    if not wish.idempotency_key:
        return ""
    return codec.digest([wish.kind, wish.name, wish.input, wish.session, wish.key, dict(wish.labels)])


async def accept_here(engine: Engine, begin: Begin | None, wish: Start, row: dict[str, Any]) -> Accepted:
    """Accepts a run and wakes whom that concerns; begins it at once where that is possible.

    A turn of a session begins with what the turns before it said, and a signal is delivered first:
    those are for the queue.
    """
    accepted = None
    if begin is not None and not wish.session and wish.signal is None:
        accepted = await begin(wish, row)
    if accepted is None:
        accepted = await engine.database.write(accept, wish, row, engine.clock.now())
    if accepted.created and accepted.row is None:
        accepted.row = as_written(row, "ready" if accepted.run_id in accepted.ready else "gated")
    await engine.wake(accepted.ready, accepted.poke)
    return accepted


def accept(connection: Connection, wish: Start, row: dict[str, Any], now: float) -> Accepted:
    """Inserts the run in the caller's transaction, as keys and sessions allow."""
    within(connection, wish.tenant.id)
    at = gates.Gates(wish.tenant.id, wish.session, row["gate"])
    serialize(connection, *filter(None, [once(wish)]), *at.names())
    if wish.idempotency_key:
        earlier = runs.by_idempotency_key(connection, wish.tenant.id, wish.idempotency_key)
        if earlier is not None:
            return _repeat(wish, earlier)
    if wish.wanted is not None and not wish.wanted(connection):
        raise AlreadyExists("somebody decided meanwhile that this run is not to be", field="name")
    accepted = Accepted(row["run_id"], created=True)
    ahead = runs.open_at_gate(connection, wish.tenant.id, row["gate"]) if row["gate"] else []
    if ahead and wish.key:
        joined = _resolve_conflict(connection, wish, ahead, accepted, now)
        if joined is not None:
            return joined
    if ahead or (wish.session and gates.ahead(connection, gates.Gates(wish.tenant.id, wish.session, ""))):
        row = {**row, "queue_status": "gated", "worker": "", "epoch": 0}
    runs.create_root(connection, row, wish.labels)
    if wish.signal is not None:
        _signal(connection, wish, row["run_id"], accepted, now)
    accepted.begun = row["queue_status"] == "held"
    if row["queue_status"] == "ready":
        accepted.ready.append(row["run_id"])
    return accepted


def once(wish: Start) -> str:
    """Returns what no other start may decide about at the same time, besides gates; empty: nothing."""
    return runs.once(wish.tenant.id, wish.idempotency_key) if wish.idempotency_key else ""


def _repeat(wish: Start, earlier: Row[Any]) -> Accepted:
    if earlier.request_hash != request_hash(wish):
        raise Conflict(
            "this idempotency key was used for another request",
            field="idempotencyKey",
            hint=f"use a new key; run {earlier.run_id} has this one",
            reason="IdempotencyKeyReused",
        )
    return Accepted(earlier.run_id, created=False)


def _resolve_conflict(
    connection: Connection, wish: Start, ahead: list[Any], accepted: Accepted, now: float
) -> Accepted | None:
    """Applies the key's rule. Returns the run to answer with, or None to create one behind the open ones."""
    open_run = ahead[0]
    if wish.key_conflict == REJECT:
        raise AlreadyExists(
            f"run {open_run.run_id} with key {wish.key!r} is still open",
            field="key",
            hint="wait for it, or choose join, replace or queue",
        )
    if wish.key_conflict == JOIN:
        joined = Accepted(open_run.run_id, created=False)
        if wish.signal is not None:
            _signal(connection, wish, open_run.run_id, joined, now)
        return joined
    if wish.key_conflict == REPLACE:
        data = {"reason": f"replaced by {accepted.run_id}", "by": wish.principal.subject}
        for older in ahead:
            cancel = Delivery(older.run_id, wish.tenant.id, "cancel", data, dedup="cancel:replaced")
            deliver(connection, cancel, now, accepted.ready, accepted.poke)
    return None


def _signal(connection: Connection, wish: Start, run_id: str, accepted: Accepted, now: float) -> None:
    signal = wish.signal or {}
    data = {"name": signal["name"], "payload": signal.get("payload")}
    dedup = f"signal:{signal['id']}" if signal.get("id") else ""
    delivery = Delivery(run_id, wish.tenant.id, "signal", data, dedup=dedup)
    deliver(connection, delivery, now, accepted.ready, accepted.poke)
