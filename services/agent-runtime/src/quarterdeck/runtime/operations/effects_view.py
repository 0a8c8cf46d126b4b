"""What a run did outside, and what is not known: read from its journal."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from quarterdeck.common import codec
from quarterdeck.runtime import events as ev
from quarterdeck.runtime.store.journal import about_effects
from quarterdeck.runtime.store.packing import Recorded
from quarterdeck.runtime.store.trees import descendants
from quarterdeck.v1 import runs_pb2

# By run, then by effect.
Found = dict[str, dict[str, runs_pb2.Effect]]
_STATES = {"ok": "done", "uncertain": "uncertain", "abandoned": "abandoned"}


def list_effects(
    connection: Connection, tenant_id: str, run_id: str, *, include_children: bool
) -> list[runs_pb2.Effect]:
    """Returns the effects of a run, in order, and of the runs below it if asked for."""
    run_ids = [run_id, *(descendants(connection, tenant_id, run_id) if include_children else ())]
    found: Found = {}
    for one, entry in about_effects(connection, tenant_id, run_id, below=include_children):
        _take(found.setdefault(one, {}), one, entry)
    return [effect for one in run_ids for effect in found.get(one, {}).values()]


def _take(found: dict[str, runs_pb2.Effect], run_id: str, entry: Recorded) -> None:
    if entry.type == ev.EFFECT_INTENT:
        data = codec.loads(entry.data)
        found[data["effect"]] = runs_pb2.Effect(
            run_id=run_id,
            effect_id=data["effect"],
            step=data["step"],
            kind=data["kind"],
            target=target_name(data),
            attempt=data["attempt"],
            state="pending",
            arguments_json=codec.dumps(data.get("arguments")),
            intent_seq=entry.seq,
        )
    elif entry.type == ev.EFFECT_OUTCOME:
        data = codec.loads(entry.data)
        effect = found[data["effect"]]
        effect.state = _STATES.get(data["status"], "failed")
        effect.outcome_json = codec.dumps(data.get("result") if data["status"] == "ok" else data["error"])
        effect.cost_micro_usd = data.get("cost", 0)
        effect.outcome_seq = entry.seq


def target_name(intent: dict[str, Any]) -> str:
    """Returns what an effect is aimed at, in a word."""
    target = intent["target"]
    if intent["kind"] == "model":
        return f"{target['route']}/{target['tier']}".rstrip("/")
    if intent["kind"] == "memory":
        return f"{target['collection']}/{target['operation']}"
    return f"{target['server']}/{target['tool']}"
