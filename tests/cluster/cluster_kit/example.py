"""The invoice example as objects for kubectl: its tool servers as pods, its playbook inline."""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from e2e_kit.month import EXAMPLE

from cluster_kit.kubectl import TENANT, kubectl, program
from quarterdeck.llm.playbook.inlining import inline_playbooks

MANIFESTS = EXAMPLE / "manifests"
IMAGE = "quarterdeck/invoice-tools:dev"
LEDGER = "/tmp/ledger.db"
COPY = f"import sqlite3; sqlite3.connect({LEDGER!r}).backup(sqlite3.connect('/tmp/copy.db'))"


def objects() -> list[dict[str, Any]]:
    """Returns what `kubectl apply` is given."""
    return [_in_cluster(thing) for file in sorted(MANIFESTS.glob("*.yaml")) for thing in _read(file)]


def _read(file: Path) -> Iterator[dict[str, Any]]:
    yield from (thing for thing in yaml.safe_load_all(file.read_text()) if thing)


def _in_cluster(thing: dict[str, Any]) -> dict[str, Any]:
    if thing["kind"] == "ModelRoute":
        return thing | {"spec": inline_playbooks(thing["spec"], MANIFESTS)}
    if thing["kind"] != "MCPServer":
        return thing
    spec = dict(thing["spec"])
    _, script = spec.pop("local")["command"]
    spec["container"] = {
        "image": IMAGE,
        "command": ["python", f"/example/{script}"],
        "env": {"LEDGER_PATH": LEDGER},
        "resources": {"requests": {"cpu": "20m", "memory": "64Mi"}, "limits": {"memory": "512Mi"}},
    }
    # The ledger is a file of its pod: one pod, that nobody lets sleep.
    spec["scaling"] = {"minReplicas": 1, "maxReplicas": 1}
    return thing | {"spec": spec}


def apply(things: list[dict[str, Any]]) -> None:
    """Applies them as a GitOps tool would."""
    text = yaml.safe_dump_all(things, sort_keys=False)
    kubectl("apply", "--server-side", "-f", "-", given=text, namespace=TENANT)


def delete(things: list[dict[str, Any]]) -> None:
    """Takes them away; pods of tool servers go with their servers."""
    text = yaml.safe_dump_all(things, sort_keys=False)
    kubectl("delete", "--ignore-not-found", "-f", "-", given=text, namespace=TENANT, timeout=120)


def names(things: list[dict[str, Any]], *kinds: str) -> list[str]:
    """Returns the names of those of some kinds, as kubectl takes them."""
    return [
        f"{one['kind']}.quarterdeck.dev/{one['metadata']['name']}" for one in things if one["kind"] in kinds
    ]


def copy_ledger(folder: Path) -> Path:
    """Brings the ledger out of its pod."""
    pod = kubectl(
        "get", "pods", "-l", "quarterdeck.dev/mcp-server=ledger", "-o", "name", namespace=TENANT
    ).strip()
    kubectl("exec", pod, "--", "python", "-c", COPY, namespace=TENANT)
    command = [program(), "-n", TENANT, "exec", pod, "--", "base64", "/tmp/copy.db"]
    answer = subprocess.run(command, capture_output=True, check=True, timeout=60)
    ledger = folder / "from-the-pod.db"
    ledger.write_bytes(base64.b64decode(answer.stdout))
    return ledger
