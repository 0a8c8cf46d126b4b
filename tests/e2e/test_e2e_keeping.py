"""What is kept and for how long: pinned definitions, archived runs, revisions, artifacts."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from e2e_kit.client import Client
from e2e_kit.commands import qd, qd_json
from e2e_kit.process import pause
from e2e_kit.shapes import OneProcess, Shape, serving

MANIFEST = Path(__file__).resolve().parent / "manifests" / "kept.yaml"
LARGE = "x" * 100_000
# Everything is old after a moment.
IMPATIENT = {
    "QD_REGISTRY_REVISION_DAYS": "0.00001",
    "QD_REGISTRY_REVISION_KEEP": "1",
    "QD_REGISTRY_COLLECT_PERIOD": "0.1",
    "QD_RUNTIME_ARTIFACT_GRACE": "0.5",
}


@pytest.fixture
def impatient(tmp_path: Path) -> Iterator[Shape]:
    """A platform that keeps nothing longer than it must."""
    with serving(OneProcess(tmp_path / "data", IMPATIENT)) as shape:
        yield shape


def edition(folder: Path, number: int) -> Path:
    """Another edition of the manifest."""
    path = folder / f"kept-{number}.yaml"
    path.write_text(MANIFEST.read_text().replace('edition: "1"', f'edition: "{number}"'))
    return path


def until(done: Callable[[], bool], seconds: float = 20.0) -> None:
    """Waits for something. Raises AssertionError if it takes longer."""
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, "it did not happen"
        pause()


def start(client: Client, text: str = "") -> str:
    """Starts a run and waits until it waits."""
    wish = {"kind": "Workflow", "name": "kept", "input": {"text": text}}
    run = str(client.post("runs", wish)["id"])
    client.wait_for_run(run, lambda found: found["state"] == "waiting", 20)
    return run


def finish(client: Client, run: str) -> Any:
    """Says the word, and returns what the run gives."""
    client.post(f"runs/{run}/signal", {"name": "go"})
    return client.wait_for_run(run, lambda found: found["state"] == "succeeded", 20)["output"]


def test_a_run_keeps_what_it_pinned_after_the_registry_forgot_it(impatient: Shape, tmp_path: Path) -> None:
    qd(impatient.data_dir, "apply", "-f", MANIFEST)
    with impatient.client() as client:
        run = start(client)
        for number in (2, 3):
            qd(impatient.data_dir, "apply", "-f", edition(tmp_path, number))
        until(lambda: len(client.get("workflows/kept/revisions")["items"]) == 1)
        impatient.stop(20)
        impatient.start()
    with impatient.client() as client:  # nothing of the first edition is in memory now
        assert finish(client, run)["edition"] == "1"
        assert finish(client, start(client))["edition"] == "3"


def test_an_archived_run_is_read_forked_and_in_the_end_deleted(impatient: Shape) -> None:
    qd(impatient.data_dir, "apply", "-f", MANIFEST)
    with impatient.client() as client:
        run, waiting = start(client, LARGE), start(client)
        finish(client, run)
        before = client.get(f"runs/{run}/events", limit=500)["items"]
        said = json.dumps([client.get(f"runs/{run}"), before]).split('"')
        large = [word for word in said if word.startswith("sha256:")]
        assert large and all(client.request("GET", f"artifacts/{digest}").is_success for digest in large)
        time.sleep(1.1)
        assert qd_json(impatient.data_dir, "runs", "archive", "--older-than", "1s", "--dry-run")["runs"] == 1
        assert client.get(f"runs/{run}")["archived"] is None
        assert qd_json(impatient.data_dir, "runs", "archive", "--older-than", "1s")["runs"] == 1
        assert client.get(f"runs/{run}")["archived"] == "retention"
        assert client.get(f"runs/{run}/events", limit=500)["items"] == before
        assert "Archived by" in qd(impatient.data_dir, "runs", "get", run)
        fork = client.post(f"runs/{run}/fork", {"beforeSeq": len(before)})["run"]["id"]
        forked = client.wait_for_run(fork, lambda found: found["state"] == "succeeded", 20)
        assert forked["output"] == client.get(f"runs/{run}")["output"]

        tenant = client.get("/api/v1/tenants/default")
        tenant["spec"]["retention"] = {"archiveAfter": "1s", "deleteAfter": "1s"}
        assert client.request("PUT", "/api/v1/tenants/default", json=tenant).is_success
        time.sleep(1.1)
        until(lambda: sweep_until_gone(client, run))
        for digest in large:
            assert client.request("GET", f"artifacts/{digest}").status_code == 404
        assert finish(client, waiting)["edition"] == "1"  # the open run is left alone


def sweep_until_gone(client: Client, run: str) -> bool:
    """Sweeps once (the tenant's word arrives by watch). True if the run is gone."""
    client.post("runs/archive", {})
    return client.request("GET", f"runs/{run}").status_code == 404
