"""Collects the results of a map's items into one list, in the order of the items."""

from __future__ import annotations

from typing import Any

from quarterdeck.common import artifacts, codec
from quarterdeck.common.constants import INLINE_BYTES
from quarterdeck.runtime.engine import Engine
from quarterdeck.runtime.events import Event
from quarterdeck.runtime.nodes.children import joined
from quarterdeck.runtime.state import Step, child_key
from quarterdeck.runtime.store.runs import child_outputs
from quarterdeck.runtime.unit import RunFacts

PAGE = 1000


async def join_children(engine: Engine, facts: RunFacts, step: Step) -> list[Event]:
    """Returns the event with the joined results; an item that failed is null."""
    results: list[Any] = []
    after = -1
    while rows := await engine.database.read(child_outputs, facts.run_id, child_key(step), after, PAGE):
        results += [await _result(engine, facts, row.output) for row in rows]
        after = rows[-1].item_index
    stored = await artifacts.externalise(engine.artifacts, facts.tenant_id, results, INLINE_BYTES)
    return [joined(step, stored)]


async def _result(engine: Engine, facts: RunFacts, output: bytes) -> Any:
    if not output:
        return None
    return await artifacts.internalise(engine.artifacts, facts.tenant_id, codec.loads(output))
