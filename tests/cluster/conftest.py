"""A platform in a cluster: `make cluster-up images deploy` made it, `make test-cluster` tests it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))

from cluster_kit.kubectl import forwarded, kubectl
from e2e_kit.client import Client

TOKEN_FILE = "/var/lib/quarterdeck/data/admin-token"


@pytest.fixture
def client() -> Iterator[Client]:
    """The administrator at the gateway's door."""
    token = kubectl("exec", "deployment/gateway", "--", "cat", TOKEN_FILE).strip()
    with forwarded("service/gateway", 8420) as port, Client(f"http://127.0.0.1:{port}", token) as client:
        yield client
