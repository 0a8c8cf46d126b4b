"""A real API server for the tests that ask for one; a namespace of its own for each of them."""

import asyncio
import concurrent.futures
import uuid

import pytest

from quarterdeck.controller.api.resource import NAMESPACES
from quarterdeck.controller.testing.binaries import FOLDER_VARIABLE, find_programs
from quarterdeck.controller.testing.control_plane import ControlPlane
from quarterdeck.controller.testing.proxy import FaultyProxy


def in_a_loop(make):
    """Runs a coroutine to its end in a loop of its own, whatever loop the test has."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        return pool.submit(lambda: asyncio.run(make())).result()


@pytest.fixture(scope="session")
def plane():
    """The API server that all tests share: they do not restart it."""
    programs = find_programs()
    if programs is None:
        pytest.skip(f"not verified here: against a real API server ({FOLDER_VARIABLE} names no programs)")
    # Leases are kept by etcd itself here: watches of them meet its compaction.
    made = ControlPlane(programs, ["--watch-cache-sizes=leases.coordination.k8s.io#0"])
    try:
        in_a_loop(made.start)
        yield made
    finally:
        in_a_loop(made.stop)


@pytest.fixture
async def client(plane):
    made = await plane.client()
    yield made
    await made.close()


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
