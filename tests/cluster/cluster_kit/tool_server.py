"""A tool server of a suite's own as an MCPServer with a container: made, looked at, taken away."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from cluster_kit.kubectl import TENANT, get, kubectl

PROGRAM = Path(__file__).parents[1] / "servers" / "noting.py"
# It has Python and the protocol's SDK; what is run in it is the program above.
IMAGE = "quarterdeck/mcp-manager:dev"
Found = TypeVar("Found")
MADE = ("deployment", "service", "serviceaccount", "networkpolicy")


def until(look: Callable[[], Found], seconds: float, what: str = "") -> Found:
    """Returns what `look` finds as soon as that is something. Raises AssertionError."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what or look}"
        time.sleep(0.2)


class ToolServer:
    """The MCPServer `name` of the tenant `default`, and the objects that are made for it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.where = f"mcpservers.quarterdeck.dev/{name}"
        self.made_name = f"mcp-{name}"

    def apply(self, **spec: Any) -> None:
        """Applies it with one pod that never sleeps; fields of its spec may be others."""
        container = {
            "image": IMAGE,
            "command": ["/opt/quarterdeck/bin/python", "-c", PROGRAM.read_text()],
            "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}},
        }
        thing = {
            "apiVersion": "quarterdeck.dev/v1alpha1",
            "kind": "MCPServer",
            "metadata": {"name": self.name, "namespace": TENANT, "labels": {"suite": "cluster"}},
            "spec": {"container": container, "scaling": {"minReplicas": 1, "maxReplicas": 1}, **spec},
        }
        kubectl("apply", "--server-side", "-f", "-", given=json.dumps(thing), namespace=TENANT)

    def ready(self, seconds: float = 90) -> None:
        """Waits until its pod answers the protocol."""
        kubectl(
            "wait",
            "--for=condition=Ready",
            f"--timeout={seconds:g}s",
            self.where,
            namespace=TENANT,
            timeout=seconds + 10,
        )

    def condition(self, kind: str = "Ready") -> dict[str, Any]:
        """Returns what it says of itself."""
        found = get(self.where, namespace=TENANT).get("status", {}).get("conditions", [])
        return next((one for one in found if one["type"] == kind), {})

    def says(self, reason: str, kind: str = "Ready", seconds: float = 30) -> str:
        """Waits until a condition has a reason; returns its message."""
        until(lambda: self.condition(kind).get("reason") == reason, seconds, f"{self.name}: {reason}")
        return str(self.condition(kind)["message"])

    def made(self, kind: str) -> dict[str, Any]:
        """Returns an object that was made for it; empty if it is not there."""
        said = kubectl(
            "get", kind, self.made_name, "--ignore-not-found", "-o", "json", namespace=TENANT
        ).strip()
        return dict(json.loads(said)) if said else {}

    def uids(self) -> dict[str, str]:
        """Returns the ids of what was made for it and is there, by kind."""
        found = {kind: self.made(kind) for kind in MADE}
        return {kind: str(one["metadata"]["uid"]) for kind, one in found.items() if one}

    def pods(self) -> list[dict[str, Any]]:
        """Returns its pods that are not about to go."""
        found = get("pods", "-l", f"quarterdeck.dev/mcp-server={self.name}", namespace=TENANT)["items"]
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def delete(self) -> None:
        """Takes it away, whoever holds it, and waits until nothing of it is left."""
        free = json.dumps({"metadata": {"finalizers": None}})
        kubectl("patch", self.where, "--type=merge", "-p", free, namespace=TENANT, check=False)
        kubectl("delete", self.where, "--ignore-not-found", namespace=TENANT)
        until(lambda: not self.uids() and not self.pods(), 90, f"{self.name} is gone")
