"""Who is at the door: the one step that every request and every RPC passes.

The embedded platform knows one person, the local administrator. Its token is made at the
first start and lies in a file that only the owner can read; in memory there is only a hash.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import secrets
from contextvars import ContextVar
from pathlib import Path
from typing import Protocol

from quarterdeck.common.constants import PLATFORM_ADMINS
from quarterdeck.common.errors import Unauthenticated, Unavailable
from quarterdeck.common.identity import Principal
from quarterdeck.common.rpc_client import act_for
from quarterdeck.gateway.constants import ADMIN_SUBJECT, ADMIN_TOKEN_FILE, TOKEN_PREFIX

LOCAL_ADMIN = Principal(ADMIN_SUBJECT, (PLATFORM_ADMINS,))
_HINT = f'send "Authorization: Bearer <token>"; the local token is in the file {ADMIN_TOKEN_FILE}'

_principal: ContextVar[Principal | None] = ContextVar("quarterdeck_gateway_principal", default=None)


def current_principal() -> Principal:
    """Returns who makes the request being served. Raises Unauthenticated outside of one."""
    principal = _principal.get()
    if principal is None:
        raise Unauthenticated("no caller is known", hint=_HINT)
    return principal


def become(principal: Principal | None) -> None:
    """Names the caller of this task; its calls to other services are made for them."""
    _principal.set(principal)
    act_for(principal)


def admin_token(data_dir: Path) -> str:
    """Returns the local administrator's token; makes it at the first start.

    The file has mode 0600 from its first byte on, and two starts at once agree on one token.

    Raises:
        Unavailable: the file cannot be read or written, others may read it, or it holds no token.
    """
    path = data_dir / ADMIN_TOKEN_FILE
    try:
        _create(path)
        if path.stat().st_mode & 0o077:
            path.chmod(0o600)
        token = path.read_text().strip()
    except OSError as error:
        raise Unavailable(f"the token file {path} cannot be used: {error.strerror}") from error
    if not token.startswith(TOKEN_PREFIX):
        raise Unavailable(
            f"the token file {path} holds no token",
            hint="delete it; the next start makes a new one",
            reason="BadTokenFile",
        )
    return token


def _create(path: Path) -> None:
    """Writes a new token under a temporary name, then links it into place unless one is there."""
    if path.exists():
        return
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(TOKEN_PREFIX + secrets.token_urlsafe(32) + "\n")
        file.flush()
        os.fsync(file.fileno())
    with contextlib.suppress(FileExistsError):
        os.link(temporary, path)
    temporary.unlink()


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


class Reviewer(Protocol):
    """Knows whose the tokens of others are."""

    async def principal(self, token: str) -> Principal | None:
        """Returns whose a token is; None if it is nobody's. Raises Unavailable."""


class Authenticator:
    """Turns a bearer token into a principal.

    Args:
        tokens: token to principal. Tokens are hashed at once; comparison takes constant time.
        reviewer: asked for tokens that are not ours.
    """

    def __init__(self, tokens: dict[str, Principal], reviewer: Reviewer | None = None) -> None:
        self._reviewer = reviewer
        self._known = [(_digest(token), principal) for token, principal in tokens.items()]

    async def authenticate(self, authorization: str) -> Principal:
        """Returns who sent this `Authorization` header.

        Raises:
            Unauthenticated: nobody we know.
            Unavailable: who would know does not answer.
        """
        scheme, _, token = authorization.partition(" ")
        if not authorization:
            raise Unauthenticated("a token is required", hint=_HINT)
        if scheme.lower() != "bearer" or not token:
            raise Unauthenticated("the Authorization header holds no bearer token", hint=_HINT)
        given = _digest(token.strip())
        matching = [principal for known, principal in self._known if hmac.compare_digest(known, given)]
        if matching:
            return matching[0]
        principal = await self._reviewed(token.strip())
        if principal is None:
            raise Unauthenticated("the token is not valid", hint=_HINT)
        return principal

    async def _reviewed(self, token: str) -> Principal | None:
        # One of ours that is wrong is shown to nobody else.
        if self._reviewer is None or token.startswith(TOKEN_PREFIX):
            return None
        return await self._reviewer.principal(token)
