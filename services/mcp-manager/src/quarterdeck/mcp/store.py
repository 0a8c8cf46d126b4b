"""Durable records of calls: the intent before a call is sent, the outcome after it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Float,
    Index,
    LargeBinary,
    MetaData,
    Row,
    String,
    Table,
    delete,
    select,
    update,
)

from quarterdeck.common import codec
from quarterdeck.common.database import across_tenants, within
from quarterdeck.common.database.rules import protect
from quarterdeck.common.database.upserts import insert_new
from quarterdeck.common.watching import objects_table
from quarterdeck.mcp.outcome import Outcome, Status

metadata = MetaData()

watched_objects = objects_table(metadata)

tool_calls = Table(
    "tool_calls",
    metadata,
    Column("tenant_id", String, primary_key=True),
    Column("call_id", String, primary_key=True),
    Column("server", String, nullable=False),
    Column("tool", String, nullable=False),
    Column("arguments_hash", String, nullable=False),
    Column("run_id", String, nullable=False),
    Column("approval_id", String, nullable=True),
    Column("incarnation", String, nullable=False),
    Column("state", String, nullable=False),
    Column("outcome_json", LargeBinary, nullable=True),
    Column("result_json", LargeBinary, nullable=True),
    Column("started_at", Float, nullable=False),
    Column("finished_at", Float, nullable=True),
    Index("tool_calls_by_approval", "tenant_id", "approval_id", unique=True),
    Index("tool_calls_by_start", "started_at"),
)

tool_pins = Table(
    "tool_pins",
    metadata,
    Column("tenant_id", String, primary_key=True),
    Column("server", String, primary_key=True),
    Column("tool", String, primary_key=True),
    Column("pin", String, nullable=False),
)

tool_server_uses = Table(
    "tool_server_uses",
    metadata,
    Column("tenant_id", String, primary_key=True),
    Column("server", String, primary_key=True),
    Column("used_at", Float, nullable=False),
)

tool_listings = Table(
    "tool_listings",
    metadata,
    Column("tenant_id", String, primary_key=True),
    Column("server", String, primary_key=True),
    Column("digest", String, nullable=False),
    Column("tools_json", LargeBinary, nullable=False),
)

protect(metadata)

INTENT, DONE = "intent", "done"


@dataclass(frozen=True, slots=True)
class Intent:
    """A call that is about to be sent. `started_at` is Unix time in seconds."""

    tenant_id: str
    call_id: str
    server: str
    tool: str
    arguments_hash: str
    run_id: str
    approval_id: str | None
    incarnation: str
    started_at: float


@dataclass(frozen=True, slots=True)
class Recorded:
    """What is on record about a call id; `outcome` is None while there is only the intent."""

    server: str
    tool: str
    arguments_hash: str
    incarnation: str
    outcome: Outcome | None


class ApprovalSpent(Exception):
    """The approval has let another call through already; it is good for one."""

    def __init__(self, call_id: str) -> None:
        super().__init__(f"the approval was used by call {call_id}")


def begin(connection: Connection, intent: Intent) -> Recorded | None:
    """Records an intent; returns what is on record instead if the call id is known.

    Raises:
        ApprovalSpent: another call used the approval.
    """
    within(connection, intent.tenant_id)
    # One statement: another manager may be asked for the same at this moment.
    if insert_new(connection, tool_calls, {**asdict(intent), "state": INTENT}):
        return None
    known = find(connection, intent.tenant_id, intent.call_id)
    if known is None:
        raise ApprovalSpent(_user_of(connection, intent))
    return known


def _user_of(connection: Connection, intent: Intent) -> str:
    c = tool_calls.c
    mine = (c.tenant_id == intent.tenant_id) & (c.approval_id == intent.approval_id)
    return str(connection.execute(select(c.call_id).where(mine)).scalar_one())


def finish(connection: Connection, tenant_id: str, call_id: str, outcome: Outcome, now: float) -> None:
    """Records how a call ended."""
    within(connection, tenant_id)
    c = tool_calls.c
    this = update(tool_calls).where(c.tenant_id == tenant_id, c.call_id == call_id)
    connection.execute(this.values(**_ended(outcome, now)))


def _ended(outcome: Outcome, now: float) -> dict[str, Any]:
    document = {**asdict(replace(outcome, value_json=b"")), "status": outcome.status.value}
    del document["value_json"]
    return {
        "state": DONE,
        "outcome_json": codec.dumps(document),
        "result_json": outcome.value_json,
        "finished_at": now,
    }


def close(connection: Connection, intent: Intent, outcome: Outcome) -> Recorded | None:
    """Records that a call was not made and never will be; returns what is on record if its id is known.

    `intent` may have no server: then the id is closed for whatever is asked under it.
    """
    within(connection, intent.tenant_id)
    row = {**asdict(intent), **_ended(outcome, intent.started_at)}
    if insert_new(connection, tool_calls, row):
        return None
    return find(connection, intent.tenant_id, intent.call_id)


def withdraw(connection: Connection, intent: Intent) -> None:
    """Removes the intent of a call that was never sent, so that its id may be used again.

    Only this very intent: one that an earlier life left under the same id says that the call may have been
    made, and must stay.
    """
    within(connection, intent.tenant_id)
    c = tool_calls.c
    this = (c.tenant_id == intent.tenant_id, c.call_id == intent.call_id, c.state == INTENT)
    begun = (c.incarnation == intent.incarnation, c.started_at == intent.started_at)
    connection.execute(delete(tool_calls).where(*this, *begun))


def find(connection: Connection, tenant_id: str, call_id: str) -> Recorded | None:
    """Returns what is on record about a call id, None if nothing is."""
    within(connection, tenant_id)
    c = tool_calls.c
    row = connection.execute(select(tool_calls).where(c.tenant_id == tenant_id, c.call_id == call_id)).first()
    return None if row is None else _recorded(row)


def _recorded(row: Row[Any]) -> Recorded:
    outcome = None
    if row.state == DONE:
        document = codec.loads(row.outcome_json)
        status = Status(document.pop("status"))
        outcome = replace(Outcome(status, **document), value_json=row.result_json, replayed=True)
    return Recorded(row.server, row.tool, row.arguments_hash, row.incarnation, outcome)


def forget_finished(connection: Connection, before: float) -> int:
    """Deletes what ended before that time; returns how many. Intents without outcome stay."""
    across_tenants(connection)
    c = tool_calls.c
    return connection.execute(delete(tool_calls).where(c.state == DONE, c.finished_at < before)).rowcount


def read_pins(connection: Connection, tenant_id: str, server: str) -> dict[str, str]:
    """Returns the pins that were recorded at first use, by tool."""
    within(connection, tenant_id)
    c = tool_pins.c
    rows = connection.execute(select(c.tool, c.pin).where(c.tenant_id == tenant_id, c.server == server))
    return {row.tool: row.pin for row in rows}


def add_pins(connection: Connection, tenant_id: str, server: str, pins: dict[str, str]) -> None:
    """Records the pins of tools that have none yet."""
    within(connection, tenant_id)
    for tool, pin in sorted(pins.items()):
        row = {"tenant_id": tenant_id, "server": server, "tool": tool, "pin": pin}
        insert_new(connection, tool_pins, row)


def forget_server(connection: Connection, tenant_id: str, server: str) -> None:
    """Forgets the pins and the tools of a server that is gone."""
    within(connection, tenant_id)
    for table in (tool_pins, tool_listings):
        connection.execute(delete(table).where(table.c.tenant_id == tenant_id, table.c.server == server))
