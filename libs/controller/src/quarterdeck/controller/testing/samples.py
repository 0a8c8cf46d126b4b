"""Small objects to test with."""

from __future__ import annotations

from typing import Any

from quarterdeck.controller.objects import Object


def config_map(namespace: str, name: str, data: dict[str, str] | None = None, **metadata: Any) -> Object:
    """Returns a ConfigMap; `metadata` as labels, annotations or finalizers."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"namespace": namespace, "name": name, **metadata},
        "data": data or {},
    }


def lease(namespace: str, name: str) -> Object:
    """Returns a Lease that nobody holds."""
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {},
    }
