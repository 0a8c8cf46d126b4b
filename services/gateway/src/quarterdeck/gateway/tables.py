"""The gateway's tables: copies of the objects that it follows, and API keys, and sessions of browsers."""

from __future__ import annotations

from sqlalchemy import Column, Float, Index, LargeBinary, MetaData, String, Table

from quarterdeck.common.database.rules import protect
from quarterdeck.common.watching import objects_table

METADATA = MetaData()
WATCHED_OBJECTS = objects_table(METADATA)
# Of a key only an HMAC is kept. Several rows of one name are one key and those that it replaced.
API_KEYS = Table(
    "api_keys",
    METADATA,
    Column("id", String, primary_key=True),
    Column("tenant", String, nullable=False),
    Column("tenant_id", String, nullable=False),
    Column("name", String, nullable=False),
    Column("principal", String, nullable=False),
    Column("proof", LargeBinary, nullable=False),
    Column("scopes_json", LargeBinary, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("created_by", String, nullable=False),
    Column("expires_at", Float, nullable=False),
    Column("revoked_at", Float, nullable=False),
    Column("last_used_at", Float, nullable=False),
    Index("api_keys_by_name", "tenant_id", "name"),
)
# Who is signed in in a browser. People are of no tenant; `tenant` is the only one where they may do anything.
SESSIONS = Table(
    "browser_sessions",
    METADATA,
    Column("id", String, primary_key=True),
    Column("proof", LargeBinary, nullable=False),
    Column("principal", String, nullable=False),
    Column("groups_json", LargeBinary, nullable=False),
    Column("tenant", String, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False, index=True),
)
# Who is let in no more, wherever they are from.
SUSPENSIONS = Table(
    "suspensions",
    METADATA,
    Column("principal", String, primary_key=True),
    Column("reason", String, nullable=False),
    Column("by", String, nullable=False),
    Column("since", Float, nullable=False),
)
protect(METADATA, [SESSIONS.name, SUSPENSIONS.name])
