"""A start that does not give up because the database went away in the middle of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from quarterdeck.cli.errors import CliError
from quarterdeck.cli.management_server import ManagedService
from quarterdeck.common.database import may_pass
from quarterdeck.common.errors import Unavailable

log = structlog.get_logger("start")

# Seconds before everything is opened anew.
PAUSE = 0.5


class Persistent:
    """Starts a service, from the beginning again as long as only its database stands in the way.

    Args:
        make: returns the service with its management port, nothing of it opened yet.
        database_url: of the service.
    """

    def __init__(self, make: Callable[[], ManagedService], database_url: str) -> None:
        self._make = make
        self._url = database_url
        self.managed = make()

    async def start(self) -> None:
        """Starts it. Raises CliError when something is wrong that time does not mend."""
        while True:
            try:
                await self.managed.start()
                return
            except CliError as error:
                if not passes(self._url, error.__cause__):
                    raise
                log.error("start.interrupted", message=error.message)
            await asyncio.sleep(PAUSE)
            self.managed = self._make()

    async def stop(self, grace: float) -> None:
        """Drains the service, and closes all that was opened."""
        await self.managed.stop(grace)


def passes(database_url: str, cause: BaseException | None) -> bool:
    """Returns whether a start failed by nothing but the state of a database server."""
    from quarterdeck.common.database.explain import REASONS

    if not isinstance(cause, Unavailable) or cause.reason not in REASONS:
        return False
    return may_pass(database_url, cause)
