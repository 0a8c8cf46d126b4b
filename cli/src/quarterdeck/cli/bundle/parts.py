"""Collects what goes into a support bundle: each part a file, and what it says if it could not be had."""

from __future__ import annotations

import importlib.metadata
import json
import platform
import sys
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from quarterdeck.cli.api import Api, join_path
from quarterdeck.cli.bundle.redaction import cleaned, sentence
from quarterdeck.cli.constants import LOG_FILE, VERSION
from quarterdeck.cli.errors import CliError

LOG_LINES = 20_000
OBJECTS_OF_A_KIND = 2_000
RUNS = 200


@dataclass(frozen=True, slots=True)
class Part:
    """One file of a bundle. `said`: what it holds, for its list of contents."""

    name: str
    said: str
    content: bytes


def collected(api: Api | None, data_dir: Path, why_no_api: str) -> Iterator[Part]:
    """Yields every part that can be had; one that cannot says why."""
    yield _json("versions.json", "versions of qd, Python, packages and system", versions())
    yield _json("doctor.json", "what `qd doctor` finds of this machine", cleaned(list(_doctor())))
    yield _log(data_dir)
    if api is None:
        yield Part(
            "platform-unreachable.txt", "why the platform was not asked", sentence(why_no_api).encode()
        )
        return
    yield from _tried("health.json", "health of each service", lambda: api.root("/health"))
    yield from _tried("models.json", "state of model routes", lambda: api.get(api.tenant_path("models")))
    said = f"the newest {RUNS} runs: kind, name, state and times; no inputs, outputs or labels"
    yield from _tried("runs.json", said, partial(_listed, api, api.tenant_path("runs"), RUNS))
    yield from _objects(api)


def versions() -> dict[str, Any]:
    """Returns what runs here."""
    packages = {
        each.name: each.version
        for each in importlib.metadata.distributions()
        if each.name and (each.name.lower() in _TOLD or each.name.startswith("quarterdeck"))
    }
    system = {"system": platform.system(), "release": platform.release(), "machine": platform.machine()}
    return {"qd": VERSION, "python": sys.version.split()[0], **system, "packages": packages}


_TOLD = {"aiohttp", "grpcio", "kubernetes", "mcp", "pydantic", "sqlalchemy", "asyncpg", "uvloop"}


def log_line(line: str) -> str:
    """Returns a line of the log that may leave: a JSON line cleaned, of any other its length."""
    try:
        entry = json.loads(line)
    except ValueError:
        entry = None
    if not isinstance(entry, dict):
        return json.dumps({"event": f"[a line of {len(line)} characters that is not JSON]"})
    return json.dumps(cleaned(entry))


def _log(data_dir: Path) -> Part:
    said = f"the last {LOG_LINES} lines of the log: events, numbers and names; no other text"
    try:
        with (data_dir / LOG_FILE).open(errors="replace") as file:
            lines = [log_line(line) for line in deque(file, maxlen=LOG_LINES)]
    except OSError as error:
        return Part("log.jsonl", said, json.dumps({"unavailable": error.strerror}).encode())
    return Part("log.jsonl", said, "".join(f"{line}\n" for line in lines).encode())


def _doctor() -> Iterator[dict[str, str]]:
    from quarterdeck.cli.checks import machine_checks

    for check in machine_checks():
        yield {"level": check.level.value, "name": check.name, "text": check.text}


def _objects(api: Api) -> Iterator[Part]:
    from quarterdeck.cli.kinds import KINDS

    for kind in KINDS:
        path = join_path(kind.plural) if kind.cluster_scoped else api.tenant_path(kind.plural)
        said = f"{kind.name} objects: structure, names, numbers and conditions; texts and values removed"
        get = partial(_listed, api, path, OBJECTS_OF_A_KIND)
        yield from _tried(f"objects/{kind.plural}.json", said, get)


def _listed(api: Api, path: str, limit: int) -> list[dict[str, Any]]:
    return list(api.pages(path, limit=limit))


def _tried(name: str, said: str, get: Callable[[], Any]) -> Iterator[Part]:
    try:
        found = get()
    except CliError as error:
        found = {"error": error.message}
    yield _json(name, said, cleaned(found))


def _json(name: str, said: str, found: Any) -> Part:
    return Part(name, said, (json.dumps(found, indent=1) + "\n").encode())
