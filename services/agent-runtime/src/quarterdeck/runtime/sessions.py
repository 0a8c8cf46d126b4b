"""A session's earlier turns, as the messages with which a new turn begins."""

from __future__ import annotations

from typing import Any

from quarterdeck.common import artifacts, codec
from quarterdeck.runtime.engine import Engine
from quarterdeck.runtime.store.runs import session_history
from quarterdeck.runtime.unit import RunFacts

# Turns that a new one is told of; what is older is left to memory.
TURNS = 50


async def history_of(engine: Engine, facts: RunFacts) -> list[dict[str, Any]]:
    """Returns [{"run": id, "messages": [question, answer]}], oldest first."""
    rows = await engine.database.read(session_history, facts.tenant_id, facts.session, TURNS)
    turns = []
    for row in rows:
        question = await _value(engine, facts, row.input)
        answer = await _value(engine, facts, row.output)
        messages = [_message("user", question), _message("assistant", answer)]
        turns.append({"run": row.run_id, "messages": messages})
    return turns


async def _value(engine: Engine, facts: RunFacts, data: bytes) -> Any:
    value = codec.loads(data) if data else ""
    return await artifacts.internalise(engine.artifacts, facts.tenant_id, value)


def _message(role: str, value: Any) -> dict[str, Any]:
    if isinstance(value, dict) and set(value) == {"message"} and isinstance(value["message"], str):
        value = value["message"]
    text = value if isinstance(value, str) else codec.dumps(value).decode()
    return {"role": role, "content": [{"type": "text", "text": text}]}
