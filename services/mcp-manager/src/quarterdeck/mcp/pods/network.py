"""Who may reach a tool pod, and what it may reach."""

from __future__ import annotations

from quarterdeck.mcp.pods.names import MCP_PORT, SERVER
from quarterdeck.mcp.pods.settings import Manifest, PodSettings, Proxy
from quarterdeck.resources.mcpserver import ContainerServer, MCPServerSpec

_NAMESPACE = "kubernetes.io/metadata.name"


def network_rules(
    name: str, spec: MCPServerSpec, container: ContainerServer, settings: PodSettings
) -> Manifest:
    """Returns the spec of the NetworkPolicy: in from the manager alone, out to the egress proxy if anywhere.

    A NetworkPolicy knows addresses and authors write hosts: those are the proxy's to allow. Names are not
    resolved by the pod, so that asking for one carries nothing out either.
    """
    manager = _peer(settings.manager_namespace, dict(settings.manager_labels))
    return {
        "podSelector": {"matchLabels": {SERVER: name}},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [{"from": [manager], "ports": [_tcp(mcp_port(container))]}],
        "egress": [_way_out(settings.proxy)] if spec.egress and settings.proxy else [],
    }


def mcp_port(container: ContainerServer) -> int:
    """Returns the port of the MCP endpoint."""
    return MCP_PORT if container.transport == "stdio" else container.port


def _way_out(proxy: Proxy) -> Manifest:
    return {"to": [_peer(proxy.namespace, dict(proxy.labels))], "ports": [_tcp(proxy.port)]}


def _peer(namespace: str, labels: dict[str, str]) -> Manifest:
    return {
        "namespaceSelector": {"matchLabels": {_NAMESPACE: namespace}},
        "podSelector": {"matchLabels": labels},
    }


def _tcp(port: int) -> Manifest:
    return {"protocol": "TCP", "port": port}
