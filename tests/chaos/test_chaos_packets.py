"""Packets vanish while they are told to, and what was sent arrives later over the same connection."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def test_packets_vanish_and_the_connection_outlives_it() -> None:
    command = [sys.executable, str(HERE / "servers/dropping.py")]
    environment = {**os.environ, "PYTHONPATH": str(HERE)}
    said = subprocess.run(command, env=environment, check=True, capture_output=True, text=True, timeout=60)
    lines = said.stdout.split("\n")[:-1]
    # Without the right to a namespace the campaign says so, and stalls the connections in its proxy alone.
    assert lines in (["before", "nothing", "meanwhile", "dropped"], ["not allowed"])
