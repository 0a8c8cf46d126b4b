"""Keeps the paths that a caller names inside one folder."""

from __future__ import annotations

from pathlib import Path

from servers.toolserver import ToolError


def inside(root: Path, name: str) -> Path:
    """The path ``name`` under ``root``; raises ToolError when it leads out of it or is not there."""
    root = root.resolve()
    path = (root / name).resolve()
    if not path.is_relative_to(root):
        raise ToolError(f"'{name}' is outside the data folder")
    if not path.exists():
        raise ToolError(f"'{name}' does not exist in the data folder")
    return path
