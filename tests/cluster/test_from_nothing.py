"""A cluster of our own, made where none was, and taken down: nothing of it is left.

`make test-cluster-from-nothing`. Not part of the suite that runs in the cluster: it needs that none runs.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

CLUSTER = Path(__file__).parents[2] / "hack" / "cluster"
STATE = Path("/var/lib/k8s-one-node")
FOLDERS = ("/var/lib/kubelet", "/var/lib/cni", "/run/netns", "/run/containerd", "/var/log/containers")
LOOKS = {
    "interfaces": "ip -o link | sed 's/.*: \\(.*\\): <.*/\\1/' | sort",
    "routes": "ip route",
    "rules": "for t in iptables ip6tables; do $t-save | grep -v '^[#:]' | sort; done",
    "tables": "nft list tables",
    "mounts": f"awk '{{print $5}}' /proc/self/mountinfo | grep -e {STATE} -e /run/netns || true",
    "groups": "find /sys/fs/cgroup -maxdepth 2 -name 'kube*'",
    "settings": "sysctl net.ipv4.ip_forward vm.overcommit_memory kernel.panic vm.panic_on_oom",
    "processes": f"pgrep -af {STATE} || true",
    "folders": f"ls -d {STATE} {' '.join(FOLDERS)} 2>/dev/null || true",
}


def look() -> dict[str, str]:
    """Returns what the machine shows of clusters, by subject."""
    answers = {}
    for subject, command in LOOKS.items():
        answer = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
        lines = [line for line in answer.stdout.splitlines() if "bash -c" not in line]
        answers[subject] = "\n".join(lines)
    return answers


@pytest.fixture
def none_runs() -> Iterator[None]:
    assert not STATE.exists(), "a cluster runs: make cluster-down"
    yield
    subprocess.run([CLUSTER / "down"], check=True, timeout=120)


@pytest.mark.timeout(1800)
def test_down_takes_away_all_that_up_made(none_runs: None) -> None:
    # Lists of the kernel's rules are made by looking at them, so the first look is not the one that counts.
    look()
    before = look()
    environment = {**os.environ, "K8S_ADDONS": "netpol storage"}
    subprocess.run([CLUSTER / "up"], env=environment, check=True, timeout=1700, capture_output=True)
    during = look()
    unchanged = {subject for subject in LOOKS if during[subject] == before[subject]}
    assert unchanged <= {"settings"}, "what is looked at would have shown a cluster"
    subprocess.run([CLUSTER / "down"], check=True, timeout=120)
    assert look() == before
