"""The registry's tables.

`objects` is the present state, `revisions` every spec that was ever accepted, `changes` the
recent past for watches, `counter` the one number that all resource versions come from.
Rows of cluster-scoped kinds carry an empty tenant id.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    text,
)

from quarterdeck.common.constants import ONE_AT_A_TIME
from quarterdeck.common.database.rules import protect

# Each change takes the next number of one counter, see `history`.
METADATA = MetaData(info={ONE_AT_A_TIME: True})
# Tables without row-level security: names of tenants, and one number.
SHARED = frozenset({"tenants", "counter"})

TENANTS = Table(
    "tenants",
    METADATA,
    Column("id", String(36), primary_key=True),
    Column("name", String(253), nullable=False),
    Column("namespace", String(253), nullable=False),
    Column("suspended", Boolean, nullable=False),
    # A removed tenant's row stays, so that its id is never given to another.
    Column("deleted_at", Float),
    Index(
        "tenants_name",
        "name",
        unique=True,
        sqlite_where=text("deleted_at IS NULL"),
        postgresql_where=text("deleted_at IS NULL"),
    ),
)

COUNTER = Table(
    "counter",
    METADATA,
    Column("id", Integer, primary_key=True),
    # The version of the last change that was committed.
    Column("version", BigInteger, nullable=False),
    # Changes up to and including this version are no longer in `changes`.
    Column("forgotten", BigInteger, nullable=False),
)

OBJECTS = Table(
    "objects",
    METADATA,
    Column("tenant_id", String(36), primary_key=True),
    Column("kind", String(63), primary_key=True),
    Column("name", String(253), primary_key=True),
    Column("uid", String(36), nullable=False, unique=True),
    Column("generation", BigInteger, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("created_at", String(32), nullable=False),
    Column("labels", JSON, nullable=False),
    Column("annotations", JSON, nullable=False),
    Column("spec_hash", String(64), nullable=False),
    Column("spec_json", LargeBinary, nullable=False),
    Column("status_json", LargeBinary, nullable=False),
    # The revision that is in force; empty as long as no spec was accepted.
    Column("revision", String(330), nullable=False),
    # The generation whose spec that revision holds; 0 if there is none.
    Column("accepted_generation", BigInteger, nullable=False),
)

REVISIONS = Table(
    "revisions",
    METADATA,
    Column("tenant_id", String(36), primary_key=True),
    Column("revision", String(330), primary_key=True),
    Column("kind", String(63), nullable=False),
    Column("name", String(253), nullable=False),
    Column("spec_hash", String(64), nullable=False),
    Column("spec_json", LargeBinary, nullable=False),
    Column("created_at", String(32), nullable=False),
    # The resource version of the write that made it: orders the revisions of an object.
    Column("version", BigInteger, nullable=False),
    # Unix time at which it ceased to be in force; NULL while it is.
    Column("unused_since", Float),
    Index("revisions_object", "tenant_id", "kind", "name", "version"),
    Index("revisions_unused", "unused_since"),
)

CHANGES = Table(
    "changes",
    METADATA,
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    Column("at", Float, nullable=False),
    Column("tenant_id", String(36), nullable=False),
    Column("tenant", String(253), nullable=False),
    Column("kind", String(63), nullable=False),
    Column("name", String(253), nullable=False),
    Column("uid", String(36), nullable=False),
    Column("deleted", Boolean, nullable=False),
    Column("labels", JSON, nullable=False),
    Column("object_json", LargeBinary, nullable=False),
    Column("revision", String(330), nullable=False),
    # The object as services see it, when that differs from what was written; empty: not at all.
    Column("in_force_json", LargeBinary),
    # Before the change: did the object exist, with which labels, and did services see it?
    Column("existed", Boolean, nullable=False),
    Column("labels_before", JSON, nullable=False),
    Column("in_force_before", Boolean, nullable=False),
    # When the object was made. (Of changes that an older release recorded it is not known.)
    Column("created_at", String(32), nullable=False, server_default=""),
    Index("changes_at", "at"),
)

protect(METADATA, SHARED)
