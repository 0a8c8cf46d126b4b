"""Controllers as programs: each follows a real API server, in its own process, until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml

from quarterdeck.cli.constants import EXIT_FAILED
from quarterdeck.cli.programs import PROGRAMS
from quarterdeck.controller.api.client import Client
from quarterdeck.controller.api.errors import NotFound
from quarterdeck.controller.api.resource import LEASES, NAMESPACES
from quarterdeck.controller.objects import Object
from quarterdeck.controller.testing.control_plane import ControlPlane
from quarterdeck.controller.testing.crds import install_crds

DEFINITIONS = Path(__file__).parents[2] / "charts" / "quarterdeck-crds" / "templates"
CONTROLLERS = [name for name, program in PROGRAMS.items() if not program.listens]
STOP_TIMEOUT = 60.0


def serve(name: str, data_dir: Path, **more: str) -> subprocess.Popen[str]:
    """Starts a controller on a data directory of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "quarterdeck.cli.main", "serve", name, "--management-port", "0"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "QD_DATA_DIR": str(data_dir), **more},
    )


@contextlib.contextmanager
def served(name: str, data_dir: Path, **more: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A controller that has started, and the address of its health."""
    process = serve(name, data_dir, **more)
    assert process.stderr is not None
    lines: list[str] = []
    try:
        for line in process.stderr:
            lines.append(line)
            if "health and metrics" in line:
                break
        assert "health and metrics" in lines[-1], "".join(lines)
        yield process, lines[-1].split()[-1]
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=STOP_TIMEOUT)


def get(url: str) -> httpx.Response:
    """What is at a management port."""
    return httpx.get(url, trust_env=False)


@pytest.fixture
async def namespace(client: Client) -> str:
    """A namespace of its own for a Lease, where our kinds are known."""
    await install_crds(client, [yaml.safe_load(path.read_text()) for path in DEFINITIONS.glob("*.yaml")])
    name = f"release-{uuid.uuid4().hex[:8]}"
    await client.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    return name


@pytest.mark.parametrize("name", CONTROLLERS)
async def test_it_leads_says_how_it_does_and_gives_its_lease_back(
    name: str, plane: ControlPlane, client: Client, namespace: str, tmp_path: Path
) -> None:
    places = dict.fromkeys(("QD_REGISTRY_LEASE_NAMESPACE", "QD_MCP_CONTROLLER_LEASE_NAMESPACE"), namespace)

    async def lease() -> Object | None:
        with contextlib.suppress(NotFound):
            return await client.get(LEASES, name, namespace)
        return None

    async def held() -> Object:
        async with asyncio.timeout(30):
            while not (found := await lease()) or not found["spec"].get("holderIdentity"):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        return found

    with served(name, tmp_path, KUBECONFIG=str(plane.kubeconfig), **places) as (process, url):
        await held()
        assert get(url).json()["service"] == name
        assert "workqueue_depth" in get(url.replace("health", "metrics")).text
    assert process.returncode == 0
    left = await lease()
    assert left is not None and not left["spec"].get("holderIdentity")


@pytest.mark.parametrize("name", CONTROLLERS)
def test_without_a_cluster_it_says_so(name: str, tmp_path: Path) -> None:
    process = serve(name, tmp_path / "data", KUBECONFIG=str(tmp_path / "none"))
    _, told = process.communicate(timeout=STOP_TIMEOUT)
    assert process.returncode == EXIT_FAILED
    assert "no cluster" in told and "KUBECONFIG" in told
    assert "Traceback" not in told
