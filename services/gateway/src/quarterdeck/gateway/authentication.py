"""Who is at the door: the one step that every request and every RPC passes.

The embedded platform knows one person, the local administrator. Its token is made at the
first start and lies in a file that only the owner can read; in memory there is only a hash.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Protocol

from quarterdeck.common.constants import PLATFORM_ADMINS
from quarterdeck.common.errors import Unauthenticated, Unavailable
from quarterdeck.common.identity import Principal
from quarterdeck.common.rpc_client import act_for
from quarterdeck.gateway.constants import ADMIN_SUBJECT, ADMIN_TOKEN_FILE, LONGEST_TOKEN, TOKEN_PREFIX
from quarterdeck.gateway.private_files import made_once

LOCAL_ADMIN = Principal(ADMIN_SUBJECT, (PLATFORM_ADMINS,))
_HINT = f'send "Authorization: Bearer <token>"; the local token is in the file {ADMIN_TOKEN_FILE}'

Again = Callable[[], Awaitable[Principal]]

_again: ContextVar[Again | None] = ContextVar("quarterdeck_gateway_again", default=None)
_principal: ContextVar[Principal | None] = ContextVar("quarterdeck_gateway_principal", default=None)


def current_principal() -> Principal:
    """Returns who makes the request being served. Raises Unauthenticated outside of one."""
    principal = _principal.get()
    if principal is None:
        raise Unauthenticated("no caller is known", hint=_HINT)
    return principal


def become(principal: Principal | None, again: Again | None = None) -> None:
    """Names the caller of this task; its calls to other services are made for them.

    Args:
        again: looks at the caller's credential once more, for what lasts longer than a call.
    """
    _principal.set(principal)
    _again.set(again)
    act_for(principal)


def proof_again() -> Again:
    """Returns what looks at this caller's credential once more; it raises as `authenticate` does."""
    principal, again = current_principal(), _again.get()

    async def same() -> Principal:
        return principal

    return again or same


def admin_token(data_dir: Path) -> str:
    """Returns the local administrator's token; makes it at the first start.

    Raises:
        Unavailable: the file cannot be read or written, others may read it, or it holds no token.
    """
    path = data_dir / ADMIN_TOKEN_FILE
    token = made_once(path, lambda: TOKEN_PREFIX + secrets.token_urlsafe(32))
    if not token.startswith(TOKEN_PREFIX):
        raise Unavailable(
            f"the token file {path} holds no token",
            hint="delete it; the next start makes a new one",
            reason="BadTokenFile",
        )
    return token


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


class Reviewer(Protocol):
    """Knows whose the tokens of others are."""

    def knows(self, token: str) -> bool:
        """True if a token looks like one of those; nobody else is asked then."""

    async def principal(self, token: str) -> Principal | None:
        """Returns whose a token is; None if it is nobody's. Raises Unavailable."""


class Authenticator:
    """Turns a bearer token into a principal. Whatever is wrong with one, the answer is the same.

    Args:
        tokens: token to principal. Tokens are hashed at once; comparison takes constant time.
        reviewers: asked in turn for tokens that are not ours; the first that knows their looks decides.
        barred: True for who is let in no more, whatever they come with.
    """

    def __init__(
        self,
        tokens: dict[str, Principal],
        reviewers: Sequence[Reviewer] = (),
        barred: Callable[[str], bool] = lambda _subject: False,
    ) -> None:
        self._reviewers = tuple(reviewers)
        self._barred = barred
        self._known = [(_digest(token), principal) for token, principal in tokens.items()]

    async def authenticate(self, authorization: str) -> Principal:
        """Returns who sent this `Authorization` header.

        Raises:
            Unauthenticated: nobody we know.
            Unavailable: who would know does not answer.
        """
        scheme, _, token = authorization.partition(" ")
        principal = None
        if scheme.lower() == "bearer" and 0 < len(token) <= LONGEST_TOKEN:
            principal = await self._holder(token.strip())
        if principal is None or self._barred(principal.subject):
            raise Unauthenticated("a valid token is required", hint=_HINT)
        return principal

    async def _holder(self, token: str) -> Principal | None:
        reviewer = next((one for one in self._reviewers if one.knows(token)), None)
        if reviewer is not None:
            return await reviewer.principal(token)
        given = _digest(token)
        matching = [principal for known, principal in self._known if hmac.compare_digest(known, given)]
        return matching[0] if matching else None
