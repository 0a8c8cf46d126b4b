"""The peer: runs of five no-op activities in Temporal, its development server on an SQLite file.

Runs in the environment .venv-bench, driven as `answers.py` says. The server is started by this side and
stopped with it; it and the Python worker are both on this machine. A step is an activity registered in this
process: the server has stored its outcome before the next begins.

    python bench/sides/temporal_runs.py TEMPORAL_PROGRAM DIRECTORY
"""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import count
from pathlib import Path

from answers import serve
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

STEPS = 5
QUEUE = "bench"
AT_ONCE = 200
POLLERS = 10
WAIT = 60.0
IDS = count(1)


@activity.defn
async def noop(number: int) -> int:
    """The step."""
    return number


@workflow.defn
class Five:
    """Five steps in a row."""

    @workflow.run
    async def run(self) -> int:
        """Runs them."""
        last = -1
        for number in range(STEPS):
            last = await workflow.execute_activity(noop, number, start_to_close_timeout=timedelta(seconds=60))
        return last


def free_port() -> int:
    """Returns a loopback port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def server(program: str, directory: Path) -> Iterator[str]:
    """Runs the development server and yields its address."""
    port = free_port()
    command = [program, "server", "start-dev", "--headless", "--ip", "127.0.0.1", "--port", str(port)]
    command += ["--db-filename", str(directory / "temporal.db"), "--log-level", "error"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


async def connect(address: str) -> Client:
    """Returns a client once the server answers."""
    until = asyncio.get_running_loop().time() + WAIT
    while True:
        try:
            return await Client.connect(address)
        except RuntimeError:
            if asyncio.get_running_loop().time() > until:
                raise
            await asyncio.sleep(0.2)


async def run(client: Client, concurrency: int, runs: int) -> None:
    """Does `runs` runs, `concurrency` at a time."""
    left = iter(range(runs))

    async def worker() -> None:
        for _number in left:
            result = await client.execute_workflow(Five.run, id=f"run-{next(IDS)}", task_queue=QUEUE)
            if result != STEPS - 1:
                raise RuntimeError(f"the run ended with {result}")

    await asyncio.gather(*(worker() for _ in range(concurrency)))


async def started_worker(client: Client) -> Worker:
    """Returns a running worker with room for every run at once; without the sandbox, which costs time."""
    worker = Worker(
        client,
        task_queue=QUEUE,
        workflows=[Five],
        activities=[noop],
        max_concurrent_activities=AT_ONCE,
        max_concurrent_workflow_tasks=AT_ONCE,
        max_concurrent_workflow_task_polls=POLLERS,
        max_concurrent_activity_task_polls=POLLERS,
        workflow_runner=UnsandboxedWorkflowRunner(),
    )
    await worker.__aenter__()
    return worker


def main(program: str, directory: Path) -> None:
    """Serves measurements."""
    with server(program, directory) as address, asyncio.Runner() as runner:
        client = runner.run(connect(address))
        worker = runner.run(started_worker(client))
        serve(lambda concurrency, runs: runner.run(run(client, concurrency, runs)))
        runner.run(worker.__aexit__(None, None, None))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
