"""What an event loop complains about though nobody has missed anything."""

from __future__ import annotations

import asyncio
import socket
from typing import Any


def is_abandoned_lookup(context: dict[str, Any]) -> bool:
    """True for a name whose lookup failed after whoever wanted the connection had stopped waiting. Pure.

    uvloop's `create_connection` leaves the lookup to itself when it is cancelled, by a time-out for example.
    Who timed out says so; that the name was not found afterwards is said to nobody, and as a stack trace.
    """
    return isinstance(context.get("exception"), socket.gaierror) and "future" in context


def quiet(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Handles what a loop complains about: as it always does, but for such lookups."""
    if not is_abandoned_lookup(context):
        loop.default_exception_handler(context)
