"""A thousand clients that stream runs' events from one gateway, in a process of their own.

Starts as many runs of a workflow that pauses again and again, one stream each, and notes for each event how
long after its commit was begun it arrived. Driven as `answers.py` says: `concurrency` streams for `runs`
seconds. Says the events per second, and the milliseconds at p50 and p99.

    python bench/sides/stream_clients.py GATEWAY_PORT ADMIN_TOKEN PAUSE_SECONDS
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import uvloop
from answers import serve

BASE = "/api/v1/tenants/default"
STARTS_AT_ONCE = 16
# Seconds, after every stream has had an event; how long that may take.
SETTLE, LONGEST_OPENING = 5.0, 180.0


def workflow(pause: float) -> dict[str, Any]:
    """Returns a workflow that pauses for ever."""
    node = {
        "name": "pause",
        "wait": {"duration": f"{int(pause * 1000)}ms"},
        "next": [{"to": "pause"}],
        "maxVisits": 10000,
    }
    kind = {"apiVersion": "quarterdeck.dev/v1alpha1", "kind": "Workflow", "metadata": {"name": "pauses"}}
    return {**kind, "spec": {"nodes": [node]}}


class Clients:
    """Talks plain HTTP/1.1 to the gateway: what is measured is not a client library."""

    def __init__(self, port: int, token: str, pause: float) -> None:
        self._port = port
        self._token = token
        self._pause = pause
        self._runs: list[str] = []
        self._streams: list[asyncio.Task[None]] = []
        self._heard: set[str] = set()
        self._all_open = asyncio.Event()
        self.latencies: list[float] = []

    def _head(self, method: str, path: str, more: str = "") -> bytes:
        lines = (
            f"{method} {BASE}{path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {self._token}\r\n"
        )
        return f"{lines}{more}\r\n".encode()

    async def _send(self, method: str, path: str, body: Any) -> Any:
        data = json.dumps(body).encode()
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        more = f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\nConnection: close\r\n"
        writer.write(self._head(method, path, more) + data)
        head, _, answer = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
        if head.split()[1] not in (b"200", b"201", b"202"):
            raise RuntimeError(f"{method} {path}: {head[:40]!r} {answer[:400]!r}")
        return json.loads(answer)

    async def open(self, count: int) -> None:
        """Starts the runs and opens a stream for each."""
        await self._send("PUT", "/workflows/pauses", workflow(self._pause))
        left = iter(range(count))

        async def starter() -> None:
            for number in left:
                body = {"kind": "Workflow", "name": "pauses", "input": {"i": number}}
                self._runs.append((await self._send("POST", "/runs", body))["id"])

        await asyncio.gather(*(starter() for _ in range(STARTS_AT_ONCE)))
        self._streams = [asyncio.create_task(self._follow(run_id)) for run_id in self._runs]

    async def _follow(self, run_id: str) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        writer.write(self._head("GET", f"/runs/{run_id}/events", "Accept: text/event-stream\r\n"))
        while line := await reader.readline():
            if line.startswith(b"data: {"):
                begun = datetime.fromisoformat(json.loads(line[6:])["at"]).timestamp()
                self.latencies.append(time.time() - begun)
                self._heard.add(run_id)
                if len(self._heard) == len(self._runs):
                    self._all_open.set()
        raise RuntimeError(f"the stream of {run_id} ended")

    async def _all_heard(self) -> None:
        """Waits until every stream is open and was told what had happened before."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LONGEST_OPENING):
                await self._all_open.wait()

    async def measure(self, streams: int, seconds: int) -> Mapping[str, float]:
        """Watches for some seconds."""
        if not self._runs:
            await self.open(streams)
            await self._all_heard()
            await asyncio.sleep(SETTLE + self._pause)
        self.latencies.clear()
        await asyncio.sleep(seconds)
        for stream in self._streams:
            if stream.done():
                stream.result()
        ordered = sorted(self.latencies)
        middle, late = ordered[len(ordered) // 2], ordered[int(len(ordered) * 0.99)]
        return {"events": len(ordered) / seconds, "p50": middle * 1000, "p99": late * 1000}

    async def close(self) -> None:
        """Ends the streams."""
        for stream in self._streams:
            stream.cancel()
        await asyncio.gather(*self._streams, return_exceptions=True)


def main(port: int, token: str, pause: float) -> None:
    """Serves measurements."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        clients = Clients(port, token, pause)
        serve(lambda streams, seconds: runner.run(clients.measure(streams, seconds)))
        runner.run(clients.close())


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], float(sys.argv[3]))
