"""GET of a resource: our gateway beside a FastAPI route that makes one bare gRPC call.

Both ask the same registry over the same unix socket, in processes of their own, under the
same uvicorn. Ours authenticates, authorises, counts, traces and logs; the peer does nothing
but the call. Short rounds are interleaved; the ratio is the median over
neighbouring rounds.

    python bench/gateway.py [--rounds 25] [--requests 200] [--concurrency 1 16]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psutil
from http_load import get, load
from report import Figure, report

TARGET = 0.7
OBJECT = {
    "apiVersion": "quarterdeck.dev/v1alpha1",
    "kind": "Trigger",
    "metadata": {"name": "bench", "labels": {"team": "books"}},
    "spec": {"target": {"kind": "Workflow", "name": "w"}, "cron": {"schedule": "0 9 * * *"}},
}
OURS = "/api/v1/tenants/default/triggers/bench"


def _platform(name: str, directory: str) -> Any:
    from quarterdeck.cli.logfile import log_to_stream
    from quarterdeck.common.service import open_platform
    from quarterdeck.common.settings import PlatformSettings

    log_to_stream("info", "json")
    return open_platform(name, PlatformSettings(data_dir=Path(directory)))


async def _until_told() -> None:
    """Says that it is ready, then waits for SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()


async def serve_registry(directory: str) -> None:
    """The registry that both ask."""
    from quarterdeck.registry.main import build

    service = await build(_platform("registry", directory))
    await service.start()
    print("ready 0", flush=True)
    await _until_told()
    await service.stop(1)


async def serve_ours(directory: str) -> None:
    """Our gateway, with a tracer that records every span."""
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

    from quarterdeck.gateway.config import GatewaySettings
    from quarterdeck.gateway.main import build

    class Nowhere(SpanExporter):
        def export(self, spans: Any) -> SpanExportResult:
            return SpanExportResult.SUCCESS

    platform = _platform("gateway", directory)
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(Nowhere()))
    platform.telemetry.use_tracer(provider.get_tracer("quarterdeck"))
    service = await build(platform, settings=GatewaySettings(http_port=0, grpc_port=0))
    await service.start()
    print(f"ready {service.http_port}", flush=True)
    await _until_told()
    await service.stop(1)


async def serve_peer(directory: str) -> None:
    """FastAPI: /bare makes one gRPC call, /none makes none."""
    import grpc
    import uvicorn
    from fastapi import FastAPI, Response

    from quarterdeck.gateway.http_server import bind
    from quarterdeck.v1 import resources_pb2, resources_pb2_grpc

    platform = _platform("gateway", directory)
    channel = grpc.aio.insecure_channel(platform.settings.address_of("registry"))
    stub = resources_pb2_grpc.RegistryServiceStub(channel)
    metadata = [("authorization", f"Bearer {platform.identity.token('registry')}")]
    app = FastAPI()

    @app.get("/bare/{name}")
    async def bare(name: str) -> Response:
        request = resources_pb2.GetObjectRequest(tenant="default", kind="Trigger", name=name)
        found = await stub.GetObject(request, metadata=metadata)
        return Response(found.object_json, media_type="application/json")

    @app.get("/none/{name}")
    async def none(name: str) -> Response:
        return Response(b"{}", media_type="application/json")

    listener = bind("127.0.0.1", 0, "port")
    print(f"ready {listener.getsockname()[1]}", flush=True)
    config = uvicorn.Config(app, access_log=False, log_config=None, lifespan="off")
    await uvicorn.Server(config).serve([listener])


@contextlib.asynccontextmanager
async def process(role: str, directory: str) -> AsyncIterator[tuple[int, int]]:
    """Runs one of the servers above; yields (port, process id)."""
    with (Path(directory) / f"{role}.log").open("w") as log:
        child = await asyncio.create_subprocess_exec(
            sys.executable, __file__, "--serve", role, directory, stdout=subprocess.PIPE, stderr=log
        )
        try:
            line = (await child.stdout.readline()).decode() if child.stdout else ""
            if not line.startswith("ready "):
                raise RuntimeError(f"{role} did not start: {(Path(directory) / f'{role}.log').read_text()}")
            yield int(line.split()[1]), child.pid
        finally:
            child.terminate()
            await child.wait()


def _cpu_seconds(pid: int) -> float:
    """Returns the processor time that a process has used."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


async def _apply(port: int, token: str) -> None:
    import httpx

    url = f"http://127.0.0.1:{port}{OURS}"
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}) as client:
        (await client.put(url, json=OBJECT)).raise_for_status()


async def compare(rounds: int, requests: int, concurrency: list[int]) -> None:
    """Measures and reports."""
    directory = tempfile.mkdtemp(prefix="qd-bench-")
    try:
        async with (
            process("registry", directory),
            process("ours", directory) as ours,
            process("peer", directory) as peer,
        ):
            token = (Path(directory) / "admin-token").read_text().strip()
            await _apply(ours[0], token)
            targets = {"ours": (ours, OURS), "peer": (peer, "/bare/bench"), "no call": (peer, "/none/bench")}
            results = [await _level(targets, token, rounds, requests, level) for level in concurrency]
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    report("gateway", [figure for result in results for figure in _figures(result)])


def _figures(result: dict[str, Any]) -> list[Figure]:
    """Returns the figures of one level: beside a bare gRPC call, and beside a route without one."""
    name = f"GET of a resource, concurrency {result['concurrency']}"
    ours, ratio, bare = result["ours_per_second"], result["ratio"], result["ratio_to_no_call"]
    peer, target = result["peer_per_second"], f">= {TARGET}x"
    beside = Figure(name, "1/s", ours, peer, "FastAPI, one bare gRPC call", ratio, target, ratio >= TARGET)
    return [beside, Figure(name, "1/s", ours, ours / bare, "FastAPI without a call", bare, "said", None)]


def _paired(rates: dict[str, list[float]], other: str) -> float:
    """Returns the median of the ratios of neighbouring rounds: what else the machine does cancels out."""
    ratios = [ours / theirs for ours, theirs in zip(rates["ours"], rates[other], strict=True)]
    return round(statistics.median(ratios), 3)


async def _level(
    targets: dict[str, tuple[tuple[int, int], str]], token: str, rounds: int, requests: int, concurrency: int
) -> dict[str, Any]:
    rates: dict[str, list[float]] = {name: [] for name in targets}
    medians: dict[str, list[float]] = {name: [] for name in targets}
    busy = dict.fromkeys(targets, 0.0)
    for number in range(rounds + 1):
        for name, ((port, pid), path) in targets.items():
            before = _cpu_seconds(pid)
            rate, median = await load(port, get(path, token), requests, concurrency)
            if number:  # the first round warms up
                rates[name].append(rate)
                medians[name].append(median)
                busy[name] += (_cpu_seconds(pid) - before) / (rounds * requests)
    found = {name: statistics.median(values) for name, values in rates.items()}
    return {
        "benchmark": "gateway_get",
        "concurrency": concurrency,
        "ours_per_second": round(found["ours"]),
        "peer_per_second": round(found["peer"]),
        "ours_median_ms": round(statistics.median(medians["ours"]) * 1000, 3),
        "peer_median_ms": round(statistics.median(medians["peer"]) * 1000, 3),
        "ours_cpu_ms": round(busy["ours"] * 1000, 3),
        "peer_cpu_ms": round(busy["peer"] * 1000, 3),
        "ratio": _paired(rates, "peer"),
        "ratio_to_no_call": _paired(rates, "no call"),
        "target": TARGET,
        "load": round(os.getloadavg()[0], 2),
    }


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--concurrency", type=int, nargs="+", default=[1, 16])
    parser.add_argument("--serve", nargs=2, metavar=("ROLE", "DIRECTORY"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        role, directory = options.serve
        roles = {"registry": serve_registry, "ours": serve_ours, "peer": serve_peer}
        asyncio.run(roles[role](directory))
        return
    asyncio.run(compare(options.rounds, options.requests, options.concurrency))


if __name__ == "__main__":
    main()
