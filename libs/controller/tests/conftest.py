"""For tests against a real API server: a network that misbehaves, and a namespace for each of them."""

import uuid
from pathlib import Path

import pytest
import yaml

from quarterdeck.controller.api.resource import NAMESPACES, Resource
from quarterdeck.controller.testing.crds import install_crds
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


@pytest.fixture
async def agents(client):
    """The kind Agent of this repository, served by the API server."""
    folder = Path(__file__).parents[3] / "charts/quarterdeck-crds/templates"
    await install_crds(client, [yaml.safe_load((folder / "agents.yaml").read_text())])
    return Resource("quarterdeck.dev", "v1alpha1", "agents", "Agent")
