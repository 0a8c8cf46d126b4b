"""For tests against a real API server: a network that misbehaves, and a namespace for each of them."""

import uuid

import pytest

from quarterdeck.controller.api.resource import NAMESPACES
from quarterdeck.controller.testing.proxy import FaultyProxy


@pytest.fixture
async def proxy(plane):
    made = FaultyProxy(plane.port)
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def namespace(client):
    """The name of a fresh namespace; it goes with the API server."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    await client.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    return name
