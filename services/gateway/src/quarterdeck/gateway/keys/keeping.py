"""Making, replacing and ending keys."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from quarterdeck.common.errors import AlreadyExists, InvalidArgument, NotFound, PermissionDenied
from quarterdeck.common.identity import Principal
from quarterdeck.gateway.constants import ACCOUNT_PREFIX, LONGEST_KEY_LIFE
from quarterdeck.gateway.keys import store
from quarterdeck.gateway.keys.keyring import Keyring
from quarterdeck.gateway.keys.scopes import rules_of
from quarterdeck.gateway.keys.store import Key

_ACCOUNT = re.compile(rf"{ACCOUNT_PREFIX}[a-z0-9]([-a-z0-9.]*[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class Wish:
    """A key that somebody asks for. `lasts` is in seconds."""

    tenant: str
    name: str
    principal: str
    scopes: tuple[str, ...]
    lasts: float


def holder_of(asking: Principal, wanted: str) -> str:
    """Returns whose the key will be: an account's, or whoever asks for it; nobody else's.

    Raises:
        PermissionDenied: it would speak for somebody else, or the one who asks came by a narrowed key.
        InvalidArgument: it would be the local administrator's, who has a token.
    """
    if asking.scopes:
        raise PermissionDenied("a key that is narrowed makes no keys", hint="use one without scopes")
    subject = wanted or asking.subject
    if subject.startswith("local:"):
        raise InvalidArgument(
            "a key is for an account or a person; the local administrator has a token",
            field="principal",
            hint=f"name an account, such as {ACCOUNT_PREFIX}nightly, and bind a role to it",
        )
    if subject != asking.subject and not _ACCOUNT.fullmatch(subject):
        raise PermissionDenied(
            "a key speaks for whoever asks for it, or for an account",
            hint=f"{ACCOUNT_PREFIX}NAME is an account",
        )
    return subject


async def create(ring: Keyring, asking: Principal, wish: Wish) -> tuple[Key, str]:
    """Makes a key; returns what is kept of it, and the key, which nobody can read again.

    Raises:
        AlreadyExists: there is a live one of that name.
        InvalidArgument: a scope is none, or it would last too long.
    """
    rules_of(wish.scopes)
    _check_life(wish.lasts, "expiresIn")
    tenant_id = (await ring.tenants.resolve(wish.tenant)).id
    subject = holder_of(asking, wish.principal)
    now = ring.now()
    text, kept = ring.format.make()
    key = Key(
        kept.id, wish.tenant, tenant_id, wish.name, subject, kept.proof, wish.scopes, now, asking.subject,
        now + wish.lasts,
    )  # fmt: skip
    if not await ring.database.write(store.add, key, now):
        raise AlreadyExists(f"there is a key {wish.name!r}", field="name", hint="rotate it, or revoke it")
    return key, text


async def rotate(
    ring: Keyring, asking: Principal, tenant: str, name: str, overlap: float, lasts: float
) -> tuple[Key, str]:
    """Makes the key that follows; the one before lets in for so many seconds more.

    Raises:
        NotFound: there is no live key of that name.
        PermissionDenied: it speaks for somebody else.
    """
    _check_life(lasts, "expiresIn")
    now, live = ring.now(), await _live(ring, tenant, name)
    subject = holder_of(asking, live[0].principal)
    text, kept = ring.format.make()
    key = replace(
        live[0], id=kept.id, proof=kept.proof, principal=subject, created_at=now, created_by=asking.subject,
        expires_at=now + lasts, last_used_at=0.0,
    )  # fmt: skip
    await ring.database.write(store.follow, key, live, now + overlap)
    ring.forget(*live)
    return key, text


async def revoke(ring: Keyring, tenant: str, name: str) -> list[Key]:
    """Ends a key and those that it replaced, at once. Raises NotFound if none of them lets in any more."""
    live, now = await _live(ring, tenant, name), ring.now()
    ids = [one.id for one in live]
    await ring.database.write(store.end, live[0].tenant_id, ids, expires_at=now, revoked_at=now)
    ring.forget(*live)
    return [replace(one, expires_at=now, revoked_at=now) for one in live]


async def listed(ring: Keyring, tenant: str) -> list[Key]:
    """Returns a tenant's keys, those that let in no more included; the newest come first."""
    await ring.flush()
    tenant_id = (await ring.tenants.resolve(tenant)).id
    return await ring.database.read(store.of_tenant, tenant_id)


async def _live(ring: Keyring, tenant: str, name: str) -> list[Key]:
    tenant_id = (await ring.tenants.resolve(tenant)).id
    found = await ring.database.read(store.of_tenant, tenant_id, name)
    live = [one for one in found if one.is_live(ring.now())]
    if not live:
        raise NotFound(f"there is no key {name!r}", field="name", hint="list them with qd auth key list")
    return live


def _check_life(seconds: float, field: str) -> None:
    if not 0 < seconds <= LONGEST_KEY_LIFE:
        days = round(LONGEST_KEY_LIFE / 86400)
        raise InvalidArgument(f"a key lasts at most {days} days", field=field, hint="rotate it before")
