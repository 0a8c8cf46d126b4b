"""Rows of runs: creating, finding, listing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, exists, func, not_, select

from quarterdeck.common import codec
from quarterdeck.common.database import within
from quarterdeck.common.prepared import Prepared
from quarterdeck.runtime.store.commits import insert_runs
from quarterdeck.runtime.store.labels import index_labels
from quarterdeck.runtime.store.trees import tree_of
from quarterdeck.runtime.tables import AT_GATE, IN_SESSION, RUN_LABELS, RUN_QUEUE, RUNS

OPEN_STATES = ("pending", "running", "waiting", "quarantined")


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs to list. Empty fields do not filter."""

    kind: str = ""
    name: str = ""
    states: Sequence[str] = ()
    labels: Sequence[LabelTest] = ()
    session: str = ""
    key: str = ""
    parent: str = ""
    root: str = ""
    roots_only: bool = False
    trigger: str = ""
    # Unix time; created at or after the first and before the second.
    created_from: float | None = None
    created_before: float | None = None


@dataclass(frozen=True, slots=True)
class LabelTest:
    """One requirement on a label: it has one of `values` (any value if empty), or has not."""

    name: str
    values: Sequence[str] = ()
    negated: bool = False


def create_root(connection: Connection, row: dict[str, Any], labels: Mapping[str, str]) -> None:
    """Inserts a run that a client or a trigger started. `row` as for `insert_runs`."""
    insert_runs(connection, [row])
    save_labels(connection, row["tenant_id"], row["run_id"], labels)


def save_labels(connection: Connection, tenant_id: str, run_id: str, labels: Mapping[str, str]) -> None:
    """Indexes a run's labels."""
    index_labels(connection, [{"tenant_id": tenant_id, "run_id": run_id, "labels": codec.dumps(labels)}])


def _with_seq() -> Any:
    seq = func.coalesce(RUN_QUEUE.c.seq, RUNS.c.last_seq).label("current_seq")
    joined = RUNS.outerjoin(RUN_QUEUE, RUN_QUEUE.c.run_id == RUNS.c.run_id)
    return select(RUNS, seq, RUN_QUEUE.c.status.label("queue_status"), RUN_QUEUE.c.priority).select_from(
        joined
    )


_OF_TENANT = _with_seq().where(RUNS.c.tenant_id == bindparam("b_tenant"))
_ONE = Prepared(_OF_TENANT.where(RUNS.c.run_id == bindparam("b_run")))
_KEYED = Prepared(_OF_TENANT.where(RUNS.c.idempotency_key == bindparam("b_key")))


def get_run(connection: Connection, tenant_id: str, run_id: str) -> Row[Any] | None:
    """Returns a run's row with `current_seq`, `queue_status` and `priority`, or None."""
    within(connection, tenant_id)
    found: Row[Any] | None = _ONE.record(connection, {"b_tenant": tenant_id, "b_run": run_id})
    return found


def once(tenant_id: str, key: str) -> str:
    """Returns what is locked by whoever decides whether there is a run with an idempotency key."""
    return f"{tenant_id}:{key}"


def by_idempotency_key(connection: Connection, tenant_id: str, key: str) -> Row[Any] | None:
    """Returns the run that was started under an idempotency key, or None."""
    within(connection, tenant_id)
    found: Row[Any] | None = _KEYED.record(connection, {"b_tenant": tenant_id, "b_key": key})
    return found


def open_at_gate(connection: Connection, tenant_id: str, gate: str) -> list[Any]:
    """Returns the open runs of a key, oldest first."""
    within(connection, tenant_id)
    query = _with_seq().where(RUNS.c.gate == gate, AT_GATE, RUNS.c.state.in_(OPEN_STATES))
    return list(connection.execute(query.order_by(RUNS.c.created_at, RUNS.c.run_id)).all())


def list_runs(
    connection: Connection,
    tenant_id: str,
    wanted: RunFilter,
    *,
    limit: int,
    after: str,
    newest_first: bool,
) -> list[Any]:
    """Returns a page of runs in the order of their ids (which is that of their creation)."""
    within(connection, tenant_id)
    query = _with_seq().where(RUNS.c.tenant_id == tenant_id, *_conditions(tenant_id, wanted))
    if after:
        query = query.where(RUNS.c.run_id < after if newest_first else RUNS.c.run_id > after)
    order = RUNS.c.run_id.desc() if newest_first else RUNS.c.run_id.asc()
    return list(connection.execute(query.order_by(order).limit(limit)).all())


def _conditions(tenant_id: str, wanted: RunFilter) -> list[Any]:
    conditions = [
        column == value
        for column, value in (
            (RUNS.c.kind, wanted.kind),
            (RUNS.c.name, wanted.name),
            (RUNS.c.session, wanted.session),
            (RUNS.c.run_key, wanted.key),
            (RUNS.c.parent_run_id, wanted.parent),
            (RUNS.c.root_run_id, wanted.root),
            (RUNS.c.trigger_name, wanted.trigger),
        )
        if value
    ]
    if wanted.session:
        conditions.append(IN_SESSION)
    if wanted.states:
        conditions.append(RUNS.c.state.in_(wanted.states))
    if wanted.created_from is not None:
        conditions.append(RUNS.c.created_at >= wanted.created_from)
    if wanted.created_before is not None:
        conditions.append(RUNS.c.created_at < wanted.created_before)
    if wanted.roots_only:
        conditions.append(RUNS.c.parent_run_id == "")
    return conditions + [_label(tenant_id, test) for test in wanted.labels]


def _label(tenant_id: str, test: LabelTest) -> Any:
    same = [
        RUN_LABELS.c.tenant_id == tenant_id,
        RUN_LABELS.c.run_id == RUNS.c.run_id,
        RUN_LABELS.c.name == test.name,
    ]
    if test.values:
        same.append(RUN_LABELS.c.value.in_(test.values))
    found = exists().where(and_(*same))
    return not_(found) if test.negated else found


def child_outputs(
    connection: Connection, tenant_id: str, parent: str, step: str, after: int, limit: int
) -> list[Any]:
    """Returns a page of a map's results in the order of its items: item_index, state, output, error."""
    within(connection, tenant_id)
    query = (
        select(RUNS.c.item_index, RUNS.c.run_id, RUNS.c.state, RUNS.c.output, RUNS.c.error)
        .where(RUNS.c.parent_run_id == parent, RUNS.c.parent_step == step, RUNS.c.item_index > after)
        .order_by(RUNS.c.item_index)
        .limit(limit)
    )
    return list(connection.execute(query).all())


def session_turns(connection: Connection, tenant_id: str, session: str, limit: int) -> list[str]:
    """Returns the ids of the session's last turns that ended well, in the order they ended.

    (The ids of turns that were started together need not be in the order of the turns.)
    """
    within(connection, tenant_id)
    query = (
        select(RUNS.c.run_id)
        .where(
            RUNS.c.tenant_id == tenant_id,
            RUNS.c.session == session,
            IN_SESSION,
            RUNS.c.state == "succeeded",
            RUNS.c.kind == "Agent",
        )
        .order_by(RUNS.c.finished_at.desc(), RUNS.c.run_id.desc())
        .limit(limit)
    )
    return list(connection.execute(query).scalars())[::-1]


def turn_rows(connection: Connection, tenant_id: str, ids: Sequence[str]) -> list[Any]:
    """Returns what was asked and answered in these runs: run_id, input, output."""
    within(connection, tenant_id)
    mine = (RUNS.c.tenant_id == tenant_id) & RUNS.c.run_id.in_(ids)
    return list(connection.execute(select(RUNS.c.run_id, RUNS.c.input, RUNS.c.output).where(mine)).all())


def count_open(connection: Connection, tenant_id: str) -> int:
    """Returns how many runs of a tenant are not over."""
    within(connection, tenant_id)
    query = select(func.count()).select_from(RUNS)
    mine = (RUNS.c.tenant_id == tenant_id) & (RUNS.c.state.in_(OPEN_STATES))
    return int(connection.execute(query.where(mine)).scalar() or 0)


def at_work(connection: Connection, tenant_id: str, run: Any) -> bool:
    """Returns whether a run or one below it is being advanced or could be; if not, it waits for the outside.

    Args:
        run: its row.
    """
    within(connection, tenant_id)
    moving = RUN_QUEUE.c.status.in_(("ready", "held"))
    if run.root_run_id == run.run_id:
        tree = RUNS.c.root_run_id == run.run_id
        query = select(RUNS.c.run_id).join(RUN_QUEUE, RUN_QUEUE.c.run_id == RUNS.c.run_id).where(tree)
    else:
        below = tree_of(tenant_id, run.run_id)
        query = select(below.c.run_id).join(RUN_QUEUE, RUN_QUEUE.c.run_id == below.c.run_id)
    return connection.execute(query.where(moving).limit(1)).first() is not None
