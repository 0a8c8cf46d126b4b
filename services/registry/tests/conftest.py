"""A running registry for each test."""

import os
import sys
from pathlib import Path

import pytest
from sqlalchemy import create_engine, select

from quarterdeck.registry import bootstrap
from quarterdeck.registry.records import Scope
from quarterdeck.registry.tables import METADATA, TENANTS

# Test folders are not packages; what the registry's tests share lies beside them.
sys.path.insert(0, str(Path(__file__).parent))

from registry_cluster import cluster, definitions, plane, tenant
from registry_rights import least, release
from registry_support import World

__all__ = ("cluster", "definitions", "least", "plane", "release", "tenant")

# Run once on each dialect. QD_TEST_DIALECT=postgresql runs the others there too.
ON_BOTH = ("test_registry_objects",)


def pytest_generate_tests(metafunc):
    """Runs the tests of some modules once on each dialect."""
    if metafunc.module.__name__.rsplit(".", 1)[-1] in ON_BOTH and "world" in metafunc.fixturenames:
        metafunc.parametrize("dialect", ("sqlite", "postgresql"), indirect=True)


@pytest.fixture
def dialect(request, monkeypatch):
    """The database that the services of a world use."""
    wanted = getattr(request, "param", os.environ.get("QD_TEST_DIALECT", "sqlite"))
    if wanted == "postgresql":
        monkeypatch.setenv("QD_DATABASE_URL", request.getfixturevalue("postgres_database"))
    return wanted


@pytest.fixture
async def world(tmp_path, dialect):
    world = World(tmp_path)
    await world.start()
    yield world
    await world.stop()


@pytest.fixture
def admin(world):
    return world.admin


@pytest.fixture
def connection():
    """The registry's tables after a first start, in memory."""
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        METADATA.create_all(connection)
        bootstrap.first_start(connection, 1.0)
        yield connection
    engine.dispose()


@pytest.fixture
def scope(connection):
    """The tenant that a registry begins with."""
    return Scope(connection.execute(select(TENANTS.c.id)).scalar_one(), "default")
