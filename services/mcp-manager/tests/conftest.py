"""A running mcp-manager for each test that asks for one."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

# Test folders are not packages; what these tests share lies beside them.
sys.path.insert(0, str(Path(__file__).parent))

from control_support import account, cluster, controller  # noqa: F401 - fixtures
from mcp_support import World

from quarterdeck.mcp import process


@pytest.fixture(autouse=True)
def _short_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers that hang on purpose need not be waited for as long as real ones."""
    monkeypatch.setattr(process, "STOP_GRACE", 0.5)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path)
    await made.start()
    yield made
    await made.stop()
