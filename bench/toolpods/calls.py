"""Calls of a pod that runs: by the gateway's door, and of the pod itself, by turns."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable

from toolpods.ground import Ground, eventually
from toolpods.starts import CALL as THROUGH
from toolpods.talk import CALL, Talk, begin

WARM_UP = 100
BRIDGE_PORT = 8700


async def measure(ground: Ground, server: str, calls: int) -> dict[str, float]:
    """Returns the median of each way in milliseconds; `manager` is what the manager says it took."""
    (pod,) = await eventually(lambda: ground.ready(server))
    door, direct = ground.door(server), Talk(pod["status"]["podIP"], BRIDGE_PORT, "/mcp")
    begin(direct)
    ways: dict[str, Callable[[], bytes]] = {
        "direct": lambda: direct.post(CALL)[1],
        "door": lambda: door.post(THROUGH)[1],
    }
    times: dict[str, list[float]] = {name: [] for name in (*ways, "manager")}
    for turn in range(WARM_UP + calls):
        for name, once in ways.items():
            began = time.perf_counter()
            body = once()
            took = time.perf_counter() - began
            if b"hello" not in body:
                raise RuntimeError(f"{name}: {body!r}")
            if turn >= WARM_UP:
                times[name].append(took)
                if name == "door":
                    times["manager"].append(json.loads(body)["durationMs"] / 1000)
    door.close()
    direct.close()
    return {name: statistics.median(taken) * 1000 for name, taken in times.items()}
