"""Bad weather for whole services: each a real process, on a PostgreSQL server of this test's own."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hack.services import Postgres

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e")]


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """A PostgreSQL server that this module may stop, fill and lock out of."""
    with tempfile.TemporaryDirectory(prefix=f"qd-weather-{os.getpid()}-") as folder:
        Path(folder).chmod(0o711)
        server = Postgres.create(Path(folder))
        try:
            yield server
        finally:
            server.remove()
