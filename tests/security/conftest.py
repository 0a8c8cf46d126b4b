"""One real platform for all tests of security, and a key for each role."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# Test folders are not packages; what these tests share lies beside them, and beside those of bad input.
HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "badinput")]

from security_kit.guarded import Guarded, opened  # noqa: E402


@pytest.fixture(scope="session")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """The platform; it must outlive everything that is sent to it."""
    with opened(tmp_path_factory.mktemp("security")) as found:
        yield found
        assert found.platform.alive(), found.platform.screen()
