"""A platform in a cluster: `make cluster-up images deploy` made it, `make test-cluster` tests it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))

from cluster_kit.door import administrator, url
from e2e_kit.client import Client


@pytest.fixture
def client() -> Iterator[Client]:
    """The administrator at the gateway's door."""
    with Client(url(), administrator()) as client:
        yield client
