"""Runs on real pods: five services on PostgreSQL, RabbitMQ and Redis."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from cluster_kit.kubectl import get, kill, pods, serving
from e2e_kit.client import ENDED, Client

COUNTING = Path(__file__).parent / "manifests" / "counting.yaml"
LIMIT = 12
OVER = ("run.succeeded", "run.failed", "run.cancelled", "run.timed-out")


@pytest.fixture
def counting(client: Client) -> Iterator[str]:
    """The workflow, applied; its name."""
    manifest = yaml.safe_load(COUNTING.read_text())
    name: str = manifest["metadata"]["name"]
    answer = client.request("PUT", f"workflows/{name}", json=manifest)
    assert answer.is_success, answer.text
    yield name
    assert client.request("DELETE", f"workflows/{name}").is_success


def start(client: Client, name: str, limit: int = LIMIT) -> str:
    body = {"kind": "Workflow", "name": name, "input": {"limit": limit}}
    return str(client.post("runs", body)["id"])


def ended(client: Client, run: str, seconds: float) -> dict[str, Any]:
    """Waits for a run's end; the gateway may say 503 until it has found the pods that came anew."""
    deadline = time.monotonic() + seconds
    while True:
        answer = client.request("GET", f"runs/{run}")
        assert answer.status_code in {200, 503}, answer.text
        if answer.status_code == 200 and answer.json()["state"] in ENDED:
            return dict(answer.json())
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.3)


def test_the_services_are_five_and_run_as_nobody_special() -> None:
    services = get("pods", "-l", "app.kubernetes.io/component=service")["items"]
    names = {pod["metadata"]["labels"]["app.kubernetes.io/name"] for pod in services}
    assert names == {"gateway", "registry", "agent-runtime", "mcp-manager", "memory"}
    for pod in services:
        assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
        (container,) = pod["spec"]["containers"]
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_a_run_goes_through_the_pods_and_ends(client: Client, counting: str) -> None:
    found = ended(client, start(client, counting), 60)
    assert (found["state"], found["output"]) == ("succeeded", {"number": LIMIT})


@pytest.mark.timeout(600)
def test_runs_end_once_though_every_runtime_pod_is_killed(client: Client, counting: str) -> None:
    before = {pod["metadata"]["name"] for pod in pods("agent-runtime")}
    runs = [start(client, counting) for _ in range(10)]
    client.wait_for_run(runs[0], lambda found: found["state"] in ("running", "waiting"), 30)
    for pod in before:
        kill(pod)
    # With none of them there, the gateway can only say so.
    serving("agent-runtime")
    states = [ended(client, run, 240) for run in runs]
    assert [(found["state"], found["output"]) for found in states] == [("succeeded", {"number": LIMIT})] * 10
    for run in runs:
        types = [event["type"] for event in client.items(f"runs/{run}/events", limit=500)]
        assert len([kind for kind in types if kind in OVER]) == 1, types
    after = {pod["metadata"]["name"] for pod in pods("agent-runtime")}
    assert len(after) == len(before) and not after & before, "none of them is one that was killed"
