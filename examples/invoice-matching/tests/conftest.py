"""The example's folder on the import path, and months to test with."""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from generate.month import make_month
from generate.write import write_month
from servers.database import Ledger
from servers.ledger import ledger_tools
from servers.toolserver import Tool


@pytest.fixture(scope="session")
def example() -> Path:
    return Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def committed(example: Path) -> Path:
    return example / "data" / "2025-01"


@pytest.fixture(scope="session")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The committed month, made again."""
    folder = tmp_path_factory.mktemp("month")
    write_month(make_month(7, date(2025, 1, 1)), folder)
    return folder


@pytest.fixture
def ledger(tmp_path: Path, committed: Path) -> dict[str, Tool]:
    """The ledger's tools over a fresh database, with the committed statement at hand."""
    return {tool.name: tool for tool in ledger_tools(Ledger(tmp_path / "ledger.db"), committed)}
