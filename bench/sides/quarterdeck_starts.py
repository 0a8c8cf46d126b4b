"""Ours: `StartRun` at the runtime's port, or `StartRuns`, until the runs are accepted and durable.

A client in a process of its own, with the token and the principal that the gateway would send. The run waits
for a signal, so that what is measured is the start. The registry and the runtime are processes that run
already. Driven as `answers.py` says.

A batch is accepted for the queue. Its time ends with its answer; whoever goes next waits until all of its
runs have begun, so that none of that work is in another side's time.

    python bench/sides/quarterdeck_starts.py DATA_DIRECTORY [RUNS_A_CALL]
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import Any

import uvloop
from answers import serve

from quarterdeck.common import codec
from quarterdeck.common.identity import Principal
from quarterdeck.common.rpc_client import act_for
from quarterdeck.common.service import Platform, open_platform
from quarterdeck.common.settings import PlatformSettings
from quarterdeck.v1 import resources_pb2, resources_pb2_grpc, runs_pb2, runs_pb2_grpc

ADMIN = Principal("admin", ("quarterdeck:platform-admins",))
WORKFLOW = {
    "apiVersion": "quarterdeck.dev/v1alpha1",
    "kind": "Workflow",
    "metadata": {"name": "waits"},
    "spec": {"nodes": [{"name": "paid", "wait": {"signal": {"name": "paid"}}}]},
}


async def open_client(folder: Path) -> Platform:
    """Applies the workflow and returns the gateway's end of the wire."""
    platform = open_platform("gateway", PlatformSettings(data_dir=folder))
    registry = platform.peer("registry")
    stub: Any = registry.stub(resources_pb2_grpc.RegistryServiceStub)
    act_for(ADMIN)
    request = resources_pb2.ApplyObjectRequest(tenant="default", object_json=codec.dumps(WORKFLOW))
    await registry.call(stub.ApplyObject, request)
    return platform


REQUEST = runs_pb2.StartRunRequest(tenant="default", kind="Workflow", name="waits", input_json=b"{}")


async def start(platform: Platform, concurrency: int, runs: int, together: int) -> float:
    """Starts `runs` runs, `together` a call, `concurrency` calls at a time; returns the seconds it took."""
    act_for(ADMIN)
    runtime = platform.peer("agent-runtime")
    stub: Any = runtime.stub(runs_pb2_grpc.RuntimeServiceStub)
    left = iter([min(together, runs - begin) for begin in range(0, runs, together)])

    async def worker() -> None:
        for number in left:
            if together == 1:
                await runtime.call(stub.StartRun, REQUEST)
                continue
            batch = runs_pb2.StartRunsRequest(tenant="default", runs=[REQUEST] * number)
            answer = await runtime.call(stub.StartRuns, batch)
            assert all(one.run_id and not one.existed for one in answer.runs), answer.runs[0]

    began = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(concurrency)))
    seconds = time.perf_counter() - began
    await _begun(runtime, stub)
    return seconds


async def _begun(runtime: Any, stub: Any) -> None:
    """Waits until no run waits for a worker."""
    pending = runs_pb2.ListRunsRequest(tenant="default", states=[runs_pb2.RUN_STATE_PENDING], page_size=1)
    while True:
        if not (await runtime.call(stub.ListRuns, pending)).runs:
            return
        await asyncio.sleep(0.05)


def main(folder: Path, together: int) -> None:
    """Serves measurements."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        platform = runner.run(open_client(folder))

        def measure(concurrency: int, runs: int) -> dict[str, float]:
            return {"seconds": runner.run(start(platform, concurrency, runs, together))}

        serve(measure)
        runner.run(platform.close())


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1)
