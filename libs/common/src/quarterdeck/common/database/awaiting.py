"""Opening a database on a server that cannot be used yet: waiting for it, and saying so once."""

from __future__ import annotations

import structlog
from sqlalchemy import MetaData

from quarterdeck.common.clock import Clock
from quarterdeck.common.database.opening import POSTGRES, open_database
from quarterdeck.common.database.protocol import Database
from quarterdeck.common.errors import Unavailable

log = structlog.get_logger("database")

# Seconds between two tries.
FIRST_PAUSE, LONGEST_PAUSE = 0.25, 5.0


class Awaited:
    """A database that is being opened; `check` is its health check until it is open.

    Args:
        url: as for `open_database`.
    """

    def __init__(self, url: str, clock: Clock) -> None:
        self._url = url
        self._clock = clock
        self._problem = ""

    async def open(self, metadata: MetaData, migrations: str) -> Database:
        """Opens the database as soon as that is possible.

        Raises:
            Unavailable: it is no server, or its address is wrong: waiting would change nothing.
        """
        pause = FIRST_PAUSE
        while True:
            try:
                database = await open_database(self._url, metadata, migrations)
            except Unavailable as error:
                if not may_pass(self._url, error):
                    raise
                self._note(error)
            else:
                self._opened()
                return database
            await self._clock.sleep(pause)
            pause = min(LONGEST_PAUSE, pause * 2)

    async def check(self) -> None:
        """Raises Unavailable with what is waited for."""
        raise Unavailable(self._problem or "the database is being opened")

    def _note(self, error: Unavailable) -> None:
        if self._problem != error.message:
            self._problem = error.message
            log.error("database.awaited", reason=error.reason, message=error.message, hint=error.hint)

    def _opened(self) -> None:
        if self._problem:
            log.warning("database.opened_at_last")


def may_pass(url: str, error: Unavailable) -> bool:
    """Returns whether waiting can help: what is wrong is wrong on a server, and others may mend it there.

    Also wrong credentials and another release's schema: passwords are changed, and backups brought back,
    while this process waits and says what it needs.
    """
    return url.startswith(POSTGRES) and not error.field
