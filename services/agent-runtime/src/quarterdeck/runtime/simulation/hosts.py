"""Simulated worker processes: each has the real engine and worker, with simulated services around them."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from prometheus_client import CollectorRegistry

from quarterdeck.common.artifacts import PREFIX, ArtifactStore
from quarterdeck.common.errors import NotFound, Unavailable
from quarterdeck.common.identity import CallContext, set_current_call
from quarterdeck.common.ids import uuid7
from quarterdeck.common.tenants import TenantId
from quarterdeck.runtime.definition import Definition
from quarterdeck.runtime.effects.checks import CheckPerformer
from quarterdeck.runtime.effects.memory import MemoryPerformer
from quarterdeck.runtime.effects.models import ModelPerformer
from quarterdeck.runtime.effects.sealing import ToolCallSeals
from quarterdeck.runtime.effects.tool_directory import ToolDirectory
from quarterdeck.runtime.effects.tools import ToolPerformer
from quarterdeck.runtime.engine import Engine
from quarterdeck.runtime.events import Event
from quarterdeck.runtime.execution.unit import RunFacts
from quarterdeck.runtime.execution.worker import Worker
from quarterdeck.runtime.instruments import Instruments
from quarterdeck.runtime.simulation.adversary import CRASH, Adversary
from quarterdeck.runtime.simulation.broker import Broker, BusHandle
from quarterdeck.runtime.simulation.definitions import EXPIRES
from quarterdeck.runtime.simulation.loop import SimulatedLoop
from quarterdeck.runtime.simulation.manager import Manager, Memories, SimulatedPeer
from quarterdeck.runtime.simulation.models import ROUTE, ScriptedProvider
from quarterdeck.runtime.simulation.processes import Process
from quarterdeck.runtime.simulation.registry import Registry
from quarterdeck.runtime.simulation.store import SharedStore, StoreHandle, Witness
from quarterdeck.runtime.starting.accepting import Starter
from quarterdeck.runtime.state import Effect, RunState
from quarterdeck.runtime.streaming.live import LiveEvents
from quarterdeck.runtime.testing.harness import PRINCIPAL, TENANT
from quarterdeck.runtime.testing.scripted_models import FixedRoutes, OneProvider
from quarterdeck.runtime.triggers.accounts import everybody
from quarterdeck.runtime.triggers.due import DueLoop
from quarterdeck.runtime.triggers.firing import Firer

# When a simulation begins: Unix time in seconds.
EPOCH = 1_750_000_000.0
# Metrics are not what is simulated: all processes of all seeds count into these.
_INSTRUMENTS = Instruments(CollectorRegistry())


class ProcessClock:
    """The wall clock of one process, which may be wrong. See `quarterdeck.common.clock.Clock`."""

    def __init__(self, loop: SimulatedLoop, process: Process) -> None:
        self._loop = loop
        self._process = process

    def now(self) -> float:
        """Returns Unix time in seconds, as this process believes."""
        return EPOCH + self._loop.time() + self._process.skew

    async def sleep(self, seconds: float) -> None:
        """Sleeps."""
        await asyncio.sleep(seconds)


class SharedArtifacts(ArtifactStore):
    """Artifacts of all processes. See `quarterdeck.common.artifacts.ArtifactStore`."""

    def __init__(self, loop: SimulatedLoop, adversary: Adversary) -> None:
        self._loop = loop
        self._adversary = adversary
        self._kept: dict[tuple[str, str], bytes] = {}

    async def put(self, tenant_id: str, data: bytes) -> str:
        """See `ArtifactStore.put`."""
        import hashlib

        digest = PREFIX + hashlib.sha256(data).hexdigest()
        await self._pass("put")
        self._kept[tenant_id, digest] = data
        return digest

    async def get(self, tenant_id: str, digest: str) -> bytes:
        """See `ArtifactStore.get`."""
        await self._pass("get")
        if (tenant_id, digest) not in self._kept:
            raise NotFound(f"no artifact {digest}")
        return self._kept[tenant_id, digest]

    def look(self, tenant_id: str, digest: str) -> bytes:
        """Returns an artifact to somebody outside, at once."""
        return self._kept[tenant_id, digest]

    async def delete(self, tenant_id: str, digest: str) -> None:
        """See `ArtifactStore.delete`."""
        self._kept.pop((tenant_id, digest), None)

    async def older_than(self, tenant_id: str, moment: float) -> list[str]:
        """See `ArtifactStore.older_than`; no time passes for these, and nothing is collected."""
        return []

    async def collect(self, tenant_id: str, digest: str, moment: float) -> bool:
        """See `ArtifactStore.collect`."""
        return False

    async def _pass(self, name: str) -> None:
        fate, process = self._adversary.call(f"artifact {name}"), self._loop.current
        late = self._adversary.long_delay() if fate == "peer-slow" else 0.0
        problem = Unavailable("the disk does not answer") if fate and not late else None
        answer = self._loop.create_future()
        delay = self._adversary.delay() + late
        self._loop.world_later(delay, self._loop.settle, process, answer, problem)
        await answer


class BombPerformer:
    """Performs tool calls; but to call "bomb" kills the process, as often as the call says.

    Args:
        explode: ends the process.
    """

    def __init__(self, tools: ToolPerformer, exploded: Counter[str], explode: Callable[[], None]) -> None:
        self._tools = tools
        self._exploded = exploded
        self._explode = explode

    async def perform(
        self, facts: RunFacts, definition: Definition, state: RunState, effect: Effect
    ) -> list[Event]:
        """See `Performer.perform`."""
        if effect.target["tool"] == "bomb" and self._exploded[facts.run_id] < effect.arguments["times"]:
            self._exploded[facts.run_id] += 1
            self._explode()
            await asyncio.sleep(1.0)  # a dead process does not come back from this
        return await self._tools.perform(facts, definition, state, effect)


@dataclass(slots=True)
class Surroundings:
    """What all hosts of a seed share."""

    loop: SimulatedLoop
    chance: random.Random
    adversary: Adversary
    store: SharedStore
    broker: Broker
    manager: Manager
    memories: Memories
    artifacts: SharedArtifacts
    witness: Witness
    registry: Registry = field(default_factory=Registry)
    exploded: Counter[str] = field(default_factory=Counter)

    def new_id(self) -> str:
        """Returns a run's or approval's id that follows from the seed."""
        milliseconds = int((EPOCH + self.loop.time()) * 1000)
        return uuid7(milliseconds, self.chance.randbytes(10))


async def _tenant_of(_row: Any) -> TenantId:
    return TENANT


class Host:
    """One worker process."""

    def __init__(self, around: Surroundings, name: str, *, concurrency: int, skew: float) -> None:
        self.process = around.loop.new_process(name, is_worker=True)
        self.process.skew = skew
        self.is_draining = False
        self._around = around
        self.engine = around.loop.on(self.process, self._make_engine)
        bus = BusHandle(around.broker, self.process)
        self.worker = Worker(self.engine, bus, concurrency=concurrency, alone=False)
        registry = SimulatedPeer(
            "registry", around.loop, self.process, around.adversary, around.registry.take
        )
        self.starter = Starter(self.engine, registry, self.worker.begin)
        self.triggers = DueLoop(self.engine, Firer(self.engine, self.starter, everybody), _tenant_of)

    def _make_engine(self) -> Engine:
        around, process = self._around, self.process
        loop, adversary, artifacts = around.loop, around.adversary, around.artifacts
        clock, live = ProcessClock(loop, process), LiveEvents()
        manager = SimulatedPeer("mcp-manager", loop, process, adversary, around.manager.take)
        memory = SimulatedPeer("memory", loop, process, adversary, around.memories.take)
        directory = ToolDirectory(manager, clock)
        tools = ToolPerformer(manager, directory, artifacts, clock)
        routes = FixedRoutes({"default": ROUTE}, OneProvider(ScriptedProvider(adversary)), clock)
        engine = Engine(
            worker=f"{process.name}-{around.new_id()[-8:]}",
            database=StoreHandle(around.store, loop, process, adversary, around.witness),
            clock=clock,
            artifacts=artifacts,
            performers={
                "tool": BombPerformer(tools, around.exploded, self._explode),
                "check": CheckPerformer(tools, artifacts),
                "memory": MemoryPerformer(memory, artifacts),
                "model": ModelPerformer(routes, artifacts, live, clock),
            },
            tools=directory,
            live=live,
            instruments=_INSTRUMENTS,
            approval_expiry=lambda _tenant, policy: EXPIRES.get(policy),
            wake=self._wake,
            new_id=around.new_id,
            calls=ToolCallSeals(tools, manager),
        )
        directory.engine = engine
        return engine

    def _explode(self) -> None:
        self._around.adversary.strike(CRASH)

    async def _wake(self, ready: list[str], poke: dict[str, str]) -> None:
        await self.worker.wake(ready, poke)

    def begin(self, work: Coroutine[Any, Any, Any], name: str) -> None:
        """Starts a task in this process."""
        if self.process.is_alive:
            self._around.loop.on(self.process, lambda: self._around.loop.create_task(work, name=name))
        else:
            work.close()

    async def serve(
        self, what: Callable[[Host], Coroutine[Any, Any, Any]], reply: Callable[[Any], None]
    ) -> None:
        """Does what a client asked for and answers it."""
        set_current_call(CallContext("client", PRINCIPAL))
        try:
            result = await what(self)
        except Exception as error:
            result = error
        reply(result)
