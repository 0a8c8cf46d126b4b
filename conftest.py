"""Settings of every test in the repository."""

import gc
from collections.abc import Iterator

import pytest
from hypothesis import settings

# Two cores shared with real servers: how long one example takes says nothing about the code.
settings.register_profile("quarterdeck", deadline=None)
settings.load_profile("quarterdeck")

# Real PostgreSQL, Redis and RabbitMQ for the tests that ask: postgres_url, redis_url, rabbitmq_url, broker.
# Fresh databases: postgres_database; database_url, which runs a test once on each dialect.
# A real API server: plane, client.
pytest_plugins = ["hack.services.plugin", "hack.services.databases", "hack.services.api_server"]


@pytest.fixture
def quiet_heap() -> Iterator[None]:
    """For tests that time the event loop: no collection of what other tests left falls into them.

    A round of the collector through the objects of thousands of tests takes the better part of a second.
    """
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says what could not be verified here: no test is left out in silence."""
    for report in terminalreporter.stats.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        terminalreporter.write_line(f"not verified here: {reason.removeprefix('Skipped: ')}")
