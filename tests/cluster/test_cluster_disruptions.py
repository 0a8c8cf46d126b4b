"""Pods that are killed and rolled while runs with slow calls, which must not be made twice, are under way."""

from __future__ import annotations

import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from cluster_kit.door import administrator, url
from cluster_kit.knocking import Knocking
from cluster_kit.kubectl import CLUSTER, TENANT, get, kill, kubectl, pods, serving
from cluster_kit.remembering import Remembering, notes
from cluster_kit.stamping import Batch, stamping
from cluster_kit.tool_server import until
from e2e_kit.client import Client

ROLLED = (
    "registry",
    "registry-controller",
    "agent-runtime",
    "mcp-controller",
    "mcp-manager",
    "egress-proxy",
    "memory",
    "gateway",
)
KILLED = ("registry-controller", "registry", "agent-runtime", "gateway", "memory")
COUNTING = Path(__file__).parent / "manifests" / "counting.yaml"


@pytest.fixture(scope="module", autouse=True)
def workload() -> Iterator[None]:
    name = yaml.safe_load(COUNTING.read_text())["metadata"]["name"]
    kubectl("apply", "-f", str(COUNTING), namespace=TENANT)
    ready = f"workflows.quarterdeck.dev/{name}"
    kubectl("wait", "--for=condition=Ready", "--timeout=20s", ready, namespace=TENANT)
    with stamping(), notes():
        yield
    kubectl("delete", "-f", str(COUNTING), namespace=TENANT)


@pytest.fixture
def next_images() -> Iterator[str]:
    """A tag under which our images are again, each another one by a label. Who was moved to it moves back."""
    tag = f"next-{uuid.uuid4().hex[:6]}"
    refs = sorted({image for name in ROLLED for image in images(name).values()})
    command = [str(CLUSTER / "image"), "relabel", f"suite.run={tag}", tag, *refs]
    subprocess.run(command, check=True, timeout=300, capture_output=True)
    before = {name: images(name) for name in ROLLED}
    yield tag
    for name, was in before.items():
        set_images(name, was)
    for name in ROLLED:
        serving(name, 240)


def images(deployment: str) -> dict[str, str]:
    """Returns the image of each container, first ones included."""
    spec = get("deployment", deployment)["spec"]["template"]["spec"]
    return {one["name"]: one["image"] for one in [*spec.get("initContainers", []), *spec["containers"]]}


def set_images(deployment: str, wanted: dict[str, str]) -> None:
    kubectl(
        "set", "image", f"deployment/{deployment}", *(f"{name}={image}" for name, image in wanted.items())
    )


def move(deployment: str, tag: str) -> float:
    """Replaces the pods of a Deployment by some of other images; returns the seconds it took."""
    began, old = time.monotonic(), {pod["metadata"]["name"] for pod in pods(deployment)}
    wanted = {name: f"{image.partition(':')[0]}:{tag}" for name, image in images(deployment).items()}
    set_images(deployment, wanted)
    serving(deployment)
    after = pods(deployment)
    assert after and not {pod["metadata"]["name"] for pod in after} & old
    assert {one["image"].rpartition(":")[2] for pod in after for one in pod["spec"]["containers"]} == {tag}
    return time.monotonic() - began


@pytest.mark.timeout(900)
def test_moving_every_deployment_to_a_new_image_fails_no_request_and_no_call(
    client: Client, next_images: str
) -> None:
    batch = Batch(client)
    batch.start(4, 30)
    with Knocking(url(), administrator()) as knocking, Remembering(url(), administrator()) as remembering:
        for name in ROLLED:
            print(f"{time.time():.1f} {name} moved to {next_images} in {move(name, next_images):.0f} s")
            batch.start(2, 15)
        # Who was replaced serves on for a while, and is gone after that.
        time.sleep(45)
    outcome = batch.outcome(180)
    print(f"{sum(knocking.answered.values())} requests answered; {outcome}")
    assert knocking.failures == []
    assert min(knocking.answered.values()) > 100
    assert outcome.states == {"succeeded": len(batch.runs)}
    assert (outcome.doubled, outcome.lost) == ([], [])
    print(remembering.judge(120))


@pytest.mark.timeout(600)
def test_killing_every_pod_but_the_managers_loses_doubles_and_leaves_open_nothing(client: Client) -> None:
    batch = Batch(client)
    batch.start(10, 15)
    for service in KILLED:
        victims = [pod["metadata"]["name"] for pod in pods(service)]
        assert victims
        with Remembering(url(), administrator()) as remembering:
            for victim in victims:
                kill(victim)
            serving(service)
            # A pod may be back before the first note is kept.
            until(lambda seen=remembering: seen.runs and seen.saved, 90, "a note")  # type: ignore[misc]
        if service == "memory":
            print(remembering.judge(120))
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
