"""Which servers run: one file, changed by one process at a time."""

from __future__ import annotations

import fcntl
import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hack.services import KINDS, Server

# What `make services` starts for this clone of the repository.
SHARED = Path(__file__).resolve().parents[2] / ".services"


@contextmanager
def locked(folder: Path) -> Iterator[dict[str, Server]]:
    """Gives the servers of a state folder, alone; what the dictionary holds at the end is written back."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        servers = read(folder)
        try:
            yield servers
        finally:
            _write(folder, servers)


def read(folder: Path) -> dict[str, Server]:
    """Returns the servers that a state folder names and that still run."""
    try:
        state = json.loads((folder / "state.json").read_text())
    except FileNotFoundError:
        return {}
    known = {name: KINDS[name].from_json(data) for name, data in state.items()}
    return {name: server for name, server in known.items() if server.alive()}


def _write(folder: Path, servers: dict[str, Server]) -> None:
    state = {name: server.to_json() for name, server in servers.items()}
    new = folder / "state.json.new"
    new.touch(mode=0o600)
    new.write_text(json.dumps(state, indent=2))
    new.replace(folder / "state.json")


def ensure(folder: Path, name: str) -> Server:
    """Returns the server `name` of a state folder; starts it when it does not run."""
    with locked(folder) as servers:
        if name not in servers:
            servers[name] = KINDS[name].create(data_folder(folder))
        return servers[name]


def stop_all(folder: Path) -> list[str]:
    """Ends every server of a state folder, removes their data and the folder, and returns their names."""
    with locked(folder) as servers:
        names = list(servers)
        for server in servers.values():
            server.remove()
        servers.clear()
        shutil.rmtree(data_folder(folder), ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)
    return names


def data_folder(folder: Path) -> Path:
    """Returns the temporary directory of a state folder's data. Other accounts may pass through it."""
    note = folder / "data-folder"
    if not note.exists():
        made = Path(tempfile.mkdtemp(prefix="qd-services-", dir="/tmp"))
        made.chmod(0o711)
        note.write_text(str(made))
    return Path(note.read_text())
