"""What the tests of the simulation share."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from quarterdeck.runtime.simulation.seeds import Simulator


@pytest.fixture(scope="session")
def simulator():
    return Simulator()
