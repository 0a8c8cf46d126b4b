"""A place to be killed: after a booking is committed and before the caller learns of it.

For crash tests. Nothing happens unless LEDGER_PAUSE_AFTER_COMMIT_SECONDS is set:

- LEDGER_PAUSE_AFTER_COMMIT_SECONDS: how long the server waits there
- LEDGER_PAUSE_AT_BOOKING: only after the booking with this id (default: after every booking)
- LEDGER_COMMIT_MARKER: a file to write when the place is reached (the booking as JSON)
"""

from __future__ import annotations

import json
import os
from collections.abc import Awaitable
from pathlib import Path

from servers.toolserver import Result

PAUSE = "LEDGER_PAUSE_AFTER_COMMIT_SECONDS"
AT_BOOKING = "LEDGER_PAUSE_AT_BOOKING"
MARKER = "LEDGER_COMMIT_MARKER"


def after_commit(booking: Result) -> Result | Awaitable[Result]:
    """The booking; late, when the environment asks for it."""
    seconds = float(os.environ.get(PAUSE, "0"))
    wanted = os.environ.get(AT_BOOKING)
    if seconds <= 0 or (wanted and int(wanted) != booking["booking"]):
        return booking
    return _pause(booking, seconds)


async def _pause(booking: Result, seconds: float) -> Result:
    import anyio

    if marker := os.environ.get(MARKER):
        Path(marker).write_text(json.dumps(booking), encoding="utf-8")  # noqa: ASYNC240 - a test's few bytes
    await anyio.sleep(seconds)
    return booking
