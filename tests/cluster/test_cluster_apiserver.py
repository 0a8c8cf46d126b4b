"""API servers without nodes, as tests of controllers use them: side by side, broken and mended one by one."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

CLUSTER = Path(__file__).parents[2] / "hack" / "cluster"


def run(
    *words: str | Path, state: Path | None = None, timeout: float = 90
) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **({"K8S_STATE": str(state)} if state else {})}
    return subprocess.run(
        words, env=environment, capture_output=True, text=True, timeout=timeout, check=False
    )


@pytest.fixture
def states(tmp_path: Path) -> Iterator[list[Path]]:
    """Two API servers; their folders are gone at the end."""
    folders = [tmp_path / "one", tmp_path / "two"]
    yield folders
    for folder in folders:
        assert run(CLUSTER / "apiserver", "stop", folder).returncode == 0
        assert not folder.exists()


def start(folder: Path) -> Path:
    answer = run(CLUSTER / "apiserver", "start", folder, "--without-controller-manager", timeout=1200)
    assert answer.returncode == 0, answer.stderr
    return Path(answer.stdout.strip())


def kubectl(config: Path, *words: str) -> subprocess.CompletedProcess[str]:
    programs = run(CLUSTER / "bin").stdout.strip()
    return run(f"{programs}/kubectl", "--kubeconfig", config, "--request-timeout=3s", *words)


@pytest.mark.timeout(1300)
def test_two_api_servers_know_nothing_of_each_other(states: list[Path]) -> None:
    one, two = (start(folder) for folder in states)
    assert kubectl(one, "create", "namespace", "mine").returncode == 0
    assert kubectl(one, "get", "namespace", "mine").returncode == 0
    assert "NotFound" in kubectl(two, "get", "namespace", "mine").stderr


@pytest.mark.timeout(1300)
def test_a_daemon_is_frozen_thawed_killed_and_started_again(states: list[Path]) -> None:
    state = states[0]
    config = start(state)

    def daemon(*words: str) -> subprocess.CompletedProcess[str]:
        return run(CLUSTER / "daemon", *words, state=state)

    assert daemon("freeze", "etcd").returncode == 0
    assert (daemon("status", "etcd").stdout.strip(), daemon("status", "etcd").returncode) == ("frozen", 3)
    assert kubectl(config, "create", "configmap", "lost").returncode != 0
    assert daemon("thaw", "etcd").returncode == 0
    assert kubectl(config, "get", "namespaces").returncode == 0

    assert daemon("kill", "apiserver").returncode == 0
    assert daemon("status", "apiserver").returncode == 4
    assert kubectl(config, "get", "namespaces").returncode != 0
    assert start(state) == config, "started again on the same ports"
    assert kubectl(config, "get", "namespaces").returncode == 0
    assert "there is no daemon 'kubelet'" in daemon("stop", "kubelet").stderr


@pytest.mark.timeout(1300)
def test_the_audit_log_names_who_asked_for_what(states: list[Path]) -> None:
    config = start(states[0])
    assert kubectl(config, "create", "configmap", "seen", "--from-literal=secret=hidden").returncode == 0
    text = (states[0] / "log" / "audit.jsonl").read_text()
    requests = [json.loads(line) for line in text.splitlines()]
    seen = [r for r in requests if r.get("objectRef", {}).get("name") == "seen" and r["verb"] == "create"]
    assert [(r["user"]["username"], r["objectRef"]["resource"], r["level"]) for r in seen] == [
        ("admin", "configmaps", "Metadata")
    ]
    assert "hidden" not in text
