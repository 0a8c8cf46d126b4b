"""Which cluster the commands mean: the one of $KUBECONFIG, else kind, else our own.

kind itself is not here: what is tested of it is that it is chosen, and what it would be asked.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from cluster_kit.kubectl import CLUSTER, get, kubectl

OURS = Path("/var/lib/k8s-one-node/admin.kubeconfig")
KIND = """#!/bin/sh
echo "$*" >>{log}
case "$*" in *"get kubeconfig"*) echo "of kind" ;; esac
"""


def run(*words: str, **environment: str) -> str:
    """Runs one of our commands without the suite's $KUBECONFIG; returns its last line."""
    inherited = {name: value for name, value in os.environ.items() if name != "KUBECONFIG"}
    command = [str(CLUSTER / words[0]), *words[1:]]
    answer = subprocess.run(
        command, env=inherited | environment, capture_output=True, text=True, check=True, timeout=300
    )
    return answer.stdout.strip().rpartition("\n")[2]


def _cluster(kubeconfig: str) -> str:
    return kubectl(
        "config", "view", f"--kubeconfig={kubeconfig}", "-o", "jsonpath={.clusters[0].name}"
    ).strip()


@pytest.fixture
def given(tmp_path: Path) -> str:
    """Our own cluster, under a kubeconfig that is not ours: as one that somebody else made."""
    return str(shutil.copy(OURS, tmp_path / "given.kubeconfig"))


@pytest.fixture
def kind(tmp_path: Path) -> Path:
    """A folder with a program `kind` that does nothing; `log` in it says what it was asked."""
    program = tmp_path / "kind"
    program.write_text(KIND.format(log=tmp_path / "log"))
    program.chmod(0o755)
    return tmp_path


def test_without_another_it_is_our_own() -> None:
    assert run("which") == "own"
    assert run("which", KUBECONFIG=str(OURS)) == "own"
    assert run("kubeconfig") == str(OURS)


def test_a_given_cluster_is_used_and_left_alone(given: str) -> None:
    assert run("which", KUBECONFIG=given) == "given"
    assert run("cluster", "up", KUBECONFIG=given) == given
    before = {one["metadata"]["uid"] for one in get("nodes")["items"]}
    run("cluster", "down", KUBECONFIG=given)
    assert {one["metadata"]["uid"] for one in get("nodes")["items"]} == before
    assert "Ready" in run("cluster", "status", KUBECONFIG=given)


def test_a_given_cluster_that_does_not_answer_is_said(given: str) -> None:
    kubectl("config", "set-cluster", _cluster(given), "--server=https://127.0.0.1:1", f"--kubeconfig={given}")
    with pytest.raises(subprocess.CalledProcessError) as refused:
        run("cluster", "up", KUBECONFIG=given)
    assert f"the cluster of {given} does not answer" in refused.value.stderr


def test_kind_is_chosen_where_it_is_installed(kind: Path, given: str) -> None:
    path = f"{kind}:{os.environ['PATH']}"
    assert run("which", PATH=path) == "kind"
    assert run("which", PATH=path, KUBECONFIG=given) == "given", "what is said beats what is found"
    file = kind / "kubeconfig"
    assert run("cluster", "up", PATH=path, KIND_KUBECONFIG=str(file)) == str(file)
    assert file.read_text() == "of kind\n"
    run("cluster", "down", PATH=path)
    asked = (kind / "log").read_text().splitlines()
    assert [line.split(" --image")[0] for line in asked] == [
        "get clusters",
        "create cluster --name quarterdeck",
        "get kubeconfig --name quarterdeck",
        "delete cluster --name quarterdeck",
    ]
