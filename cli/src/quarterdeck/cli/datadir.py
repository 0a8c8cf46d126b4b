"""The data directory as a client sees it: where it is, and who serves it."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from quarterdeck.cli.constants import ADMIN_TOKEN_FILE, DATA_DIR_NAME, ENDPOINT_FILE


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a running platform listens; written to <data_dir>/endpoint.json by `qd up`."""

    url: str
    grpc: str
    pid: int
    started_at: str


def find_data_dir(start: Path | None = None) -> Path:
    """Returns QD_DATA_DIR, or the nearest `.quarterdeck` above `start`, or the one to be made there."""
    configured = os.environ.get("QD_DATA_DIR")
    if configured:
        return Path(configured).absolute()
    here = (start or Path.cwd()).absolute()
    for folder in (here, *here.parents):
        if (folder / DATA_DIR_NAME).is_dir():
            return folder / DATA_DIR_NAME
    return here / DATA_DIR_NAME


def read_endpoint(data_dir: Path) -> Endpoint | None:
    """Returns the endpoint of the platform that serves `data_dir`, or None if none says so.

    A file left by a killed process is not believed: its process must live.
    """
    try:
        endpoint = Endpoint(**json.loads((data_dir / ENDPOINT_FILE).read_text()))
    except (OSError, ValueError, TypeError):
        return None
    return endpoint if process_lives(endpoint.pid) else None


def write_endpoint(data_dir: Path, endpoint: Endpoint) -> None:
    """Says where the platform listens; readers see the old file or the new one."""
    temporary = data_dir / f".{ENDPOINT_FILE}.tmp"
    temporary.write_text(json.dumps(asdict(endpoint), indent=2) + "\n")
    temporary.replace(data_dir / ENDPOINT_FILE)


def remove_endpoint(data_dir: Path) -> None:
    """Forgets the endpoint at shutdown."""
    (data_dir / ENDPOINT_FILE).unlink(missing_ok=True)


def read_admin_token(data_dir: Path) -> str:
    """Returns the local administrator's token, empty when there is none that we may read."""
    try:
        return (data_dir / ADMIN_TOKEN_FILE).read_text().strip()
    except OSError:
        return ""


def process_lives(pid: int) -> bool:
    """True if a process with this id exists."""
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
