"""Measures tool pods on the cluster of $KUBECONFIG and reports; `make bench-toolpods`.

python -m toolpods [--rounds 5] [--calls 1000] [--steps]     (in bench/)

The platform must be deployed there (`make cluster-up images deploy`). A bare pod with the same server is
started in turn with the others, so that all see the same machine.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import statistics

from report import Figure, report

from toolpods import calls, starts
from toolpods.ground import IDLE, Ground, ground, over_http, stdio

COLD_TARGET, WARM_TARGET, CALL_TARGET = 1.0, 0.5, 1.5
BARE, COLD_HTTP, COLD_STDIO = "bare", "bench-cold-http", "bench-cold-stdio"
WARM_HTTP, WARM_STDIO = "bench-warm-http", "bench-warm-stdio"
RUNNING = "bench-running"
SLEEPY = {"idleTimeout": f"{IDLE:g}s"}
SERVERS = {
    COLD_HTTP: (over_http(), SLEEPY),
    COLD_STDIO: (stdio(), SLEEPY),
    WARM_HTTP: (over_http(), SLEEPY | {"warmPool": 1}),
    WARM_STDIO: (stdio(), SLEEPY | {"warmPool": 1}),
}


async def measure_starts(here: Ground, rounds: int, show_steps: bool) -> dict[str, float]:
    """Returns the median of each start in seconds."""
    times: dict[str, list[float]] = {name: [] for name in (BARE, *SERVERS)}
    async with contextlib.AsyncExitStack() as stack:
        for name, (container, scaling) in SERVERS.items():
            await stack.enter_async_context(here.server(name, container, scaling=scaling))
        for _ in range(rounds):
            times[BARE].append(await starts.bare(here))
            for name, (_, scaling) in SERVERS.items():
                await starts.asleep(here, name, int(scaling.get("warmPool", 0)))
                times[name].append(await starts.woken(here, name))
        for name, (_, scaling) in SERVERS.items() if show_steps else ():
            await starts.asleep(here, name, int(scaling.get("warmPool", 0)))
            said = ", ".join(f"{step} {at:.2f}" for step, at in (await starts.steps(here, name)).items())
            print(f"{name}: {said}")
    for name, taken in times.items():
        print(f"{name}: " + " ".join(f"{one:.2f}" for one in taken) + " s")
    return {name: statistics.median(taken) for name, taken in times.items()}


async def measure_calls(here: Ground, count: int) -> dict[str, float]:
    """Returns the median of each way to a pod that runs, in milliseconds."""
    scaling = {"minReplicas": 1, "maxReplicas": 1}
    async with here.server(RUNNING, stdio(), scaling=scaling, isolation="shared"):
        return await calls.measure(here, RUNNING, count)


def start_figures(medians: dict[str, float]) -> list[Figure]:
    """Returns what waking adds to a bare pod's start, and what it takes with a pod that waits."""
    bare = medians[BARE]

    def row(what: str, key: str, target: str, met: bool) -> Figure:
        name = f"{what}: first call to answer"
        return Figure(name, "s", medians[key], bare, "the bare pod", medians[key] / bare, target, met)

    cold, warm = f"added <= {COLD_TARGET:g} s", f"<= {WARM_TARGET:g} s"
    images = ("http image", "stdio image")
    return [
        *(
            row(f"cold, {image}", key, cold, medians[key] - bare <= COLD_TARGET)
            for image, key in zip(images, (COLD_HTTP, COLD_STDIO), strict=True)
        ),
        *(
            row(f"warm, {image}", key, warm, medians[key] <= WARM_TARGET)
            for image, key in zip(images, (WARM_HTTP, WARM_STDIO), strict=True)
        ),
    ]


def call_figures(medians: dict[str, float]) -> list[Figure]:
    """Returns what gateway and manager add to a call."""
    door, direct = medians["door"], medians["direct"]
    added, target = door - direct, f"<= {CALL_TARGET} ms"
    between = medians["manager"] - direct
    ways = ("call at the gateway's door", "added by gateway and manager", "of it, between manager and pod")
    return [
        Figure(ways[0], "ms", door, direct, "the pod itself", door / direct, "said", None),
        Figure(ways[1], "ms", added, None, "", None, target, added <= CALL_TARGET),
        Figure(ways[2], "ms", between, None, "", None, "said", None),
    ]


async def measure(rounds: int, count: int, show_steps: bool) -> list[Figure]:
    """Measures all of it."""
    async with ground() as here:
        called = await measure_calls(here, count)
        started = await measure_starts(here, rounds, show_steps)
    return [*start_figures(started), *call_figures(called)]


def main() -> None:
    """Measures and reports."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--calls", type=int, default=1000)
    arguments.add_argument("--steps", action="store_true", help="print what a waking server waits for")
    chosen = arguments.parse_args()
    report("toolpods", asyncio.run(measure(chosen.rounds, chosen.calls, chosen.steps)))


if __name__ == "__main__":
    main()
