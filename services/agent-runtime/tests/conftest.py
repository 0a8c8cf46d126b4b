"""Which database the engine runs on: some modules run once on each, all of them on the one asked for."""

import os
import sys
import uuid
from pathlib import Path

import pytest

from hack.services.databases import administer, beside
from quarterdeck.runtime.testing.harness import Harness

# What several modules share is in the package runtime_kit.
sys.path.insert(0, str(Path(__file__).resolve().parent))

# Modules about what the database must hold together. QD_TEST_DIALECT=postgresql runs the others there too.
ON_BOTH = (
    "test_runtime_clocks",
    "test_runtime_durability",
    "test_runtime_suspects",
    "test_runtime_batches",
    "test_runtime_beginning",
    "test_runtime_limits_at_work",
    "test_runtime_large_trees",
    "test_runtime_together",
    "test_runtime_taken_over",
)
DIALECTS = ("sqlite", "postgresql")


def pytest_generate_tests(metafunc):
    """Runs the tests of some modules once on each dialect."""
    if metafunc.module.__name__.rsplit(".", 1)[-1] in ON_BOTH and "tmp_path" in metafunc.fixturenames:
        metafunc.parametrize("dialect", DIALECTS, indirect=True)


@pytest.fixture(autouse=True)
def dialect(request, monkeypatch):
    """Gives every folder that a harness is opened in a database of its own on PostgreSQL."""
    wanted = getattr(request, "param", os.environ.get("QD_TEST_DIALECT", "sqlite"))
    if wanted == "sqlite":
        yield wanted
        return
    server = request.getfixturevalue("postgres_url")
    databases = {}

    def url_of(folder: Path) -> str:
        if folder not in databases:
            databases[folder] = f"test_{uuid.uuid4().hex[:16]}"
            administer(server, f"CREATE DATABASE {databases[folder]}")
        return f"{beside(server, databases[folder])}?schema=agent_runtime"

    monkeypatch.setattr(Harness, "url_of", staticmethod(url_of))
    yield wanted
    for name in databases.values():
        administer(server, f"DROP DATABASE {name} WITH (FORCE)")
