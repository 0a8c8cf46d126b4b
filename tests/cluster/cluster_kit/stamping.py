"""A batch of runs whose tool calls take long and must not be made twice, and what became of them."""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from e2e_kit.client import ENDED, Client

from cluster_kit.kubectl import TENANT, kubectl

SUITE = Path(__file__).parents[1]
MANIFEST = SUITE / "manifests" / "stamping.yaml"
SCRIPT = SUITE / "servers" / "stamping.py"
WORKFLOW = "cluster-stamping"


@contextlib.contextmanager
def stamping() -> Iterator[None]:
    """The tool server in a pod, its MCPServer and the workflow, Ready; gone in the end."""
    made = kubectl(
        "create", "configmap", "suite-stamping", f"--from-file={SCRIPT}", "--dry-run=client", "-o", "yaml"
    )
    config = made.replace("namespace: quarterdeck", f"namespace: {TENANT}")
    try:
        kubectl("apply", "-f", "-", given=config, namespace=TENANT)
        kubectl("apply", "-f", str(MANIFEST), namespace=TENANT)
        kubectl(
            "rollout", "status", "deployment/suite-stamping", "--timeout=60s", namespace=TENANT, timeout=70
        )
        for thing in ("mcpservers", "policies", "workflows"):
            name = f"{thing}.quarterdeck.dev/{WORKFLOW}"
            kubectl("wait", "--for=condition=Ready", "--timeout=60s", name, namespace=TENANT, timeout=70)
        yield
    finally:
        kubectl("delete", "-f", str(MANIFEST), "--ignore-not-found", namespace=TENANT, timeout=120)
        kubectl("delete", "configmap", "suite-stamping", "--ignore-not-found", namespace=TENANT)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a batch.

    Attributes:
        states: runs by the state they ended in.
        doubled: keys that were stamped more than once.
        lost: keys of runs that say they succeeded, and that were not stamped.
        uncertain: errors of runs that could not tell whether a call was made.
    """

    states: dict[str, int]
    doubled: list[str]
    lost: list[str]
    uncertain: list[str]


class Batch:
    """Runs with keys of their own; `failed` has those of runs that did, once there is an outcome."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.name = f"batch-{uuid.uuid4().hex[:8]}"
        self.runs: dict[str, str] = {}
        self.failed: list[str] = []

    def start(self, count: int, seconds: float) -> None:
        """Starts `count` more runs, each with two calls of `seconds`, by a key: asking again is safe."""
        for _ in range(count):
            key = f"{self.name}-{len(self.runs)}"
            body = {
                "kind": "Workflow",
                "name": WORKFLOW,
                "input": {"key": key, "seconds": seconds},
                "key": key,
            }
            self.runs[key] = str(patient(self._client, "POST", "runs", body)["id"])

    def outcome(self, seconds: float) -> Outcome:
        """Waits until all have ended, and asks the tool server what it was asked."""
        deadline = time.monotonic() + seconds
        ends = {key: ended(self._client, run, deadline) for key, run in self.runs.items()}
        self.failed = [key for key, end in ends.items() if end["state"] == "failed"]
        begun = stamped(self._client)
        states: dict[str, int] = {}
        for end in ends.values():
            states[end["state"]] = states.get(end["state"], 0) + 1
        fine = [key for key, end in ends.items() if end["state"] == "succeeded"]
        return Outcome(
            states,
            [key for key, times in begun.items() if key.startswith(self.name) and times > 1],
            [f"{key}-{part}" for key in fine for part in (1, 2) if begun.get(f"{key}-{part}", 0) == 0],
            [str(end["error"]) for end in ends.values() if end.get("error")],
        )


def ended(client: Client, run: str, deadline: float) -> dict[str, Any]:
    """Waits until a run has ended, and returns it."""
    while True:
        found = patient(client, "GET", f"runs/{run}")
        if found["state"] in ENDED:
            return found
        assert not found["openApprovals"], f"run {run} asks a person"
        assert time.monotonic() < deadline, f"run {run} has not ended: {found}"
        time.sleep(0.5)


def stamped(client: Client) -> dict[str, int]:
    """Returns how often each key was begun."""
    return dict(_stamps(client)["begun"])


def began_at(client: Client) -> dict[str, float]:
    """Returns when each key was begun first, by the machine's clock."""
    return dict(_stamps(client)["at"])


def _stamps(client: Client) -> dict[str, Any]:
    answer = patient(client, "POST", "tools/cluster-stamping/stamps/call", {"arguments": {}})
    return dict(answer.get("structuredContent") or answer.get("result") or answer)


def patient(client: Client, method: str, path: str, body: Any = None, seconds: float = 60) -> dict[str, Any]:
    """Asks until there is an answer: with the pods behind it killed, the door cannot but fail for a while."""
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(httpx.TransportError):
            answer = client.request(method, path, json=body)
            if answer.is_success:
                return dict(answer.json())
            assert answer.status_code in {502, 503, 504}, answer.text
        assert time.monotonic() < deadline, f"{method} {path} was not answered within {seconds} s"
        time.sleep(0.3)
