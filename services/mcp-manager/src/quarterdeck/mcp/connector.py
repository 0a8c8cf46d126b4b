"""Makes sessions with servers, local and remote, from what their definitions say."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from quarterdeck.common.outbound.policy import Outbound
from quarterdeck.mcp.connection import Connection, open_local
from quarterdeck.mcp.definition import Definition, Local, Pods, Remote, Secret
from quarterdeck.mcp.environment import server_environment
from quarterdeck.mcp.exchange import Exchange
from quarterdeck.mcp.failures import NotSent
from quarterdeck.mcp.noise import LineLog
from quarterdeck.mcp.process import Command
from quarterdeck.mcp.session import Session


class Door(Protocol):
    """Finds the pods of tool servers."""

    async def url(self, tenant: str, pods: Pods) -> str:
        """Returns the endpoint of one pod. Raises NotSent."""


@dataclass(frozen=True, slots=True)
class SessionMaker:
    """Makes sessions.

    Args:
        locks: directory of the files that tell whether a server process is alive, see `incarnation.py`.
        log: a structlog logger.
        environment: the platform's own variables: where secrets come from, and what servers inherit.
        door: finds pods; None where there are none.
        outbound: where remote servers may be.
    """

    locks: Path
    log: Any
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    door: Door | None = None
    outbound: Outbound = field(default_factory=Outbound)

    def session(
        self, definition: Definition, exchange: Exchange, on_tools_changed: Callable[[], None]
    ) -> Session:
        """Returns a session with the server, not started."""
        return Session(lambda asked: self._connect(definition, asked), exchange, on_tools_changed)

    def _connect(self, definition: Definition, exchange: Exchange) -> AbstractAsyncContextManager[Connection]:
        match definition.where:
            case Local():
                return self._local(definition, definition.where, exchange)
            case Remote():
                return self._remote(definition.where, exchange)
            case Pods():
                return self._pod(definition.tenant, definition.where, exchange)
            case None:
                raise NotSent(definition.refusal)

    def _local(
        self, definition: Definition, local: Local, exchange: Exchange
    ) -> AbstractAsyncContextManager[Connection]:
        secrets = self._secrets(local.secrets)
        command = Command(
            local.command,
            server_environment(self.environment, {**local.environment, **secrets}),
            local.directory,
            self.locks,
        )
        log = self.log.bind(tenant=definition.tenant, server=definition.name)
        errors = LineLog(lambda line: log.info("server.stderr", line=line), secrets.values())
        stray = LineLog(lambda line: log.warning("server.stray_output", line=line), secrets.values())
        return open_local(command, exchange, errors, stray)

    @asynccontextmanager
    async def _remote(self, remote: Remote, exchange: Exchange) -> AsyncIterator[Connection]:
        from quarterdeck.mcp.http import open_remote

        headers = {**remote.headers, **self._secrets(remote.secrets)}
        async with open_remote(remote.url, headers, exchange, self.outbound) as connection:
            yield connection

    @asynccontextmanager
    async def _pod(self, tenant: str, pods: Pods, exchange: Exchange) -> AsyncIterator[Connection]:
        from quarterdeck.mcp.http import open_pod

        assert self.door is not None, "definitions name pods only where they can be reached"
        async with open_pod(await self.door.url(tenant, pods), exchange) as connection:
            yield connection

    def _secrets(self, secrets: tuple[Secret, ...]) -> dict[str, str]:
        """Resolves secret values. Raises NotSent for one that is not there."""
        missing = [secret for secret in secrets if secret.variable not in self.environment]
        if missing:
            first = missing[0]
            raise NotSent(f"secret {first.name!r}: the platform has no environment variable {first.variable}")
        return {secret.name: self.environment[secret.variable] for secret in secrets}
