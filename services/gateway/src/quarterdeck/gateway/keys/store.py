"""The table of keys: functions over a connection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, insert, select, update

from quarterdeck.common import codec
from quarterdeck.common.authorization.rules import Rule
from quarterdeck.common.database import across_tenants, concerning, serialize
from quarterdeck.common.identity import Principal
from quarterdeck.gateway.keys.scopes import rules_of
from quarterdeck.gateway.tables import API_KEYS


@dataclass(frozen=True, slots=True)
class Key:
    """A row. Times are seconds since 1970; 0 stands for never."""

    id: str
    tenant: str
    tenant_id: str
    name: str
    principal: str
    proof: bytes
    scopes: tuple[str, ...]
    created_at: float
    created_by: str
    expires_at: float
    revoked_at: float = 0.0
    last_used_at: float = 0.0

    def is_live(self, now: float) -> bool:
        """True while it lets somebody in."""
        return not self.revoked_at and now < self.expires_at

    def holder(self, rules: tuple[Rule, ...] | None = None) -> Principal:
        """Returns who comes in by it: in its tenant alone, narrowed to its scopes."""
        return Principal(self.principal, (), self.tenant, rules_of(self.scopes) if rules is None else rules)


def find(connection: Connection, key_id: str) -> Key | None:
    """Returns a key by its id, whoever's it is: this is how one finds out."""
    across_tenants(connection)
    row = connection.execute(select(API_KEYS).where(API_KEYS.c.id == key_id)).mappings().first()
    return _key(row) if row is not None else None


def of_tenant(connection: Connection, tenant_id: str, name: str = "") -> list[Key]:
    """Returns a tenant's keys, or those of one name; the newest come first."""
    concerning(connection, tenant_id)
    wanted = select(API_KEYS).where(API_KEYS.c.tenant_id == tenant_id)
    wanted = wanted.where(API_KEYS.c.name == name) if name else wanted
    rows = connection.execute(wanted.order_by(API_KEYS.c.created_at.desc(), API_KEYS.c.id)).mappings()
    return [_key(row) for row in rows]


def add(connection: Connection, key: Key, now: float) -> bool:
    """Keeps a new key; False if there is a live one of its name."""
    serialize(connection, f"api-key:{key.tenant_id}:{key.name}")
    if any(one.is_live(now) for one in of_tenant(connection, key.tenant_id, key.name)):
        return False
    _insert(connection, key)
    return True


def follow(connection: Connection, key: Key, before: list[Key], ends: float) -> None:
    """Keeps the key that follows others, which end at a time, or when they would have anyway."""
    concerning(connection, key.tenant_id)
    _insert(connection, key)
    for one in before:
        end(connection, key.tenant_id, [one.id], expires_at=min(one.expires_at, ends), revoked_at=0.0)


def _insert(connection: Connection, key: Key) -> None:
    values = {name: getattr(key, name) for name in Key.__slots__ if name != "scopes"}
    connection.execute(insert(API_KEYS).values(**values, scopes_json=codec.dumps(list(key.scopes))))


def end(
    connection: Connection, tenant_id: str, ids: list[str], *, expires_at: float, revoked_at: float
) -> None:
    """Ends keys: at a time, or, with `revoked_at`, at once."""
    concerning(connection, tenant_id)
    where = (API_KEYS.c.tenant_id == tenant_id) & API_KEYS.c.id.in_(ids)
    values = {"expires_at": expires_at, "revoked_at": revoked_at}
    connection.execute(update(API_KEYS).where(where).values(values))


def used(connection: Connection, times: Mapping[str, float]) -> None:
    """Writes when keys were used last."""
    across_tenants(connection)
    for key_id, at in times.items():
        connection.execute(update(API_KEYS).where(API_KEYS.c.id == key_id).values(last_used_at=at))


def _key(row: Mapping[Any, Any]) -> Key:
    scopes = tuple(codec.loads(row["scopes_json"]))
    return Key(**{name: row[name] for name in Key.__slots__ if name != "scopes"}, scopes=scopes)
