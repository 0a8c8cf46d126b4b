"""Where a side works: an API server of its own with an audit log, the CRDs, a Tenant and a ModelRoute."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import yaml

from quarterdeck.controller.api.client import Client
from quarterdeck.controller.api.connection import connect
from quarterdeck.controller.api.pacing import TokenBucket
from quarterdeck.controller.api.resource import NAMESPACES, Resource
from quarterdeck.controller.api.transport import Transport
from quarterdeck.controller.objects import Object
from quarterdeck.controller.testing.binaries import find_programs
from quarterdeck.controller.testing.control_plane import ControlPlane
from quarterdeck.controller.testing.crds import install_crds

T = TypeVar("T")

DEFINITIONS = Path(__file__).parents[2] / "charts/quarterdeck-crds/templates"
API_VERSION = "quarterdeck.dev/v1alpha1"
AGENTS = Resource("quarterdeck.dev", "v1alpha1", "agents", "Agent")
ROUTES = Resource("quarterdeck.dev", "v1alpha1", "modelroutes", "ModelRoute")
TENANTS = Resource("quarterdeck.dev", "v1alpha1", "tenants", "Tenant", namespaced=False)
TENANT, NAMESPACE = "bench", "qd-bench"
# Requests of the benchmark itself under way at a time, and no limit to their rate.
AT_ONCE = 32
UNLIMITED = 1_000_000
POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata"}],
}


@dataclass(frozen=True, slots=True)
class Ground:
    """An API server, a client of the benchmark's own, and the log of what was asked of the server."""

    plane: ControlPlane
    client: Client
    audit: Path


def made(folder: Path) -> Path:
    """Returns the folder after making it."""
    folder.mkdir()
    return folder


@contextlib.asynccontextmanager
async def ground(folder: Path) -> AsyncIterator[Ground]:
    """Starts one with its log in `folder`; there is nothing but what an Agent needs to be ready.

    Raises:
        SystemExit: etcd and kube-apiserver are not there.
    """
    programs = find_programs()
    if programs is None:
        raise SystemExit("error: no API server; `hack/cluster/build etcd kube-apiserver` makes one")
    policy, audit = folder / "policy.json", folder / "audit.jsonl"
    policy.write_text(json.dumps(POLICY))
    flags = [f"--audit-policy-file={policy}", f"--audit-log-path={audit}", "--audit-log-maxsize=4000"]
    plane = ControlPlane(programs, flags)
    try:
        await plane.start()
        pace = TokenBucket(UNLIMITED, UNLIMITED)
        client = Client(Transport(await connect(str(plane.kubeconfig)), pace=pace, user_agent="bench"))
        try:
            await _furnish(client)
            yield Ground(plane, client, audit)
        finally:
            await client.close()
    finally:
        await plane.stop()


async def _furnish(client: Client) -> None:
    await install_crds(
        client, [yaml.safe_load(path.read_text()) for path in sorted(DEFINITIONS.glob("*.yaml"))]
    )
    meta = {"name": NAMESPACE, "labels": {"quarterdeck.dev/tenant": TENANT}}
    await client.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": meta})
    tenant = {"apiVersion": API_VERSION, "kind": "Tenant", "metadata": {"name": TENANT}}
    await client.create(TENANTS, tenant | {"spec": {"displayName": "Bench"}})
    provider = {"provider": "playbook", "model": "bench", "playbook": "bench.yaml"}
    route = {"tiers": [{"name": "standard", "providers": [provider]}]}
    await client.create(ROUTES, _object("ModelRoute", "default", route))


def agent(number: int) -> Object:
    """Returns an Agent of about a kilobyte, whose expressions and schema are to be checked."""
    answer = {"type": "object", "required": ["confidence"], "properties": {"confidence": {"type": "number"}}}
    text = "Match the transaction ${input.transaction} with an invoice. " + "Say how certain you are. " * 20
    spec = {
        "description": f"Number {number}",
        "instructions": text,
        "model": {"route": "default", "tier": "standard", "maxTokens": 2048, "temperature": 0},
        "output": {"schema": answer},
        "limits": {"turns": 20, "tokens": 200_000, "costUsd": 1.0, "timeout": "10m"},
    }
    return _object("Agent", f"agent-{number:05}", spec)


def _object(kind: str, name: str, spec: Object) -> Object:
    meta = {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": meta, "spec": spec}


async def together(work: Iterable[Callable[[], Awaitable[T]]]) -> None:
    """Does many things, `AT_ONCE` at a time."""
    waiting = iter(list(work))

    async def one() -> None:
        for make in waiting:
            await make()

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(one())
