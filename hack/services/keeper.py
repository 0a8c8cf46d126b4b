"""Stops the servers of a test session that died without stopping them.

Usage: python -m hack.services.keeper FOLDER PID
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from hack.services.process import began
from hack.services.state import stop_all

ROOT = Path(__file__).resolve().parents[2]
PERIOD = 1.0


def post(folder: Path, owner: int) -> subprocess.Popen[bytes]:
    """Starts a keeper beside the session `owner`; it ends by itself after the session."""
    command = [sys.executable, "-m", "hack.services.keeper", str(folder), str(owner)]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, start_new_session=True)


def keep(folder: Path, owner: int) -> None:
    """Waits for the end of `owner`, then stops what is left."""
    since = began(owner)
    while since and began(owner) == since and folder.exists():
        time.sleep(PERIOD)
    if folder.exists():
        stop_all(folder)


if __name__ == "__main__":
    keep(Path(sys.argv[1]), int(sys.argv[2]))
