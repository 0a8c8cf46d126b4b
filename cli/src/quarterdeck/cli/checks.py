"""What `qd doctor` looks at on this machine."""

from __future__ import annotations

import enum
import importlib.metadata
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from quarterdeck.cli.datadir import find_data_dir

OLDEST_PYTHON = (3, 11)
LEAST_FREE = 1 << 30
PACKAGES = (
    "grpcio",
    "protobuf",
    "fastapi",
    "uvicorn",
    "sqlalchemy",
    "cel-expr-python",
    "mcp",
    "qdrant-edge-py",
    "anthropic",
    "pydantic",
    "httpx",
    "typer",
)
MODEL_KEYS = {"ANTHROPIC_API_KEY": "Anthropic answers", "OPENAI_API_KEY": "OpenAI answers and embeds"}


class Level(enum.Enum):
    """How a check ended."""

    OK = "ok"
    NOTE = "note"
    BAD = "BAD"


@dataclass(frozen=True, slots=True)
class Check:
    """One finding: a name, what was found, what to do about it."""

    level: Level
    name: str
    text: str
    hint: str = ""


def machine_checks() -> Iterator[Check]:
    """Yields what can be found out without a platform."""
    data_dir = find_data_dir()
    yield check_python(sys.version_info[:2])
    yield check_packages()
    yield check_data_dir(data_dir)
    yield check_disk(data_dir)
    yield from check_keys()
    yield check_node()


def check_python(version: tuple[int, int]) -> Check:
    """Checks the interpreter's version."""
    text = f"{platform.python_version()} ({sys.executable})"
    if version < OLDEST_PYTHON:
        return Check(Level.BAD, "python", text, "install Python 3.11 or newer, then `make venv`")
    return Check(Level.OK, "python", text)


def check_packages() -> Check:
    """Checks that what the services need is installed."""
    missing = [name for name in PACKAGES if not _installed(name)]
    if missing:
        return Check(Level.BAD, "packages", f"missing: {', '.join(missing)}", "run `make venv`")
    return Check(Level.OK, "packages", f"{len(PACKAGES)} of {len(PACKAGES)} found")


def _installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def check_data_dir(data_dir: Path) -> Check:
    """Checks that the data directory, or the folder it would be made in, can be written by us alone."""
    folder = data_dir if data_dir.exists() else nearest_existing(data_dir)
    if not os.access(folder, os.W_OK | os.X_OK):
        return Check(
            Level.BAD,
            "data directory",
            f"{folder} cannot be written",
            "give it to your user, or choose another directory with QD_DATA_DIR",
        )
    if data_dir.exists() and data_dir.stat().st_mode & 0o077:
        hint = f"chmod 700 {data_dir}"
        return Check(Level.NOTE, "data directory", f"{data_dir} can be entered by others", hint)
    return Check(Level.OK, "data directory", f"{data_dir}{'' if data_dir.exists() else ' (not made yet)'}")


def check_disk(data_dir: Path) -> Check:
    """Checks the free space under the data directory."""
    free = shutil.disk_usage(nearest_existing(data_dir)).free
    text = f"{free / (1 << 30):.1f} GiB free"
    if free < LEAST_FREE:
        return Check(
            Level.BAD, "disk", text, "free some space: the platform stops accepting work on a full disk"
        )
    return Check(Level.OK, "disk", text)


def nearest_existing(path: Path) -> Path:
    """Returns the nearest folder above `path` that exists."""
    return next(folder for folder in (path, *path.parents) if folder.exists())


def check_keys() -> Iterator[Check]:
    """Says which model providers have a key; the key itself is not shown."""
    for name, meaning in MODEL_KEYS.items():
        if os.environ.get(name):
            yield Check(Level.OK, "model key", f"{name} is set: {meaning}")
        else:
            text = f"{name} is not set"
            instead = "playbooks answer, which are rules and not a language model"
            yield Check(Level.NOTE, "model key", text, "" if name.startswith("OPENAI") else instead)


def check_node() -> Check:
    """Looks for Node, which tool servers from npm need."""
    node = shutil.which("node")
    if node is None:
        return Check(Level.NOTE, "node", "not found", "needed only for tool servers that come from npm")
    return Check(Level.OK, "node", node)
