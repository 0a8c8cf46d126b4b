"""What the pods take at rest, as the cluster itself measures it."""

from __future__ import annotations

import re

from cluster_kit.kubectl import kubectl, pods

SERVICES = ("gateway", "registry", "agent-runtime", "mcp-manager", "memory")
AT_REST_MIB = 120
LINE = re.compile(r"(\S+)\s+\d+m\s+(\d+)Mi")


def test_each_service_rests_in_120_mib() -> None:
    taken = {name: int(mib) for name, mib in LINE.findall(kubectl("top", "pods", "--no-headers"))}
    for service in SERVICES:
        found = [pod["metadata"]["name"] for pod in pods(service)]
        assert found
        for name in found:
            assert name in taken, f"nothing was measured for {name}"
            print(f"{name}: {taken[name]} MiB")
            assert taken[name] <= AT_REST_MIB, f"{name} takes {taken[name]} MiB"
