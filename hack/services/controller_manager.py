"""A real kube-controller-manager beside an API server without nodes, for tests of owners and counts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from hack.services.api_server import in_a_loop

if TYPE_CHECKING:
    from quarterdeck.controller.testing.control_plane import ControlPlane

PROGRAM = "kube-controller-manager"
# Those that make, count, adopt and collect; none that needs nodes or keys.
CONTROLLERS = ("deployment", "replicaset", "endpointslice", "garbage-collector")


@contextmanager
def controller_manager(plane: ControlPlane) -> Iterator[None]:
    """Runs one for as long as the context lasts. It acts as `system:masters`."""
    from quarterdeck.controller.testing.binaries import find_programs
    from quarterdeck.controller.testing.daemon import Daemon

    programs = find_programs()
    if programs is None or not (programs / PROGRAM).exists():
        missing = f"beside a real {PROGRAM} (`hack/cluster/build {PROGRAM}` makes one)"

        pytest.skip(f"not verified here: {missing}")
    command = [
        str(programs / PROGRAM),
        f"--kubeconfig={plane.kubeconfig}",
        "--authentication-skip-lookup",
        "--leader-elect=false",
        "--secure-port=0",
        f"--controllers={','.join(f'{name}-controller' for name in CONTROLLERS)}",
        "--kube-api-qps=200",
        "--kube-api-burst=400",
    ]
    made = Daemon(command, plane.folder / f"{PROGRAM}.log")
    made.start()
    try:
        yield
    finally:
        in_a_loop(made.kill)
