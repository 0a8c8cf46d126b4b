"""Servers in pods, as the manager reaches them. A process stands for a pod, a class for the cluster."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from mcp_support import Status, World, eventually, manifest, value

from hack.services.api_server import client, plane
from quarterdeck.common.watching import Watched
from quarterdeck.controller.api.client import Client
from quarterdeck.controller.api.errors import Conflict, Unreachable
from quarterdeck.controller.api.resource import NAMESPACES
from quarterdeck.mcp import main
from quarterdeck.mcp.cluster.door import Door, Prove, accepts
from quarterdeck.mcp.cluster.proof import proves
from quarterdeck.mcp.cluster.replicas import ENDPOINT_SLICES, Endpoints, KubeReplicas, read_endpoints
from quarterdeck.mcp.cluster.sleeper import is_idle
from quarterdeck.mcp.cluster.told import namespace_of, trouble_of
from quarterdeck.mcp.control.kinds import DEPLOYMENTS
from quarterdeck.mcp.definition import Pods
from quarterdeck.mcp.failures import NotSent
from quarterdeck.mcp.pods.names import SERVER as SERVER_LABEL
from quarterdeck.mcp.status import status_of
from quarterdeck.mcp.toolserver import ServerState

__all__ = ["client", "plane"]

SERVER = Path(__file__).parent / "servers" / "remote.py"
NAME, NAMESPACE = "mcp-far", "qd-default"


class StandIn:
    """A cluster with one server, whose pod is a process of this machine."""

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = int(free.getsockname()[1])
        self.process: asyncio.subprocess.Process | None = None
        self.ready = 0
        self.woken = 0

    async def wake(self, namespace: str, name: str) -> bool:
        assert (namespace, name) == (NAMESPACE, NAME)
        if self.process is None:
            self.woken += 1
            arguments = (sys.executable, str(SERVER), "json", str(self.port))
            self.process = await asyncio.create_subprocess_exec(*arguments, stdout=asyncio.subprocess.PIPE)
        return True

    async def endpoints(self, namespace: str, name: str) -> Endpoints:
        assert self.process is not None and self.process.stdout is not None
        if self.ready != self.process.pid:
            await self.process.stdout.readline()
            self.ready = self.process.pid
        return Endpoints(["127.0.0.1"])

    async def sleep(self, namespace: str, name: str) -> None:
        if self.process is not None:
            process, self.process = self.process, None
            process.kill()
            await process.wait()

    def manifest(self, **spec: Any) -> dict[str, Any]:
        container = {"image": "far:1", "transport": "http", "port": self.port}
        tools = [{"name": "echo", "effect": "readOnly"}, {"name": "slow", "effect": "readOnly"}]
        restart = {"initialDelay": "50ms", "maxDelay": "200ms", "crashLoopAfter": 100}
        return manifest(
            "MCPServer", "far", {"container": container, "tools": tools, "restart": restart, **spec}
        )


@pytest.fixture
async def cluster(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[StandIn]:
    made = StandIn()

    async def replicas(_: Any) -> StandIn:
        return made

    monkeypatch.setenv("QD_MCP_PODS", "true")
    monkeypatch.setenv("QD_MCP_SLEEP_PERIOD", "0.1")
    monkeypatch.setenv("QD_TEST_SERVER_KEY", "")
    monkeypatch.setattr(main, "_replicas", replicas)
    yield made
    await made.sleep(NAMESPACE, NAME)


@pytest.fixture
async def world(cluster: StandIn, tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path)
    await made.start()
    yield made
    await made.stop()


def sessions(world: World) -> list[Any]:
    """The manager's sessions with the server."""
    manager: Any = world._running["mcp-manager"][0]
    return list(manager._servers.find("default", "far")._pool.sessions)


async def listed(world: World) -> bool:
    return bool((await world.condition("ToolsListed", "far")).get("status") == "True")


async def test_a_first_call_is_held_until_a_pod_answers_and_an_idle_server_sleeps(
    world: World, cluster: StandIn
) -> None:
    await world.apply(cluster.manifest(scaling={"idleTimeout": "500ms"}))
    await eventually(lambda: listed(world), within=60)
    assert cluster.woken == 1
    await eventually(lambda: cluster.process is None, within=30)
    assert not sessions(world), "or the next call would go to a pod that is gone"
    assert value(await world.call("echo", {"text": "again"}, server="far")) == {"result": "again"}
    assert cluster.woken == 2
    await eventually(lambda: cluster.process is None, within=30)


async def test_a_server_is_not_put_to_sleep_during_a_call(world: World, cluster: StandIn) -> None:
    await world.apply(cluster.manifest(scaling={"idleTimeout": "400ms"}))
    await eventually(lambda: listed(world), within=60)
    outcome = await world.call("slow", {"seconds": 1.5}, server="far")
    assert outcome.status == Status.STATUS_OK, outcome.message
    await eventually(lambda: cluster.process is None, within=30)


async def test_one_whose_tools_are_not_known_yet_is_not_put_to_sleep(
    world: World, cluster: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    given_up = asyncio.Event()

    async def starting(namespace: str, name: str) -> Endpoints:
        if cluster.woken and not given_up.is_set():
            given_up.set()
            await asyncio.sleep(1)
            raise NotSent("no pod of it answered in time")
        return await StandIn.endpoints(cluster, namespace, name)

    monkeypatch.setattr(cluster, "endpoints", starting)
    await world.apply(cluster.manifest(scaling={"idleTimeout": "300ms"}))
    await eventually(lambda: listed(world), within=60)
    assert given_up.is_set()
    assert cluster.woken == 1, "it was put to sleep while its pod was starting"
    await eventually(lambda: cluster.process is None, within=30)


async def test_one_that_is_to_stay_awake_does(world: World, cluster: StandIn) -> None:
    await world.apply(cluster.manifest(scaling={"minReplicas": 1, "idleTimeout": "200ms"}))
    await eventually(lambda: listed(world), within=60)
    await asyncio.sleep(1)
    assert cluster.process is not None


async def test_a_manager_that_starts_wakes_nobody_whose_tools_are_known(
    world: World, cluster: StandIn
) -> None:
    await world.apply(cluster.manifest(scaling={"idleTimeout": "300ms"}))
    await eventually(lambda: listed(world), within=60)
    await eventually(lambda: cluster.process is None, within=30)
    await world.restart_manager()
    tools = {tool.name for tool in (await world.list_tools("far")).tools}
    assert {"echo", "slow"} <= tools
    assert cluster.woken == 1
    assert value(await world.call("echo", {"text": "up"}, server="far")) == {"result": "up"}
    assert cluster.woken == 2
    await eventually(lambda: cluster.process is None, within=30)
    # Another image may have other tools.
    container = {"image": "far:2", "transport": "http", "port": cluster.port}
    await world.apply(cluster.manifest(scaling={"idleTimeout": "300ms"}, container=container))
    await eventually(lambda: cluster.woken == 3, within=30)


async def test_a_call_that_a_pod_did_not_take_is_taken_to_the_next(world: World, cluster: StandIn) -> None:
    await world.apply(cluster.manifest())
    await eventually(lambda: listed(world), within=60)
    assert value(await world.call("echo", {"text": "one"}, server="far")) == {"result": "one"}
    await cluster.sleep(NAMESPACE, NAME)  # the pod that the session is with is gone
    assert value(await world.call("echo", {"text": "two"}, server="far")) == {"result": "two"}


def test_readiness_is_left_to_the_controller() -> None:
    state = ServerState(True, "Ready", "", 0, False, [], {})
    types = [
        [item["type"] for item in status_of(state, of_pods=pods)["conditions"]] for pods in (True, False)
    ]
    assert types == [["ToolsListed", "CrashLoop"], ["Ready", "ToolsListed", "CrashLoop"]]


# The door.

PODS = Pods("far", 8700, "/mcp", 0.0, "")


class Away:
    """An API server that cannot be reached."""

    async def wake(self, namespace: str, name: str) -> bool:
        raise Unreachable("no route")

    async def endpoints(self, namespace: str, name: str) -> Endpoints:
        raise Unreachable("no route")


class Asked(Away):
    """A cluster in which no pod ever answers."""

    async def wake(self, namespace: str, name: str) -> bool:
        assert (namespace, name) == ("n", "mcp-far")
        return True

    async def endpoints(self, namespace: str, name: str) -> Endpoints:
        return Endpoints()


def door(
    replicas: Any,
    found: Sequence[str] = (),
    trouble: str = "",
    namespace: str = "n",
    gone: Sequence[str] = (),
    prove: Prove = proves,
) -> Door:
    async def find(host: str) -> Sequence[str]:
        assert host == "mcp-far.n.svc"
        return found

    async def reach(address: str, port: int) -> bool:
        return address not in gone

    return Door(
        lambda _: namespace, lambda *_: trouble, replicas, find, patience=0.2, reach=reach, prove=prove
    )


async def test_running_pods_are_found_without_the_api_server() -> None:
    assert await door(Away(), ["10.1.2.3"]).url("t", PODS) == "http://10.1.2.3:8700/mcp"
    assert await door(Away(), ["fd00::1"]).url("t", PODS) == "http://[fd00::1]:8700/mcp"


class Woken(Asked):
    """A cluster that has a pod when it is asked for one."""

    async def endpoints(self, namespace: str, name: str) -> Endpoints:
        return Endpoints(["10.1.2.9"])


async def test_an_address_at_which_nobody_is_any_more_wakes_the_server() -> None:
    """Names are told for some seconds after the pods have gone to sleep."""
    old = ["10.1.2.3", "10.1.2.4"]
    assert await door(Woken(), old, gone=old[:1]).url("t", PODS) == "http://10.1.2.4:8700/mcp"
    assert await door(Woken(), old, gone=old).url("t", PODS) == "http://10.1.2.9:8700/mcp"


class Beginning(Asked):
    """A cluster whose pods run, and of which the kubelet does not know yet whether they answer."""

    async def endpoints(self, namespace: str, name: str) -> Endpoints:
        return Endpoints([], ["10.1.2.7", "10.1.2.8"])


async def test_a_pod_that_begins_to_run_is_taken_once_it_has_proved_that_it_answers() -> None:
    tries: list[str] = []

    async def at_second(address: str, pods: Pods) -> bool:
        tries.append(address)
        return tries.count("10.1.2.8") == 2

    assert await door(Beginning(), prove=at_second).url("t", PODS) == "http://10.1.2.8:8700/mcp"
    assert set(tries) == {"10.1.2.7", "10.1.2.8"}

    async def never(address: str, pods: Pods) -> bool:
        return False

    with pytest.raises(NotSent, match="it is still starting"):
        await door(Beginning(), prove=never).url("t", PODS)


async def test_a_pod_that_says_nothing_holds_up_nobody() -> None:
    ended: list[str] = []

    async def one_hangs(address: str, pods: Pods) -> bool:
        try:
            await asyncio.sleep(60 if address == "10.1.2.7" else 0)
        except asyncio.CancelledError:
            ended.append(address)
            raise
        return address != "10.1.2.7"

    async with asyncio.timeout(2):
        assert await door(Beginning(), prove=one_hangs).url("t", PODS) == "http://10.1.2.8:8700/mcp"
    assert ended == ["10.1.2.7"], "nothing is tried on once the call has its pod"


class Claimed(Asked):
    """A cluster in which a pod that waited is claimed while a new one begins to run."""

    def __init__(self) -> None:
        self.looks = 0

    async def endpoints(self, namespace: str, name: str) -> Endpoints:
        self.looks += 1
        return Endpoints(["10.1.2.3"] if self.looks > 1 else [], ["10.1.2.7"])


async def test_a_claimed_pod_is_seen_while_another_is_being_tried() -> None:
    async def hangs(address: str, pods: Pods) -> bool:
        await asyncio.sleep(60)
        return False

    async with asyncio.timeout(2):
        assert await door(Claimed(), prove=hangs).url("t", PODS) == "http://10.1.2.3:8700/mcp"


async def test_an_address_is_tried_by_a_connection() -> None:
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    assert await accepts("127.0.0.1", port)
    server.close()
    await server.wait_closed()
    assert not await accepts("127.0.0.1", port)


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (
            door(Away()),
            "no pod of it answered within 0.2 s: the API server cannot be asked for one: no route",
        ),
        (door(Asked(), trouble="ImagePullFailed: gone"), "within 0.2 s: ImagePullFailed: gone"),
        (door(Asked()), "it is still starting"),
        (door(Asked(), namespace=""), "the namespace of tenant 't' is not known yet"),
    ],
)
async def test_why_there_is_no_pod_is_told_in_time(made: Door, words: str) -> None:
    with pytest.raises(NotSent) as refused:
        async with asyncio.timeout(2):
            await made.url("t", PODS)
    assert words in str(refused.value)


def test_what_the_registrys_objects_tell() -> None:
    def of(status: dict[str, Any]) -> Watched:
        return Watched("t", "1", "K", "n", "r", {"status": status})

    assert namespace_of(of({"namespace": "qd-t"})) == "qd-t"
    assert namespace_of(None) == namespace_of(of({})) == ""
    ready = {"type": "Ready", "status": "False", "reason": "OOMKilled", "message": "too much"}
    assert trouble_of(of({"conditions": [ready]})) == "OOMKilled: too much"
    assert trouble_of(of({"conditions": [{**ready, "status": "True"}]})) == trouble_of(None) == ""


def test_nobody_can_have_used_an_idle_server_without_our_knowing() -> None:
    assert is_idle(used_at=0, idle_after=60, period=5, now=61)
    assert not is_idle(used_at=0, idle_after=60, period=5, now=60)
    assert not is_idle(used_at=0, idle_after=1, period=5, now=15)


def test_where_pods_are_by_what_is_said_of_them() -> None:
    endpoints = [
        {"addresses": ["10.0.0.2"], "conditions": {"ready": True}},
        {"addresses": ["10.0.0.3"], "conditions": {"ready": False, "terminating": False}},
        {"addresses": ["10.0.0.4"], "conditions": {"ready": False, "serving": True, "terminating": True}},
        {"addresses": ["10.0.0.1"]},
    ]
    found = read_endpoints([{"endpoints": endpoints}, {"endpoints": None}])
    assert found == Endpoints(["10.0.0.1", "10.0.0.2"], ["10.0.0.3"]), "one that is going takes no sessions"


# A real API server.


@pytest.fixture
async def deployed(client: Client) -> str:
    """A namespace with the Deployment of a server."""
    namespace = "tools-asleep"
    meta = {"metadata": {"name": namespace}}
    await client.apply(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", **meta}, manager="test")
    labels = {SERVER_LABEL: NAME.removeprefix("mcp-")}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "tool", "image": "a"}]}}
    spec = {"replicas": 2, "selector": {"matchLabels": labels}, "template": pod}
    thing = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": NAME, "namespace": namespace},
        "spec": spec,
    }
    await client.apply(DEPLOYMENTS, thing, manager="test")
    return namespace


async def test_the_scale_of_a_deployment_is_what_wakes_it_and_lets_it_sleep(
    client: Client, deployed: str
) -> None:
    replicas = KubeReplicas(client)

    async def count() -> int:
        return int((await client.get(DEPLOYMENTS, NAME, deployed))["spec"]["replicas"])

    assert await replicas.wake(deployed, NAME)
    assert await count() == 2, "one that is awake is left as it is"
    await replicas.sleep(deployed, NAME)
    assert await count() == 0
    await replicas.wake(deployed, NAME)
    assert await count() == 1
    assert not await replicas.wake(deployed, "mcp-none")
    await replicas.sleep(deployed, "mcp-none")
    slice_ = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": "far-1",
            "namespace": deployed,
            "labels": {"kubernetes.io/service-name": NAME},
        },
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["10.9.8.7"], "conditions": {"ready": True}}],
    }
    assert await replicas.endpoints(deployed, NAME) == Endpoints([], [])
    await client.apply(ENDPOINT_SLICES, slice_, manager="test")
    assert await replicas.endpoints(deployed, NAME) == Endpoints(["10.9.8.7"], [])


async def test_a_deployment_of_somebody_else_is_neither_woken_nor_sent_to_sleep(
    client: Client, deployed: str
) -> None:
    replicas, meta = KubeReplicas(client), {"name": "mcp-theirs", "namespace": deployed}
    pod = {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "a", "image": "a"}]}}
    spec = {"replicas": 0, "selector": {"matchLabels": {"app": "x"}}, "template": pod}
    thing = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec}
    await client.create(DEPLOYMENTS, thing)
    assert not await replicas.wake(deployed, "mcp-theirs")
    await client.merge(DEPLOYMENTS, "mcp-theirs", {"spec": {"replicas": 3}}, deployed)
    await replicas.sleep(deployed, "mcp-theirs")
    assert (await client.get(DEPLOYMENTS, "mcp-theirs", deployed))["spec"]["replicas"] == 3


async def test_of_two_that_say_how_many_the_second_is_told(
    client: Client, deployed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    replicas = KubeReplicas(client)
    seen = await replicas._scale(deployed, NAME)
    await replicas.wake(deployed, NAME)
    await client.merge(DEPLOYMENTS, NAME, {"metadata": {"labels": {"moved": "yes"}}}, deployed)

    async def stale(*_: str) -> Any:
        return seen

    monkeypatch.setattr(replicas, "_scale", stale)
    with pytest.raises(Conflict):
        await replicas.sleep(deployed, NAME)
