"""What the rendering is told beside the MCPServer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Proxy:
    """The egress proxy.

    Args:
        url: its address as clients get it. By number: tool pods cannot ask for names.
        port: the port that it listens on in its pods.
        namespace: the namespace of its pods.
        labels: labels of its pods.
    """

    url: str
    port: int
    namespace: str
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PodSettings:
    """The platform's part.

    Args:
        bridge_image: the image whose program the bridge is.
        manager_namespace: where the manager's pods are, the only ones that may call tool pods.
        manager_labels: labels of the manager's pods.
        proxy: the egress proxy, None if there is none.
        requests: what a pod reserves when its author says nothing.
        limits: the most that a pod gets when its author says nothing.
    """

    bridge_image: str
    manager_namespace: str
    manager_labels: Mapping[str, str]
    proxy: Proxy | None = None
    requests: Mapping[str, str] = field(default_factory=lambda: {"cpu": "20m", "memory": "64Mi"})
    limits: Mapping[str, str] = field(default_factory=lambda: {"memory": "512Mi"})


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known about the cluster when an object is rendered.

    Args:
        namespace: the tenant's namespace.
        uid: of the MCPServer, which owns what is made for it.
        secrets_hash: a hash of the values of the secrets it refers to; pods roll when it changes.
    """

    namespace: str
    uid: str
    secrets_hash: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a server cannot become pods: `reason` of the condition `Ready`, a sentence, and the field."""

    reason: str
    message: str
    field: str


Manifest = dict[str, Any]
