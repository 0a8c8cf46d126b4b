"""A tool pod that tries to reach what it may not; and a pod that may, to show that the way is there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cluster_kit.kubectl import NAMESPACE, TENANT, get, kubectl, pods

MANIFEST = Path(__file__).parent / "manifests" / "probing.yaml"
OUTSIDE = "suite-outside"
SERVER = "quarterdeck.dev/mcp-server=cluster-probing"
# Says of each (host, port) whether a connection came about.
PROBE = """
import json, socket, sys
from concurrent.futures import ThreadPoolExecutor
def reached(target):
    try:
        socket.create_connection(tuple(target), 4).close()
        return True
    except OSError:
        return False
targets = json.loads(sys.argv[1])
with ThreadPoolExecutor(len(targets)) as pool:
    print(json.dumps(dict(zip((f"{h}:{p}" for h, p in targets), pool.map(reached, targets)))))
"""


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[str, str]]:
    """The tool pod's name, and the free pod's."""
    kubectl("apply", "-f", str(MANIFEST), namespace="")
    try:
        kubectl("wait", "--for=condition=Ready", "--timeout=60s", "pod/free", namespace=OUTSIDE, timeout=70)
        server = "mcpservers.quarterdeck.dev/cluster-probing"
        kubectl("wait", "--for=condition=Ready", "--timeout=90s", server, namespace=TENANT, timeout=100)
        (tool,) = get("pods", "-l", SERVER, namespace=TENANT)["items"]
        yield tool["metadata"]["name"], "free"
    finally:
        kubectl("delete", "-f", str(MANIFEST), "--ignore-not-found", namespace="", timeout=120)


def address(pod: dict[str, Any]) -> str:
    return str(pod["status"]["podIP"])


def probe(pod: str, namespace: str, targets: list[tuple[str, int]]) -> dict[str, bool]:
    said = kubectl("exec", pod, "--", "python", "-c", PROBE, json.dumps(targets), namespace=namespace)
    return dict(json.loads(said))


@pytest.mark.timeout(300)
def test_a_tool_pod_reaches_nothing_that_a_free_pod_reaches(pair: tuple[str, str]) -> None:
    tool, free = pair
    (node,) = get("nodes")["items"]
    api = get("service", "kubernetes", namespace="default")["spec"]["clusterIP"]
    machine = next(one["address"] for one in node["status"]["addresses"] if one["type"] == "InternalIP")
    gateway, neighbour = pods("gateway")[0], get("pod", free, namespace=OUTSIDE)
    reachable = [
        (api, 443),
        (machine, 6443),
        (f"gateway.{NAMESPACE}", 8420),
        (get("service", "gateway")["spec"]["clusterIP"], 8420),
        (address(gateway), 8420),
        (address(neighbour), 8000),
    ]
    closed = [(address(pods(service)[0]), 8500) for service in ("registry", "mcp-manager", "memory")]
    closed += [(address(pods("postgres")[0]), 5432), (f"postgres.{NAMESPACE}", 5432)]
    free_reached = probe(free, OUTSIDE, [*reachable, *closed])
    unreached = [name for name in (f"{host}:{port}" for host, port in reachable) if not free_reached[name]]
    assert unreached == [], "the way is not there, so that a tool pod's failure shows nothing"
    tool_reached = probe(tool, TENANT, [*reachable, *closed])
    assert [name for name, reached in tool_reached.items() if reached] == []
    assert [name for name in (f"{h}:{p}" for h, p in closed) if free_reached[name]] == [], "left open"
