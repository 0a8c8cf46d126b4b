"""What `qd get` imports decides how quickly it answers."""

from __future__ import annotations

import subprocess
import sys

# Each of these takes longer to import than the rest of `qd get` together, or belongs to a service.
HEAVY = (
    "grpc",
    "google.protobuf",
    "sqlalchemy",
    "structlog",
    "fastapi",
    "rich",
    "pygments",
    "anthropic",
    "mcp",
)
OURS = ("quarterdeck.common", "quarterdeck.resources", "quarterdeck.gateway", "quarterdeck.cli.platform")

PROGRAM = """
import sys
from quarterdeck.cli.main import main
assert main(sys.argv[1:]) == 6
print(*sys.modules)
"""


def test_get_imports_no_service_and_no_heavy_library(unused_tcp_port: int) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, "get", "agents"],
        capture_output=True,
        text=True,
        check=True,
        env={
            "QD_SERVER": f"http://127.0.0.1:{unused_tcp_port}",
            "PATH": "/usr/bin:/bin",
            "HOME": "/nonexistent",
        },
    )
    loaded = set(ended.stdout.split())
    assert "httpx" in loaded
    assert sorted(loaded & {*HEAVY, *OURS}) == []
