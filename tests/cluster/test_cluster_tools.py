"""Tool servers as pods: they sleep, wake for a call, say what keeps them from running, and go in the end."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cluster_kit.kubectl import TENANT, get, kubectl
from e2e_kit.client import Client

PROGRAM = Path(__file__).parent / "servers" / "noting.py"
# It has Python and the protocol's SDK; what is run in it is the program above.
IMAGE = "quarterdeck/mcp-manager:dev"
NAME = "suite-noting"
OBJECT = f"mcpservers.quarterdeck.dev/{NAME}"


def server(**spec: Any) -> dict[str, Any]:
    """Returns the MCPServer; `image` and fields of its spec may be others."""
    container = {
        "image": spec.pop("image", IMAGE),
        "command": ["/opt/quarterdeck/bin/python", "-c", PROGRAM.read_text()],
        "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}},
    }
    tools = [{"name": "note", "effect": "readOnly"}]
    return {
        "apiVersion": "quarterdeck.dev/v1alpha1",
        "kind": "MCPServer",
        "metadata": {"name": NAME, "namespace": TENANT},
        "spec": {"container": container, "tools": tools, **spec},
    }


def apply(thing: dict[str, Any]) -> None:
    kubectl("apply", "--server-side", "-f", "-", given=json.dumps(thing), namespace=TENANT)


def condition(kind: str = "Ready") -> dict[str, Any]:
    found = get(OBJECT, namespace=TENANT).get("status", {}).get("conditions", [])
    return next((one for one in found if one["type"] == kind), {})


def until(look: Callable[[], bool], seconds: float) -> float:
    """Returns the seconds until `look` says yes."""
    began = time.monotonic()
    while not look():
        assert time.monotonic() - began < seconds, f"not within {seconds:g} s: {condition()}"
        time.sleep(0.2)
    return time.monotonic() - began


def noted(client: Client, text: str) -> dict[str, Any]:
    """Calls the tool as often as a caller would who is told that nothing was sent; returns what it says."""
    deadline = time.monotonic() + 120
    while True:
        answer = client.request(
            "POST", f"tools/{NAME}/note/call", json={"arguments": {"text": text}, "timeoutSeconds": 60}
        )
        found = answer.json()
        if found.get("status") == "ok":
            return dict(found["result"])
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.5)


@pytest.fixture
def gone_afterwards() -> Iterator[None]:
    """What is made for the server goes with it."""
    yield
    kubectl("delete", OBJECT, "--ignore-not-found", namespace=TENANT)

    def left() -> list[str]:
        found = get(
            "deployments,services,serviceaccounts,networkpolicies,pods",
            "-l",
            f"quarterdeck.dev/mcp-server={NAME}",
            namespace=TENANT,
        )
        return [f"{one['kind']}/{one['metadata']['name']}" for one in found["items"]]

    until(lambda: not left(), 120)


@pytest.mark.timeout(400)
def test_a_server_sleeps_when_nobody_uses_it_and_wakes_for_a_call(
    client: Client, gone_afterwards: None
) -> None:
    apply(server(scaling={"idleTimeout": "15s"}))
    first = noted(client, "one")
    assert first["notes"] == ["one"]
    assert get(OBJECT, namespace=TENANT)["status"]["imageDigest"].startswith("sha256:")
    asleep = until(lambda: condition().get("reason") == "Asleep", 90)
    assert condition()["status"] == "True"
    began = time.monotonic()
    second = noted(client, "two")
    took = time.monotonic() - began
    assert second["notes"] == ["two"], "what a session remembers goes with its pod"
    assert second["pod"] != first["pod"]
    print(f"asleep after {asleep:.0f} s; a call that wakes it is answered after {took:.1f} s")


@pytest.mark.timeout(200)
def test_what_keeps_a_server_from_running_is_said_where_people_look(gone_afterwards: None) -> None:
    apply(server(image="quarterdeck/no-such-image:1"))
    until(lambda: condition().get("reason") == "ImagePullFailed", 60)
    assert "quarterdeck/no-such-image:1" in condition()["message"]
    secret = {"name": "KEY", "secretRef": {"secret": {"name": "not-there", "key": "k"}}}
    apply(server(secrets=[secret]))
    until(lambda: condition().get("reason") == "SecretMissing", 90)
    assert "not-there" in condition()["message"]
