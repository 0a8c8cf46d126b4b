"""The API server and its store away, and leaders killed: runs and calls go on, controllers come back.

QD_OUTAGE_SECONDS says how long the API server is away (default 60; the issue's ten minutes are 600).
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from cluster_kit.kubectl import CLUSTER, TENANT, get, kill, kubectl, serving
from cluster_kit.stamping import Batch, stamping
from e2e_kit.client import Client

SECONDS = float(os.environ.get("QD_OUTAGE_SECONDS", "60"))
# Its store is frozen for no longer than this.
FROZEN = 60.0
# Seconds without trouble that count as rest.
CALM = 20.0
READERS = Path(__file__).parent / "manifests" / "readers.yaml"
READER = "agents.quarterdeck.dev/cluster-reader"


def daemon(*words: str) -> None:
    subprocess.run([CLUSTER / "daemon", *words], check=True, timeout=60, capture_output=True)


@pytest.fixture(scope="module", autouse=True)
def workload() -> Iterator[None]:
    with stamping():
        kubectl("apply", "-f", str(READERS), namespace=TENANT)
        kubectl("wait", "--for=condition=Ready", "--timeout=20s", READER, namespace=TENANT)
        yield
        kubectl("delete", "-f", str(READERS), namespace=TENANT)


@pytest.fixture(autouse=True)
def calm() -> None:
    """Nothing begins before the cluster has got over what was done to it last, and stays so for a while.

    An API server that is back counts its node as lost for some seconds, and not at once.
    """
    deadline, since = time.monotonic() + 180, time.monotonic()
    while time.monotonic() - since < CALM:
        assert time.monotonic() < deadline, "the cluster does not come to rest"
        if not all(map(ready, [*get("nodes")["items"], *get("pods")["items"]])):
            since = time.monotonic()
        time.sleep(1)


def ready(thing: dict[str, Any]) -> bool:
    """Returns whether a node or a pod says that it is ready; one that goes is no matter."""
    said = {one["type"]: one["status"] for one in thing["status"].get("conditions", ())}
    return "deletionTimestamp" in thing["metadata"] or said.get("Ready") == "True"


def go_on(client: Client, seconds: float) -> int:
    """Has runs with tool calls made all the time; returns how many ended as they should."""
    deadline, batch = time.monotonic() + seconds, Batch(client)
    while time.monotonic() < deadline:
        batch.start(1, 2)
        time.sleep(2)
    outcome = batch.outcome(60)
    assert outcome.states == {"succeeded": len(batch.runs)}, outcome
    assert (outcome.doubled, outcome.lost) == ([], [])
    return len(batch.runs)


def described(client: Client) -> str:
    """Returns what the services know; empty while nobody answers."""
    with contextlib.suppress(httpx.TransportError):
        answer = client.request("GET", "agents/cluster-reader")
        if answer.is_success:
            return str(answer.json()["spec"]["description"])
    return ""


def seconds_until_edits_are_seen(client: Client, said: str, limit: float) -> float:
    """Edits with kubectl as soon as that can be done, and waits until the services see it.

    After an API server's return the node counts as lost for some seconds, and Services have no endpoints.
    """
    began, edited = time.monotonic(), False
    while True:
        if not edited:
            patch = f'{{"spec": {{"description": "{said}"}}}}'
            words = ("patch", READER, "--request-timeout=2s", "--type=merge", "-p", patch)
            edited = "patched" in kubectl(*words, namespace=TENANT, check=False)
        if edited and described(client) == said:
            return time.monotonic() - began
        assert time.monotonic() - began < limit, f"not seen within {limit} s; edited: {edited}"
        time.sleep(0.1)


@pytest.mark.timeout(SECONDS + 300)
@pytest.mark.parametrize(
    "name, away, back, seconds",
    [("apiserver", "stop", "start", SECONDS), ("etcd", "freeze", "thaw", min(SECONDS, FROZEN))],
    ids=["stopped", "frozen"],
)
def test_without_the_api_server_runs_and_calls_go_on(
    client: Client, name: str, away: str, back: str, seconds: float
) -> None:
    daemon(away, name)
    try:
        began = time.monotonic()
        ended = go_on(client, seconds)
        took = time.monotonic() - began
    finally:
        daemon(back, name)
    recovered = seconds_until_edits_are_seen(client, f"After {name}.", 150)
    print(
        f"{name} away for {took:.0f} s: {ended} runs ended; edits are seen {recovered:.1f} s after it is back"
    )


@pytest.mark.timeout(200)
@pytest.mark.parametrize("controller", ["registry-controller", "mcp-controller"])
def test_another_leads_when_the_leader_is_killed(client: Client, controller: str) -> None:
    before = str(get("lease", controller)["spec"]["holderIdentity"])
    leader = next(
        pod["metadata"]["name"] for pod in get("pods")["items"] if before.startswith(pod["metadata"]["name"])
    )
    kill(leader)
    began = time.monotonic()
    while str(get("lease", controller)["spec"]["holderIdentity"]) in {before, ""}:
        assert time.monotonic() - began < 40, "nobody leads"
        time.sleep(0.2)
    print(f"{controller}: another leads after {time.monotonic() - began:.1f} s")
    assert seconds_until_edits_are_seen(client, f"After the leader of {controller}.", 30) < 30
    serving(controller)
