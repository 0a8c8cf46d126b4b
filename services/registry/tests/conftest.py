"""A running registry for each test."""

import sys
from pathlib import Path

import pytest

# Test folders are not packages; what the registry's tests share lies beside them.
sys.path.insert(0, str(Path(__file__).parent))

from registry_support import World


@pytest.fixture
async def world(tmp_path):
    world = World(tmp_path)
    await world.start()
    yield world
    await world.stop()


@pytest.fixture
def admin(world):
    return world.admin
