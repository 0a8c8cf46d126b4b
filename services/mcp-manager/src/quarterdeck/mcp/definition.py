"""An MCPServer as the tool-call path needs it: read once from its spec, immutable."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quarterdeck.common import codec
from quarterdeck.common.watching import Watched
from quarterdeck.mcp.catalog import Effect, ToolRule
from quarterdeck.mcp.constants import ACCEPTED_PINS, ISOLATED_IDLE, SOURCE_DIRECTORY
from quarterdeck.mcp.pins import OFF
from quarterdeck.mcp.pods.names import BRIDGE_PATH
from quarterdeck.mcp.pods.network import mcp_port
from quarterdeck.mcp.pool import PoolRule
from quarterdeck.mcp.supervisor import RestartRule
from quarterdeck.resources.durations import duration_seconds
from quarterdeck.resources.mcpserver import ContainerServer, MCPServerSpec, ToolSetting
from quarterdeck.resources.secret_sources import NamedSecret


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret value under a name; `variable` is the platform's environment variable that holds it."""

    name: str
    variable: str


@dataclass(frozen=True, slots=True)
class Local:
    """A child process: arguments, declared environment, working directory, secret environment."""

    command: tuple[str, ...]
    environment: Mapping[str, str]
    directory: Path | None
    secrets: tuple[Secret, ...]


@dataclass(frozen=True, slots=True)
class Remote:
    """A Streamable HTTP endpoint: address, headers, secret headers."""

    url: str
    headers: Mapping[str, str]
    secrets: tuple[Secret, ...]


@dataclass(frozen=True, slots=True)
class Pods:
    """Pods that a controller keeps.

    Args:
        server: the MCPServer's name, after which they are found.
        port: of the endpoint, and `path` on it.
        idle_after: seconds without a call after which they may sleep; 0: never.
        digest: of what is run in them: another one is another server.
        bridged: the endpoint is the bridge's, behind which the server speaks over pipes.
    """

    server: str
    port: int
    path: str
    idle_after: float
    digest: str
    bridged: bool = False


@dataclass(frozen=True, slots=True)
class Definition:
    """One MCPServer. Times are in seconds, sizes in bytes.

    Args:
        where: how it is reached; None when it cannot be reached here.
        refusal: why calls to it are refused whatever they are, "" when they are not.
        allowed: names of tools that may be called, None for all.
        per_minute: calls a minute of all tools together, 0 for any number.
    """

    tenant: str
    tenant_id: str
    name: str
    uid: str
    generation: int
    where: Local | Remote | Pods | None
    refusal: str
    allowed: frozenset[str] | None
    rules: Mapping[str, ToolRule]
    trust_annotations: bool
    pinning: str
    accepted_pins: frozenset[str]
    call_timeout: float
    result_bytes: int
    message_bytes: int
    pool: PoolRule
    per_minute: int = 0

    def same_process(self, other: Definition) -> bool:
        """Returns whether the server need not be started anew when `other` replaces this."""
        mine, theirs = ((d.where, d.message_bytes, d.pool) for d in (self, other))
        return mine == theirs


def read_definition(watched: Watched, *, in_cluster: bool = False) -> Definition:
    """Reads a live object. Raises pydantic.ValidationError, which the registry's own check precludes.

    Args:
        in_cluster: pods can be reached from here.
    """
    spec = MCPServerSpec.model_validate(watched.spec)
    metadata: dict[str, Any] = watched.object.get("metadata", {})
    annotations: dict[str, str] = metadata.get("annotations") or {}
    return Definition(
        tenant=watched.tenant,
        tenant_id=watched.tenant_id,
        name=watched.name,
        uid=str(metadata.get("uid") or ""),
        generation=int(metadata.get("generation") or 0),
        where=_where(watched.name, spec, annotations, in_cluster),
        refusal=_refusal(spec, in_cluster),
        allowed=None if spec.allowed_tools is None else frozenset(spec.allowed_tools),
        rules={tool.name: _rule(tool) for tool in spec.tools},
        trust_annotations=spec.trust_annotations and spec.pinning.mode != OFF,
        pinning=spec.pinning.mode,
        accepted_pins=frozenset(annotations.get(ACCEPTED_PINS, "").replace(",", " ").split()),
        call_timeout=duration_seconds(spec.limits.call_timeout),
        result_bytes=spec.limits.result_bytes,
        message_bytes=spec.limits.message_bytes,
        pool=_pool(spec),
        per_minute=spec.limits.calls_per_minute or 0,
    )


def _where(
    name: str, spec: MCPServerSpec, annotations: Mapping[str, str], in_cluster: bool
) -> Local | Remote | Pods | None:
    if spec.container is not None and in_cluster:
        return _pods(name, spec, spec.container)
    if spec.local is not None:
        directory = _directory(spec.local.working_directory, annotations.get(SOURCE_DIRECTORY))
        secrets = tuple(map(_secret, spec.secrets))
        return Local(tuple(spec.local.command), dict(spec.local.env), directory, secrets)
    if spec.remote is not None:
        secrets = tuple(map(_secret, spec.remote.secret_headers))
        return Remote(spec.remote.url, dict(spec.remote.headers), secrets)
    return None


def _pods(name: str, spec: MCPServerSpec, container: ContainerServer) -> Pods:
    bridged = container.transport == "stdio"
    idle = 0.0 if spec.scaling.min_replicas else duration_seconds(spec.scaling.idle_timeout)
    said = spec.model_dump(mode="json", include={"container", "secrets", "egress"})
    path = BRIDGE_PATH if bridged else container.path
    return Pods(name, mcp_port(container), path, idle, codec.digest(said), bridged)


def _directory(declared: str | None, source: str | None) -> Path | None:
    """Where a local server runs: below the manifest's directory if `qd apply` told which that is."""
    if declared is None and source is None:
        return None
    return Path(os.path.normpath(Path(source or ".").absolute() / (declared or ".")))


def _secret(named: NamedSecret) -> Secret:
    return Secret(named.name, named.secret_ref.env or "")


def _rule(tool: ToolSetting) -> ToolRule:
    check = None if tool.check is None else tool.check.to_json()
    # An effect that is not written down is the schema's default, not the author's word.
    effect = Effect(tool.effect) if "effect" in tool.model_fields_set else None
    timeout = duration_seconds(tool.timeout) if tool.timeout else 0.0
    cache_ttl = duration_seconds(tool.cache_ttl) if tool.cache_ttl else 0.0
    return ToolRule(effect, tool.on_uncertain or "", check, timeout, cache_ttl, tool.calls_per_minute or 0)


def _refusal(spec: MCPServerSpec, in_cluster: bool) -> str:
    if spec.container is not None and in_cluster:
        return ""  # what its pods cannot be given keeps them from being made
    if spec.container is not None:
        return "spec.container needs a cluster; this platform runs local and remote servers"
    if spec.egress:
        return "spec.egress is not enforced here, so calls are refused; remove it or run in a cluster"
    secrets = [*spec.secrets, *(spec.remote.secret_headers if spec.remote else [])]
    for named in secrets:
        if named.secret_ref.env is None:
            return f"secret {named.name!r} is a key of a Secret, which needs a cluster; use secretRef.env"
    return ""


def _pool(spec: MCPServerSpec) -> PoolRule:
    shared = spec.isolation == "shared"
    idle = duration_seconds(spec.scaling.idle_timeout)
    return PoolRule(
        shared=shared,
        concurrency=spec.limits.concurrency,
        # One shared process is kept; isolated ones are many, and each is of use to one run only.
        idle_timeout=0.0 if shared else min(idle, ISOLATED_IDLE),
        restart=RestartRule(
            duration_seconds(spec.restart.initial_delay),
            duration_seconds(spec.restart.max_delay),
            spec.restart.crash_loop_after,
        ),
    )
