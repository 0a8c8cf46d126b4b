"""Names, labels and ports of what is made for an MCPServer."""

from __future__ import annotations

import hashlib

# Labels. POOL tells pods that are started ahead of need from those that serve; claiming one is changing it.
SERVER = "quarterdeck.dev/mcp-server"
POOL = "quarterdeck.dev/pool"
SERVING = "serving"
WARM = "warm"
MANAGED_BY = "app.kubernetes.io/managed-by"
MANAGER = "quarterdeck-mcp-manager"

# Annotations of pods: what a change of a secret changes, and the hosts that the egress proxy lets them reach.
SECRETS_HASH = "quarterdeck.dev/secrets-hash"
EGRESS = "quarterdeck.dev/egress"
# Annotation of pods: a word for all of the template but its pool, so that like is claimed for like.
TEMPLATE = "quarterdeck.dev/template"

# Ports of the bridge, see the flags of `bridge serve`.
MCP_PORT = 8700
MANAGEMENT_PORT = 8701
BRIDGE_PATH = "/mcp"

BRIDGE_FOLDER = "/quarterdeck"
BRIDGE = f"{BRIDGE_FOLDER}/bridge"
HOME = "/home/tool"
TEMPORARY = "/tmp"

# A beginning, unlike an end, cannot be part of another server's name.
PREFIX = "mcp"
WARM_PREFIX = "mcpwarm"

_LONGEST = 63
_HASH = 8


def object_name(server: str, prefix: str = PREFIX) -> str:
    """Returns the name of an object made for a server: a DNS label, different for different servers."""
    name = f"{prefix}-{server}"
    if len(name) <= _LONGEST:
        return name
    mark = hashlib.sha256(server.encode()).hexdigest()[:_HASH]
    return f"{name[: _LONGEST - _HASH - 1].rstrip('-')}-{mark}"


def labels(server: str) -> dict[str, str]:
    """Returns the labels that all objects of a server carry."""
    return {SERVER: server, MANAGED_BY: MANAGER}
