"""What open runs amount to with everything open below them, for many of them in one query.

A run's row holds what it took itself and what its ended children took; what the open ones took is in theirs.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import CTE, Connection, func, select

from quarterdeck.common.database import within
from quarterdeck.runtime.tables import APPROVALS, RUNS


@dataclass(frozen=True, slots=True)
class Totals:
    """Of a run and all below it: open approvals, cost in micro USD, tokens."""

    approvals: int
    cost: int
    tokens: int


def totals(connection: Connection, tenant_id: str, rows: Iterable[Any]) -> dict[str, Totals]:
    """Returns the totals of those of some runs that are open, by id; those of the others are in their rows.

    Args:
        rows: rows of runs of the tenant.
    """
    open_ids = [row.run_id for row in rows if row.finished_at is None]
    if not open_ids:
        return {}
    within(connection, tenant_id)
    tree = _open_trees(tenant_id, open_ids)
    waiting = (
        select(func.count())
        .where(APPROVALS.c.run_id == tree.c.run_id, APPROVALS.c.state == "open")
        .correlate(tree)
        .scalar_subquery()
    )
    sums = (func.sum(waiting), func.sum(tree.c.cost), func.sum(tree.c.tokens))
    found = connection.execute(select(tree.c.top, *sums).group_by(tree.c.top)).all()
    return {top: Totals(int(approvals), int(cost), int(tokens)) for top, approvals, cost, tokens in found}


def _open_trees(tenant_id: str, run_ids: list[str]) -> CTE:
    """Returns a query of (top, run_id, cost, tokens): each run below which of them it is, or is itself."""
    took = (RUNS.c.cost, RUNS.c.tokens)
    mine = RUNS.c.tenant_id == tenant_id
    tops = select(RUNS.c.run_id.label("top"), RUNS.c.run_id, *took).where(mine, RUNS.c.run_id.in_(run_ids))
    tree = tops.cte("tree", recursive=True)
    children = select(tree.c.top, RUNS.c.run_id, *took).where(
        mine, RUNS.c.parent_run_id == tree.c.run_id, RUNS.c.finished_at.is_(None)
    )
    return tree.union_all(children)
