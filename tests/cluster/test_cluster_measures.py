"""What the pods take at rest, as the cluster itself measures it."""

from __future__ import annotations

import re
import time

import pytest
from cluster_kit.kubectl import kubectl, pods, serving

PROGRAMS = ("gateway", "registry", "registry-controller", "agent-runtime", "mcp-manager", "memory")
AT_REST_MIB = 120
LINE = re.compile(r"(\S+)\s+\d+m\s+(\d+)Mi")


def measured(wanted: set[str], seconds: float = 90) -> dict[str, int]:
    """Returns the MiB of each pod; a new one is measured only after a while."""
    deadline = time.monotonic() + seconds
    while True:
        found = LINE.findall(kubectl("top", "pods", "--no-headers"))
        taken = {name: int(mib) for name, mib in found if name in wanted}
        if taken.keys() == wanted:
            return taken
        assert time.monotonic() < deadline, f"nothing was measured for {wanted - taken.keys()}"
        time.sleep(2)


def names() -> set[str]:
    found = {pod["metadata"]["name"] for service in PROGRAMS for pod in pods(service)}
    assert len(found) >= len(PROGRAMS)
    return found


def said(taken: dict[str, int]) -> str:
    return ", ".join(f"{name}: {mib} MiB" for name, mib in sorted(taken.items()))


@pytest.mark.timeout(400)
def test_each_service_rests_in_120_mib() -> None:
    """At rest is before any work; what the work of the tests before this one left behind is printed."""
    print("after work:", said(measured(names())))
    for service in PROGRAMS:
        kubectl("rollout", "restart", f"deployment/{service}")
    for service in PROGRAMS:
        serving(service, 180)
    taken = measured(names())
    print("at rest:", said(taken))
    assert {name: mib for name, mib in taken.items() if mib > AT_REST_MIB} == {}
