"""A GET and a StartRun at the gateway as it is, beside one where nobody asks who comes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import statistics
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
from http_load import get, load, post
from report import Figure

from security.children import child, service

TENANT = "/api/v1/tenants/default"
SERVICES = ("registry", "agent-runtime", "mcp-manager", "memory")
# A run that waits as soon as it has begun: what follows a start is not what is measured.
WORKFLOW = {
    "kind": "Workflow",
    "metadata": {"name": "bench"},
    "spec": {"nodes": [{"name": "wait", "wait": {"signal": {"name": "go", "timeout": "1d"}}}]},
}
BINDING = {
    "kind": "AccessBinding",
    "metadata": {"name": "bench"},
    "spec": {"role": "developer", "subjects": [{"principal": "account:bench"}]},
}
MOST_ADDED_MS, LEAST_KEPT = 0.5, 0.75


async def figures(redis: str, rounds: int, requests: int) -> list[Figure]:
    """Measures both, in rounds that take turns."""
    with tempfile.TemporaryDirectory(prefix="qd-bench-security-") as folder:
        async with _both(Path(folder), redis) as (ports, key):
            found = []
            for name, request in _requests(key).items():
                for concurrency in (1, 16):
                    taken = await _compare(ports, request, rounds, requests, concurrency)
                    found += _figures(name, concurrency, taken)
            return found


@contextlib.asynccontextmanager
async def _both(folder: Path, redis: str) -> AsyncIterator[tuple[dict[str, int], str]]:
    variables = {"QD_CACHE_URL": redis}
    async with contextlib.AsyncExitStack() as stack:
        ours = await stack.enter_async_context(child(folder, "security.door", "as-it-is", **variables))
        for name in SERVICES:
            stack.enter_context(service(folder, name, **variables))
        peer = await stack.enter_async_context(child(folder, "security.door", "open", **variables))
        token = (folder / "admin-token").read_text().strip()
        yield {"ours": ours, "peer": peer}, await _prepared(ours, token)


async def _prepared(port: int, token: str) -> str:
    """Applies what is needed; returns an API key of a developer."""
    headers = {"Authorization": f"Bearer {token}"}
    transport = httpx.AsyncHTTPTransport(retries=3)
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{port}", headers=headers, transport=transport, timeout=30
    ) as client:
        await _until_ready(client)
        for plural, thing in (("workflows", WORKFLOW), ("accessbindings", BINDING)):
            manifest = {"apiVersion": "quarterdeck.dev/v1alpha1", **thing}
            answer = await client.put(f"{TENANT}/{plural}/bench", json=manifest)
            answer.raise_for_status()
        asked = {"name": "bench", "principal": "account:bench"}
        answer = await client.post(f"{TENANT}/apikeys", json=asked)
        answer.raise_for_status()
        return str(answer.json()["key"])


async def _until_ready(client: httpx.AsyncClient) -> None:
    for _ in range(300):
        if (await client.get("/health")).status_code == 200:
            return
        await asyncio.sleep(0.2)
    raise RuntimeError("the platform did not become ready")


def _requests(key: str) -> dict[str, bytes]:
    read = get(f"{TENANT}/workflows/bench", key)
    start = post(f"{TENANT}/runs", key, json.dumps({"kind": "Workflow", "name": "bench", "input": {}}))
    return {"GET of a resource": read, "StartRun": start}


async def _compare(
    ports: dict[str, int], request: bytes, rounds: int, requests: int, concurrency: int
) -> list[dict[str, tuple[float, float]]]:
    taken = []
    for number in range(rounds + 1):
        turn = list(ports.items())[:: 1 if number % 2 else -1]
        one = {who: await load(port, request, requests, concurrency) for who, port in turn}
        if number:  # the first round warms up
            taken.append(one)
    return taken


def _figures(name: str, concurrency: int, taken: list[dict[str, Any]]) -> list[Figure]:
    said = f"{name}, concurrency {concurrency}"
    rates = {who: statistics.median(one[who][0] for one in taken) for who in ("ours", "peer")}
    kept = statistics.median(one["ours"][0] / one["peer"][0] for one in taken)
    open_door, target = "nobody at the door", f">= {LEAST_KEPT}x"
    rate = Figure(said, "1/s", rates["ours"], rates["peer"], open_door, kept, target, kept >= LEAST_KEPT)
    if concurrency > 1:
        return [rate]
    added = statistics.median((one["ours"][1] - one["peer"][1]) * 1000 for one in taken)
    target = f"<= {MOST_ADDED_MS} ms"
    return [rate, Figure(f"{name}, added", "ms", added, None, "", None, target, added <= MOST_ADDED_MS)]
