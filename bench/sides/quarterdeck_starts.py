"""Ours: `StartRun` at the runtime's port, until the run is accepted and durable.

A client in a process of its own, with the token and the principal that the gateway would send. The run waits
for a signal, so that what is measured is the start. The registry and the runtime are processes that run
already. Driven as `answers.py` says.

    python bench/sides/quarterdeck_starts.py DATA_DIRECTORY
"""

from __future__ import annotations

import asyncio
import sys
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


async def start(platform: Platform, concurrency: int, runs: int) -> None:
    """Starts `runs` runs, `concurrency` at a time."""
    act_for(ADMIN)
    runtime = platform.peer("agent-runtime")
    stub: Any = runtime.stub(runs_pb2_grpc.RuntimeServiceStub)
    request = runs_pb2.StartRunRequest(tenant="default", kind="Workflow", name="waits", input_json=b"{}")
    left = iter(range(runs))

    async def worker() -> None:
        for _number in left:
            await runtime.call(stub.StartRun, request)

    await asyncio.gather(*(worker() for _ in range(concurrency)))


def main(folder: Path) -> None:
    """Serves measurements."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        platform = runner.run(open_client(folder))
        serve(lambda concurrency, runs: runner.run(start(platform, concurrency, runs)))
        runner.run(platform.close())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
