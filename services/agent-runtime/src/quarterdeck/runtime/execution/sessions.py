"""A session's earlier turns, as the messages with which a new turn begins.

Which turns there are is read from the database each time; what was said in one never changes, so the
cache has it for a day, for every worker.
"""

from __future__ import annotations

from typing import Any

from quarterdeck.common import artifacts, codec
from quarterdeck.common.cache import key
from quarterdeck.runtime.constants import SESSION_TTL
from quarterdeck.runtime.engine import Engine
from quarterdeck.runtime.execution.unit import RunFacts
from quarterdeck.runtime.store.runs import session_turns, turn_rows

# Turns that a new one is told of; what is older is left to memory.
TURNS = 50
# A turn that says more is not worth its place in the cache (bytes).
LARGEST_KEPT = 64 * 1024

Turn = dict[str, Any]


async def history_of(engine: Engine, facts: RunFacts) -> list[Turn]:
    """Returns [{"run": id, "messages": [question, answer]}], oldest first."""
    ids = await engine.database.read(session_turns, facts.tenant_id, facts.session, TURNS)
    known = await _kept(engine, facts.tenant_id, ids)
    missing = [run_id for run_id in ids if run_id not in known]
    for row in await engine.database.read(turn_rows, facts.tenant_id, missing) if missing else ():
        known[row.run_id] = await _read(engine, facts, row)
    return [known[run_id] for run_id in ids if run_id in known]


async def _kept(engine: Engine, tenant_id: str, ids: list[str]) -> dict[str, Turn]:
    """Returns the turns that the cache has, by run."""
    if engine.cache is None or not ids:
        return {}
    found = await engine.cache.get_many([_key(tenant_id, run_id) for run_id in ids])
    kept = {run_id: codec.loads(data) for run_id, data in zip(ids, found, strict=True) if data is not None}
    engine.instruments.session_hits.inc(len(kept))
    engine.instruments.session_misses.inc(len(ids) - len(kept))
    return kept


async def _read(engine: Engine, facts: RunFacts, row: Any) -> Turn:
    question = await _value(engine, facts, row.input)
    answer = await _value(engine, facts, row.output)
    turn = {"run": row.run_id, "messages": [_message("user", question), _message("assistant", answer)]}
    data = codec.dumps(turn)
    if engine.cache is not None and len(data) <= LARGEST_KEPT:
        await engine.cache.set(_key(facts.tenant_id, row.run_id), data, SESSION_TTL)
    return turn


def _key(tenant_id: str, run_id: str) -> str:
    return key(tenant_id, "session", run_id)


async def _value(engine: Engine, facts: RunFacts, data: bytes) -> Any:
    value = codec.loads(data) if data else ""
    return await artifacts.internalise(engine.artifacts, facts.tenant_id, value)


def _message(role: str, value: Any) -> dict[str, Any]:
    if isinstance(value, dict) and set(value) == {"message"} and isinstance(value["message"], str):
        value = value["message"]
    text = value if isinstance(value, str) else codec.dumps(value).decode()
    return {"role": role, "content": [{"type": "text", "text": text}]}
