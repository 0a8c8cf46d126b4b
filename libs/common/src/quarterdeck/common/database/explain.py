"""What an error of PostgreSQL or of the way to it means, in words."""

from __future__ import annotations

import asyncio
from typing import Any

from sqlalchemy.exc import DBAPIError

from quarterdeck.common.errors import QuarterdeckError, Unavailable

# The reason of what is refused for want of room on the server's disk.
DISK_FULL = "DiskFull"
# https://www.postgresql.org/docs/15/errcodes-appendix.html
_READ_ONLY, _NO_ROOM, _TOO_MANY = "25006", "53100", "53300"
_CREDENTIALS = ("28P01", "28000")
_NO_DATABASE, _NO_PRIVILEGE = "3D000", "42501"
_NO_TABLE = ("42P01", "3F000", "42703", "42883")
_GOING_AWAY = ("57P01", "57P02", "57P03", "57P05", "25P03")
# Deadlock, lock not available in time, serialisation: trying again alone may do.
_CONTENTION = ("40P01", "55P03", "40001")
_TIMED_OUT = "57014"
# The driver's own complaints: "connection is closed", "another operation is in progress".
_DRIVERS_OWN = ("InterfaceError", "ConnectionDoesNotExistError", "OperationalError", "InternalClientError")


def code_of(error: BaseException) -> str:
    """Returns the SQLSTATE of an error, empty if the server did not answer with one."""
    original: Any = getattr(error, "orig", None) or error
    return str(getattr(original, "sqlstate", None) or "")


def is_lost(error: BaseException) -> bool:
    """Returns whether the connection is gone, so that nobody knows what the server did last."""
    code = code_of(error)
    if code:
        return code.startswith("08") or code in _GOING_AWAY
    original = getattr(error, "orig", None) or error
    if isinstance(original, (OSError, asyncio.TimeoutError, EOFError)):
        return True
    return type(original).__name__ in _DRIVERS_OWN


def is_contention(error: BaseException) -> bool:
    """Returns whether others stood in the way."""
    return code_of(error) in _CONTENTION


def explain(error: Exception, name: str) -> Exception:
    """Returns an error that says what is wrong with the database `name`; others as they are."""
    if isinstance(error, QuarterdeckError) or not _is_ours(error):
        return error
    code, text = code_of(error), _text(error)
    if is_lost(error):
        return Unavailable(
            f"the database {name} is away: {text}",
            hint="the platform goes on by itself when it is back",
            reason="DatabaseAway",
        )
    found = _EXPLAINED.get(code)
    if found is not None:
        reason, problem, hint = found
        return Unavailable(f"the database {name} {problem}: {text}", hint=hint, reason=reason)
    if code.startswith(("53", "57", "58", "XX")) or code in _CONTENTION:
        return Unavailable(f"the database {name} failed: {text}", reason="DatabaseFailed")
    return error


def _is_ours(error: BaseException) -> bool:
    return bool(code_of(error)) or is_lost(error) or isinstance(error, DBAPIError)


def _text(error: BaseException) -> str:
    original = getattr(error, "orig", None) or error
    text = str(original).split("\n", 1)[0].replace("<class 'asyncpg.exceptions.", "").replace("'>", "")
    return text or type(original).__name__


_REFUSED = ("WrongCredentials", "refuses the user or the password", "correct database_url")
_EXPLAINED = {
    _READ_ONLY: (
        "ReadOnlyDatabase",
        "cannot be written",
        "is this a standby? the platform needs the primary",
    ),
    _NO_ROOM: (DISK_FULL, "has no space left", "free some space; the platform goes on by itself"),
    _TOO_MANY: ("TooManyConnections", "takes no more connections", "raise max_connections or run fewer"),
    _NO_DATABASE: ("NoDatabase", "does not exist", "create it, or correct database_url"),
    _NO_PRIVILEGE: ("NoPrivilege", "does not allow this to the service's role", "run: qd db migrate"),
    _TIMED_OUT: ("TimedOut", "took too long", "look for locks and for load"),
    **dict.fromkeys(_CREDENTIALS, _REFUSED),
    **dict.fromkeys(_NO_TABLE, ("SchemaTooOld", "lacks a part of the schema", "run: qd db migrate")),
}

# Reasons that say something about the database, and not about what was asked of it.
REASONS = frozenset(
    {"DatabaseAway", "DatabaseFailed", "OutcomeUnknown", *(r for r, _, _ in _EXPLAINED.values())}
)
