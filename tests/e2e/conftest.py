"""Real platforms to test against: both shapes, on temporary data directories and free ports."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from e2e_kit.client import Client
from e2e_kit.ledger import Books, direct_run
from e2e_kit.month import copy_example, small_month
from e2e_kit.morning import RUN_SECONDS, Morning, start_morning
from e2e_kit.shapes import SHAPES, Shape, serving


@pytest.fixture(scope="session")
def month(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A month of about thirty payments."""
    return small_month(tmp_path_factory.mktemp("month") / "2025-03")


@pytest.fixture(scope="session")
def expected(month: Path, tmp_path_factory: pytest.TempPathFactory) -> Books:
    """What the month must lead to: the same rules and tools, without the platform."""
    folder = tmp_path_factory.mktemp("direct")
    example = copy_example(folder / "example", month, folder / "ledger.db")
    return direct_run(example, folder / "ledger.db")


@pytest.fixture(scope="session", params=SHAPES)
def platform(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shape]:
    """A running platform, once in each shape."""
    data_dir = tmp_path_factory.mktemp("platform") / "data"
    with serving(SHAPES[request.param](data_dir)) as shape:
        yield shape


@pytest.fixture(scope="session")
def morning(platform: Shape, month: Path, tmp_path_factory: pytest.TempPathFactory) -> Morning:
    """The example, applied and run by the command line until it waits for people."""
    ledger = platform.data_dir / "ledger.db"
    example = copy_example(tmp_path_factory.mktemp("example") / "example", month, ledger)
    run = start_morning(platform, example)
    with platform.client() as client:
        client.wait_until_only_people(run, RUN_SECONDS)
    return Morning(platform, example, ledger, run)


@pytest.fixture
def client(platform: Shape) -> Iterator[Client]:
    """The administrator's REST client."""
    with platform.client() as one:
        yield one
