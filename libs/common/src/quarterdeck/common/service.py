"""What each service is built from, and how a process runs one.

A service's `main.py` has `async def build(platform: Platform) -> Service`. `qd serve NAME`
runs one in a process; the embedded platform runs five in one. A `Platform` holds the parts
of one service; two services never share one.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

from google.protobuf.descriptor import ServiceDescriptor
from sqlalchemy import MetaData

from quarterdeck.common.access import Authorizer, DoorAuthorizer, LocalAuthorizer
from quarterdeck.common.artifacts import ArtifactStore, open_artifacts
from quarterdeck.common.bus import Bus, open_bus
from quarterdeck.common.cache import Cache, open_cache
from quarterdeck.common.clock import Clock, SystemClock
from quarterdeck.common.database import Awaited, Database, open_database
from quarterdeck.common.identity import DOOR
from quarterdeck.common.proofs.accounts import AccountTokens, AccountVerifier
from quarterdeck.common.proofs.checking import TokenVerifier
from quarterdeck.common.proofs.keys import KeyDirectory
from quarterdeck.common.proofs.signing import WorkloadIdentity
from quarterdeck.common.rpc_client import Peer
from quarterdeck.common.rpc_server import RpcServer
from quarterdeck.common.settings import PlatformSettings, make_private_directory
from quarterdeck.common.telemetry import Telemetry
from quarterdeck.common.transport.certificates import Certificates
from quarterdeck.common.transport.wires import MutualTls, Plain, Wire

Check = Callable[[], Awaitable[None]]


class Service(Protocol):
    """A running service."""

    name: str

    async def start(self) -> None:
        """Begins to serve."""

    async def stop(self, grace: float) -> None:
        """Drains for `grace` seconds at most, then ends. May be called once."""


@dataclass(slots=True)
class Platform:
    """The parts of one service: opened by `open_platform`, closed by `close`.

    Attributes:
        patient: a database server that cannot be used yet is waited for, instead of ending the start.
        closing: called when the service is closed, after its background tasks have ended.
    """

    name: str
    settings: PlatformSettings
    telemetry: Telemetry
    identity: WorkloadIdentity
    keys: KeyDirectory
    bus: Bus
    cache: Cache
    artifacts: ArtifactStore
    clock: Clock
    authorizer: Authorizer
    wire: Wire = field(default_factory=Plain)
    checks: dict[str, Check] = field(default_factory=dict)
    database: Database | None = None
    patient: bool = False
    closing: list[Check] = field(default_factory=list)
    _peers: dict[str, Peer] = field(default_factory=dict)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def peer(self, service: str) -> Peer:
        """Returns the channel to another service."""
        if service not in self._peers:
            address = self.settings.address_of(service)
            self._peers[service] = Peer(service, address, self.identity, self.wire)
        return self._peers[service]

    async def open_database(self, metadata: MetaData, migrations: str = "") -> Database:
        """Opens this service's database and adds its health check ("db")."""
        url = self.settings.database_for(self.name)
        if self.patient:
            awaited = Awaited(url, self.clock)
            self.checks["db"] = awaited.check
            self.database = await awaited.open(metadata, migrations)
        else:
            self.database = await open_database(url, metadata, migrations)
        self.checks["db"] = self.database.check
        return self.database

    def rpc_server(self, *descriptors: ServiceDescriptor) -> RpcServer:
        """Returns this service's gRPC server, not started."""
        accounts = self.settings.accounts()
        verifier = TokenVerifier(
            self.name, self.keys, accounts=AccountVerifier(self.name, accounts) if accounts else None
        )
        address = self.settings.listen_address(self.name)
        age = self.settings.connection_age
        return RpcServer(address, descriptors, verifier, self.authorizer, self.telemetry, age, self.wire)

    def spawn(self, work: Awaitable[None], name: str) -> asyncio.Task[None]:
        """Runs something in the background until it ends or the service stops; a failure is logged."""
        task = asyncio.create_task(self._guard(work, name), name=f"{self.name}:{name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if asyncio.iscoroutine(work):  # a task that is ended before it began has not begun its work either
            task.add_done_callback(lambda _task: work.close())
        return task

    async def _guard(self, work: Awaitable[None], name: str) -> None:
        try:
            await work
        except asyncio.CancelledError:
            raise
        except Exception:
            self.telemetry.log.exception("background.failed", task=name)

    async def close(self) -> None:
        """Ends background tasks and closes what was opened."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for close in self.closing:
            await close()
        for peer in self._peers.values():
            await peer.close()
        await self.bus.close()
        await self.cache.close()
        if self.database is not None:
            await self.database.close()
        self.identity.close()
        with contextlib.suppress(Exception):
            self.telemetry.close()


def open_platform(
    name: str, settings: PlatformSettings, clock: Clock | None = None, *, program: str = ""
) -> Platform:
    """Opens the parts of the service `name`; its database is opened by the service itself.

    Args:
        program: what its logs, traces and health call it, if it is another program of the service, as its
            controller.

    Raises:
        CertificateError: `tls_directory` has none that can be used.
    """
    make_private_directory(settings.data_dir.absolute())
    make_private_directory(settings.sockets_dir())
    keys, accounts = KeyDirectory(settings.keys_dir(), settings.own_keys_directory), settings.accounts()
    telemetry = Telemetry(program or name, settings.otlp_endpoint)
    platform = Platform(
        name=name,
        settings=settings,
        telemetry=telemetry,
        identity=WorkloadIdentity(name, keys, accounts=AccountTokens(accounts.tokens) if accounts else None),
        keys=keys,
        bus=open_bus(settings.bus_url, telemetry.registry),
        cache=open_cache(settings.cache_url, telemetry.registry),
        artifacts=open_artifacts(settings.artifacts()),
        clock=clock or SystemClock(),
        # Who lets people in knows what they may do once it has been told; until then, nobody may.
        authorizer=LocalAuthorizer() if name == DOOR else DoorAuthorizer(),
    )
    if settings.tls_directory:
        certificates = Certificates(settings.tls_directory.absolute())
        platform.wire = MutualTls(certificates)
        platform.checks["tls"] = certificates.check
    elif settings.plaintext:
        telemetry.log.warning("grpc.plaintext", reason="calls between services are not encrypted by them")
    platform.checks["redis"] = platform.cache.check
    platform.checks["bus"] = platform.bus.check
    return platform
