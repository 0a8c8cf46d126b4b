"""The pod of a tool server: what runs in it, as whom, with what."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from quarterdeck.mcp.pods.mounts import BRIDGE_MOUNT, mounts, volumes
from quarterdeck.mcp.pods.names import (
    BRIDGE,
    EGRESS,
    HOME,
    MANAGEMENT_PORT,
    MCP_PORT,
    SECRETS_HASH,
    TEMPORARY,
    object_name,
)
from quarterdeck.mcp.pods.settings import Facts, Manifest, PodSettings
from quarterdeck.resources.durations import duration_seconds
from quarterdeck.resources.mcpserver import ContainerServer, MCPServerSpec

# Calls in flight may last as long as a call may; then the bridge ends the server itself.
_LONGEST_DRAIN = 600
_END_GRACE = 10
_PROBE_SECONDS = 5
# What `restricted` asks of every container, and a root file system that nobody writes.
_CONFINED: Manifest = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}


def pod_template(
    name: str,
    spec: MCPServerSpec,
    container: ContainerServer,
    settings: PodSettings,
    facts: Facts,
    labels: Mapping[str, str],
) -> Manifest:
    """Returns the template of a server's pods."""
    annotations = {SECRETS_HASH: facts.secrets_hash} if facts.secrets_hash else {}
    if spec.egress:
        annotations[EGRESS] = ",".join(sorted(spec.egress))
    return {
        "metadata": {"labels": dict(labels), **({"annotations": annotations} if annotations else {})},
        "spec": {
            "serviceAccountName": object_name(name),
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": drain_seconds(spec) + _END_GRACE,
            "securityContext": _identity(container),
            "initContainers": [_copier(settings)],
            "containers": [_tool(spec, container, settings)],
            "volumes": volumes(container),
            **_placement(container),
        },
    }


def drain_seconds(spec: MCPServerSpec) -> int:
    """Returns how long a pod that is told to end goes on with calls in flight."""
    return min(_LONGEST_DRAIN, math.ceil(duration_seconds(spec.limits.call_timeout)))


def _identity(container: ContainerServer) -> Manifest:
    """A number, because the kubelet cannot tell whether a name is root."""
    user = container.run_as_user
    return {
        "runAsNonRoot": True,
        "runAsUser": user,
        "runAsGroup": user,
        "fsGroup": user,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def _placement(container: ContainerServer) -> Manifest:
    found: Manifest = {}
    if container.runtime_class_name:
        found["runtimeClassName"] = container.runtime_class_name
    if container.node_selector:
        found["nodeSelector"] = dict(container.node_selector)
    if container.tolerations:
        found["tolerations"] = [
            one.model_dump(mode="json", by_alias=True, exclude_none=True) for one in container.tolerations
        ]
    return found


def _copier(settings: PodSettings) -> Manifest:
    amounts = {"cpu": "10m", "memory": "32Mi"}
    return {
        "name": "bridge",
        "image": settings.bridge_image,
        "command": ["/bridge", "copy", BRIDGE],
        "securityContext": _CONFINED,
        "resources": {"requests": amounts, "limits": {"memory": "32Mi"}},
        "volumeMounts": [BRIDGE_MOUNT],
    }


def _tool(spec: MCPServerSpec, container: ContainerServer, settings: PodSettings) -> Manifest:
    speaks = _bridged(spec, container) if container.transport == "stdio" else _as_it_is(container)
    return {
        "name": "tool",
        "image": container.image,
        "env": _environment(spec, container, settings),
        "securityContext": _CONFINED,
        "resources": _amounts(container, settings),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": mounts(container),
        **speaks,
    }


def _amounts(container: ContainerServer, settings: PodSettings) -> Manifest:
    """What the author says; the platform's for a resource of which they say nothing.

    A default must not contradict a figure of the author's, or the pod would be refused: a limit alone is also
    the request, and a request alone also the limit of memory, which no pod goes without.
    """
    asked, bounds = dict(container.resources.requests), dict(container.resources.limits)
    said = asked.keys() | bounds.keys()
    if "memory" in asked and "memory" not in bounds:
        bounds["memory"] = asked["memory"]
    return {
        "requests": {
            **{name: amount for name, amount in settings.requests.items() if name not in said},
            **asked,
        },
        "limits": {
            **{name: amount for name, amount in settings.limits.items() if name not in said},
            **bounds,
        },
    }


def _bridged(spec: MCPServerSpec, container: ContainerServer) -> Manifest:
    """A stdio server: the bridge is the command."""
    flags = {
        "-listen": f":{MCP_PORT}",
        "-management": f":{MANAGEMENT_PORT}",
        "-isolation": spec.isolation,
        "-scratch": TEMPORARY,
        "-max-message": str(spec.limits.message_bytes),
        "-idle": f"{math.ceil(duration_seconds(spec.scaling.idle_timeout))}s",
        "-drain": f"{drain_seconds(spec)}s",
    }
    serve = [BRIDGE, "serve", *(part for flag in flags.items() for part in flag), "--"]
    management = {"port": "management"}
    return {
        "command": [*serve, *container.command, *container.args],
        "ports": [
            {"name": "mcp", "containerPort": MCP_PORT},
            {"name": "management", "containerPort": MANAGEMENT_PORT},
        ],
        "startupProbe": _probe({"httpGet": {"path": "/readyz", **management}}, period=1, failures=120),
        "readinessProbe": _probe({"httpGet": {"path": "/readyz", **management}}, period=5, failures=2),
        "livenessProbe": _probe({"httpGet": {"path": "/livez", **management}}, period=20, failures=3),
    }


def _as_it_is(container: ContainerServer) -> Manifest:
    """An HTTP server: the bridge only looks whether it answers, since a kubelet cannot POST."""
    address = f"http://localhost:{container.port}{container.path}"
    look = {"exec": {"command": [BRIDGE, "probe", "-timeout", f"{_PROBE_SECONDS}s", address]}}
    return {
        **({"command": list(container.command)} if container.command else {}),
        **({"args": list(container.args)} if container.args else {}),
        "ports": [{"name": "mcp", "containerPort": container.port}],
        "startupProbe": _probe(look, period=1, failures=120),
        "readinessProbe": _probe(look, period=10, failures=2),
    }


def _probe(how: Manifest, period: int, failures: int) -> Manifest:
    # Longer than the program's own patience, so that its reason is what the events show.
    timeout = _PROBE_SECONDS + 1
    return {**how, "periodSeconds": period, "timeoutSeconds": timeout, "failureThreshold": failures}


def _environment(
    spec: MCPServerSpec, container: ContainerServer, settings: PodSettings
) -> list[dict[str, Any]]:
    """Variables by name: ours, then the author's, then those that the author cannot change."""
    plain = {"HOME": HOME, "TMPDIR": TEMPORARY, **container.env}
    found: dict[str, dict[str, Any]] = {name: {"name": name, "value": value} for name, value in plain.items()}
    for secret in spec.secrets:
        if key := secret.secret_ref.secret:
            reference = {"secretKeyRef": {"name": key.name, "key": key.key}}
            found[secret.name] = {"name": secret.name, "valueFrom": reference}
    for name, value in _way_out(spec, settings).items():
        found[name] = {"name": name, "value": value}
    return [found[name] for name in sorted(found)]


def _way_out(spec: MCPServerSpec, settings: PodSettings) -> dict[str, str]:
    """The proxy, in both spellings that programs look for."""
    if not spec.egress or settings.proxy is None:
        return {}
    upper = {
        "HTTP_PROXY": settings.proxy.url,
        "HTTPS_PROXY": settings.proxy.url,
        "NO_PROXY": "localhost,127.0.0.1",
    }
    return {**upper, **{name.lower(): value for name, value in upper.items()}}
