"""The commands of `qd`, one module each.

A module has `register(app)`, which adds its command or its group of commands. Modules are
imported when their command is used, and import heavy things inside their functions.
"""

from __future__ import annotations

import importlib

import typer

# Command: module. The order is the order of `qd --help`.
COMMANDS: dict[str, str] = {
    "up": "up",
    "serve": "serve",
    "demo": "demo",
    "apply": "apply",
    "diff": "diff",
    "get": "get",
    "describe": "describe",
    "explain": "explain",
    "delete": "delete",
    "test": "test",
    "run": "run",
    "chat": "chat",
    "runs": "runs",
    "approvals": "approvals",
    "tools": "tools",
    "memory": "memory",
    "artifacts": "artifacts",
    "triggers": "triggers",
    "bus": "bus",
    "db": "db",
    "certs": "certs",
    "logs": "logs",
    "doctor": "doctor",
    "support-bundle": "support_bundle",
    "login": "login",
    "logout": "logout",
    "auth": "auth",
    "config": "config",
    "completion": "completion",
    "version": "version",
}


def load(name: str, app: typer.Typer) -> None:
    """Imports the module of a command and lets it register."""
    module = importlib.import_module(f"{__name__}.{COMMANDS[name]}")
    module.register(app)
