"""From an MCPServer to the objects that run it, as documents for server-side apply."""

from __future__ import annotations

from typing import Any

from quarterdeck.controller.writing.comparing import digest
from quarterdeck.mcp.pods.names import (
    POOL,
    PREFIX,
    SERVER,
    SERVING,
    TEMPLATE,
    WARM,
    WARM_PREFIX,
    labels,
    object_name,
)
from quarterdeck.mcp.pods.network import mcp_port, network_rules
from quarterdeck.mcp.pods.pod import pod_template
from quarterdeck.mcp.pods.settings import Facts, Manifest, PodSettings, Refused
from quarterdeck.resources.mcpserver import ContainerServer, MCPServer, Scaling


def render(server: MCPServer, settings: PodSettings, facts: Facts) -> list[Manifest] | Refused:
    """Returns the objects of a server with a container, or why there can be none.

    Only fields that the platform decides are named, so that server-side apply leaves the others to whom they
    belong; the same input gives the same documents.
    """
    container = server.spec.container
    if container is None:
        return Refused("NoContainer", "the server runs no pod", "spec.container")
    if refused := _refusal(server, settings):
        return refused
    made = [
        _account(server, container, facts),
        _network(server, container, settings, facts),
        _service(server, container, facts),
        _deployment(server, container, settings, facts, SERVING),
    ]
    if server.spec.scaling.warm_pool:
        made.append(_deployment(server, container, settings, facts, WARM))
    return made


def _refusal(server: MCPServer, settings: PodSettings) -> Refused | None:
    if server.spec.egress and settings.proxy is None:
        message = (
            "hosts are allowed by an egress proxy, and this cluster has none: install one or leave it out"
        )
        return Refused("EgressUnenforceable", message, "spec.egress")
    for index, secret in enumerate(server.spec.secrets):
        if secret.secret_ref.secret is None:
            message = (
                f"secret {secret.name!r}: a pod cannot see the platform's environment: use secretRef.secret"
            )
            return Refused("SecretUnreachable", message, f"spec.secrets[{index}].secretRef.env")
    return None


def _object(
    server: MCPServer, facts: Facts, version: str, kind: str, prefix: str = PREFIX, **body: Any
) -> Manifest:
    owner = {
        "apiVersion": server.api_version,
        "kind": server.kind,
        "name": server.metadata.name,
        "uid": facts.uid,
        "controller": True,
    }
    name = server.metadata.name
    metadata = {
        "name": object_name(name, prefix),
        "namespace": facts.namespace,
        "labels": labels(name),
        "ownerReferences": [owner],
    }
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **body}


def _account(server: MCPServer, container: ContainerServer, facts: Facts) -> Manifest:
    """An account that can do nothing: pods of different servers are not each other, and none has a token."""
    pull = [{"name": name} for name in container.image_pull_secrets]
    body: Manifest = {"automountServiceAccountToken": False, **({"imagePullSecrets": pull} if pull else {})}
    return _object(server, facts, "v1", "ServiceAccount", **body)


def _network(server: MCPServer, container: ContainerServer, settings: PodSettings, facts: Facts) -> Manifest:
    rules = network_rules(server.metadata.name, server.spec, container, settings)
    return _object(server, facts, "networking.k8s.io/v1", "NetworkPolicy", spec=rules)


def _service(server: MCPServer, container: ContainerServer, facts: Facts) -> Manifest:
    """Headless: a session lives in one pod, so the manager addresses pods and not a service."""
    port = {"name": "mcp", "port": mcp_port(container), "targetPort": "mcp", "appProtocol": "http"}
    selector = {SERVER: server.metadata.name, POOL: SERVING}
    return _object(
        server, facts, "v1", "Service", spec={"clusterIP": "None", "selector": selector, "ports": [port]}
    )


def _deployment(
    server: MCPServer, container: ContainerServer, settings: PodSettings, facts: Facts, pool: str
) -> Manifest:
    """Pods that serve, or those that wait. A claimed pod loses the label of its pool, and is replaced."""
    name, scaling = server.metadata.name, server.spec.scaling
    selected = {SERVER: name, POOL: pool}
    template = _of_pool(pod_template(name, server.spec, container, settings, facts, labels(name)), pool)
    spec: Manifest = {
        "selector": {"matchLabels": selected},
        # A new pod is ready before an old one is told to end.
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
        "template": template,
    }
    count = scaling.warm_pool if pool == WARM else replicas(scaling)
    if count is not None:
        spec["replicas"] = count
    prefix = WARM_PREFIX if pool == WARM else PREFIX
    return _object(server, facts, "apps/v1", "Deployment", prefix, spec=spec)


def _of_pool(template: Manifest, pool: str) -> Manifest:
    meta = template["metadata"]
    marks = {**meta.get("annotations", {}), TEMPLATE: digest(template)}
    return {**template, "metadata": {"labels": {**meta["labels"], POOL: pool}, "annotations": marks}}


def replicas(scaling: Scaling) -> int | None:
    """Returns how many pods serve; None where the manager says it: it lets the server sleep and wakes it."""
    return scaling.min_replicas or None
