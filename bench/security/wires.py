"""Calls between services over mutual TLS, beside plaintext on the same loopback."""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

from report import Figure

from quarterdeck.common.identity import Principal
from quarterdeck.common.rpc_client import Peer, act_for
from quarterdeck.common.service import open_platform
from quarterdeck.common.settings import PlatformSettings
from quarterdeck.v1 import memory_pb2, memory_pb2_grpc
from security.children import child

LEAST_KEPT = 0.8
ASKED = memory_pb2.GetCollectionStatsRequest(tenant="default", collection="c")


async def figures(rounds: int, calls: int) -> list[Figure]:
    """Measures both, in rounds that take turns."""
    with tempfile.TemporaryDirectory(prefix="qd-bench-wires-") as folder:
        async with _peers(Path(folder)) as peers:
            act_for(Principal("corp:anna"))
            return [await _figure(peers, concurrency, rounds, calls) for concurrency in (1, 32)]


@contextlib.asynccontextmanager
async def _peers(folder: Path) -> AsyncIterator[dict[str, Peer]]:
    certificates = folder / "certificates"
    command = [sys.executable, "-m", "quarterdeck.cli.main", "certs", str(certificates)]
    await asyncio.to_thread(subprocess.run, command, check=True, stdout=subprocess.DEVNULL)
    tls = {"QD_TLS_DIRECTORY": str(certificates / "memory")}
    async with (
        child(folder, "security.wire", "tls", **tls) as encrypted,
        child(folder, "security.wire", "plaintext", QD_PLAINTEXT="true") as plain,
    ):
        settings = {
            "tls": PlatformSettings(
                data_dir=folder,
                tls_directory=certificates / "gateway",
                peers={"memory": f"127.0.0.1:{encrypted}"},
            ),
            "plaintext": PlatformSettings(
                data_dir=folder, plaintext=True, peers={"memory": f"127.0.0.1:{plain}"}
            ),
        }
        platforms = {name: open_platform("gateway", one) for name, one in settings.items()}
        try:
            yield {name: platform.peer("memory") for name, platform in platforms.items()}
        finally:
            for platform in platforms.values():
                await platform.close()


async def _figure(peers: dict[str, Peer], concurrency: int, rounds: int, calls: int) -> Figure:
    taken = []
    for number in range(rounds + 1):
        turn = list(peers.items())[:: 1 if number % 2 else -1]
        one = {name: await _rate(peer, calls, concurrency) for name, peer in turn}
        if number:  # the first round warms up
            taken.append(one)
    rates = {name: statistics.median(one[name] for one in taken) for name in peers}
    kept = statistics.median(one["tls"] / one["plaintext"] for one in taken)
    name, target = f"calls between services, concurrency {concurrency}", f">= {LEAST_KEPT}x"
    return Figure(
        name, "1/s", rates["tls"], rates["plaintext"], "plaintext", kept, target, kept >= LEAST_KEPT
    )


async def _rate(peer: Peer, calls: int, concurrency: int) -> float:
    method = peer.stub(memory_pb2_grpc.MemoryServiceStub).GetCollectionStats
    share = calls // concurrency

    async def some() -> None:
        for _ in range(share):
            await peer.call(method, ASKED)

    began = time.perf_counter()
    await asyncio.gather(*(some() for _ in range(concurrency)))
    return share * concurrency / (time.perf_counter() - began)
