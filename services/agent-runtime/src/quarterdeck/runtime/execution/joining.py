"""Collects the results of a map's items into one list, in the order of the items."""

from __future__ import annotations

from typing import Any

from quarterdeck.common import artifacts, codec
from quarterdeck.common.constants import INLINE_BYTES
from quarterdeck.runtime.engine import Engine
from quarterdeck.runtime.events import Event
from quarterdeck.runtime.execution.unit import RunFacts
from quarterdeck.runtime.planner.nodes.children import joined
from quarterdeck.runtime.state import Step, child_key
from quarterdeck.runtime.store.runs import child_outputs

PAGE = 1000
_REFERENCE = b'{"%s"' % artifacts.REF.encode()
# Bytes of the JSON of a reference to an artifact.
LONGEST_REFERENCE = 200


async def join_children(engine: Engine, facts: RunFacts, step: Step) -> list[Event]:
    """Returns the event with the joined results; an item that failed is null."""
    results: list[bytes] = []
    after = -1
    while rows := await engine.database.read(
        child_outputs, facts.tenant_id, facts.run_id, child_key(step), after, PAGE
    ):
        results += [await _result(engine, facts, row.output) for row in rows]
        after = rows[-1].item_index
    return [joined(step, await _stored(engine, facts, b"[" + b",".join(results) + b"]"))]


async def _stored(engine: Engine, facts: RunFacts, data: bytes) -> Any:
    if len(data) <= INLINE_BYTES:
        return codec.loads(data)
    return artifacts.reference(await engine.artifacts.put(facts.tenant_id, data), len(data))


async def _result(engine: Engine, facts: RunFacts, output: bytes) -> bytes:
    """Returns an item's output as JSON; only a reference has to be read for that."""
    if len(output) > LONGEST_REFERENCE or not output.startswith(_REFERENCE):
        return output or b"null"
    digest = artifacts.referenced(codec.loads(output))
    return output if digest is None else await engine.artifacts.get(facts.tenant_id, digest)
