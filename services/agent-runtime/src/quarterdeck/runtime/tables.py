"""The runtime's tables. Scheduling tables hold no content; everything with content has a tenant."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    TextClause,
    UniqueConstraint,
    event,
    literal_column,
    text,
)

from quarterdeck.common.database.rules import protect
from quarterdeck.common.watching import objects_table
from quarterdeck.runtime.constants import SUSPECT_ATTEMPTS
from quarterdeck.runtime.store import functions

METADATA = MetaData()

# SQLite gives ids of its own only to a column declared INTEGER.
_ID = BigInteger().with_variant(Integer, "sqlite")
# Millionths of a dollar, and tokens, may be more than 32 bits hold.
_COUNT = _ID
# Ids are compared byte by byte: the journal's partitions are ranges of them.
_RUN_ID = String().with_variant(String(collation="C"), "postgresql")
_FRESH = text(f"status = 'ready' AND attempts < {SUSPECT_ATTEMPTS}")
_WITH_GATE, _WITH_SESSION = text("gate <> ''"), text("session <> ''")
_SUSPECT = text(f"status = 'ready' AND attempts >= {SUSPECT_ATTEMPTS}")


def _of_ready(name: str, *columns: str | TextClause) -> Index:
    return Index(name, *columns, sqlite_where=_FRESH, postgresql_where=_FRESH)


# -- scheduling: ids, times and counters only; claiming looks across tenants ------------------
RUN_QUEUE = Table(
    "run_queue",
    METADATA,
    Column("run_id", _RUN_ID, primary_key=True),
    Column("tenant_id", String, nullable=False),
    # ready, held, parked, gated (waits for its session or key), quarantined
    Column("status", String, nullable=False),
    Column("ready_at", Float, nullable=False),
    # What its starter asked for, times PRIORITY_STEP; a child has one less than its parent.
    Column("priority", Integer, nullable=False, default=0),
    Column("worker", String, nullable=False, default=""),
    Column("epoch", Integer, nullable=False, default=0),
    Column("attempts", Integer, nullable=False, default=0),
    # How many of them it has to answer for: its worker died and held nothing else, or it failed by itself.
    Column("alone", Integer, nullable=False, default=0, server_default="0"),
    # Last sequence number of the journal, and how many inbox rows the run ever got.
    Column("seq", Integer, nullable=False, default=0),
    Column("inbox", Integer, nullable=False, default=0),
    Column("version", Integer, nullable=False),
    # Names the last append: who does not know whether it was made looks here.
    Column("batch", String, nullable=False, default="", server_default=""),
    # The agent whose runs share a limit, as the run pins it, and that limit; empty and 0 without one.
    Column("lane", String, nullable=False, default="", server_default=""),
    Column("lane_limit", Integer, nullable=False, default=0, server_default="0"),
    # These three are for workers of the release before.
    Index("run_queue_claim", "status", text("priority DESC"), "ready_at"),
    _of_ready("run_queue_turns", "tenant_id", text("priority DESC"), "ready_at"),
    _of_ready("run_queue_due", "ready_at"),
    Index("run_queue_worker", "worker"),
    # Where a strand begins, and what has come since; see `store.strands`.
    _of_ready("run_queue_strands", "tenant_id", "lane", "priority", "ready_at"),
    _of_ready("run_queue_arrivals", "ready_at", "tenant_id", "lane", "priority"),
    Index("run_queue_suspects", "ready_at", sqlite_where=_SUSPECT, postgresql_where=_SUSPECT),
    sqlite_with_rowid=False,
    # Room in each page: a step's update then touches no index.
    postgresql_with={"fillfactor": 60},
)

TIMERS = Table(
    "timers",
    METADATA,
    Column("run_id", _RUN_ID, primary_key=True),
    Column("timer", String, primary_key=True),
    Column("tenant_id", String, nullable=False),
    Column("due", Float, nullable=False),
    Index("timers_due", "due"),
    sqlite_with_rowid=False,
)

WORKERS = Table(
    "workers",
    METADATA,
    Column("worker", String, primary_key=True),
    Column("started_at", Float, nullable=False),
    Column("heartbeat_at", Float, nullable=False),
)

# What each worker may fill of a limit on runs worked on at once: a tenant's (lane ""), or an agent's.
ALLOTMENTS = Table(
    "allotments",
    METADATA,
    Column("tenant_id", String, primary_key=True),
    Column("lane", String, primary_key=True),
    Column("worker", String, primary_key=True),
    Column("slots", Integer, nullable=False),
    # Counts the changes, so that one that comes late changes nothing.
    Column("version", Integer, nullable=False),
    Index("allotments_by_worker", "worker"),
    sqlite_with_rowid=False,
    postgresql_with={"fillfactor": 50},
)

# -- content -----------------------------------------------------------------------------------
RUNS = Table(
    "runs",
    METADATA,
    Column("run_id", _RUN_ID, primary_key=True),
    Column("tenant_id", String, nullable=False),
    Column("tenant", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("name", String, nullable=False),
    Column("revision", String, nullable=False),
    Column("closure", String, nullable=False),
    Column("state", String, nullable=False),
    Column("reason", String, nullable=False, default=""),
    Column("parent_run_id", String, nullable=False, default=""),
    Column("parent_step", String, nullable=False, default=""),
    Column("item_index", Integer, nullable=False, default=-1),
    Column("depth", Integer, nullable=False, default=0),
    Column("root_run_id", String, nullable=False),
    Column("session", String, nullable=False, default=""),
    Column("run_key", String, nullable=False, default=""),
    # The name under which the runs of a key wait for each other; turns wait by `session`.
    Column("gate", String, nullable=False, default=""),
    Column("labels", LargeBinary, nullable=False),
    Column("input", LargeBinary, nullable=False),
    Column("output", LargeBinary, nullable=False, default=b""),
    Column("error", LargeBinary, nullable=False, default=b""),
    Column("principal", LargeBinary, nullable=False),
    Column("budget", LargeBinary, nullable=False),
    Column("cost", _COUNT, nullable=False, default=0),
    Column("tokens", _COUNT, nullable=False, default=0),
    Column("open_approvals", Integer, nullable=False, default=0),
    Column("last_seq", Integer, nullable=False, default=0),
    Column("created_at", Float, nullable=False),
    Column("started_at", Float),
    Column("finished_at", Float),
    Column("forked_from", String, nullable=False, default=""),
    Column("trigger_name", String, nullable=False, default=""),
    Column("idempotency_key", String),
    Column("request_hash", String, nullable=False, default=""),
    UniqueConstraint("tenant_id", "idempotency_key"),
    Index("runs_by_parent", "parent_run_id", "parent_step", "item_index"),
    Index("runs_by_root", "root_run_id"),
    Index("runs_by_tenant", "tenant_id", "run_id"),
    # Few runs have one; see AT_GATE and IN_SESSION. No index names a column that the end of a run changes.
    Index("runs_at_gate", "gate", sqlite_where=_WITH_GATE, postgresql_where=_WITH_GATE),
    Index(
        "runs_in_session", "tenant_id", "session", sqlite_where=_WITH_SESSION, postgresql_where=_WITH_SESSION
    ),
    # Room in each page: the end of a run then touches no index.
    postgresql_with={"fillfactor": 60},
)
# Who looks for a gate or a session says this too, written out as in the index: a parameter would hide it.
AT_GATE = RUNS.c.gate != literal_column("''")
IN_SESSION = RUNS.c.session != literal_column("''")

RUN_LABELS = Table(
    "run_labels",
    METADATA,
    Column("tenant_id", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("value", String, primary_key=True),
    Column("run_id", _RUN_ID, primary_key=True),
    sqlite_with_rowid=False,
)

JOURNAL = Table(
    "journal",
    METADATA,
    Column("run_id", _RUN_ID, primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("tenant_id", String, nullable=False),
    Column("type", String, nullable=False),
    Column("data", LargeBinary, nullable=False),
    Column("at", Float, nullable=False),
    sqlite_with_rowid=False,
    postgresql_partition_by="RANGE (run_id)",
)

# Journals of runs that are over, in compressed pages; `journal` has no rows of theirs.
ARCHIVES = Table(
    "archived_journals",
    METADATA,
    Column("run_id", _RUN_ID, primary_key=True),
    # Sequence number of the page's last event; 0 for a journal without any.
    Column("last_seq", Integer, primary_key=True),
    Column("tenant_id", String, nullable=False),
    # retention: it ended long enough ago; import: it came as a file.
    Column("origin", String, nullable=False),
    Column("archived_at", Float, nullable=False),
    Column("events", LargeBinary, nullable=False),
    Index("archived_journals_by_tenant", "tenant_id", "run_id"),
)

SNAPSHOTS = Table(
    "snapshots",
    METADATA,
    Column("run_id", _RUN_ID, primary_key=True),
    Column("tenant_id", String, nullable=False),
    Column("seq", Integer, nullable=False),
    Column("version", Integer, nullable=False),
    Column("state", LargeBinary, nullable=False),
)

INBOX = Table(
    "inbox",
    METADATA,
    Column("id", _ID, primary_key=True, autoincrement=True),
    Column("run_id", _RUN_ID, nullable=False),
    Column("tenant_id", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("dedup", String),
    Column("data", LargeBinary, nullable=False),
    Column("at", Float, nullable=False),
    Index("inbox_by_run", "run_id", "id"),
)

# Ids of signals that were delivered, so that a repeat is harmless even after it was consumed.
DELIVERED = Table(
    "delivered",
    METADATA,
    Column("run_id", _RUN_ID, primary_key=True),
    Column("dedup", String, primary_key=True),
    Column("tenant_id", String, nullable=False),
    sqlite_with_rowid=False,
)

APPROVALS = Table(
    "approvals",
    METADATA,
    Column("approval_id", String, primary_key=True),
    Column("tenant_id", String, nullable=False),
    Column("tenant", String, nullable=False),
    Column("run_id", _RUN_ID, nullable=False),
    Column("root_run_id", String, nullable=False),
    Column("node", String, nullable=False),
    Column("source", String, nullable=False),
    Column("title", String, nullable=False),
    Column("summary", String, nullable=False),
    Column("data", LargeBinary, nullable=False),
    Column("data_hash", String, nullable=False),
    Column("policy", String, nullable=False),
    Column("editable", Boolean, nullable=False),
    Column("state", String, nullable=False),
    Column("decided_by", String, nullable=False, default=""),
    Column("decided_at", Float),
    Column("comment", String, nullable=False, default=""),
    Column("answer", LargeBinary, nullable=False, default=b""),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float),
    Index("approvals_by_tenant", "tenant_id", "state", "approval_id"),
    Index("approvals_by_run", "run_id"),
    Index("approvals_by_root", "root_run_id"),
)

# Durable copies of what open runs pin.
DEFINITIONS = Table(
    "definitions",
    METADATA,
    Column("tenant_id", String, primary_key=True),
    Column("revision", String, primary_key=True),
    Column("kind", String, nullable=False),
    Column("name", String, nullable=False),
    Column("spec", LargeBinary, nullable=False),
)

CLOSURES = Table(
    "closures",
    METADATA,
    Column("tenant_id", String, primary_key=True),
    Column("closure", String, primary_key=True),
    Column("revisions", LargeBinary, nullable=False),
)

# The newest closure of each root: a run can start while the registry is away.
LATEST_CLOSURES = Table(
    "latest_closures",
    METADATA,
    Column("tenant_id", String, primary_key=True),
    Column("kind", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("closure", String, nullable=False),
)

TRIGGERS = Table(
    "triggers",
    METADATA,
    Column("tenant_id", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("tenant", String, nullable=False),
    Column("spec", LargeBinary, nullable=False),
    # cron, http, webhook or event
    Column("source", String, nullable=False),
    # The next scheduled time, and when to look at it: the same, or later after a failed attempt.
    Column("next_due", Float),
    Column("wake_at", Float),
    Column("last_fired", Float),
    Column("last_run_id", String, nullable=False, default=""),
    Column("fired", Integer, nullable=False, default=0),
    Column("skipped", Integer, nullable=False, default=0),
    Index("triggers_due", "wake_at"),
)

WATCHED = objects_table(METADATA)

# -- PostgreSQL --------------------------------------------------------------------------------
# Tables without row-level security: scheduling looks across tenants, and holds no content.
SCHEDULING = frozenset({"run_queue", "timers", "workers", "allotments"})
protect(METADATA, SCHEDULING)


@event.listens_for(JOURNAL, "after_create")
def _create_functions(_journal: Table, connection: Connection, **_: object) -> None:
    if connection.dialect.name == "postgresql":
        for command in functions.creating():
            connection.exec_driver_sql(command)
