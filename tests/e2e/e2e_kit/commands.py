"""`qd` as a user types it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from e2e_kit.process import QD, clean_environment


def qd(
    data_dir: Path,
    *arguments: str | Path,
    seconds: float = 60.0,
    environment: Mapping[str, str] | None = None,
) -> str:
    """Runs a command and returns what it printed. Raises AssertionError with all of it if it fails."""
    ended = subprocess.run(
        [str(QD), *map(str, arguments)],
        env=clean_environment(data_dir, environment),
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    shown = f"qd {' '.join(map(str, arguments))}: {ended.returncode}\n{ended.stdout}{ended.stderr}"
    assert ended.returncode == 0, shown
    return ended.stdout


def qd_json(data_dir: Path, *arguments: str | Path) -> Any:
    """Runs a command with `-o json` and returns what it says."""
    return json.loads(qd(data_dir, *arguments, "-o", "json"))
