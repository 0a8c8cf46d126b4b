"""Wires the runtime and serves it."""

from __future__ import annotations

import os
import socket

from quarterdeck.common.clock import SteadyClock, SystemClock
from quarterdeck.common.ids import uuid7
from quarterdeck.common.service import Platform, Service
from quarterdeck.common.tenants import TenantDirectory
from quarterdeck.common.watching import ObjectWatcher, Watched
from quarterdeck.resources.durations import duration_seconds
from quarterdeck.runtime.claims.shares import TenantShares
from quarterdeck.runtime.config import RuntimeSettings
from quarterdeck.runtime.effects.checks import CheckPerformer
from quarterdeck.runtime.effects.memory import MemoryPerformer
from quarterdeck.runtime.effects.models import ModelPerformer
from quarterdeck.runtime.effects.routes import Routes
from quarterdeck.runtime.effects.sealing import ToolCallSeals
from quarterdeck.runtime.effects.tool_directory import ToolDirectory
from quarterdeck.runtime.effects.tools import ToolPerformer
from quarterdeck.runtime.engine import Engine
from quarterdeck.runtime.execution import looking
from quarterdeck.runtime.execution.looking import Lookout
from quarterdeck.runtime.execution.newer import NewerRuns
from quarterdeck.runtime.execution.worker import Worker
from quarterdeck.runtime.instruments import Instruments
from quarterdeck.runtime.operations.suspending import Suspending
from quarterdeck.runtime.retaining import Retention, Rule, rule_of
from quarterdeck.runtime.rpcs.approvals import ApprovalServicer
from quarterdeck.runtime.rpcs.bus import BusServicer
from quarterdeck.runtime.rpcs.models import ModelServicer
from quarterdeck.runtime.rpcs.server import RuntimeServicer
from quarterdeck.runtime.starting.accepting import Starter
from quarterdeck.runtime.streaming.fanout import Fanout
from quarterdeck.runtime.streaming.live import LiveEvents
from quarterdeck.runtime.streaming.sweeping import Sweeper
from quarterdeck.runtime.tables import METADATA, WATCHED
from quarterdeck.runtime.tracing import end_listener
from quarterdeck.runtime.triggers.accounts import Accounts
from quarterdeck.runtime.triggers.firing import Firer
from quarterdeck.runtime.triggers.reporting import StatusReporter
from quarterdeck.runtime.triggers.service import Triggers
from quarterdeck.v1 import (
    approvals_pb2,
    approvals_pb2_grpc,
    bus_pb2,
    bus_pb2_grpc,
    models_pb2,
    models_pb2_grpc,
    runs_pb2,
    runs_pb2_grpc,
)

NAME = "agent-runtime"
WATCHED_KINDS = ("ApprovalPolicy", "Trigger", "Tenant", *looking.KINDS)


class AgentRuntime:
    """The running service. See `quarterdeck.common.service.Service`."""

    name = NAME

    def __init__(self, platform: Platform, settings: RuntimeSettings) -> None:
        assert platform.database is not None
        self._platform = platform
        self._settings = settings
        self._watcher = ObjectWatcher(platform, platform.database, WATCHED, WATCHED_KINDS, self._on_object)
        outbound = platform.settings.outbound()
        self._routes = Routes(self._watcher, os.environ, platform.telemetry.tracer, outbound)
        self._directory = ToolDirectory(platform.peer("mcp-manager"), platform.clock)
        self._shares = TenantShares()
        self._engine = self._make_engine()
        self._directory.engine = self._engine
        self._lookout = Lookout(self._engine)
        live, instruments = self._engine.live, self._engine.instruments
        self._fanout = Fanout(platform.bus, self._engine.worker, live, instruments)
        self._sweeper = Sweeper(platform.database, live)
        # A SQLite file has one runtime only: the directory it lies in is locked.
        alone = platform.settings.database_for(NAME).startswith("sqlite:")
        self._worker = Worker(self._engine, platform.bus, concurrency=settings.concurrency, alone=alone)
        tenants = TenantDirectory(platform.peer("registry"))
        starter = Starter(self._engine, platform.peer("registry"), self._worker.begin)
        self._reporter = StatusReporter(platform.peer("registry"), platform.database, platform.clock)
        accounts = Accounts(platform.peer("gateway"))
        firer = Firer(self._engine, starter, accounts.admit, self._reporter.tell_permitted)
        self._triggers = Triggers(self._engine, firer, platform.bus, tenants)
        self._server = platform.rpc_server(
            runs_pb2.DESCRIPTOR.services_by_name["RuntimeService"],
            approvals_pb2.DESCRIPTOR.services_by_name["ApprovalService"],
            models_pb2.DESCRIPTOR.services_by_name["ModelService"],
            bus_pb2.DESCRIPTOR.services_by_name["BusService"],
        )
        self._retention = Retention(
            platform.database,
            platform.artifacts,
            platform.clock,
            self._retention_rule,
            settings.retention_period,
        )
        runtime = RuntimeServicer(
            self._engine, tenants, starter, self._triggers, self._retention, platform.authorizer
        )
        runs_pb2_grpc.add_RuntimeServiceServicer_to_server(runtime, self._server.grpc)
        approvals = ApprovalServicer(self._engine, tenants, self._watcher, self._directory)
        approvals_pb2_grpc.add_ApprovalServiceServicer_to_server(approvals, self._server.grpc)
        models = ModelServicer(self._routes, self._watcher, tenants)
        models_pb2_grpc.add_ModelServiceServicer_to_server(models, self._server.grpc)
        letters = BusServicer(platform.bus, tenants)
        bus_pb2_grpc.add_BusServiceServicer_to_server(letters, self._server.grpc)

    def _make_engine(self) -> Engine:
        platform = self._platform
        assert platform.database is not None
        live = LiveEvents()
        directory = self._directory
        tools = ToolPerformer(platform.peer("mcp-manager"), directory, platform.artifacts, platform.clock)
        return Engine(
            worker=worker_name(),
            database=platform.database,
            clock=platform.clock,
            artifacts=platform.artifacts,
            performers={
                "tool": tools,
                "check": CheckPerformer(tools, platform.artifacts),
                "memory": MemoryPerformer(platform.peer("memory"), platform.artifacts),
                "model": ModelPerformer(self._routes, platform.artifacts, live, platform.clock),
            },
            tools=directory,
            live=live,
            instruments=Instruments(platform.telemetry.registry),
            approval_expiry=self._approval_expiry,
            wake=self._wake,
            cache=platform.cache,
            calls=ToolCallSeals(tools, platform.peer("mcp-manager")),
            told_end=end_listener(platform.telemetry),
            share_of=self._shares.of,
        )

    async def _wake(self, ready: list[str], poke: dict[str, str]) -> None:
        await self._worker.wake(ready, poke)

    async def _on_object(self, watched: Watched, deleted: bool) -> None:
        if watched.kind == "Tenant":
            self._shares.on_object(watched, deleted)
        if watched.kind == "Trigger":
            await self._triggers.on_object(watched, deleted)
        await self._lookout.on_object(watched, deleted)

    def _approval_expiry(self, tenant: str, policy: str) -> float | None:
        """Returns how long an approval stays open, by the live policy's word."""
        watched = self._watcher.get(tenant, "ApprovalPolicy", policy) if policy else None
        text = watched.spec.get("expiresAfter") if watched else None
        return duration_seconds(text) if text else self._settings.approval_expires

    def _retention_rule(self, tenant: str) -> Rule:
        """Returns how long the tenant's runs are kept, by its live word."""
        watched = self._watcher.get("", "Tenant", tenant)
        return rule_of(watched.spec if watched else {}, self._settings)

    async def start(self) -> None:
        """Follows the registry, listens, and begins to advance runs."""
        await self._watcher.start()
        await self._server.start()
        await self._fanout.start()
        await self._worker.start()
        await self._triggers.start()
        await self._retention.start()
        self._platform.spawn(self._reporter.run(), "trigger-status")
        self._platform.spawn(self._sweeper.run(), "stream-sweep")
        suspending = Suspending(self._engine, self._platform.peer("gateway"))
        self._platform.spawn(suspending.run(), "suspended-principals")

    async def stop(self, grace: float) -> None:
        """Drains: hands over what is idle, lets effects in flight end."""
        await self._retention.stop()
        await self._triggers.stop()
        await self._worker.drain(grace)
        await self._fanout.stop()
        await self._server.stop(min(grace, 1.0))
        await self._routes.close()


def worker_name() -> str:
    """Returns a name that no other worker ever has; people see by it where the worker runs."""
    return f"{socket.gethostname()}-{os.getpid()}-{uuid7()}"


async def build(platform: Platform) -> Service:
    """Opens the database and wires the service. Raises Unavailable if the database cannot be used."""
    database = await platform.open_database(METADATA, "quarterdeck.runtime.migrations")
    if isinstance(platform.clock, SystemClock):  # ours, that is: a jump of the machine's moves no timer
        platform.clock = SteadyClock()
    platform.checks["runs"] = NewerRuns(database, platform.clock).check
    return AgentRuntime(platform, RuntimeSettings())
