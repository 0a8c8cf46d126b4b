"""What the executors of one worker share."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from quarterdeck.common.artifacts import ArtifactStore
from quarterdeck.common.cache import Cache
from quarterdeck.common.clock import Clock
from quarterdeck.common.database import Database
from quarterdeck.common.errors import NotFound
from quarterdeck.common.ids import uuid7
from quarterdeck.runtime.claims.shares import ShareOf, usual_share
from quarterdeck.runtime.constants import DEFAULT_AGENT_TURNS
from quarterdeck.runtime.definition import Definition, compile_definition
from quarterdeck.runtime.events import Event
from quarterdeck.runtime.execution.keeping import ByteCache
from quarterdeck.runtime.execution.unit import RunFacts
from quarterdeck.runtime.instruments import Instruments
from quarterdeck.runtime.state import Effect, RunState
from quarterdeck.runtime.store import definitions
from quarterdeck.runtime.streaming.live import LiveEvents
from quarterdeck.runtime.tracing import EndListener, RunEnd

KEPT_DEFINITIONS = 512
KEPT_STATES = 256
# Bytes of JSON of fetched artifacts.
KEPT_VALUES = 32 * 1024 * 1024


class Performer(Protocol):
    """Carries out one kind of effect."""

    async def perform(
        self, facts: RunFacts, definition: Definition, state: RunState, effect: Effect
    ) -> list[Event]:
        """Does it and returns the events of its outcome, an `effect.outcome` among them.

        Must not return before the outcome is known for good: what can be asked again is asked
        again in here (`asking.ask_later`, which raises HandedOver when the worker leaves). May be
        cancelled at any await; it will then be performed again.
        """


class CallSeals(Protocol):
    """Closes the calls of runs that are over: what was not made by then is never made."""

    async def seal(self, facts: RunFacts, effects: Sequence[Effect]) -> None:
        """Closes them. Raises Unavailable when that cannot be done now."""

    async def settle(self, facts: RunFacts, effects: Sequence[Effect]) -> dict[str, Event]:
        """Closes them and returns the outcomes that are known, by effect.

        Raises:
            FailedPrecondition: one is still under way.
            Unavailable: nobody can say at the moment.
        """


class ToolLister(Protocol):
    """Lists what an agent's model may call, once, when its run starts."""

    async def pin(
        self, facts: RunFacts, spec: Mapping[str, Any], revisions: Mapping[str, str]
    ) -> list[dict[str, Any]]:
        """Returns pinned tools as JSON. Raises Unavailable while a server cannot be asked."""


@dataclass(frozen=True, slots=True)
class KeptState:
    """A parked run's state, and the sequence number of its last snapshot (0: there is none)."""

    state: RunState
    snapshot_seq: int


ApprovalExpiry = Callable[[str, str], float | None]


def _not_told(_end: RunEnd) -> None:
    """Tells nobody that a run is over."""


@dataclass(slots=True)
class Engine:
    """The parts an executor needs, and what is worth keeping between two runs.

    Args:
        approval_expiry: (tenant, policy name) to seconds until an approval expires, or None.
        calls: closes calls that nobody will ask for any more; None for tools within this process.
        share_of: tenant id to what the tenant gets of the workers.
        told_end: told of every run that ends here, after its commit.
        wake: awaited with the runs that became ready and the workers to poke.
    """

    worker: str
    database: Database
    clock: Clock
    artifacts: ArtifactStore
    performers: Mapping[str, Performer]
    tools: ToolLister
    live: LiveEvents
    instruments: Instruments
    approval_expiry: ApprovalExpiry
    wake: Callable[[list[str], dict[str, str]], Awaitable[None]]
    cache: Cache | None = None
    calls: CallSeals | None = None
    new_id: Callable[[], str] = uuid7
    told_end: EndListener = _not_told
    share_of: ShareOf = usual_share
    timers_changed: asyncio.Event = field(default_factory=asyncio.Event)
    _definitions: OrderedDict[tuple[str, str], Definition] = field(default_factory=OrderedDict)
    _specs: OrderedDict[tuple[str, str], dict[str, Any]] = field(default_factory=OrderedDict)
    _closures: OrderedDict[tuple[str, str], definitions.Revisions] = field(default_factory=OrderedDict)
    _states: OrderedDict[str, KeptState] = field(default_factory=OrderedDict)
    _values: ByteCache = field(default_factory=lambda: ByteCache(KEPT_VALUES))

    async def revisions(self, tenant_id: str, closure: str) -> definitions.Revisions:
        """Returns what a run pins: {"Kind/name": revision}."""
        key = (tenant_id, closure)
        if key not in self._closures:
            found = await self.database.read(definitions.read_closure, tenant_id, closure)
            if found is None:
                raise NotFound(f"no pinned closure {closure}")
            _keep(self._closures, key, found, KEPT_DEFINITIONS)
        return self._closures[key]

    def knows_closure(self, tenant_id: str, closure: str) -> bool:
        """True if the closure is durable for certain: it was read from the database before."""
        return (tenant_id, closure) in self._closures

    async def spec(self, tenant_id: str, revision: str) -> dict[str, Any]:
        """Returns a pinned spec."""
        key = (tenant_id, revision)
        if key not in self._specs:
            found = await self.database.read(definitions.read_spec, tenant_id, revision)
            if found is None:
                raise NotFound(f"no pinned revision {revision}")
            _keep(self._specs, key, found, KEPT_DEFINITIONS)
        return self._specs[key]

    async def definition(self, tenant_id: str, closure: str, kind: str, name: str) -> Definition:
        """Returns a compiled definition out of a closure."""
        revision = (await self.revisions(tenant_id, closure)).get(f"{kind}/{name}")
        if revision is None:
            raise NotFound(f"{kind} {name} is not among what this run pinned")
        key = (tenant_id, revision)
        if key not in self._definitions:
            spec = await self.spec(tenant_id, revision)
            compiled = compile_definition(kind, name, spec, DEFAULT_AGENT_TURNS)
            _keep(self._definitions, key, compiled, KEPT_DEFINITIONS)
        return self._definitions[key]

    async def value(self, tenant_id: str, digest: str) -> Any:
        """Returns the JSON value of an artifact."""
        from quarterdeck.common import codec

        key = (tenant_id, digest)
        known, value = self._values.get(key)
        if not known:
            data = await self.artifacts.get(tenant_id, digest)
            value = codec.loads(data) if len(data) < 1 << 20 else await asyncio.to_thread(codec.loads, data)
            self._values.put(key, value, len(data))
        return value

    def keep_state(self, state: RunState, snapshot_seq: int) -> None:
        """Keeps the state of a run that parks: its next claim need not fold again. Hands it over for good."""
        _keep(self._states, state.run_id, KeptState(state, snapshot_seq), KEPT_STATES)

    def take_state(self, run_id: str, seq: int) -> KeptState | None:
        """Returns a kept state if it is exactly at `seq`."""
        kept = self._states.pop(run_id, None)
        return kept if kept is not None and kept.state.seq == seq else None


def _keep(kept: OrderedDict[Any, Any], key: Any, value: Any, limit: int) -> None:
    kept[key] = value
    kept.move_to_end(key)
    while len(kept) > limit:
        kept.popitem(last=False)
