"""Ends a run that its executor cannot go on with, from what is durable."""

from __future__ import annotations

from quarterdeck.common.constants import INLINE_BYTES
from quarterdeck.runtime import events as ev
from quarterdeck.runtime.constants import ITEM_WAKE_DELAY
from quarterdeck.runtime.engine import Engine
from quarterdeck.runtime.loading import load
from quarterdeck.runtime.reducer import apply
from quarterdeck.runtime.store.commits import Commit, commit
from quarterdeck.runtime.store.queue import Claim, current_seq
from quarterdeck.runtime.unit import finished_row, parent_delivery

LONGEST_MESSAGE = INLINE_BYTES // 8


async def fail_run(engine: Engine, claim: Claim, kind: str, message: str) -> None:
    """Appends `run.failed` to a held run and lets it go. Its children are told to stop."""
    current = await engine.database.read(current_seq, claim.run_id)
    loaded = await load(engine, Claim(claim.run_id, claim.tenant_id, claim.epoch, current, claim.attempts))
    state, facts = loaded.state, loaded.facts
    now = engine.clock.now()
    before = state.seq
    event = ev.Event(ev.RUN_FAILED, {"error": ev.error_value(kind, message[:LONGEST_MESSAGE])}, now)
    apply(state, event)
    told = parent_delivery(facts, state, None, ITEM_WAKE_DELAY)
    unit = Commit(
        run_id=facts.run_id,
        tenant_id=facts.tenant_id,
        worker=engine.worker,
        epoch=claim.epoch,
        seq=before,
        events=[event],
        run=finished_row(state, now, None),
        deliveries=[told] if told else [],
        cancel_children=message[:200],
        finished=True,
        gate=facts.gate,
    )
    answer = await engine.database.write(commit, unit, now)
    engine.live.committed(facts.run_id, before + 1, [event])
    await engine.wake(answer.ready, answer.poke)
