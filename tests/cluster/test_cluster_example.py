"""The invoice example by `kubectl apply`, its tool servers as pods: the ledger comes out as on a laptop."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster_kit import example
from cluster_kit.kubectl import TENANT, get, kubectl
from e2e_kit.client import Client
from e2e_kit.ledger import direct_run, read_books
from e2e_kit.month import EXAMPLE, Example, committed_month

SERVER = "quarterdeck.dev/mcp-server"


@pytest.fixture
def applied() -> Iterator[None]:
    things = example.objects()
    example.apply(things)
    ready = example.names(things, "MCPServer", "Agent", "Workflow", "ModelRoute", "MemoryCollection")
    kubectl("wait", "--for=condition=Ready", "--timeout=120s", *ready, namespace=TENANT, timeout=130)
    yield
    example.delete(things)


@pytest.mark.timeout(900)
def test_the_month_comes_out_as_it_does_without_a_cluster(
    client: Client, applied: None, tmp_path: Path
) -> None:
    pods = get("pods", "-l", "quarterdeck.dev/mcp-server", namespace=TENANT)["items"]
    assert {pod["metadata"]["labels"]["quarterdeck.dev/mcp-server"] for pod in pods} == {
        "ledger",
        "documents",
    }
    given = json.loads((EXAMPLE / "input.json").read_text())
    began = time.monotonic()
    run = client.post("runs", {"kind": "Workflow", "name": "invoice-matching", "input": given})["id"]
    try:
        client.wait_until_only_people(run, 600)
        took = time.monotonic() - began
        found = read_books(example.copy_ledger(tmp_path))
    finally:
        client.post(f"runs/{run}/cancel", {})
    print(f"{len(found.lines)} lines booked, {len(found.waiting)} wait for a person, after {took:.0f} s")
    assert len(found.lines) > 100
    assert found == direct_run(Example(EXAMPLE, committed_month()), tmp_path / "direct.db")
