"""From a first call to its answer, and from a bare pod's creation to its first."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable

from quarterdeck.controller.api.errors import NotFound
from quarterdeck.controller.objects import Object
from quarterdeck.controller.writing.conditions import find
from quarterdeck.mcp.control.kinds import PODS
from quarterdeck.mcp.pods.names import WARM
from toolpods.ground import AMOUNTS, HOME, IMAGE, Ground, eventually, over_http, removed
from toolpods.talk import Talk, begin

BARE = "bench-bare"
_CONFINED = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
_PERSON = {
    "runAsNonRoot": True,
    "runAsUser": 65532,
    "runAsGroup": 65532,
    "seccompProfile": {"type": "RuntimeDefault"},
}
CALL = {"arguments": {"text": "hello"}, "timeoutSeconds": 60}
# What happens to a pod, in order: a name and how it is seen.
STEPS: tuple[tuple[str, Callable[[Object], bool]], ...] = (
    ("there is a pod", lambda pod: True),
    ("it has a node", lambda pod: bool(pod["spec"].get("nodeName"))),
    ("the bridge is copied", lambda pod: _is(pod, "Initialized")),
    ("the server runs", lambda pod: any("running" in one["state"] for one in _containers(pod))),
    ("it is ready", lambda pod: _is(pod, "Ready")),
)


async def bare(ground: Ground) -> float:
    """Returns the seconds from asking for a pod with nothing but the HTTP server to its first answer."""
    container = {"name": "tool", "image": IMAGE, "command": over_http()["command"], "resources": AMOUNTS}
    spec = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": _PERSON,
        "containers": [container | {"securityContext": _CONFINED}],
        "terminationGracePeriodSeconds": 0,
    }
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": BARE, "namespace": HOME}, "spec": spec}
    began = time.perf_counter()
    await ground.client.create(PODS, pod)
    try:
        address = await eventually(lambda: _address(ground))
        await eventually(lambda: _answers(address))
        return time.perf_counter() - began
    finally:
        await removed(ground.client, BARE)


async def _address(ground: Ground) -> str:
    try:
        return str((await ground.client.get(PODS, BARE, HOME))["status"].get("podIP") or "")
    except NotFound:
        return ""


async def _answers(address: str) -> bool:
    talk = Talk(address, 8080, "/mcp")
    try:
        begin(talk)
    except OSError:
        return False
    finally:
        talk.close()
    return True


async def asleep(ground: Ground, server: str, warm: int) -> None:
    """Waits until a server sleeps, and its pool is full."""

    async def so() -> bool:
        return not await ground.pods(server) and len(await ground.ready(server, WARM)) == warm

    await eventually(so)


async def woken(ground: Ground, server: str) -> float:
    """Returns the seconds from the first call of a server that sleeps to its answer."""
    door = ground.door(server)
    began = time.perf_counter()
    answer, body = await asyncio.to_thread(door.post, CALL)
    took = time.perf_counter() - began
    door.close()
    if answer.status != 200 or json.loads(body).get("status") != "ok":
        raise RuntimeError(f"{server}: {answer.status} {body[:500]!r}")
    return took


async def steps(ground: Ground, server: str) -> dict[str, float]:
    """Wakes a server and returns when what happened to its pod, in seconds from the call."""
    began, seen = time.perf_counter(), dict[str, float]()
    waking = asyncio.create_task(woken(ground, server))
    while not waking.done():
        for pod in await ground.pods(server):
            for name, happened in STEPS:
                if name not in seen and happened(pod):
                    seen[name] = time.perf_counter() - began
        await asyncio.sleep(0.01)
    return {**seen, "the answer is there": await waking}


def _is(pod: Object, kind: str) -> bool:
    found = find(pod["status"].get("conditions") or [], kind)
    return found is not None and found["status"] == "True"


def _containers(pod: Object) -> list[Object]:
    return list(pod["status"].get("containerStatuses") or [])
