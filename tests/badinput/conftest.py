"""One real platform for all tests of bad input that do not end it; it must survive them all."""

import sys
from pathlib import Path

import pytest

# Test folders are not packages; what these tests share lies beside them.
sys.path.insert(0, str(Path(__file__).parent))

from badinput_support import NEIGHBOUR, LivePlatform


@pytest.fixture(scope="session")
def _shared_platform(tmp_path_factory):
    platform = LivePlatform(tmp_path_factory.mktemp("badinput"), MODEL_KEY="a-key-for-tests")
    try:
        platform.start()
        platform.apply(*NEIGHBOUR)
        platform.serves_others(within=30)
        yield platform
        assert platform.alive(), platform.screen()
        platform.stop()
    finally:
        platform.kill()


@pytest.fixture
def platform(_shared_platform):
    """The shared platform. After each test it still serves somebody else."""
    yield _shared_platform
    _shared_platform.serves_others()


@pytest.fixture
def own_platform(tmp_path):
    """A platform for one test that may break it; the test starts it."""
    platform = LivePlatform(tmp_path / "own")
    try:
        yield platform
    finally:
        platform.kill()
