"""What was made for a tool server goes when the server needs no pod any more."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest
from cluster_kit.example import IMAGE
from cluster_kit.kubectl import TENANT, get, kubectl

NAME = "cluster-moving"
WHERE = f"mcpservers.quarterdeck.dev/{NAME}"
MADE = "deployments,services,serviceaccounts,networkpolicies"
OBJECT = {
    "apiVersion": "quarterdeck.dev/v1alpha1",
    "kind": "MCPServer",
    "metadata": {"name": NAME, "labels": {"suite": "cluster"}},
    "spec": {
        "description": "The example's documents, first in a pod and then elsewhere.",
        "container": {"image": IMAGE, "command": ["python", "/example/servers/documents.py"]},
    },
}
ELSEWHERE = [
    {"op": "remove", "path": "/spec/container"},
    {"op": "add", "path": "/spec/remote", "value": {"url": "https://tools.example.org/mcp"}},
]


@pytest.fixture
def in_a_pod() -> Iterator[None]:
    kubectl("apply", "-f", "-", given=json.dumps(OBJECT), namespace=TENANT)
    kubectl("wait", "--for=condition=Ready", "--timeout=90s", WHERE, namespace=TENANT, timeout=100)
    yield
    kubectl("delete", WHERE, "--ignore-not-found", namespace=TENANT)


def made() -> list[str]:
    found = get(MADE, "-l", f"quarterdeck.dev/mcp-server={NAME}", namespace=TENANT)["items"]
    return sorted(one["kind"] for one in found)


@pytest.mark.timeout(200)
def test_nothing_is_left_of_the_pods_of_a_server_that_is_elsewhere_now(in_a_pod: None) -> None:
    assert set(made()) == {"Deployment", "NetworkPolicy", "Service", "ServiceAccount"}
    kubectl("patch", WHERE, "--type=json", "-p", json.dumps(ELSEWHERE), namespace=TENANT)
    deadline = time.monotonic() + 30
    while left := made():
        assert time.monotonic() < deadline, left
        time.sleep(0.5)
