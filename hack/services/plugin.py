"""Pytest fixtures for real servers: `postgres_url`, `redis_url`, `rabbitmq_url`, and `broker`.

A server is started when the first test asks for it and is stopped at the end of the session; workers of
pytest-xdist share it. An environment variable (`QD_TEST_POSTGRES_URL`, `QD_TEST_REDIS_URL`,
`QD_TEST_RABBITMQ_URL`) names one that runs already, as `make services` prints them.
A shared server holds what other tests left: a test makes names of its own.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hack.services import KINDS, Server, keeper, state

# Where the servers of this session are noted; workers of pytest-xdist inherit it.
FOLDER = "QD_TEST_SERVICES_FOLDER"


def pytest_configure(config: pytest.Config) -> None:
    """Chooses the session's state folder; nothing is started yet."""
    if not hasattr(config, "workerinput"):
        os.environ[FOLDER] = str(Path(tempfile.gettempdir()) / f"qd-test-services-{os.getpid()}")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stops what this session started."""
    if not hasattr(config, "workerinput"):
        _stop(Path(os.environ.pop(FOLDER)))


def _stop(folder: Path) -> None:
    if folder.exists():
        state.stop_all(folder)


def _start(folder: Path, name: str) -> Server:
    """Starts a server, watched over in case this session dies. The folder's name ends in the owner's id."""
    if not folder.exists():
        folder.mkdir(mode=0o700, exist_ok=True)
        keeper.post(folder, int(folder.name.rsplit("-", 1)[-1]))
    return state.ensure(folder, name)


def _url(name: str) -> str:
    return os.environ.get(KINDS[name].variable) or _start(Path(os.environ[FOLDER]), name).url


@pytest.fixture(scope="session")
def postgres_url() -> str:
    """URL of a PostgreSQL server's maintenance database, as a superuser."""
    return _url("postgres")


@pytest.fixture(scope="session")
def redis_url() -> str:
    """URL of a Redis server."""
    return _url("redis")


@pytest.fixture(scope="session")
def rabbitmq_url() -> str:
    """URL of a RabbitMQ server, its default virtual host."""
    return _url("rabbitmq")


@pytest.fixture(scope="session")
def broker() -> Iterator[Server]:
    """A RabbitMQ server of this test process alone, for tests that restart or starve it."""
    folder = Path(tempfile.gettempdir()) / f"qd-test-broker-{os.getpid()}"
    yield _start(folder, "rabbitmq")
    _stop(folder)
