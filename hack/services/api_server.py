"""A real Kubernetes API server for the tests that ask for one, without nodes: etcd and kube-apiserver."""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from quarterdeck.controller.api.client import Client
    from quarterdeck.controller.testing.control_plane import ControlPlane

# Set where the programs could not be built, which whoever sets it has said.
UNAVAILABLE = "QD_NO_API_SERVER"


def in_a_loop(make: Callable[[], Awaitable[None]]) -> None:
    """Runs a coroutine to its end in a loop of its own, whatever loop the test has."""

    async def run() -> None:
        await make()

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: asyncio.run(run())).result()


@contextmanager
def api_server() -> Iterator[ControlPlane]:
    """An API server with nothing in it, for as long as the context lasts."""
    from quarterdeck.controller.testing.binaries import find_programs
    from quarterdeck.controller.testing.control_plane import ControlPlane

    programs = find_programs()
    if programs is None:
        missing = "against a real API server (`hack/cluster/build etcd kube-apiserver` makes one)"
        # Continuous integration builds them, or says that it cannot: else this is a failure there.
        leave_out = pytest.fail if os.environ.get("CI") and not os.environ.get(UNAVAILABLE) else pytest.skip
        leave_out(f"not verified here: {missing}")
    # Leases are kept by etcd itself here: watches of them meet its compaction.
    made = ControlPlane(programs, ["--watch-cache-sizes=leases.coordination.k8s.io#0"])
    try:
        in_a_loop(made.start)
        yield made
    finally:
        in_a_loop(made.stop)


@pytest.fixture(scope="session")
def plane() -> Iterator[ControlPlane]:
    """The API server that all tests share: they do not restart it."""
    with api_server() as made:
        yield made


@pytest.fixture
async def client(plane: ControlPlane) -> AsyncIterator[Client]:
    """A client of it as `system:masters`."""
    made = await plane.client()
    yield made
    await made.close()
