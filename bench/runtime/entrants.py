"""Starting the sides of a comparison."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

from sides.driver import Side

from runtime.servers import SIDES, Servers
from runtime.turns import Entrant

PEER_PYTHON = SIDES.parent.parent / ".venv-bench/bin/python"
STEPS = 5
OURS, BARE = "ours", "the same SQL bare (asyncpg, RLS)"
DBOS = ("DBOS (threads)", "DBOS (asyncio)")
LANGGRAPH = ("LangGraph (threads)", "LangGraph (asyncio)")


class Field:
    """The sides of one comparison: started when they are added, ended together.

    Args:
        name: of the comparison; each side gets a database of its own that is named after both.
        slow: they reach PostgreSQL through the slow proxy.
    """

    def __init__(self, servers: Servers, name: str, *, slow: bool = False) -> None:
        self._servers = servers
        self._name = name
        self._slow = slow
        self.sides: dict[str, Entrant] = {}

    def database(self, name: str) -> str:
        """Returns the URL of the database of the side `name`."""
        return self._servers.database(f"{self._name}_{name}", slow=self._slow)

    def directory(self, name: str) -> Path:
        """Returns a directory of the side `name`."""
        made = self._servers.folder / f"{self._name}-{name}"
        made.mkdir(exist_ok=True)
        return made

    def add(self, name: str, units: int, python: str | Path, script: str, *arguments: str | Path) -> Entrant:
        """Starts a side."""
        entrant = Entrant(Side(python, SIDES / script, *arguments), name, units)
        self.sides[name] = entrant
        return entrant

    def add_ours(self, *more: str) -> Entrant:
        """Starts the engine. `more`: what its runs do, see `quarterdeck_runs.py`."""
        url = self.database("ours")
        return self.add(
            OURS, STEPS, sys.executable, "quarterdeck_runs.py", self.directory("ours"), url, *more
        )

    def add_bare(self) -> Entrant:
        """Starts the engine's SQL without the engine."""
        return self.add(BARE, STEPS, sys.executable, "bare_postgres.py", self.database("bare"))

    def add_dbos(self, *more: str) -> None:
        """Starts DBOS on threads, and on an event loop."""
        for name, mode in zip(DBOS, ("sync", "async"), strict=True):
            url = self.database(f"dbos_{mode}")
            self.add(name, STEPS, PEER_PYTHON, "dbos_runs.py", mode, url, *more)

    def add_langgraph(self) -> None:
        """Starts LangGraph on threads, and on an event loop."""
        for name, mode in zip(LANGGRAPH, ("sync", "async"), strict=True):
            url = self.database(f"langgraph_{mode}")
            self.add(name, STEPS, PEER_PYTHON, "langgraph_postgres.py", mode, url)


@contextlib.contextmanager
def field_of(servers: Servers, name: str, *, slow: bool = False) -> Iterator[Field]:
    """Yields a comparison without sides; ends those that were added."""
    field = Field(servers, name, slow=slow)
    try:
        yield field
    finally:
        for entrant in field.sides.values():
            entrant.side.close()
