"""Where the example stands, and what the demo takes from it."""

from __future__ import annotations

import json
import shutil
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quarterdeck.cli.constants import EXIT_NOT_FOUND
from quarterdeck.cli.errors import CliError
from quarterdeck.cli.manifests import LocalManifest

WORKFLOW = "invoice-matching"
LEDGER_SERVER = "ledger"
LEDGER_VARIABLE = "LEDGER_PATH"
FOLDER = Path("examples") / "invoice-matching"


@dataclass(frozen=True, slots=True)
class Example:
    """The example's folder and the data directory whose ledger it writes."""

    folder: Path
    data_dir: Path

    @property
    def manifests(self) -> Path:
        """The folder of its manifests."""
        return self.folder / "manifests"

    @property
    def ledger(self) -> Path:
        """The ledger of the month under way."""
        return self.data_dir / "ledger.db"

    def input(self) -> dict[str, Any]:
        """Returns the input of the run."""
        found: dict[str, Any] = json.loads((self.folder / "input.json").read_text())
        return found

    def answer_key(self) -> Path | None:
        """Returns the key that the result is scored against, if the month has one."""
        month = Path(str(self.input().get("statement", ""))).parent
        path = self.folder / "data" / month / "answer-key.json"
        return path if path.is_file() else None

    def with_ledger(self, manifest: LocalManifest) -> LocalManifest:
        """Returns the manifest of the ledger's server with the ledger in our data directory.

        The manifest itself names the one of a platform that keeps its data beside the example.
        """
        if (manifest.kind, manifest.name) != ("MCPServer", LEDGER_SERVER):
            return manifest
        local = manifest.data["spec"]["local"]
        declared = (local.get("env") or {}).get(LEDGER_VARIABLE, "")
        if declared and (self.folder / declared).resolve() == self.ledger.resolve():
            return manifest
        env = {**(local.get("env") or {}), LEDGER_VARIABLE: str(self.ledger)}
        spec = {**manifest.data["spec"], "local": {**local, "env": env}}
        return LocalManifest(manifest.manifest, {**manifest.data, "spec": spec})

    def put_ledger_away(self, run_id: str) -> Path | None:
        """Moves the ledger of an ended run to ledgers/<run>.db; None if there is none.

        Only when no run is open: nobody writes to it then. The tool server notices and begins a new one.
        """
        if not self.ledger.exists():
            return None
        _checkpoint(self.ledger)
        kept = _free_name(self.data_dir / "ledgers", run_id)
        kept.parent.mkdir(exist_ok=True, mode=0o700)
        for suffix in ("-wal", "-shm"):
            self.ledger.with_name(self.ledger.name + suffix).unlink(missing_ok=True)
        shutil.move(self.ledger, kept)
        return kept


def _checkpoint(ledger: Path) -> None:
    """Writes what the ledger's log still holds into the ledger itself."""
    connection = sqlite3.connect(ledger, timeout=10)
    try:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        connection.close()


def _free_name(folder: Path, run_id: str) -> Path:
    path, number = folder / f"{run_id}.db", 2
    while path.exists():
        path, number = folder / f"{run_id}-{number}.db", number + 1
    return path


def find_example(data_dir: Path, given: Path | None = None) -> Example:
    """Returns the example in `given`, or the one above the working directory or the installed source."""
    if given is not None:
        candidates = [given.absolute()]
    else:
        here = Path.cwd()
        source = Path(__file__).resolve()
        candidates = [parent / FOLDER for parent in (here, *here.parents, *source.parents)]
    for folder in candidates:
        if (folder / "manifests").is_dir() and (folder / "input.json").is_file():
            return Example(folder, data_dir)
    raise CliError(
        f"the example is not in {given}" if given else f"there is no {FOLDER} here",
        hint="run it in a clone of the repository, or name the folder with --example",
        code=EXIT_NOT_FOUND,
    )
