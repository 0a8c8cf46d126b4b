"""The runs below a run, in one query; and what open runs amount to with everything open below them.

A run's row holds what it took itself and what its ended children took; what the open ones took is in theirs.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import CTE, Connection, String, func, literal, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

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


class _Parent(FunctionElement[str]):
    """A run's id, to be compared with `parent_run_id`.

    On PostgreSQL ids have the collation "C" and references to them the default one. A comparison of the two
    would be made under "C", for which the index of parents is of no use.
    """

    inherit_cache = True
    type = String()


@compiles(_Parent)
def _as_it_is(element: _Parent, compiler: Any, **kw: Any) -> str:
    return str(compiler.process(element.clauses, **kw))


@compiles(_Parent, "postgresql")
def _under_the_index_collation(element: _Parent, compiler: Any, **kw: Any) -> str:
    return f'({compiler.process(element.clauses, **kw)} COLLATE "default")'


def tree_of(tenant_id: str, run_id: str) -> CTE:
    """Returns a query of (run_id, level): a run at level 0, its children at 1, and so on.

    The database walks down level by level along the index of parents; no list of ids travels, however many
    children a map has. Only the top is looked for by its tenant: children have their parent's, and asking for
    it again misleads a planner that does not know yet how many there are.
    """
    top = select(RUNS.c.run_id, literal(0).label("level"))
    tree = top.where(RUNS.c.tenant_id == tenant_id, RUNS.c.run_id == run_id).cte("tree", recursive=True)
    children = select(RUNS.c.run_id, tree.c.level + 1).where(RUNS.c.parent_run_id == _Parent(tree.c.run_id))
    return tree.union_all(children)


def descendants(connection: Connection, tenant_id: str, run_id: str) -> list[str]:
    """Returns the ids of every run below one, children before grandchildren, and older before younger."""
    within(connection, tenant_id)
    tree = tree_of(tenant_id, run_id)
    query = select(tree.c.run_id).where(tree.c.level > 0).order_by(tree.c.level, tree.c.run_id)
    return [str(found) for found in connection.execute(query).scalars()]


def _open_trees(tenant_id: str, run_ids: list[str]) -> CTE:
    """Returns a query of (top, run_id, cost, tokens): each run below which of them it is, or is itself."""
    took = (RUNS.c.cost, RUNS.c.tokens)
    tops = select(RUNS.c.run_id.label("top"), RUNS.c.run_id, *took)
    wanted = tops.where(RUNS.c.tenant_id == tenant_id, RUNS.c.run_id.in_(run_ids))
    tree = wanted.cte("tree", recursive=True)
    children = select(tree.c.top, RUNS.c.run_id, *took).where(
        RUNS.c.parent_run_id == _Parent(tree.c.run_id), RUNS.c.finished_at.is_(None)
    )
    return tree.union_all(children)
