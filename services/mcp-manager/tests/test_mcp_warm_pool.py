"""Pods that wait, beside a real ReplicaSet controller and garbage collector. The test is the kubelet."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from control_support import SPEC, Cluster, Replica, definitions, eventually

from hack.services.api_server import api_server, in_a_loop
from hack.services.controller_manager import controller_manager
from quarterdeck.controller.api.client import Scope
from quarterdeck.controller.api.errors import Conflict, NotFound
from quarterdeck.controller.api.resource import Resource
from quarterdeck.controller.objects import Object, is_deleting, labels_of, metadata
from quarterdeck.controller.testing.control_plane import ControlPlane
from quarterdeck.controller.testing.crds import install_crds
from quarterdeck.mcp.cluster.door import Door
from quarterdeck.mcp.cluster.replicas import KubeReplicas
from quarterdeck.mcp.control import claiming
from quarterdeck.mcp.control.kinds import MCP_SERVERS, PODS
from quarterdeck.mcp.definition import Pods
from quarterdeck.mcp.pods.names import POOL, SERVER, SERVING, WARM

LEDGER = Pods("ledger", 8700, "/mcp", 60.0, "")
# On a busy machine; what it takes on a quiet one, `make bench-tool-pods` says.
SOON = 5.0


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    with api_server() as made:
        # The garbage collector looks for new kinds only twice a minute.
        in_a_loop(lambda: define(made))
        with controller_manager(made):
            yield made


async def define(plane: ControlPlane) -> None:
    client = await plane.client()
    try:
        await install_crds(client, definitions())
    finally:
        await client.close()


NODES = Resource("", "v1", "nodes", "Node", namespaced=False)
NODE = "stand-in"


class Kubelet:
    """Lets pods that wait answer at once, and those that serve never: only a claimed one can."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._addresses = (f"10.9.8.{number}" for number in itertools.count(1))

    async def run(self) -> None:
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE}}
        await self._cluster.client.apply(NODES, node, manager="test")
        while True:
            for pod in (*await self.pods(WARM), *await self.pods(SERVING)):
                with contextlib.suppress(NotFound):
                    await self._look_at(pod)
            await asyncio.sleep(0.02)

    async def _look_at(self, pod: Object) -> None:
        name = metadata(pod)["name"]
        if is_deleting(pod):
            await self._ended(name)
        elif labels_of(pod)[POOL] == WARM and not claiming.is_ready(pod):
            await self._answers(name)

    async def _ended(self, name: str) -> None:
        path = PODS.path(self._cluster.namespace, name)
        await self._cluster.client._write("DELETE", path, {"gracePeriodSeconds": 0})

    async def _answers(self, name: str) -> None:
        client, namespace, address = self._cluster.client, self._cluster.namespace, next(self._addresses)
        binding = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": name},
            "target": {"name": NODE},
        }
        await client._write("POST", PODS.path(namespace, name, "binding"), binding)
        conditions = [{"type": kind, "status": "True"} for kind in ("Ready", "ContainersReady")]
        said = {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}], "conditions": conditions}
        await client.merge(PODS, name, {"status": said}, namespace, "status")

    async def pods(self, pool: str) -> list[Object]:
        scope = Scope(self._cluster.namespace, f"{SERVER}=ledger,{POOL}={pool}")
        return list(await self._cluster.client.list_all(PODS, scope))


@pytest.fixture
async def kubelet(cluster: Cluster) -> AsyncIterator[Kubelet]:
    made = Kubelet(cluster)
    running = asyncio.create_task(made.run())
    yield made
    running.cancel()
    await asyncio.wait({running})


def owner(pod: Object) -> dict[str, Any]:
    (found,) = metadata(pod)["ownerReferences"]
    return dict(found)


def running(pods: list[Object]) -> list[Object]:
    return [pod for pod in pods if not is_deleting(pod)]


async def settled(kubelet: Kubelet) -> tuple[Object, Object] | None:
    """Returns the pod that serves and the one that waits, as soon as there is one of each, both answering."""
    serving, warm = running(await kubelet.pods(SERVING)), running(await kubelet.pods(WARM))
    whole = len(serving) == len(warm) == 1 and all(map(claiming.is_ready, (*serving, *warm)))
    return (serving[0], warm[0]) if whole else None


async def test_a_pod_that_waits_takes_the_first_call_of_a_server_that_sleeps(
    cluster: Cluster, controller: Replica, kubelet: Kubelet
) -> None:
    await cluster.server("ledger", {**SPEC, "scaling": {"warmPool": 1}})
    # The server's first start is a claim, too.
    serves, waits = await eventually(lambda: settled(kubelet), 30)
    replicas = KubeReplicas(cluster.client)
    await replicas.sleep(cluster.namespace, "mcp-ledger")

    async def asleep() -> bool:
        return not await kubelet.pods(SERVING)

    await eventually(asleep, 30)
    assert [metadata(pod)["name"] for pod in await kubelet.pods(WARM)] == [metadata(waits)["name"]]

    async def nobody(host: str) -> list[str]:
        return []

    door = Door(lambda _: cluster.namespace, lambda *_: "", replicas, nobody)
    began = time.monotonic()
    url = await door.url("t", LEDGER)
    took = time.monotonic() - began
    assert url == f"http://{waits['status']['podIP']}:8700/mcp"
    assert took < SOON
    print(f"claimed within {took:.2f} s")

    claimed, refilled = await eventually(lambda: settled(kubelet), 30)
    assert metadata(claimed)["uid"] == metadata(waits)["uid"]
    assert metadata(refilled)["name"] != metadata(waits)["name"]
    # Both have lived through the ReplicaSet controller's looks: nobody is an orphan, or counted twice.
    assert owner(claimed)["kind"] == owner(refilled)["kind"] == "ReplicaSet"
    assert owner(claimed)["name"] == f"mcp-ledger-{labels_of(claimed)[claiming.HASH]}"
    assert owner(refilled)["uid"] == owner(waits)["uid"]
    assert metadata(serves)["uid"] != metadata(claimed)["uid"], "a claimed pod is never given back"

    await cluster.client.delete(MCP_SERVERS, "ledger", cluster.namespace)

    async def all_gone() -> bool:
        return not [*await kubelet.pods(SERVING), *await kubelet.pods(WARM)]

    await eventually(all_gone, 30)


async def test_of_two_who_claim_a_pod_one_gets_it(
    cluster: Cluster, controller: Replica, kubelet: Kubelet
) -> None:
    await cluster.server("ledger", {**SPEC, "scaling": {"warmPool": 1}})
    serves, waits = await eventually(lambda: settled(kubelet), 30)
    name, change = metadata(waits)["name"], claiming.claim(waits, serves)
    await cluster.client.merge(PODS, name, change, cluster.namespace)
    with pytest.raises(Conflict):
        await cluster.client.merge(PODS, name, change, cluster.namespace)
