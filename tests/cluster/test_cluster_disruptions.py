"""Pods that are killed and rolled while runs with slow calls, which must not be made twice, are under way."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from cluster_kit.door import administrator, url
from cluster_kit.knocking import Knocking
from cluster_kit.kubectl import TENANT, kill, kubectl, pods, serving
from cluster_kit.stamping import Batch, stamping
from e2e_kit.client import Client

ROLLED = ("registry", "registry-controller", "agent-runtime", "mcp-manager", "gateway")
KILLED = ("registry-controller", "registry", "agent-runtime", "gateway", "memory")
COUNTING = Path(__file__).parent / "manifests" / "counting.yaml"


@pytest.fixture(scope="module", autouse=True)
def workload() -> Iterator[None]:
    name = yaml.safe_load(COUNTING.read_text())["metadata"]["name"]
    kubectl("apply", "-f", str(COUNTING), namespace=TENANT)
    ready = f"workflows.quarterdeck.dev/{name}"
    kubectl("wait", "--for=condition=Ready", "--timeout=20s", ready, namespace=TENANT)
    with stamping():
        yield
    kubectl("delete", "-f", str(COUNTING), namespace=TENANT)


def roll(service: str) -> float:
    """Replaces the pods of a service one by one; returns the seconds it took."""
    began = time.monotonic()
    kubectl("rollout", "restart", f"deployment/{service}")
    serving(service)
    return time.monotonic() - began


@pytest.mark.timeout(600)
def test_rolling_every_deployment_fails_no_request_and_no_call(client: Client) -> None:
    batch = Batch(client)
    batch.start(4, 30)
    with Knocking(url(), administrator()) as knocking:
        for service in ROLLED:
            print(f"{time.time():.1f} {service} rolled in {roll(service):.0f} s")
            batch.start(2, 15)
        # Who was replaced serves on for a while, and is gone after that.
        time.sleep(45)
    assert knocking.failures == []
    outcome = batch.outcome(180)
    print(f"{sum(knocking.answered.values())} requests answered; {outcome}")
    assert min(knocking.answered.values()) > 100
    assert outcome.states == {"succeeded": len(batch.runs)}
    assert (outcome.doubled, outcome.lost) == ([], [])


@pytest.mark.timeout(600)
def test_killing_every_pod_but_the_managers_loses_doubles_and_leaves_open_nothing(client: Client) -> None:
    batch = Batch(client)
    batch.start(10, 15)
    for service in KILLED:
        victims = [pod["metadata"]["name"] for pod in pods(service)]
        assert victims
        for victim in victims:
            kill(victim)
        serving(service)
        batch.start(1, 10)
    outcome = batch.outcome(240)
    print(outcome)
    assert outcome.states == {"succeeded": len(batch.runs)}
    assert (outcome.doubled, outcome.lost) == ([], [])


@pytest.mark.timeout(600)
def test_a_killed_manager_leaves_open_only_what_it_was_calling(client: Client) -> None:
    batch = Batch(client)
    batch.start(6, 20)
    time.sleep(5)
    (manager,) = pods("mcp-manager")
    kill(manager["metadata"]["name"])
    serving("mcp-manager")
    batch.start(2, 2)
    outcome = batch.outcome(240)
    print(outcome)
    assert (outcome.doubled, outcome.lost) == ([], [])
    assert outcome.states == {"succeeded": 2, "failed": 6}, "each had a call under way, and was told so"
    assert all("uncertain" in error for error in outcome.uncertain), outcome.uncertain
