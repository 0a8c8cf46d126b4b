"""A running mcp-manager for each test that asks for one."""

import sys
from pathlib import Path

import pytest

# Test folders are not packages; what these tests share lies beside them.
sys.path.insert(0, str(Path(__file__).parent))

from mcp_support import World


@pytest.fixture
async def world(tmp_path):
    made = World(tmp_path)
    await made.start()
    yield made
    await made.stop()
